"""Trained translation models as classifiers: decoder features, the words to predict from them, the head."""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.harness.ordered import folder_like
from benchmarks.harness.process import USER_DIR, CommandError
from mhe_nmt import OutputHead
from mhe_nmt.files import replacing

_TOKENS = 4000


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines of fairseq, which reports all that it does."""
    before = logging.root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(before)


class TrainedModel:
    """A checkpoint of `fairseq-train` with this package's plug-in.

    Args:
        run: folder with a `checkpoint_best.pt`.
        data: fairseq data folder; of a model that was trained on its copy in a learned order, that copy is
            read.

    Raises CommandError if there is no such checkpoint or data.
    """

    def __init__(self, run: Path, data: Path) -> None:
        checkpoint = _checkpoint(run)
        _check(data)
        with _quiet():
            # fairseq takes seconds to import.
            from fairseq import checkpoint_utils, utils

            utils.import_user_module(argparse.Namespace(user_dir=str(USER_DIR)))
            trained_on = checkpoint_utils.load_checkpoint_to_cpu(str(checkpoint))["cfg"].task.data
            data = folder_like(trained_on, data)
            _check(data)
            (self.model,), _, self._task = checkpoint_utils.load_model_ensemble_and_task(
                [str(checkpoint)], arg_overrides={"data": str(data)}
            )
        self.model.eval()

    @property
    def head(self) -> OutputHead:
        return self.model.decoder.head

    @torch.no_grad()
    @_quiet()
    def features(
        self, split: str, *, positions: int | None = None, training: bool = False, seed: int = 1
    ) -> tuple[Tensor, Tensor]:
        """What the decoder gives the head for the words of a split, and these words.

        Args:
            split: `"train"`, `"valid"` …
            positions: stop after so many; batches are then taken in random order.
            training: with dropout, as the head saw them.
            seed: of the batches' order and of dropout.

        Returns:
            `(n, d)` float32 and `(n,)` int64.
        """
        self._task.load_dataset(split)
        iterator = self._task.get_batch_iterator(
            self._task.dataset(split), max_tokens=_TOKENS, max_positions=(1024, 1024), seed=seed
        ).next_epoch_itr(shuffle=positions is not None)
        torch.manual_seed(seed)
        self.model.train(training)
        features: list[Tensor] = []
        words: list[Tensor] = []
        for batch in iterator:
            output, _ = self.model(**batch["net_input"], features_only=True)
            kept = batch["target"] != self._task.target_dictionary.pad()
            features.append(output[kept])
            words.append(batch["target"][kept])
            if positions is not None and sum(map(len, words)) >= positions:
                break
        self.model.eval()
        return torch.cat(features)[:positions], torch.cat(words)[:positions]


class Frozen(NamedTuple):
    """Features `(n, d)` and words `(n,)` of training and validation, and the size of the dictionary."""

    train: tuple[Tensor, Tensor]
    valid: tuple[Tensor, Tensor]
    labels: int


@functools.lru_cache(1)
def frozen_features(cache: Path, run: Path, data: Path, positions: int, seed: int) -> Frozen:
    """Features of training positions, with dropout, and of validation; made once, kept in `cache`."""
    file, checkpoint = cache / "features.pt", _checkpoint(run)
    made_by = [str(run.resolve()), checkpoint.stat().st_mtime_ns, str(data.resolve()), positions, seed]
    kept = torch.load(file, weights_only=True) if file.exists() else None
    if kept is None or kept["made_by"] != made_by:
        model = TrainedModel(run, data)
        train = model.features("train", positions=positions, training=True, seed=seed)
        frozen = [train, model.features("valid"), model.head.num_labels]
        kept = {"made_by": made_by, "frozen": frozen}
        cache.mkdir(parents=True, exist_ok=True)
        with replacing(file) as partial:
            torch.save(kept, partial)
    return Frozen(*kept["frozen"])


class Text(NamedTuple):
    """Source and target sentences, 1-d int64 that end in `</s>`, and the sizes of the two dictionaries."""

    train: tuple[list[Tensor], list[Tensor]]
    valid: tuple[list[Tensor], list[Tensor]]
    source_words: int
    labels: int


@functools.lru_cache(1)
def sentences(data: Path) -> Text:
    """The text of a fairseq data folder."""
    _check(data)
    splits = []
    with _quiet():
        from fairseq.tasks.translation import TranslationConfig, TranslationTask

        task = TranslationTask.setup_task(TranslationConfig(data=str(data), dataset_impl=None))
        for split in ("train", "valid"):
            task.load_dataset(split)
            pairs: Any = task.dataset(split)
            splits.append(
                tuple([side[number] for number in range(len(pairs))] for side in (pairs.src, pairs.tgt))
            )
    return Text(*splits, len(task.source_dictionary), len(task.target_dictionary))


def _checkpoint(run: Path) -> Path:
    checkpoint = run / "checkpoint_best.pt"
    if not checkpoint.is_file():
        raise CommandError(f"{checkpoint} does not exist; train it with python -m benchmarks.translation")
    return checkpoint


def _check(data: Path) -> None:
    if not any(data.glob("train.*.idx")):
        raise CommandError(f"{data} is not a fairseq data folder; make one with python -m data_prep prepare")

"""One model of `benchmarks.xmc` in a process of its own: trains omikuji, and measures any model."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from mhe_nmt.options import add_options, build
from vision_xmc.xmc.data.label_sets import LabelSets
from vision_xmc.xmc.data.splits import Split, XmcData
from vision_xmc.xmc.data.terms import TermWeights
from vision_xmc.xmc.metrics import inverse_propensities, ranking_means, ranking_sums
from vision_xmc.xmc.model import XmcModel, load_model
from vision_xmc.xmc.options import EncoderOptions, XmcOptions
from vision_xmc.xmc.predict import averaged
from vision_xmc.xmc.setup import load_data

K = 5


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.xmc.worker", description=__doc__, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("kind", choices=("omikuji", "model"))
    parser.add_argument("models", nargs="+", help="parabel or bonsai, or folders of trained models")
    parser.add_argument("--output", type=Path, help="omikuji: folder of the model")
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", help="accepted because other models have it; not used")
    for group in (XmcOptions, EncoderOptions):
        add_options(parser, group)
    given = vars(parser.parse_args(arguments))
    torch.set_num_threads(given["threads"])
    # A peer needs no validation part, so it gets all training documents.
    data = load_data(build(XmcOptions, {**given, "valid_size": 0}), print)
    measure = _omikuji if given["kind"] == "omikuji" else _ours
    result = measure(data, given)
    given["result"].parent.mkdir(parents=True, exist_ok=True)
    given["result"].write_text(json.dumps(result), encoding="utf-8")
    return 0


def _omikuji(data: XmcData, given: dict[str, Any]) -> dict[str, Any]:
    import omikuji

    assert data.test is not None
    rows = _rows(data, build(EncoderOptions, given), build(XmcOptions, given).cache_dir)
    folder = given["output"]
    folder.mkdir(parents=True, exist_ok=True)
    _write_repository(folder / "train.txt", rows["train"], data.train.sets, len(data.label_names))
    hyper = omikuji.Model.default_hyper_param()
    if given["models"] == ["bonsai"]:
        # The settings that omikuji's documentation gives for Bonsai: wide, shallow, unbalanced trees.
        hyper.cluster_balanced, hyper.cluster_k, hyper.max_depth = False, 100, 3
    began = time.monotonic()
    model = omikuji.Model.train_on_data(str(folder / "train.txt"), hyper, given["threads"])
    seconds = time.monotonic() - began
    (folder / "train.txt").unlink()
    model.save(str(folder / "model"))
    model.init_prediction_thread_pool(given["threads"])
    test = rows["test"]
    pairs = [
        list(zip(test.indices[start:end].tolist(), test.data[start:end].tolist(), strict=True))
        for start, end in zip(test.indptr[:-1], test.indptr[1:], strict=True)
    ]
    began = time.monotonic()
    ranked = [[label for label, _ in model.predict(row, top_k=K)] for row in pairs]
    milliseconds = 1000 * (time.monotonic() - began) / len(ranked)
    # A tree may find fewer than five labels; the rest are misses.
    labels = torch.tensor([row + [-1] * (K - len(row)) for row in ranked])
    return {
        **_scores(labels, data, given),
        "train_seconds": seconds,
        "milliseconds": milliseconds,
        "bytes": _size(folder / "model"),
    }


def _ours(data: XmcData, given: dict[str, Any]) -> dict[str, Any]:
    assert data.test is not None
    models = [load_model(folder) for folder in given["models"]]
    if models[0].labels != data.label_names:
        raise SystemExit(f"{given['models'][0]} was trained on other labels")
    documents = data.test.documents
    began = time.monotonic()
    for model in models:
        model.preparation.inputs(documents)
        if model.neighbours is not None:
            model.neighbours.preparation.inputs(documents)
    preparing = time.monotonic() - began
    began = time.monotonic()
    if len(models) == 1:
        _, labels = models[0].predict(documents, K)
    else:
        # Each model prepares its inputs twice: for its own best labels and for those of all models.
        _, labels = averaged(models, documents, K, 64)
        preparing *= 2
    seconds = time.monotonic() - began - preparing
    run = Path(given["models"][0]) / "options.json"
    steps = {}
    if len(models) == 1 and run.exists():
        batch = json.loads(run.read_text(encoding="utf-8"))["batch_size"]
        steps = {
            "trained": {
                "update": trained_parameters(models[0], data.train, batch),
                "one": trained_parameters(models[0], data.train, 1),
            }
        }
    return {
        **_scores(labels, data, given),
        "milliseconds": 1000 * seconds / len(labels),
        "bytes": sum(_bytes(model) for model in models),
        **steps,
    }


def _bytes(model: XmcModel) -> int:
    weights = sum(p.numel() * p.element_size() for p in model.classifier.parameters())
    if model.neighbours is None:
        return weights
    rows, sets = model.neighbours.rows, model.neighbours.sets
    parts = (rows.data, rows.indices, rows.indptr, sets.labels, sets.offsets)
    return weights + sum(part.nbytes for part in parts)


def _scores(best: torch.Tensor, data: XmcData, given: dict[str, Any]) -> dict[str, float]:
    test, train = data.test, data.train
    assert test is not None
    labels, offsets = (torch.from_numpy(part) for part in (test.sets.labels, test.sets.offsets))
    count = len(data.label_names) + len(data.unseen)
    a, b = build(XmcOptions, given).propensity
    weights = inverse_propensities(torch.from_numpy(train.sets.counts(count)), len(train), a, b)
    # Misses get numbers that no label has.
    best = best.where(best >= 0, torch.arange(count, count + K).expand_as(best))
    weights = torch.cat((weights, weights.new_zeros(K)))
    sums = {name: float(value) for name, value in ranking_sums(best, labels, offsets, weights).items()}
    return {"documents": len(test), **ranking_means(sums, len(test))}


def _rows(data: XmcData, encoder: EncoderOptions, cache: Path) -> dict[str, sparse.csr_array]:
    parts: dict[str, Split | None] = {"train": data.train, "test": data.test}
    if isinstance(data.train.documents, list):
        weights = TermWeights.fitted(data.train.documents, encoder.min_documents, cache)
        return {name: weights.rows(part.documents, cache) for name, part in parts.items() if part}  # type: ignore[arg-type]
    return {name: sparse.csr_array(part.documents) for name, part in parts.items() if part}


def _write_repository(path: Path, rows: sparse.csr_array, sets: LabelSets, num_labels: int) -> None:
    with path.open("w") as file:
        file.write(f"{rows.shape[0]} {rows.shape[1]} {num_labels}\n")
        for number in range(rows.shape[0]):
            start, end = rows.indptr[number : number + 2]
            terms = " ".join(
                f"{t}:{w:.6g}" for t, w in zip(rows.indices[start:end], rows.data[start:end], strict=True)
            )
            file.write(f"{','.join(map(str, sets[number]))} {terms}\n")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


BATCHES = 20


def trained_parameters(model: XmcModel, train: Split, batch_size: int) -> int:
    """Mean number of output layer parameters in rows that have a gradient after an update.

    Args:
        train: documents are drawn from it at random, the same ones for every model.
        batch_size: documents per update.
    """
    head = model.classifier.head
    counts = []
    for part in _updates(train, batch_size):
        _pass(model, part)
        counts.append(sum(_with_gradient(parameter.grad) for parameter in head.parameters()))
        head.zero_grad()
    head.eval()
    return round(statistics.mean(counts))


def passes(models: Sequence[XmcModel], train: Split, batch_size: int) -> list[float]:
    """Median milliseconds of processor time of each output layer's forward and backward pass.

    The models take turns on the same updates. The times leave out the encoder and the optimizer.
    """
    seconds: list[list[float]] = [[] for _ in models]
    for part in _updates(train, batch_size):
        for model, taken in zip(models, seconds, strict=True):
            taken.append(_pass(model, part))
            model.classifier.head.zero_grad()
    for model in models:
        model.classifier.head.eval()
    return [1000 * statistics.median(taken) for taken in seconds]


def _updates(train: Split, batch_size: int) -> Iterator[Split]:
    random = np.random.default_rng(1)
    for _ in range(BATCHES):
        yield train.take(random.choice(len(train), min(batch_size, len(train)), replace=False))


def _pass(model: XmcModel, part: Split) -> float:
    """Computes the gradients of the output layer; returns seconds of processor time."""
    head: nn.Module = model.classifier.head.train()
    ((order, features),) = model.batches(part.documents, len(part))
    sets = part.sets.take(np.array(order))
    features.requires_grad_()
    started = time.process_time()
    output = head(features, torch.from_numpy(sets.labels), torch.from_numpy(sets.offsets))
    (output.groups + output.labels).sum().backward()
    return time.process_time() - started


def _with_gradient(gradient: Tensor | None) -> int:
    """Number of values in rows that are not all 0; a single 0 in such a row counts as trained."""
    if gradient is None:
        return 0
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    rows = values.reshape(len(values), -1)
    return int(rows.any(-1).sum()) * rows.size(-1)


if __name__ == "__main__":
    sys.exit(main())

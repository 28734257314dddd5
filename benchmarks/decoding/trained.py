"""Times decoding with trained models: `python -m benchmarks.decoding.trained DATA RUN [RUN ...]`.

Each RUN is a folder with a checkpoint_best.pt, such as those that benchmarks.translation leaves; its name is
the row id of the output layer. On real sentences and in this process it measures the output layer's part of a
decoding step over all scores (`--task translation`) and over candidates (`--task translation_mhe`), and how
sharp the distributions are.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import torch

from benchmarks.decoding.models import batches, mean_entropy
from benchmarks.decoding.step import measure
from benchmarks.harness.ordered import folder_like
from benchmarks.harness.pages import publish
from benchmarks.harness.process import USER_DIR
from benchmarks.harness.results import OUTPUT_LAYER, Row, markdown_table, read_json, write_json
from benchmarks.translation.heads import finds_candidates


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.decoding.trained", description=__doc__.split("\n")[0]
    )
    add = parser.add_argument
    # fmt: off
    add("data", type=Path, metavar="DATA")
    add("runs", type=Path, nargs="+", metavar="RUN")
    add("--sentences", type=int, default=64, metavar="N", help="per batch (default: %(default)s)")
    add("--beam", type=int, default=5, metavar="N", help="default: %(default)s")
    add("--repeats", type=int, default=9, metavar="N", help="of each step (default: %(default)s)")
    add("--results", type=Path, default=Path("docs/results/decoding-trained.json"), metavar="FILE",
        help="default: %(default)s")
    # fmt: on
    options = parser.parse_args()
    write_json(options.results, [measured(run, options) for run in options.runs])
    publish(options.results, tables(options.results))
    print(*tables(options.results).values())


def load(run: Path, data: Path) -> tuple[Any, Any, Any]:
    """The model of a run in evaluation mode, its task, and the same task as ``translation_mhe``.

    Args:
        run: folder with a checkpoint_best.pt.
        data: fairseq data folder, or its copy in the learned order, whichever the checkpoint has.
    """
    from fairseq import checkpoint_utils, utils

    utils.import_user_module(argparse.Namespace(user_dir=str(USER_DIR)))
    from user_dir.tasks.translation_mhe import TranslationMHETask

    checkpoint = str(run / "checkpoint_best.pt")
    trained_on = checkpoint_utils.load_checkpoint_to_cpu(checkpoint)["cfg"].task.data
    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task(
        [checkpoint], arg_overrides={"data": str(folder_like(trained_on, data))}
    )
    candidates = TranslationMHETask(copy.copy(task.cfg), task.source_dictionary, task.target_dictionary)
    return model.eval(), task, candidates


def measured(run: Path, options: argparse.Namespace) -> Row:
    """The row of one trained model."""
    model, task, candidates = load(run, options.data)
    batch = next(batches(task, options.sentences))
    with torch.no_grad():
        features, _ = model(**batch["net_input"], features_only=True)
        entropy = mean_entropy(model, features[batch["target"] != task.target_dictionary.pad()])
    row: dict[str, Any] = {"name": run.name, "labels": len(task.target_dictionary), "entropy_nats": entropy}
    for name, its_task in (("dense", task), ("candidates", candidates)):
        figures = measure(model, its_task, batch, options.beam, options.repeats)
        row.update({f"{name}_{key}": value for key, value in figures.items()})
    return row


def tables(results: Path) -> dict[str, str]:
    """The table of a results file."""

    def candidates(row: Row) -> str:
        # The others take the way of all scores under either task.
        return f"{row['candidates_step_ms']:.1f}" if finds_candidates(row["name"]) else "–"

    columns = [
        OUTPUT_LAYER,
        ("V", lambda row: f"{row['labels']:,}"),
        ("mean entropy, nats", lambda row: f"{row['entropy_nats']:.2f}"),
        ("step over all scores, ms", lambda row: f"{row['dense_step_ms']:.1f}"),
        ("step over candidates, ms", candidates),
    ]
    return {results.stem: markdown_table(read_json(results), columns)}


if __name__ == "__main__":
    main()

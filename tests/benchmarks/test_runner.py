"""The runner's bookkeeping, with small programs in place of fairseq's."""

import json
import shlex
import sys
from dataclasses import replace

import pytest

from benchmarks.harness import runner
from benchmarks.harness.process import ROOT, CommandError, peak_bytes, run_logged, shown
from benchmarks.harness.recipe import recipe, script, shell_lines
from benchmarks.harness.results import (
    OUTPUT_LAYER,
    append_row,
    markdown_table,
    own_parameters,
    read_rows,
    scored,
    signatures,
)
from benchmarks.harness.runner import Experiment
from benchmarks.translation.heads import HEADS, head_options

ROW = {
    "name": "cascade-table",
    "seed": 1,
    "output_layer_parameters": 20000,
    "output_layer_shared_parameters": 0,
    "valid_nll_bits": 2.5,
    "step_ms": 203.7,
    "train_words_per_second": 5123.0,
    "scores": [
        {"lenpen": 1.0, "bleu": 38.49, "chrf++": 58.1, "bleu_signature": "b", "chrf++_signature": "c"},
    ],
}


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_output_and_command_go_to_the_log(tmp_path):
    log, lines = tmp_path / "new" / "a.log", []
    run_logged(
        python("import os; print('threads', os.environ['OMP_NUM_THREADS'])"),
        log,
        threads=3,
        on_line=lines.append,
    )
    assert lines == ["threads 3\n"]
    assert log.read_text().startswith("$ ")
    assert log.read_text().endswith("threads 3\n")


def test_it_tells_what_a_command_took_in_its_environment(tmp_path):
    # More than this process may have had at its peak, with which the child begins.
    size = 2 * peak_bytes()
    code = f"import os; assert os.environ['GREETING'] == 'hi'; bytearray({size}).count(1)"
    took = run_logged(python(code), tmp_path / "a.log", environment={"GREETING": "hi"})
    assert size < took.peak_bytes < size + peak_bytes()
    assert took.seconds > 0


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("raise ValueError('what went wrong')", "what went wrong"),
        ("import sys; sys.exit('tool: error: no such option')", "no such option"),
        ("import sys; print('error: the reason', file=sys.stderr); print('bye'); sys.exit(1)", "the reason"),
        ("import sys; sys.exit(3)", "it printed nothing"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    ],
)
def test_a_failure_is_one_sentence_with_the_log(tmp_path, code, told):
    with pytest.raises(CommandError) as failed:
        run_logged(python(code), tmp_path / "a.log")
    message = str(failed.value)
    assert told in message
    assert "a.log" in message
    assert "\n" not in message
    assert "Traceback" not in message


def test_commands_are_shown_as_typed_in_the_repository():
    assert shown([f"{ROOT}/.venv/bin/x", "--betas", "(0.9, 0.98)"]) == ".venv/bin/x --betas '(0.9, 0.98)'"


@pytest.fixture
def experiment(tmp_path, monkeypatch):
    """A training that writes its number of updates into its checkpoint and fails if told to."""
    program = tmp_path / "fairseq-train"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys\n"
        "a = sys.argv\n"
        "folder = pathlib.Path(a[a.index('--save-dir') + 1])\n"
        "if '--fail' in a: sys.exit('error: told to fail')\n"
        "updates = a[a.index('--max-update') + 1]\n"
        "with (folder / 'checkpoint_best.pt').open('a') as file: file.write(updates + ' ')\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(runner, "tool", lambda name: str(tmp_path / name))
    return Experiment("x", tmp_path / "data", tmp_path / "run", ("--lr", "1", "--max-update", "5"))


def test_a_finished_training_is_not_done_again_but_can_be_extended(experiment):
    announced = []
    runner.train(experiment, announced.append)
    runner.train(experiment, announced.append)
    assert len(announced) == 1
    runner.train(replace(experiment, train_options=("--lr", "1", "--max-update", "9")), announced.append)
    assert experiment.checkpoint.read_text() == "5 9 "


def test_a_folder_of_another_training_is_refused(experiment):
    runner.train(experiment)
    with pytest.raises(CommandError, match="then: --lr 1; now: --lr 2"):
        runner.train(replace(experiment, train_options=("--lr", "2", "--max-update", "5")))


def test_a_failed_training_is_done_again(experiment):
    with pytest.raises(CommandError, match="told to fail"):
        runner.train(replace(experiment, train_options=("--max-update", "5", "--fail")))
    assert not (experiment.folder / "finished.json").exists()


def test_rows_are_kept_and_the_last_of_a_name_counts(tmp_path):
    path = tmp_path / "results" / "rows.jsonl"
    assert read_rows(path) == []
    for row in (ROW, {**ROW, "name": "onehot"}, {**ROW, "step_ms": 100.0}):
        append_row(path, row)
    assert len(path.read_text().splitlines()) == 3
    assert [(row["name"], row["step_ms"]) for row in read_rows(path)] == [
        ("cascade-table", 100.0),
        ("onehot", 203.7),
    ]
    assert [json.loads(line)["name"] for line in path.read_text().splitlines()] == [
        "cascade-table",
        "onehot",
        "cascade-table",
    ]


def test_table():
    shared = {**ROW, "name": "onehot-tied", "output_layer_parameters": 90}
    shared["output_layer_shared_parameters"] = 1000
    columns = [OUTPUT_LAYER, ("its parameters", own_parameters), ("BLEU", scored("bleu"))]
    columns += [("BLEU, lenpen 1.6", scored("bleu", 1.6)), ("chrF++", scored("chrf++"))]
    lines = markdown_table([ROW, shared], columns).splitlines()
    assert lines[0] == "| output layer | its parameters | BLEU | BLEU, lenpen 1.6 | chrF++ |"
    assert lines[2] == "| cascade by table | 20,000 | 38.49 | – | 58.10 |"
    assert lines[3].startswith("| full softmax, tied | 90 + 1,000 shared |")
    assert len({line.count("|") for line in lines}) == 1
    assert signatures([ROW, shared]) == ["b", "c"]


def test_a_row_says_how_its_training_is_repeated(experiment):
    row = recipe(experiment.commands(), updates=5, seed=1, precision=experiment.precision)
    assert (row["recipe"]["updates"], row["recipe"]["precision"]) == (5, "float32")
    assert replace(experiment, train_options=("--autocast-bf16",)).precision == "bfloat16"
    train, generate, score = shell_lines(row)
    assert shlex.split(train)[1:] == [part.replace(f"{ROOT}/", "") for part in experiment.train_command()[1:]]
    assert "--lr 1 --max-update 5 --seed 1" in train
    assert "--user-dir user_dir " in generate
    assert " -m data_prep score " in score
    text = script([("a title", row)], ["prepare"])
    assert "\n\nprepare\n\n# a title\n" + train in text


def test_every_head_shares_the_input_embeddings_one_way(tmp_path):
    for options in (head_options(name, tmp_path, 8000) for name in HEADS):
        assert len({"--share-all-embeddings", "--mhe-share-input-embeddings"} & set(options)) == 1

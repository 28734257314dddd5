"""What is read from fairseq's JSON log."""

import json

import pytest

from benchmarks.harness.train_log import TrainLog, parse_line


def record(kind: str, **values: object) -> str:
    return f"2026-01-01 00:00:00 | INFO | {kind} | " + json.dumps(values)


def train(epoch: int, updates: int, wps: str, ups: str = "2") -> str:
    return record(
        "train",
        epoch=epoch,
        train_num_updates=str(updates),
        train_wps=wps,
        train_ups=ups,
        train_wall=str(epoch * 60),
    )


def valid(epoch: int, updates: int, loss: str, nll: str) -> str:
    return record("valid", epoch=epoch, valid_num_updates=str(updates), valid_loss=loss, valid_nll_loss=nll)


LOG = [
    "sys:1: UserWarning: something | INFO | train | is not a record",
    record("train_inner", epoch=1, update=0.5, num_updates="5", wps="90", ups="1"),
    valid(1, 10, "4.0", "3.5"),
    train(1, 10, "100", "1"),
    valid(2, 20, "3.0", "2.5"),
    train(2, 20, "1000", "4"),
    "KeyboardInterrupt",
    "$ fairseq-train again",
    # Resumed from an earlier checkpoint: the second epoch is done again.
    valid(2, 20, "2.9", "2.4"),
    train(2, 20, "1200", "4"),
    valid(3, 30, "3.1", "2.3"),
    train(3, 30, "1400", "5"),
    "2026-01-01 00:00:00 | INFO | fairseq_cli.train | done training in 180.0 seconds",
]


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("\n".join(LOG) + "\n")
    return path


def test_figures(log):
    assert TrainLog.read(log).figures() == {
        "epochs": 3,
        "updates": 30,
        "train_words_per_second": 1300.0,
        "step_ms": pytest.approx(1000 / 4.5),
        "train_wall_seconds": 180.0,
        # Of the epoch with the best loss, not the best likelihood: it is the one whose checkpoint is used.
        "valid_nll_bits": 2.4,
        "valid_loss": 2.9,
    }


def test_one_epoch_alone_counts(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("\n".join(LOG[:4]))
    assert TrainLog.read(path).figures()["train_words_per_second"] == 100.0


def test_a_log_without_an_epoch_is_refused(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("\n".join(LOG[:2]))
    with pytest.raises(ValueError, match="no finished epoch"):
        TrainLog.read(path)


@pytest.mark.parametrize(
    "line",
    ["", "no record", "x | INFO | train | {broken}", "x | INFO | fairseq.tasks | {}", "| INFO | train | {"],
)
def test_other_lines_are_no_records(line):
    assert parse_line(line) is None


def test_values_that_are_no_numbers_stay(log):
    kind, values = parse_line(record("valid", epoch=1, valid_loss="nan", subset="valid"))
    assert kind == "valid"
    assert values["subset"] == "valid"
    assert values["valid_loss"] != values["valid_loss"]

"""Interrupted runs: nothing half-written counts as finished, and no finished stage is run again."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from data_prep import stages
from data_prep.cli import main
from data_prep.folder import locked
from data_prep.manifest import Manifest
from tests.data_prep.corpus import ROOT, prepare_args, run_cli, run_here, snapshot

STAGES = list(stages.STAGES)


@pytest.mark.slow
def test_resumes_at_the_stage_it_stopped_at(corpus, prepared, tmp_path, monkeypatch):
    """Interrupts each stage in turn after it has written its files; the last run is left to finish."""
    destdir = tmp_path / "data"
    args = list(map(str, prepare_args(corpus, destdir)))
    original = dict(stages.STAGES)
    ran = []

    def interrupt(stage):
        def run(job, work):
            ran.append(stage)
            if stage == "binarise":
                (work / "train.de-en.de.bin").write_bytes(b"half")
            else:
                original[stage](job, work)
                for path in work.rglob("*"):
                    if path.is_file():
                        os.truncate(path, path.stat().st_size // 2)
            raise KeyboardInterrupt

        return run

    def watch(stage):
        def run(job, work):
            ran.append(stage)
            return original[stage](job, work)

        return run

    for index, stage in enumerate(STAGES):
        for name in STAGES:
            monkeypatch.setitem(stages.STAGES, name, interrupt(name) if name == stage else watch(name))
        ran.clear()
        assert main(args) == 130
        # The stage interrupted in the last round, which now finishes, and the next one.
        assert ran == STAGES[max(index - 1, 0) : index + 1]
        assert list(Manifest.load(destdir).stages) == STAGES[:index]
    monkeypatch.undo()
    assert "is ready" in run_cli(*args).stdout
    assert snapshot(destdir) == snapshot(prepared)


def test_a_stage_killed_while_its_files_were_renamed(corpus, prepared, tmp_path, monkeypatch, no_fairseq):
    destdir = tmp_path / "data"
    args = list(map(str, prepare_args(corpus, destdir)))
    replace, calls = os.replace, []

    def dying_replace(source, target):
        calls.append(target)
        if len(calls) == 4:  # the manifest, then the third file
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", dying_replace)
    assert main(args) == 130
    monkeypatch.setattr(os, "replace", replace)
    assert len(list((destdir / "raw").iterdir())) == 2
    assert not Manifest.load(destdir).stages
    assert main(args) == 0
    assert snapshot(destdir / "raw") == snapshot(prepared / "raw")


@pytest.mark.slow
def test_a_missing_output_is_made_again(corpus, prepared, tmp_path):
    copy = shutil.copytree(prepared, tmp_path / "copy")
    (copy / "test1.de-en.en.idx").unlink()
    model = (copy / "spm.model").stat().st_mtime_ns
    assert "is ready" in run_here(*prepare_args(corpus, copy)).stdout
    assert (copy / "spm.model").stat().st_mtime_ns == model
    assert snapshot(copy) == snapshot(prepared)


@pytest.mark.parametrize("leftover", [".unfinished/manifest.json", ".unfinished/clean/raw/train.de"])
def test_killed_before_the_first_manifest(corpus, tmp_path, no_fairseq, leftover):
    path = tmp_path / "data" / leftover
    path.parent.mkdir(parents=True)
    path.write_text("half")
    assert run_here(*prepare_args(corpus, tmp_path / "data")).returncode == 0
    assert not (tmp_path / "data" / ".unfinished").exists()


@pytest.mark.slow
def test_killed_while_fairseq_is_at_work(corpus, prepared, tmp_path):
    """The same command finishes the job once an orphaned fairseq-preprocess has released the folder."""
    destdir = tmp_path / "data"
    args = prepare_args(corpus, destdir)
    process = subprocess.Popen(
        [sys.executable, "-m", "data_prep", *map(str, args)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (destdir / ".unfinished" / "binarise").exists():
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(0.2)  # let the child start
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(Manifest.load(destdir).stages) == STAGES[:3]
    while (done := run_here(*args)).returncode:
        # fairseq-preprocess has outlived its parent, and holds the lock.
        assert "another prepare is at work" in done.stderr
        time.sleep(0.5)
    assert snapshot(destdir) == snapshot(prepared)


def test_two_at_once(corpus, tmp_path):
    destdir = tmp_path / "data"
    with locked(destdir):
        done = run_here(*prepare_args(corpus, destdir))
    assert done.returncode == 1
    assert f"another prepare is at work in {destdir}" in done.stderr
    assert not list(destdir.iterdir())

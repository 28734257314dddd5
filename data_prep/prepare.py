"""One run of ``prepare``: checks the inputs, opens the folder and runs the stages that are not finished."""

import os
import shutil
from pathlib import Path
from typing import Any

from data_prep.binarise import require_fairseq
from data_prep.errors import PrepError
from data_prep.folder import locked, open_folder
from data_prep.inputs import ParallelFiles
from data_prep.manifest import SCRATCH_NAME, Manifest, file_record
from data_prep.options import PrepareOptions
from data_prep.stages import STAGES, Job, Stage


def prepare(
    files: dict[str, ParallelFiles],
    destdir: Path,
    options: PrepareOptions,
    *,
    overwrite: bool = False,
    quiet: bool = False,
) -> tuple[Manifest, list[str]]:
    """Makes the fairseq data folder ``destdir``.

    ``files`` maps ``train`` and perhaps ``valid``, ``test``, ``test1`` … to their files. Returns the manifest
    and the names of the stages that ran, which are none when the folder was up to date.
    """
    require_fairseq()
    _refuse_inputs_among_outputs(files, destdir)
    inputs = _inspect(files, options)
    with locked(destdir) as lock:
        manifest = open_folder(destdir, options, inputs, overwrite=overwrite)
        return manifest, run_stages(Job(files, options, manifest, quiet, lock), STAGES)


def run_stages(job: Job, stages: dict[str, Stage]) -> list[str]:
    """Runs the stages that are not complete, and returns their names."""
    todo = _unfinished(job.manifest)
    try:
        for stage in todo:
            _run_stage(stage, job, stages[stage])
    finally:
        shutil.rmtree(job.destdir / SCRATCH_NAME, ignore_errors=True)
    return todo


def _refuse_inputs_among_outputs(files: dict[str, ParallelFiles], destdir: Path) -> None:
    outputs = {(destdir / folder).resolve() for folder in ("raw", "text", SCRATCH_NAME)}
    for path in (path for pair in files.values() for path in pair):
        if path.resolve().parent in outputs:
            raise PrepError(f"the input {path} lies where prepare writes its output; use another --destdir")


def _inspect(files: dict[str, ParallelFiles], options: PrepareOptions) -> dict[str, Any]:
    return {
        f"{split}.{lang}": facts
        for split, pair in files.items()
        for lang, facts in zip(options.languages, pair.inspect(), strict=True)
    }


def _unfinished(manifest: Manifest) -> list[str]:
    """The first stage that is not complete, and all stages after it, which depend on its output."""
    names = list(STAGES)
    whole = 0
    while whole < len(names) and manifest.is_whole(names[whole]):
        whole += 1
    return names[whole:]


def _run_stage(stage: str, job: Job, work_on: Stage) -> None:
    manifest = job.manifest
    work = job.destdir / SCRATCH_NAME / stage
    shutil.rmtree(work, ignore_errors=True)
    for later in list(STAGES)[list(STAGES).index(stage) :]:
        manifest.stages.pop(later, None)
    # Saved before any file is replaced, because a stage that is being redone must not look finished.
    manifest.save()
    work.mkdir()
    facts = work_on(job, work)
    outputs = {}
    for path in sorted(path for path in work.rglob("*") if path.is_file()):
        name = path.relative_to(work).as_posix()
        outputs[name] = file_record(path)
        (job.destdir / name).parent.mkdir(exist_ok=True)
        os.replace(path, job.destdir / name)
    manifest.stages[stage] = {**facts, "outputs": outputs}
    manifest.save()

"""The ``reorder`` command: copies a data folder, with the target dictionary in a label order.

Label and rank are then the same, so a head needs no label order, and a tied embedding no gather.
"""

import re
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.binarise import require_fairseq
from data_prep.dictionary import SPECIAL_SYMBOLS, read_symbols
from data_prep.errors import PrepError
from data_prep.folder import locked, open_folder
from data_prep.lines import read_lines
from data_prep.manifest import Manifest, file_record
from data_prep.options import PrepareOptions, ReorderOptions, RunOptions
from data_prep.order import order_dictionaries
from data_prep.prepare import run_stages
from data_prep.stages import STAGES, Job, Stage
from mhe_nmt.order import read_ranks

_MADE_FROM = re.compile(r"# of dict\.\S+\.txt ([0-9a-f]{16}),")


def reorder(run: RunOptions, options: ReorderOptions) -> tuple[Manifest, list[str], bool]:
    """Makes the data folder ``run.destdir``.

    With a learned order, the new folder is the one that ``prepare --dictionary-order learned`` would have
    made.

    Returns:
        The new manifest, the names of the stages that ran, which are none when the folder was up to date, and
        whether fairseq's own symbols had to be moved to the front of the order that was given.

    Raises:
        PrepError: if the folder is not finished, was changed or is in another order already, or if the order
            is not one of its dictionary.
    """
    require_fairseq()
    if run.destdir.resolve() == options.data.resolve():
        raise PrepError(
            f"--destdir {run.destdir} is --data itself, whose trained models would no longer fit; "
            "use another --destdir"
        )
    if options.order is not None and options.cluster_size is not None:
        raise PrepError("--cluster-size is for a learned order, but --order gives one; use one of the two")
    source = _finished(options.data)
    ranks = None if options.order is None else _given_ranks(options.order, source)
    new = _new_options(source, options)
    with locked(run.destdir) as lock:
        manifest = open_folder(run.destdir, new, source.content["inputs"], overwrite=run.overwrite)
        copies = {name: _copying(source, name, ranks) for name in STAGES if name != "binarise"}
        ran = run_stages(Job({}, new, manifest, run.quiet, lock), {**STAGES, **copies})
    specials = np.arange(len(SPECIAL_SYMBOLS))
    return manifest, ran, ranks is not None and not np.array_equal(ranks[: len(specials)], specials)


def _finished(data: Path) -> Manifest:
    """The manifest of a folder that is whole, with the most frequent pieces first."""
    source = Manifest.load(data)
    if source.is_reordered:
        raise PrepError(
            f"the dictionary of {data} is in a label order already; give the folder that has the most "
            "frequent pieces first"
        )
    if set(source.stages) != set(STAGES):
        raise PrepError(f"{data} is not finished; run the same prepare command again")
    for name in source.outputs:
        source.path(name)
    return source


def _given_ranks(order: Path, source: Manifest) -> np.ndarray:
    """The ranks in a file, which must be those of the folder's target dictionary."""
    dictionary = source.path(f"dict.{source.options['target_lang']}.txt")
    try:
        made_from = [match[1] for line in read_lines(order) if (match := _MADE_FROM.match(line))]
        ranks = read_ranks(order, len(read_symbols(dictionary)), "symbols in the target dictionary")
    except ValueError as error:
        raise PrepError(str(error)) from None
    if made_from and not file_record(dictionary)["sha256"].startswith(made_from[0]):
        raise PrepError(
            f"{order} was made from another dictionary than {dictionary}; make it anew with "
            f"python -m data_prep order --data {source.destdir}"
        )
    return ranks


def _new_options(source: Manifest, options: ReorderOptions) -> PrepareOptions:
    known = {field.name for field in fields(PrepareOptions)}
    kept = {name: value for name, value in source.options.items() if name in known}
    order = "learned" if options.order is None else f"file {file_record(options.order)['sha256']}"
    return PrepareOptions(**kept | {"dictionary_order": order, "cluster_size": options.cluster_size})


def _copying(source: Manifest, stage: str, ranks: np.ndarray | None) -> Stage:
    """A stage that copies the files and the facts of the other folder."""

    def copy(job: Job, work: Path) -> dict[str, Any]:
        facts = dict(source.stages[stage])
        for name in job.bar(facts.pop("outputs"), f"copy {stage}", len(source.stages[stage]["outputs"])):
            (work / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(source.destdir / name, work / name)
        if stage == "encode":
            facts["dictionary"] = order_dictionaries(work, job.options, ranks)
        return facts

    return copy

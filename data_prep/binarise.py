"""fairseq-preprocess, run in its own process."""

import os
import re
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from data_prep.errors import PrepError
from data_prep.options import PrepareOptions

_UNKNOWN = re.compile(r"text/(\S+): \d+ sents, \d+ tokens, ([\d.e-]+)% replaced")
# Magic number, version, code of the token type, sentences.
_HEADER = struct.Struct("<9sQBQ")


def require_fairseq() -> None:
    """Refuses early when fairseq is missing: it is not needed until the last stage, after the long ones."""
    if find_spec("fairseq_cli") is None:
        raise PrepError(
            "fairseq, which writes the binary data files, is not installed in this Python; run `make setup`"
        )


def binarise(
    destdir: Path, work: Path, options: PrepareOptions, splits: list[str], lock: int
) -> dict[str, dict[str, float]]:
    """Binarise ``destdir/text/SPLIT.LANG`` into ``work``, a folder below ``destdir``.

    Returns what fairseq counted in each text file: its sentences, and the percentage of unknown tokens.
    The child process holds ``lock`` too, so that it keeps the folder even if this process is killed.
    """
    command = [sys.executable, "-P", "-m", "fairseq_cli.preprocess"]
    command += ["--source-lang", options.source_lang, "--target-lang", options.target_lang]
    command += ["--trainpref", "text/train", "--validpref", "text/valid"]
    if tests := [f"text/{split}" for split in splits if split.startswith("test")]:
        command += ["--testpref", ",".join(tests)]
    command += ["--srcdict", f"dict.{options.source_lang}.txt"]
    if options.joined_dictionary:
        command.append("--joined-dictionary")
    else:
        command += ["--tgtdict", f"dict.{options.target_lang}.txt"]
    # Relative paths, from inside the folder: fairseq splits prefixes at commas, and destdir may hold one.
    command += ["--destdir", str(work.relative_to(destdir)), "--workers", "1"]
    done = subprocess.run(
        command,
        cwd=destdir,
        env=os.environ
        | {"LOGLEVEL": "INFO", "PYTHONUTF8": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=(lock,),
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").split("\n")[
            -1
        ]
        raise PrepError(f"fairseq-preprocess failed on {destdir / 'text'}: {last}")
    log = work / "preprocess.log"
    unknown = dict(_UNKNOWN.findall(log.read_text(encoding="utf-8")))
    for copy in (log, *work.glob("dict.*.txt")):
        copy.unlink()
    facts: dict[str, dict[str, float]] = {}
    for split in splits:
        for lang in options.languages:
            name = f"{split}.{lang}"
            pair = f"{options.source_lang}-{options.target_lang}"
            facts[name] = {"sentences": _sentences(work / f"{split}.{pair}.{lang}.idx")}
            if name in unknown:
                facts[name]["unknown_percent"] = float(unknown[name])
    return facts


def _sentences(index: Path) -> int:
    """The number of sentences according to the header of a fairseq index."""
    with index.open("rb") as stream:
        magic, _, _, sentences = _HEADER.unpack(stream.read(_HEADER.size))
    if magic != b"MMIDIDX\0\0":
        raise PrepError(
            f"{index} is not the index that fairseq-preprocess should have written; check fairseq"
        )
    return sentences

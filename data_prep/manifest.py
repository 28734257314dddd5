"""``manifest.json``: what a data folder was made from, with which options, and which stages are finished.

A stage writes into a scratch folder. Its files are renamed into place and only then recorded here; the
manifest itself is replaced by an atomic rename. So a stage that the manifest names is complete.
"""

import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from data_prep.errors import PrepError
from mhe_nmt.files import replacing

MANIFEST_NAME = "manifest.json"
SCRATCH_NAME = ".unfinished"
FORMAT = 1
_LIBRARIES = ("sentencepiece", "sacremoses", "fairseq", "fairseq-fixed", "numpy", "torch")


def library_versions() -> dict[str, str]:
    """Versions of Python and of every library that shapes the output."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def file_record(path: Path) -> dict[str, Any]:
    """Digest and size of a file."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


class Manifest:
    """The manifest of one data folder."""

    def __init__(self, destdir: Path, content: dict[str, Any]) -> None:
        self.destdir = destdir
        self.content = content

    @classmethod
    def load(cls, destdir: Path) -> "Manifest":
        """Read ``destdir/manifest.json``."""
        path = destdir / MANIFEST_NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            known = content["format"]
            if not all(isinstance(content[key], dict) for key in ("options", "inputs", "stages")):
                raise ValueError("not written by save()")
        except (FileNotFoundError, NotADirectoryError):
            raise PrepError(
                f"{path} does not exist; give a folder that `python -m data_prep prepare` made"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise PrepError(f"{path} is not a manifest of data_prep; prepare the data again") from None
        if known != FORMAT:
            raise PrepError(
                f"{path} has format {known}, but this version reads format {FORMAT}; prepare the data again"
            )
        return cls(destdir, content)

    def save(self) -> None:
        """Writes the whole manifest or nothing."""
        scratch = self.destdir / SCRATCH_NAME
        scratch.mkdir(exist_ok=True)
        text = json.dumps(self.content, indent=2, ensure_ascii=False) + "\n"
        with replacing(self.destdir / MANIFEST_NAME, scratch=scratch) as partial:
            partial.write_text(text, encoding="utf-8")

    @property
    def options(self) -> dict[str, Any]:
        """The options of the run."""
        return self.content["options"]

    @property
    def is_reordered(self) -> bool:
        """Whether the target dictionary is in a label order instead of the most frequent pieces first."""
        return self.options.get("dictionary_order", "frequency") != "frequency"

    @property
    def stages(self) -> dict[str, Any]:
        """Facts and outputs of the finished stages, in their order."""
        return self.content["stages"]

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """Every file of the finished stages, by its name relative to the folder."""
        return {name: record for stage in self.stages.values() for name, record in stage["outputs"].items()}

    def path(self, name: str) -> Path:
        """The path of a recorded output; refused when the file is gone or was changed."""
        path = self.destdir / name
        record = self.outputs.get(name)
        if record is None:
            raise PrepError(f"{self.destdir} has no {name} in its manifest; let `prepare` finish first")
        if not path.is_file():
            raise PrepError(f"{path} is gone; run the same prepare command again to make it")
        if file_record(path) != record:
            raise PrepError(
                f"{path} was changed after it was made; use --overwrite to start over, or another --destdir"
            )
        return path

    def reference_path(self, split: str, lang: str) -> Path:
        """The raw text of a split, to score translations against."""
        splits = self.stages["clean"]["pairs"] if "clean" in self.stages else {}
        if split not in splits:
            raise PrepError(
                f"{self.destdir} has no split {split!r}; it has {', '.join(splits) or 'none yet'}"
            )
        return self.path(f"raw/{split}.{lang}")

    def model_path(self, lang: str) -> Path:
        """The SentencePiece model of a language."""
        models = self.stages["subword"]["models"] if "subword" in self.stages else {}
        if lang not in models:
            known = " and ".join(models) or "none yet"
            raise PrepError(f"{self.destdir} has no subword model for {lang!r}; its languages are {known}")
        return self.path(models[lang])

    def is_whole(self, stage: str) -> bool:
        """True when the stage is finished and its files exist; refused when one of them was changed."""
        if stage not in self.stages:
            return False
        names = self.stages[stage]["outputs"]
        return all((self.destdir / name).is_file() for name in names) and all(map(self.path, names))

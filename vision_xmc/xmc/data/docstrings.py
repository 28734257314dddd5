"""A data set that every machine has: the docstrings of Python's standard library.

A document is the docstring of a module, class, function or method. Its labels are the module and packages
that it belongs to, and the words of its qualified name: ``http.client.HTTPConnection.getresponse`` has
``module:http``, ``module:http.client``, ``word:connection``, ``word:getresponse`` … The files are parsed, not
imported.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import sysconfig
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vision_xmc.common.cache import digest, made_once
from vision_xmc.xmc.data.files import Part, read_lines
from vision_xmc.xmc.data.label_sets import LabelSets

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: Folders to skip: they hold few docstrings for their size, or packages of other projects.
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "lib2to3", "__pycache__"}


def docstring_parts(
    cache: Path, *, test_share: float = 0.2, least: int = 3, seed: int = 0
) -> dict[str, Part]:
    """The training part and the test part, by role.

    Args:
        cache: folder for the docstrings, because parsing the library takes a while.
        test_share: share of the documents in the test part.
        least: labels with fewer documents are left out.
        seed: of the split.
    """
    name = f"docstrings-{digest([sys.version, str(_library())])}"
    lines = read_lines(made_once(cache / name, _collect) / "documents.jsonl")
    documents: list[tuple[str, list[str]]] = [tuple(json.loads(line)) for line in lines]
    # Otherwise an inherited or copied text could be on both sides of the split.
    unique = dict(reversed(documents))
    counts = Counter(label for labels in unique.values() for label in labels)
    frequent = {text: [y for y in labels if counts[y] >= least] for text, labels in unique.items()}
    kept = {text: labels for text, labels in frequent.items() if labels}
    texts, sets = sorted(kept), [kept[text] for text in sorted(kept)]
    order = np.random.default_rng(seed).permutation(len(texts))
    cut = round(test_share * len(texts))
    return {
        role: Part(
            [texts[number] for number in numbers],
            *LabelSets.of_names(sets[number] for number in numbers),
            f"docstrings ({role})",
        )
        for role, numbers in (("train", np.sort(order[cut:])), ("test", np.sort(order[:cut])))
    }


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _collect(folder: Path) -> None:
    with (folder / "documents.jsonl").open("w", encoding="utf-8") as file:
        for document in _documents(_library()):
            file.write(json.dumps(document) + "\n")


def _documents(library: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if _LEFT_OUT.intersection(parts):
            continue
        try:
            with warnings.catch_warnings():
                # The library's own strings may hold invalid escapes.
                warnings.simplefilter("ignore")
                tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        yield from _of_node(tree, parts[:-1] if parts[-1] == "__init__" else parts, [])


def _of_node(node: ast.AST, module: tuple[str, ...], names: list[str]) -> Iterator[tuple[str, list[str]]]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if isinstance(node, kinds) and (text := ast.get_docstring(node)) and len(text.split()) >= 3:
        packages = [".".join(module[: depth + 1]) for depth in range(len(module))]
        words = {word.lower() for name in names for word in _WORD.findall(name) if len(word) > 2}
        labels = [f"module:{name}" for name in packages] + sorted(f"word:{word}" for word in words)
        yield " ".join(text.split()), labels
    for child in ast.iter_child_nodes(node):
        if isinstance(child, kinds):
            yield from _of_node(child, module, [*names, child.name])  # type: ignore[union-attr]

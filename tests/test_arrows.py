"""The layout of the code: every module imports alone, and imports point in the allowed directions only."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

_TRAINER = ("mhe_nmt", "vision_xmc.engine", "vision_xmc.data", "vision_xmc.common")

#: What each room may import of ours, besides itself. A room that is not listed must not exist.
ALLOWED: dict[str, tuple[str, ...]] = {
    "mhe_nmt": (),
    "user_dir": ("mhe_nmt",),
    "data_prep": ("mhe_nmt",),
    "vision_xmc.common": ("mhe_nmt",),
    "vision_xmc.data": ("mhe_nmt", "vision_xmc.common"),
    "vision_xmc.engine": ("mhe_nmt", "vision_xmc.data", "vision_xmc.common"),
    "vision_xmc.image": _TRAINER,
    "vision_xmc.xmc": _TRAINER,
    "vision_xmc.face": _TRAINER,
    "benchmarks.harness": ("mhe_nmt",),
    "benchmarks": ("mhe_nmt", "user_dir", "data_prep", "vision_xmc", "benchmarks"),
    "examples": ("mhe_nmt", "data_prep", "benchmarks.harness"),
    "tests": ("mhe_nmt", "user_dir", "data_prep", "vision_xmc", "benchmarks", "examples"),
}
PACKAGES = tuple(dict.fromkeys(room.partition(".")[0] for room in ALLOWED))
CORE_NEEDS = {"numpy", "torch"}
#: The one module of the core that uses one more package, which it imports only once its kernels are called.
ALSO_NEEDS = {"mhe_nmt.heads.grouped_triton_kernels": "triton"}


def files(package: str) -> Iterator[tuple[str, Path]]:
    """The modules of a package by name, with their files."""
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = {name: path for package in PACKAGES for name, path in files(package)}


def imports(source: str, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that the source imports, on whichever level it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield node.lineno, name if name in MODULES else base


def is_below(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(module: str) -> str | None:
    """The innermost room that the module is in."""
    return max((room for room in ALLOWED if is_below(module, room)), key=len, default=None)


def wrong_arrows(source: str, module: str, is_package: bool = False) -> list[str]:
    """A sentence for each import that the table does not allow."""
    room = room_of(module)
    assert room is not None, f"{module} is in no room of the table"
    wrong = []
    for line, name in imports(source, module, is_package):
        top = name.partition(".")[0]
        if top in PACKAGES:
            good = any(is_below(name, target) for target in (room, *ALLOWED[room]))
        else:
            good = room != "mhe_nmt" or top in (*CORE_NEEDS, *sys.stdlib_module_names)
            good = good or ALSO_NEEDS.get(module) == top
        if not good:
            wrong.append(f"{module}, line {line}, imports {name}")
    return wrong


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_in_allowed_directions(package: str) -> None:
    wrong = [
        sentence
        for module, path in files(package)
        if module != "vision_xmc"
        for sentence in wrong_arrows(path.read_text("utf-8"), module, path.stem == "__init__")
    ]
    assert not wrong


def test_vision_xmc_has_no_module_outside_its_rooms() -> None:
    rooms = {room.partition(".")[2] for room in ALLOWED if room.startswith("vision_xmc.")}
    folder = REPOSITORY / "vision_xmc"
    assert {path.name for path in folder.glob("*.py")} == {"__init__.py"}
    assert {path.parent.name for path in folder.glob("*/*.py")} == rooms
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    assert [type(node) for node in tree.body] == [ast.Expr], "vision_xmc/__init__.py is a docstring"


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("mhe_nmt.heads.base", "import fairseq.models", "fairseq.models"),
        ("mhe_nmt.heads.grouped_triton", "def f():\n    import triton", "triton"),
        ("mhe_nmt.codec", "def f():\n    from vision_xmc.common import errors", "vision_xmc.common.errors"),
        ("user_dir.errors", "from vision_xmc.common.errors import UsageError", "vision_xmc.common.errors"),
        ("data_prep.lines", "import benchmarks.harness.runner", "benchmarks.harness.runner"),
        ("vision_xmc.common.lock", "from ..engine import loop", "vision_xmc.engine.loop"),
        ("vision_xmc.data.views", "from vision_xmc.engine.loop import Loop", "vision_xmc.engine.loop"),
        ("vision_xmc.engine.loop", "if True:\n    from vision_xmc import image", "vision_xmc.image"),
        ("vision_xmc.image.task", "from vision_xmc.face.task import FAR", "vision_xmc.face.task"),
        ("vision_xmc.xmc.task", "from benchmarks import image", "benchmarks.image"),
        ("benchmarks.harness.runner", "from ..xmc import worker", "benchmarks.xmc.worker"),
        ("examples.demo.report", "from benchmarks.face.report import report", "benchmarks.face.report"),
    ],
)
def test_a_wrong_arrow_is_found(module: str, source: str, name: str) -> None:
    line = len(source.splitlines())
    assert wrong_arrows(source, module) == [f"{module}, line {line}, imports {name}"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        (
            "mhe_nmt.heads.base",
            "import math\nimport torch.nn\nfrom numpy import int8\nfrom ..codec import x",
        ),
        ("mhe_nmt.heads.grouped_triton_kernels", "def f():\n    import triton.language as tl"),
        ("vision_xmc.face.train", "from . import task\nfrom vision_xmc.engine import loop\nimport onnx"),
        ("vision_xmc.data.views", "from vision_xmc.common.errors import UsageError\nimport mhe_nmt"),
        ("benchmarks.image", "from vision_xmc.image.task import ImageTask\nimport benchmarks.harness.runner"),
    ],
)
def test_a_right_arrow_is_let_through(module: str, source: str) -> None:
    assert wrong_arrows(source, module) == []


#: Loads what is slow and not ours once, then imports each module in a copy of this process.
_IMPORT_EACH = """
import importlib, os, sys, traceback

others, modules = (line.split() for line in sys.stdin)
for name in others:
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # An optional package. A module that cannot do without it fails below.
for module in modules:
    sys.stdout.flush()
    child = os.fork()
    if not child:
        try:
            importlib.import_module(module)
        except BaseException:
            print(f"{module}: {traceback.format_exc()}", flush=True)
            os._exit(1)
        os._exit(0)
    os.waitpid(child, 0)
print("all tried:", len(modules))
"""


@pytest.mark.slow
def test_every_module_imports_alone() -> None:
    modules = [module for module in MODULES if not is_below(module, "tests")]
    others = {
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for module in modules
        for node in ast.parse(MODULES[module].read_text("utf-8")).body
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
    }
    others = {name for name in others if name and name.partition(".")[0] not in PACKAGES}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _IMPORT_EACH],
        input=f"{' '.join(sorted(others))}\n{' '.join(modules)}\n",
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        timeout=900,
        check=False,
    )
    assert len(modules) > 150
    assert done.stdout == f"all tried: {len(modules)}\n", done.stdout + done.stderr

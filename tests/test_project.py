"""What is written in several files of the project must be the same in all of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

import mhe_nmt

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_citation_has_the_version_of_the_package() -> None:
    assert f"\nversion: {mhe_nmt.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_package_says_that_it_is_typed() -> None:
    packages = [
        name.removesuffix("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    ]
    assert set(PROJECT["tool"]["mypy"]["packages"]) <= set(packages)
    assert [name for name in packages if not (ROOT / name / "py.typed").is_file()] == []
    assert PROJECT["tool"]["setuptools"]["package-data"]["*"] == ["py.typed"]


def test_one_range_of_ruff() -> None:
    (required,) = [name for name in PROJECT["project"]["optional-dependencies"]["dev"] if "ruff" in name]
    assert required == "ruff" + PROJECT["tool"]["ruff"]["required-version"]


def test_tested_versions_are_within_the_ranges() -> None:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    tested = {canonicalize_name(name): version for name, version in pins}
    extras = PROJECT["project"]["optional-dependencies"].values()
    for wanted in map(
        Requirement, [*PROJECT["project"]["dependencies"], *(one for extra in extras for one in extra)]
    ):
        assert wanted.specifier.contains(tested[canonicalize_name(wanted.name)]), wanted

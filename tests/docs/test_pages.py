"""Links in the pages lead somewhere, tables stay narrow, and generated pages hold what the commands take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, REPOSITORY, blocks, written_pages
from tests.docs.test_commands import hook

ALL = sorted(DOCS.rglob("*.md"))
OUTSIDE = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")]
COLUMNS = 7


def without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The ids that the site gives to a page's headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", re.sub(r"[`*]", "", heading)).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", plain))
    return found


def generated() -> dict[str, str]:
    pages = {page.path: hook().page_text(page) for page in hook().PAGES}
    return {**pages, hook().FAIRSEQ_PAGE: hook().fairseq_page_text()}


@pytest.mark.parametrize("page", [*ALL, *OUTSIDE], ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links(page: Path) -> None:
    made = {DOCS / path for path in (*[known.path for known in hook().PAGES], hook().FAIRSEQ_PAGE)}
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page)):
        if target.startswith("http") or (page in OUTSIDE and not target.startswith("docs/")):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists() or path in made, f"{page.name}: {target}"
        assert page in OUTSIDE or DOCS in path.parents, f"{page.name}: {target} is outside the site"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page.name}: {target}"


@pytest.mark.parametrize("page", written_pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_tables_fit_on_a_page(page: Path) -> None:
    for line in without_code(page).splitlines():
        if re.fullmatch(r"\|[-:|]+\|", line):
            assert line.count("|") - 1 <= COLUMNS, f"{page.name}: {line}"


def test_generated_pages_list_what_the_parsers_take() -> None:
    pages = generated()
    assert "`--mhe-head {onehot,product,cascade,sampling}`" in pages["reference/options-fairseq.md"]
    assert "--autocast-bf16" in pages["reference/options-fairseq.md"]
    assert "## `python -m data_prep prepare`" in pages["reference/options-data-prep.md"]
    assert "## `python -m vision_xmc.xmc neighbours`" in pages["reference/options-text.md"]
    assert "## `python -m vision_xmc.face eval-ijb`" in pages["reference/options-faces.md"]
    for page in hook().PAGES:
        for command in page.commands:
            for _, parser in hook()._with_commands_below(command.name, hook().parser_of(command)):
                for action in parser._actions:
                    if action.option_strings and "--help" not in action.option_strings:
                        assert action.option_strings[0] in pages[page.path]


@pytest.mark.parametrize("page", ["guides/deployment.md"])
def test_python_in_guides_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [block.text for block in blocks(DOCS / page) if block.language == "python"]
    assert examples
    for example in examples:
        exec(compile(example, page, "exec"), {"__name__": "example"})

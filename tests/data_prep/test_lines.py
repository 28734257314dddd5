"""Line handling: every later program must count the same lines as this one."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.errors import PrepError
from data_prep.lines import decode_lines, inspect_file, plain_spaces, read_lines, safe_line, write_lines

# Everything that some program takes for the end of a line or for white space, among ordinary text.
breaks = st.sampled_from("\n\r\t\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\xa0\u3000\ufeff ab")
nasty = st.text(st.one_of(breaks, st.characters(codec="utf-8")))
line = nasty.map(lambda text: text.replace("\n", ""))


@given(nasty)
def test_safe_line_is_one_line_for_everybody(text):
    safe = safe_line(text)
    assert len(safe) == len(text)
    assert len(safe.splitlines()) <= 1
    assert list(io.StringIO(safe, newline=None)) == ([safe] if safe else [])


@given(nasty)
def test_plain_spaces_leaves_only_single_ascii_spaces(text):
    plain = plain_spaces(text)
    assert plain.split(" ") == (plain.split() or [""])
    assert plain == plain_spaces(plain) == plain_spaces(safe_line(text))


@given(st.lists(line, min_size=1))
def test_lines_are_split_at_line_feeds_only(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(("\n".join(lines) + "\n").encode())
    expected = [text.removesuffix("\r") for text in [lines[0].removeprefix("\ufeff"), *lines[1:]]]
    read = list(read_lines(path))
    assert read == [safe_line(text) for text in expected]
    write_lines(path, read)
    assert path.read_bytes().count(b"\n") == len(lines)
    assert len(path.read_text(encoding="utf-8").splitlines()) == len(lines)


def test_last_line_without_line_feed_counts(tmp_path):
    (tmp_path / "a").write_bytes(b"one\ntwo")
    (tmp_path / "b").write_bytes(b"one\ntwo\n")
    assert inspect_file(tmp_path / "a")["lines"] == inspect_file(tmp_path / "b")["lines"] == 2


def test_inspection_counts_what_reading_changes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes("\ufeffone\r\n\na\tb\nc\x85d\te\n  \n".encode())
    facts = inspect_file(path)
    assert facts["lines"] == 5
    assert facts["notes"] == {
        "byte_order_mark": {"count": 1, "first_line": 1},
        "carriage_return": {"count": 1, "first_line": 1},
        "tab": {"count": 2, "first_line": 3},
        "control_character": {"count": 1, "first_line": 4},
        "empty_line": {"count": 2, "first_line": 2},
    }
    assert list(read_lines(path)) == ["one", "", "a b", "c d e", "  "]


@pytest.mark.parametrize(
    "bad", [b"\xff\xfea\x00", "Tür".encode("latin-1"), b"\xed\xa0\x80", b"\xc0\xaf", b"\xf0\x9f\x98"]
)
def test_bad_utf8_is_refused_with_its_line(bad):
    with pytest.raises(PrepError, match=r"^train\.de: line 3 is not UTF-8 \(byte \d"):
        list(decode_lines([b"a\n", b"b\n", bad + b"\n"], "train.de"))

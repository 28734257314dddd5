"""A small parallel corpus with every flaw that cleaning handles, and the command lines to prepare it."""

import contextlib
import io
import os
import random
import subprocess
import sys
from pathlib import Path

from data_prep.cli import main

ROOT = Path(__file__).resolve().parents[2]
NOUNS = [("Hund", "dog"), ("Mann", "man"), ("Wagen", "car"), ("Vogel", "bird"), ("Baum", "tree")]
VERBS = [("sieht", "sees"), ("trägt", "carries"), ("findet", "finds"), ("malt", "paints"), ("kauft", "buys")]
ADJECTIVES = [
    ("großen", "big"),
    ("alten", "old"),
    ("grünen", "green"),
    ("müden", "tired"),
    ("kleinen", "small"),
]

Pair = tuple[str, str]


def sentences(count: int, seed: int = 0) -> list[Pair]:
    """``count`` different sentence pairs, no two with the same source or target."""
    rng = random.Random(seed)
    pairs: dict[Pair, None] = {}
    while len(pairs) < count:
        subject, thing, verb, old, new = (
            rng.choice(words) for words in (NOUNS, NOUNS, VERBS, ADJECTIVES, ADJECTIVES)
        )
        number = rng.randrange(100)
        source = f"Der {subject[0]} {verb[0]} {number} Mal den {old[0]}, {new[0]} {thing[0]}."
        target = f"The {subject[1]} {verb[1]} the {old[1]}, {new[1]} {thing[1]} {number} times."
        pairs[source, target] = None
    return list(pairs)


def write_raw(prefix: Path, source: bytes, target: bytes) -> Path:
    """Write ``PREFIX.de`` and ``PREFIX.en``."""
    Path(f"{prefix}.de").write_bytes(source)
    Path(f"{prefix}.en").write_bytes(target)
    return prefix


def write_pairs(prefix: Path, pairs: list[Pair]) -> Path:
    """Write pairs as ordinary text."""
    source, target = ("".join(pair[side] + "\n" for pair in pairs).encode() for side in (0, 1))
    return write_raw(prefix, source, target)


def write_corpus(folder: Path) -> None:
    """Write ``train``, ``valid``, ``test`` and ``test_b``."""
    pairs = sentences(330)
    train, valid, test, test_b = pairs[:250], pairs[250:280], pairs[280:320], pairs[320:]
    write_raw(folder / "train", *flawed_train(train, valid[3], test[5]))
    # Lines of a test set stay where they are, whatever is in them.
    test[1] = ("", test[1][1])
    test[2] = (f"Der\u2028Hund\x0c {test[2][0]}\x85 Schluss", f"The\u2028dog\x0c {test[2][1]}\x85 end")
    test[3] = test[4]
    test[7] = ("ab " * 700, "a")
    for name, split in (("valid", valid), ("test", test), ("test_b", test_b)):
        write_pairs(folder / name, split)


def flawed_train(pairs: list[Pair], in_valid: Pair, in_test: Pair) -> tuple[bytes, bytes]:
    """250 good pairs, then 2 empty, 1 too long, 1 of extreme ratio, 2 duplicates, 2 in valid or test.

    Line 1 has a byte order mark, line 2 ends in CRLF, line 3 has a tab, line 4 has line separators inside,
    and the last source line has no line feed.
    """
    flawed = [
        *pairs,
        ("", "empty on one side"),
        ("\u200b \u2003", "nothing to be seen"),
        ("lang " * 251, "long " * 251),
        ("eins zwei drei vier fünf sechs sieben", "one two"),
        pairs[10],
        (pairs[11][0].replace(" ", "  "), pairs[11][1]),
        in_valid,
        in_test,
    ]
    flawed[3] = (f"{pairs[3][0]}\u2028und\x85so", f"{pairs[3][1]}\x1cand\rso\x0b")
    flawed[2] = (pairs[2][0].replace(" ", "\t", 1), pairs[2][1])
    source, target = ([pair[side] for pair in flawed] for side in (0, 1))
    source[0] = "\ufeff" + source[0]
    source[1] += "\r"
    return "\n".join(source).encode(), ("\n".join(target) + "\n").encode()


def prepare_args(corpus: Path, destdir: Path, *more: object) -> list[object]:
    """Arguments that prepare the corpus, followed by ``more``."""
    args = ["prepare", "-s", "de", "-t", "en", "--destdir", destdir, "--vocab-size", 80]
    args += ["--trainpref", corpus / "train", "--validpref", corpus / "valid"]
    return [*args, "--testpref", f"{corpus / 'test'},{corpus / 'test_b'}", *more]


def run_cli(*args: object, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m data_prep`` as a user does; with ``check`` it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "data_prep", *map(str, args)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
        **options,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def run_here(*args: object) -> subprocess.CompletedProcess[str]:
    """Does the same without a new process, which is ten times faster."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        try:
            status = main(list(map(str, args)))
        except SystemExit as stop:
            status = stop.code
    return subprocess.CompletedProcess(args, status, output.getvalue(), errors.getvalue())


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative name."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def lines_of(path: Path) -> list[str]:
    """Lines of a file, by line feeds only."""
    text = path.read_bytes().decode()
    assert text.endswith("\n")
    return text[:-1].split("\n")

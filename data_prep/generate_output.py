"""The output of ``fairseq-generate``: best hypotheses, in the order of the test set."""

import math
import re
from pathlib import Path

from data_prep.errors import PrepError
from data_prep.lines import decode_lines, open_input, safe_line

# A progress bar that writes to the same file may leave its text in front of a line.
_HYPOTHESIS = re.compile(r"(?:^|[\r\]])H-(\d+)\t([^\t]*)\t(.*)$")


def read_generate(path: Path | str, *, allow_missing: bool = False, size: int | None = None) -> list[str]:
    """The best hypothesis of every sentence, by id, from ``generate-SUBSET.txt`` or the captured stdout.

    In an n-best list the highest score wins; of equal scores, the first. Ids must run from 0 to ``size`` - 1
    (or to the highest id) without a gap; with ``allow_missing`` a missing hypothesis is an empty line.
    """
    path = Path(path)
    best: dict[int, tuple[float, str]] = {}
    with open_input(path) as stream:
        for number, line in enumerate(decode_lines(stream, str(path)), start=1):
            if match := _HYPOTHESIS.search(line):
                identifier, score = int(match[1]), _score(match[2], path, number)
                if identifier not in best or score > best[identifier][0]:
                    best[identifier] = score, safe_line(match[3])
    if not best:
        raise PrepError(
            f"{path} has no hypothesis lines (H-0, score, text, with tabs between); give the output of "
            "fairseq-generate run without --quiet, or use --hypotheses for plain text"
        )
    highest = max(best)
    if size is not None and highest >= size:
        raise PrepError(
            f"{path} has a hypothesis for sentence {highest} but the reference has only {size} lines (0 to "
            f"{size - 1}); give the reference of the subset that was generated"
        )
    total = highest + 1 if size is None else size
    missing = [identifier for identifier in range(total) if identifier not in best]
    if missing and not allow_missing:
        raise PrepError(
            f"{path} has no hypothesis for {len(missing)} of {total} sentences (first: {missing[0]}); "
            "generate them all (fairseq skips long ones with --skip-invalid-size-inputs-valid-test), or use "
            "--allow-missing to score them as empty"
        )
    return [best[identifier][1] if identifier in best else "" for identifier in range(total)]


def _score(text: str, path: Path, number: int) -> float:
    try:
        score = float(text)
    except ValueError:
        raise PrepError(
            f"{path}: line {number} has {text!r} where a score belongs; the file is damaged"
        ) from None
    return -math.inf if math.isnan(score) else score

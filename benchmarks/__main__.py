"""Makes all tables, commands and plots of the documentation from the stored rows: `python -m benchmarks`.

It measures nothing. Tables go into the pages that include them between `<!-- table: NAME -->` and
`<!-- end -->`.
"""

from __future__ import annotations

import argparse

from benchmarks.reports import REPORTS


def main() -> None:
    paragraphs = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=paragraphs[0], epilog=paragraphs[1]
    )
    parser.add_argument("--only", nargs="+", choices=REPORTS, default=list(REPORTS), metavar="NAME",
                        help=f"some of {', '.join(REPORTS)} (default: all)")  # fmt: skip
    for name in parser.parse_args().only:
        REPORTS[name].write()


if __name__ == "__main__":
    main()

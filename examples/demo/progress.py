"""What the demo prints while it works: lines, and a bar for each training where there is a terminal."""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm

from benchmarks.harness.train_log import parse_line


def say(line: str) -> None:
    """Prints a line above the bars, if there are any."""
    tqdm.write(line)


class TrainingProgress:
    """Follows one training by its log: a bar for the updates, a line for each validation."""

    def __init__(self, name: str, updates: int, position: int) -> None:
        self.name = name
        self.updates = updates
        # disable=None: no bar unless it goes to a terminal.
        self._bar = tqdm(
            total=updates, desc=name, unit="update", position=position, leave=False, disable=None
        )

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def see(self, line: str) -> None:
        """Takes one line of the training's output."""
        parsed = parse_line(line)
        if not parsed:
            return
        kind, record = parsed
        if kind == "train_inner":
            self._bar.update(record["num_updates"] - self._bar.n)
        elif kind == "valid":
            say(
                f"{self.name}: {record['valid_num_updates']:,.0f} of {self.updates:,} updates, "
                f"validation {record['valid_nll_loss']:.2f} bits per subword"
            )

"""What the user sees, on the first process only: a bar on a terminal, a line for each evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tqdm import tqdm


class Console:
    """Prints on one process and is silent on the others.

    Args:
        speaks: this process is the one.
        progress: show a bar where standard error is a terminal.
    """

    def __init__(self, speaks: bool, progress: bool) -> None:
        self.speaks = speaks
        self._hides_bar = None if speaks and progress else True
        self._bar: tqdm | None = None

    @contextmanager
    def bar(self, total: int, first: int) -> Iterator[None]:
        """Shows the updates ``first … total`` while inside."""
        with tqdm(
            total=total, initial=first, unit="update", disable=self._hides_bar, smoothing=0.05
        ) as self._bar:
            yield
        self._bar = None

    def advance(self) -> None:
        """One update is done."""
        if self._bar is not None:
            self._bar.update()

    def losses(self, record: Mapping[str, float]) -> None:
        """Shows training means beside the bar."""
        if self._bar is not None:
            self._bar.set_postfix({name: f"{value:.4g}" for name, value in record.items()}, refresh=False)

    def metrics(self, epoch: float, title: str, values: Mapping[str, float], is_best: bool = False) -> None:
        """Prints a line of evaluation metrics."""
        shown = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        self.say(f"epoch {epoch:g}  {title}: {shown}{'  (best)' if is_best else ''}")

    def say(self, text: str) -> None:
        """Prints a line."""
        if not self.speaks:
            return
        if self._bar is not None and not self._bar.disable:
            self._bar.write(text)
        else:
            print(text, flush=True)

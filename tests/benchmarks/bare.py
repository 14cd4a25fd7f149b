"""The least that Textual can be: `python -m tests.benchmarks.bare`.

A few lines, one of which counts the keys. What a key takes here, at the same moment on the same
machine, is what the console's own keys are compared with.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

KEY = "x"


def answer(keys: int) -> str:
    """What stands there once so many keys were heard."""
    return f"heard {keys} keys"


class Bare(App[None]):
    """Counts its keys."""

    BINDINGS: ClassVar[list[BindingType]] = [(KEY, "count", "Count")]

    def __init__(self) -> None:
        super().__init__()
        self._keys = 0

    def compose(self) -> ComposeResult:
        """Some lines."""
        for number in range(3):
            yield Static(f"line {number}")
        yield Static(answer(0), id="heard")

    def action_count(self) -> None:
        """One more."""
        self._keys += 1
        self.query_one("#heard", Static).update(answer(self._keys))


if __name__ == "__main__":
    Bare().run()

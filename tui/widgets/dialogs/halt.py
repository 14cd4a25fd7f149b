"""Halting the origin."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content

from tui.widgets.dialogs.base import Confirm
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.words import printable


class HaltDialog(Confirm):
    """Says what halting does, and asks to confirm.

    Args:
        live: the origin runs in this process.
        reach: how the journal is named when it is started again: with another one, or none, the
            safety rules would know nothing of earlier saves.
    """

    GRAVE: ClassVar[bool] = True
    YES: ClassVar[str] = "Halt"
    NO: ClassVar[str] = "Go on"

    def __init__(self, live: bool, reach: Reach = SHELL) -> None:
        super().__init__()
        self._live = live
        self._reach = reach

    def heading(self) -> str:
        """Its name."""
        return "Halt the origin"

    def words(self) -> Content:
        """What will happen."""
        where = (
            "The origin runs in this console: to quit is to halt it."
            if self._live
            else "The origin is another process: it ends, this console stays open."
        )
        start = self._reach.console() if self._live else self._reach.start()
        again = f"Nobody syncs until it is started again with your configuration: {start}"
        if self._reach.demo:
            again = "The demo's servers end with it. Another demo: vsync-tui --demo"
        return Content(
            f"{where}\n\n"
            "The running cycle is aborted and nothing of it is saved; a save that has begun gets "
            "3 s to end. Destinations keep what was saved last.\n\n"
            f"{printable(again)}"
        )

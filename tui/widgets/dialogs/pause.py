"""Pausing and resuming the ticker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input

from tui.glance import Glance
from tui.widgets.dialogs.base import Confirm, Dialog
from vsync_sm.core.answer import Now, age
from vsync_sm.core.present import clock, duration, printable
from vsync_sm.core.shapes import Pause

_LONGEST = 200


class PauseDialog(Dialog[str | None]):
    """Asks why to pause: gives the why ("": none was given), or None where it shall not be."""

    def heading(self) -> str:
        """Its name."""
        return "Pause"

    def words(self) -> Content:
        """What pausing does."""
        return Content(
            "No cycle begins by itself until somebody resumes, also after a restart. "
            "A running cycle goes on to its end; a cycle that is asked for (sync) still runs."
        )

    def fields(self) -> Iterable[Widget]:
        """The why."""
        yield Input(
            placeholder="Why? Others will read it here (may be empty)",
            max_length=_LONGEST,
            id="why",
        )

    def choices(self) -> Iterable[Button]:
        """Cancel and pause."""
        yield Button(Content("Do not pause (Esc)"), id="no")
        yield Button(Content("Pause (Enter)"), id="yes", variant="primary")

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one("#why").focus()

    @on(Input.Submitted, "#why")
    @on(Button.Pressed, "#yes")
    def _pause(self) -> None:
        self.dismiss(self.query_one("#why", Input).value.strip())

    @on(Button.Pressed, "#no")
    def _leave(self) -> None:
        self.action_leave()


class ResumeDialog(Confirm):
    """Says since when, by whom and why it is paused, and asks whether to resume."""

    YES: ClassVar[str] = "Resume"
    NO: ClassVar[str] = "Stay paused"

    def __init__(self, pause: Pause, now: Now) -> None:
        super().__init__()
        self._pause = pause
        self._now = now

    def heading(self) -> str:
        """Its name."""
        return "Resume"

    def words(self) -> Content:
        """Since when, by whom, why."""
        pause = self._pause
        since = duration(round(age(pause.ts, self._now) or 0.0))
        why = f"Why: {printable(pause.why)}" if pause.why else "No reason was given."
        by = f"by {printable(pause.by)} through the {printable(pause.through)}"
        return Content(
            f"Paused since {clock(pause.ts)}, for {since},\n{by}.\n{why}\n\n"
            "Resumed, cycles begin by themselves again."
        )

    def follow(self, glance: Glance) -> None:
        """Somebody else may have resumed it."""
        if glance.view.pause is None:
            self.dismiss(False)

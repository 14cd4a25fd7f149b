"""Aborting the running cycle."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.widgets import Button, Static

from tui.glance import Glance
from tui.widgets.dialogs.base import Confirm
from vsync_sm.core.machine import State
from vsync_sm.core.present import number
from vsync_sm.core.shapes import Cycle


class AbortDialog(Confirm):
    """Says what is lost with the running cycle, and asks whether to abort it."""

    GRAVE: ClassVar[bool] = True
    YES: ClassVar[str] = "Abort the cycle"
    NO: ClassVar[str] = "Let it run"

    def __init__(self, cycle: Cycle) -> None:
        super().__init__()
        self._cycle = cycle

    def heading(self) -> str:
        """Its name."""
        return f"Abort cycle {self._cycle.number}"

    def words(self) -> Content:
        """What is lost, and what is not."""
        return Content(
            f"Nothing of cycle {self._cycle.number} is saved{self._so_far()}.\n\n"
            "Consul stays as it is, and destinations keep what they have. "
            "The next tick tries again."
        )

    def _so_far(self) -> str:
        tally, listed = self._cycle.tally, self._cycle.listed
        done = tally.generated + tally.skipped + tally.failed
        return "" if listed is None else f": {number(done)} of {number(listed)} paths read so far"

    def follow(self, glance: Glance) -> None:
        """Once the cycle saves or is over there is nothing to abort, least of all the next one."""
        now, number_ = glance.view.cycle, self._cycle.number
        if now is None or now.number != number_:
            self._withdraw(f"Cycle {number_} has ended meanwhile: there is nothing to abort.")
        elif now.phases and now.phases[-1].name == State.saving:
            self._withdraw(f"The save of cycle {number_} has begun; it is not cut short.")

    def _withdraw(self, why: str) -> None:
        yes = self.query_one("#yes", Button)
        if not yes.disabled:
            self.query_one("#no").focus()
            yes.disabled = True
        self.query_one("#words", Static).update(Content(why))

"""All that a panel paints from: the view at a moment, and how the console is set."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tui.times import Times
from vsync_sm.core.answer import Answer, Now, answer
from vsync_sm.core.shapes import View


class Badge(StrEnum):
    """Where the view comes from, and whether it still does."""

    LIVE = "LIVE"
    ATTACHED = "ATTACHED"
    REPLAY = "REPLAY"
    LOST = "LOST"


class Glance(msgspec.Struct, frozen=True):
    """One look at the origin.

    `note` says more about the badge (why it is lost, what is awaited), `unable` why nothing can
    be commanded ("": it can), `damage` where and why the journal could be read no further, and
    `source` is the journal's path.
    """

    view: View
    now: Now
    badge: Badge
    note: str = ""
    unable: str = ""
    damage: str = ""
    source: str = ""
    times: Times = Times.utc

    @property
    def answer(self) -> Answer:
        """The answer on top."""
        return answer(self.view, self.now)

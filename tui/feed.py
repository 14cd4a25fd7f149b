"""Where the console's view comes from, as far as it is simple: the loop in this process.

A feed is looked at, never waited for: `look` gives what it knows at once. The one that follows a
growing journal is `tui.follow`, and the one whose clock can be moved `tui.replay.feed`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec
from msgspec.structs import replace

from tui.glance import Badge, Place
from vsync_sm.core.events import Record, Unknown
from vsync_sm.core.view import Folded, View

BATCH = 2_000
"""So many records are folded at a stretch; after each batch the screen may have the new view."""

NEWER = "a newer vsync wrote some of it, which this one does not know"


class Look(msgspec.Struct, frozen=True):
    """What a feed knows: the view, a word about where it comes from, and what stopped the reading.

    `arrived` counts what came in since the feed had caught up with what was there when it began,
    so that a console can tell a line seen live from an old one. `newer` says that some of it was
    written by a newer vsync. `moment` (ns since 1970) is when a journal is looked at whose clock
    can be moved, None at its end and where the present counts; `place` is where that is.
    """

    view: View = View()
    note: str = ""
    damage: str = ""
    arrived: int = 0
    newer: bool = False
    moment: int | None = None
    place: Place = Place()


class Feed(Protocol):
    """What the console is fed by."""

    @property
    def badge(self) -> Badge:
        """What it is called while it goes on."""

    def look(self) -> Look:
        """What it knows now."""

    def open(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End; nothing changes any more."""


def folded(look: Look, records: Iterable[Record]) -> Look:
    """The look after these records."""
    fold, newer = Folded(look.view), look.newer
    for record in records:
        fold.take(record)
        newer = newer or type(record.event) is Unknown
    return replace(look, view=fold.view, newer=newer)


class LiveFeed:
    """A sink of the loop in this process. Of each record it keeps one reference: the view."""

    badge = Badge.LIVE

    def __init__(self, view: View | None = None) -> None:
        """`view` has folded the journal so far; it may also be told by `begin`."""
        self.begin(view or View())

    def begin(self, view: View) -> None:
        """Before the first record: the view that has folded the journal so far."""
        self.view = view
        self._first = view.seq

    def __call__(self, _: Record, view: View) -> None:
        """Take the view after a record."""
        self.view = view

    def look(self) -> Look:
        """The view after the last record that the loop wrote."""
        view = self.view
        return Look(view, arrived=view.seq - self._first)

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

"""Where the console's view comes from: the loop in this process, or a journal read to its end.

A feed is looked at, never waited for: `look` gives what it knows at once. The one that follows a
growing journal is `tui.follow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from tui.glance import Badge
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record, Unknown
from vsync_sm.core.view import Folded, View
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import newest

BATCH = 2_000
"""So many records are folded at a stretch; after each batch the screen may have the new view."""

NEWER = "a newer vsync wrote some of it, which this one does not know"


class Look(msgspec.Struct, frozen=True):
    """What a feed knows: the view, a word about where it comes from, and what stopped the reading.

    `arrived` counts what came in since the feed had caught up with what was there when it began,
    so that a console can tell a line seen live from an old one. `newer` says that some of it was
    written by a newer vsync.
    """

    view: View = View()
    note: str = ""
    damage: str = ""
    arrived: int = 0
    newer: bool = False


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


class ReplayFeed:
    """A journal read once, from its newest checkpoint to its end or to where it is damaged."""

    badge = Badge.REPLAY

    def __init__(self, journal: Path, progress: Callable[[float], None] = lambda _: None) -> None:
        """Reads it; `progress` hears again and again which share (of 1) is read.

        Raises:
            JournalError: there is no such journal, or it cannot be read at all (line 0).
        """
        with newest(journal) as reader:
            if not reader.exists():
                raise JournalError(f"there is no journal {journal}", line=0, byte=0)
            self._look = _read(reader, progress)

    def look(self) -> Look:
        """The view at its end."""
        return self._look

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def _read(reader: JournalReader, progress: Callable[[float], None]) -> Look:
    look = Look()
    records = reader.records()
    damage = ""
    while not damage:
        batch: list[Record] = []
        try:
            batch.extend(islice(records, BATCH))
        except JournalError as error:  # what stands before the damage is in the batch
            if not error.line:
                raise
            damage = str(error)
        look = folded(look, batch)
        progress(reader.share)
        if len(batch) < BATCH:
            break
    return replace(look, damage=damage, note=NEWER if look.newer else "")

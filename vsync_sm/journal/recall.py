"""Where a fold of a long journal may begin: at the newest checkpoint that it can use."""

from __future__ import annotations

from pathlib import Path

from vsync_sm.core.checkpoint import unusable
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record, SegmentOpened
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.segments import closed_segments, live_number


def newest(journal: Path) -> JournalReader:
    """A reader that begins at the newest checkpoint, so that a fold comes to the same sooner.

    What a checkpoint holds that another vsync wrote may be of no use: then the file before it is
    tried, and so on back to the oldest one.

    Raises:
        JournalError: the file being written cannot be read.
    """
    live = live_number(journal)
    for number in (live, *(each.number for each in reversed(closed_segments(journal)))):
        if number == 1:
            break
        reader = JournalReader(journal, first=number)
        try:
            begins = usable(next(reader.records(), None))
        except JournalError:  # of an older file: who reads it from its beginning will be told
            begins = number == live
        finally:
            reader.close()
        if begins:
            return JournalReader(journal, first=number)
    return JournalReader(journal)


def usable(first: Record | None) -> bool:
    """Whether a fold may begin with this record."""
    if first is None or first.seq == 1:
        return True
    return isinstance(first.event, SegmentOpened) and not unusable(first.event)

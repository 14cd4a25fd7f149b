"""The last run of a journal, found from its end: a long journal need not be read for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import RunStarted, SegmentOpened
from vsync_sm.core.view import view_of
from vsync_sm.journal.codec import decode
from vsync_sm.journal.reader import LINE_LIMIT

_CHUNK = 1024 * 1024
_WORD = b'"type":"run_started"'
_SAID_LIMIT = 1024 * 1024


def last_run_started(journal: Path) -> RunStarted | None:
    """The last run's own `run_started`; None where there is none, or nothing can be read.

    Where the file being written begins in the middle of that run, its checkpoint tells of it.
    """
    try:
        with journal.open("rb") as file:
            return next(_starts(file.fileno()), None) or _told_by_checkpoint(file)
    except (OSError, ValueError):
        return None


def _told_by_checkpoint(file: BinaryIO) -> RunStarted | None:
    file.seek(0)
    try:
        event = decode(file.readline(LINE_LIMIT), line_number=1, byte=0).event
    except JournalError:
        return None
    run = view_of(event).run if isinstance(event, SegmentOpened) else None
    if run is None:
        return None
    known = set(run.__struct_fields__) & set(RunStarted.__struct_fields__)
    return RunStarted(**{name: getattr(run, name) for name in known})


def _starts(descriptor: int) -> Iterator[RunStarted]:
    """Every `run_started`, the last one first."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - _CHUNK)
        # A little of what follows, so that no word is missed where two chunks meet.
        chunk = os.pread(descriptor, end - start + len(_WORD) - 1, start)
        at = chunk.rfind(_WORD)
        while at >= 0:
            event = _event_around(descriptor, start + at)
            if event is not None:
                yield event
            at = chunk.rfind(_WORD, 0, at)
        end = start


def _event_around(descriptor: int, at: int) -> RunStarted | None:
    begin = max(0, at - _SAID_LIMIT)
    before = os.pread(descriptor, at - begin, begin).rpartition(b"\n")[2]
    after, newline, _ = os.pread(descriptor, _SAID_LIMIT, at).partition(b"\n")
    if not newline:
        return None
    try:
        event = decode(before + after, line_number=0, byte=at).event
    except JournalError:
        return None
    return event if isinstance(event, RunStarted) else None

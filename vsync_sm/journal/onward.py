"""What stands behind a journal's damage, and can be told all the same."""

from __future__ import annotations

from pathlib import Path

import msgspec

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import CycleStarted, Record, RunStarted
from vsync_sm.journal.history import is_history
from vsync_sm.journal.night import follower
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import newest
from vsync_sm.journal.segments import alone, closed_number, closed_segments


class Onward(msgspec.Struct, frozen=True):
    """The first cycle or run that begins behind the damage, and the last line: `seq` and `ts`."""

    first: int
    since: str
    last: int
    until: str


def onward(journal: Path, error: JournalError, seq: int) -> Onward | None:
    """Where one can read on; None: nowhere.

    Args:
        journal: the journal, of which several files may be there.
        error: the damage; its file may be called by a pseudonym.
        seq: of the last record before it, 0 where there is none.
    """
    damaged = closed_number(error.file)
    if damaged is None and not seq:
        return None
    if not error.line or is_history(journal) or alone(journal) is not None:
        return None
    try:
        begun = min((each.number for each in closed_segments(journal)), default=0)
        number = follower(journal, damaged or 0, begun, error.line, seq)
        return _read_on(journal, number) if number is not None else None
    except (JournalError, OSError):
        return None


def _read_on(journal: Path, number: int) -> Onward | None:
    first = None
    with JournalReader(journal, first=number) as reader:
        try:
            for record in reader.records():
                if isinstance(record.event, CycleStarted | RunStarted):
                    first = record
                    break
        except JournalError:
            pass  # the next damage
    if first is None:
        return None
    last = _last(journal) or first
    return Onward(first.seq, first.ts, max(first.seq, last.seq), max(first.ts, last.ts))


def _last(journal: Path) -> Record | None:
    """The last line that can be read; from the newest checkpoint on, it is not far."""
    last = None
    with newest(journal) as reader:
        try:
            for last in reader.records():  # noqa: B007
                pass
        except JournalError:
            pass
    return last


def ends_early(journal: Path) -> bool:
    """Whether the file that was being written is gone, and only closed ones are left."""
    if is_history(journal) or alone(journal) is not None or journal.exists():
        return False
    return bool(closed_segments(journal))

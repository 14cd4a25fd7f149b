"""Cuts one cycle out of a journal, as a journal of its own that replay accepts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import CycleStarted, Record, RunStarted, SegmentOpened
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View, apply
from vsync_sm.journal.codec import encode
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import usable
from vsync_sm.journal.rotation import write_all
from vsync_sm.journal.segments import closed_segments, live_number


class NoSuchCycle(Exception):  # noqa: N818  what is to be said to who asked for it
    """The journal does not hold the beginning of the cycle that was asked for."""


def cut(journal: Path, cycle: int, to: Path) -> int:
    """Write one cycle into a file of its own, from its beginning to that of the next.

    In place of the line before it stands a `segment_opened` whose checkpoint has all that came
    before, so that machine, sums and what the rules remember begin right.

    Returns:
        How many lines were written.

    Raises:
        NoSuchCycle: it is not there, or begins before the oldest line that is.
        JournalError: the journal cannot be read, or is damaged.
        FileExistsError: something lies at `to` already.
        OSError: it cannot be written; nothing is left of it.
    """
    lines = _lines(journal, cycle)
    first = next(lines)
    fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    count = 0
    try:
        for record in (first, *lines):
            write_all(fd, encode(record))
            count += 1
        os.fsync(fd)
    except BaseException:
        to.unlink()
        raise
    finally:
        os.close(fd)
    return count


def _lines(journal: Path, cycle: int) -> Iterator[Record]:
    memory, view, last = Memory(), View(), None
    begun = False
    with _reader(journal, cycle) as reader:
        if not reader.exists():
            raise JournalError(f"no such journal: {journal}", line=0, byte=0)
        for record in reader.records():
            event = record.event
            if begun and isinstance(event, CycleStarted | RunStarted):
                return
            if isinstance(event, CycleStarted) and record.cycle == cycle and last is not None:
                begun = True
                yield _opened(memory, view, last)
            if begun:
                yield record
                continue
            memory.note(record)
            view, last = apply(view, record), record
    if not begun:
        raise NoSuchCycle(cycle)


def _opened(memory: Memory, view: View, last: Record) -> Record:
    known = checkpoint(replace(view, seq=last.seq - 1), replace(memory, last_seq=last.seq - 1))
    event = SegmentOpened(
        number=1,
        predecessor="",
        predecessor_seq=last.seq - 1,
        predecessor_sha256="",
        state=view.state.name,
        checkpoint=known,
    )
    return replace(last, event=event, cycle=None)


def _reader(journal: Path, cycle: int) -> JournalReader:
    """A reader that begins with the newest file that still stands before the cycle."""
    numbers = [live_number(journal), *(each.number for each in closed_segments(journal)[::-1])]
    for number in numbers:
        with JournalReader(journal, first=number) as reader:
            first = next(reader.records(), None)
        if first is None or not usable(first) or not isinstance(first.event, SegmentOpened):
            continue
        if first.event.checkpoint["memory"]["last_cycle"] < cycle:
            return JournalReader(journal, first=number)
    return JournalReader(journal)

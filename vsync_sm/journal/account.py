"""What a journal takes, from when to when it tells, and how long its budget lasts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS, moment
from vsync_sm.journal.history import histories
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import newest
from vsync_sm.journal.segments import Segment, Usage, closed_segments, live_number, usage

_PACKED_BY = 8
"""About so much smaller is a packed file, where none tells yet."""

_LOOKED_AT = 8
_LEAST_S = 600.0
_HOUR_NS = 3_600_000_000_000


class Account(msgspec.Struct, frozen=True):
    """A journal's files. `hours` of lines fit the budget, `hours_left` before the oldest file goes.

    Both are None where too little is there to tell. Times are the first and last record's `ts`
    ("": there is none), `events` counts the lines, `history` the days that are kept besides.
    """

    usage: Usage
    events: int
    first: str
    last: str
    hours: float | None
    hours_left: float | None
    history: int


def account(journal: Path, budget: int) -> Account:
    """Take stock of a journal; only its files' first lines and the last file are read.

    Args:
        journal: its file.
        budget: how many bytes its closed files may take.

    Raises:
        JournalError: it cannot be read, or the file being written is damaged.
        OSError: the directory cannot be read.
    """
    used = usage(journal)
    first, last = _first(journal, 0), None
    with newest(journal) as reader:
        for record in reader.records():
            last = record
    rate = _bytes_per_hour(journal, used, last.ts if last is not None else "")
    left = None if rate is None else max(0.0, budget - used.closed_bytes) / rate
    return Account(
        usage=used,
        events=last.seq - first.seq + 1 if first is not None and last is not None else 0,
        first=first.ts if first is not None else "",
        last=last.ts if last is not None else "",
        hours=None if rate is None else budget / rate,
        hours_left=left,
        history=len(histories(journal)),
    )


def hours_of(journal: Path, budget: int, last: str) -> float | None:
    """About how many hours of journal fit the budget, at the rate of its newest files.

    `last` is the last record's `ts` ("": there is none).
    """
    try:
        rate = _bytes_per_hour(journal, usage(journal), last)
    except (JournalError, OSError):
        return None
    return None if rate is None else round(budget / rate, 1)


def _bytes_per_hour(journal: Path, used: Usage, last: str) -> float | None:
    """How much disk an hour takes once its files are closed and packed."""
    closed = closed_segments(journal)[-_LOOKED_AT:]
    since = _first(journal, closed[0].number if closed else live_number(journal))
    opened = _first(journal, live_number(journal)) if closed else None
    until = opened.ts if opened is not None else last
    if since is None or not until:
        return None
    passed = moment(until) - moment(since.ts)
    if passed < _LEAST_S * NS:
        return None
    size = sum(_packed_sizes(closed)) if closed else used.live_bytes / _PACKED_BY
    return max(1.0, size) / passed * _HOUR_NS


def _packed_sizes(closed: list[Segment]) -> Iterator[float]:
    for each in closed:
        try:
            yield each.path.stat().st_size / (1 if each.packed else _PACKED_BY)
        except FileNotFoundError:  # packed or deleted this moment
            continue


def _first(journal: Path, number: int) -> Record | None:
    """The first record of the file with this number, or of the first that is there behind it."""
    with JournalReader(journal, first=number) as reader:
        return next(reader.records(), None)

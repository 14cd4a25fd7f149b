"""What is kept of a journal's files when they go: all lines but those of single paths.

Every run, cycle, fault and save stays tellable. One packed file a day (UTC) of the lines' own time,
`journal.jsonl.history-2026-11-26.gz`: lines as they were, in order, with gaps in `seq`.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.journal.codec import decode
from vsync_sm.journal.repair import sync_directory
from vsync_sm.journal.segments import (
    PACKED,
    UNREADABLE,
    Segment,
    cannot_read,
    open_source,
    why,
)

OF_PATHS = re.compile(
    rb'"type":"(?:insight_(?:generated|skipped|carried_forward|vanished|regressed)'
    rb"|insights_unchanged|path_(?:failed|abandoned)|retry_scheduled|workers_observed"
    rb'|folder_listed|worker_started|segment_opened)"'
)
"""The lines of single paths, in the first `HEAD` bytes of each; and what begins a file."""

_TS = re.compile(rb'"ts":"(\d{4}-\d\d-\d\d)T')
_HISTORY = re.compile(r"\.history-\d{4}-\d\d-\d\d\.gz")
_CHUNK = 256 * 1024
HEAD = 400
_DAY = "%Y-%m-%d"


def is_history(path: Path) -> bool:
    """Whether a file is, by its name, what was kept of a journal's files."""
    return re.search(rf"{_HISTORY.pattern}\Z", path.name) is not None


def histories(journal: Path) -> list[Path]:
    """The files of a journal's history, in order. Raises OSError."""
    names = sorted(os.listdir(journal.parent)) if journal.parent.is_dir() else []  # noqa: PTH208
    return [
        journal.with_name(name)
        for name in names
        if name.startswith(journal.name) and _HISTORY.fullmatch(name.removeprefix(journal.name))
    ]


def remember(journal: Path, closed: Segment) -> None:
    """Put the lines of a closed file that are not of single paths into the history.

    Who is killed here does it once more, and a reader passes over what stands there twice.

    Raises:
        OSError: it could not be done; nothing has changed.
    """
    kept, day = _kept(closed)
    if not kept:
        return
    path = journal.with_name(f"{journal.name}.history-{day}{PACKED}")
    aside = path.with_name(f"{path.name}.part")
    before = path.read_bytes() if path.exists() else b""
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(before)
        file.write(gzip.compress(kept, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_directory(path.parent)


def _kept(closed: Segment) -> tuple[bytes, str]:
    """The lines to keep, and the day of the last one."""
    kept: list[bytes] = []
    day, rest, at = "", b"", 0
    source = open_source(closed.path, packed=closed.packed)
    try:
        while chunk := source.read(at, _CHUNK):
            at += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if OF_PATHS.search(line, 0, HEAD) is None:
                    kept += (line, b"\n")
            for line in lines[-1:]:
                ts = _TS.search(line, 0, HEAD)
                day = ts[1].decode() if ts is not None else day
    except (EOFError, zlib.error, gzip.BadGzipFile):
        pass  # of a damaged file, what stands before the damage
    finally:
        source.close()
    return b"".join(kept), day


def forget(journal: Path, days: int) -> None:
    """Keep so many days of history, counted back from its newest. Raises OSError."""
    kept = histories(journal)
    if not kept:
        return
    newest = datetime.strptime(_day_of(kept[-1]), _DAY).replace(tzinfo=UTC)
    oldest = (newest - timedelta(days=days)).strftime(_DAY)
    for path in kept:
        if _day_of(path) <= oldest:
            path.unlink(missing_ok=True)


def _day_of(path: Path) -> str:
    return path.name[-len("2026-11-26.gz") : -len(PACKED)]


def read_history(path: Path) -> Iterator[Record]:
    """The records of one file of a history; `seq` grows, with gaps.

    Raises:
        JournalError: at the first line that is damaged; with line 0 when it cannot be read at all.
    """
    seq = byte = 0
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                record = decode(line, line_number=number, byte=byte, file=path.name)
                byte += len(line)
                if record.seq > seq:
                    seq = record.seq
                    yield record
    except UNREADABLE as error:
        if not number:
            raise cannot_read(path, error) from None
        message = f"cannot read {path}: {why(error)}"
        raise JournalError(message, line=number + 1, byte=byte, file=path.name) from None

"""Closes the file being written and begins the next one: the writer's business, with the lock.

A crash at any moment leaves a journal that is whole. In this order:

1. The old file is on the disk, to its last byte.
2. The new one, `….next`, is made, locked, filled with its `segment_opened`, and on the disk.
3. The old one gets its closed name beside its own: one file, two names.
4. The new one takes over the journal's name, in one step.

Until step 4 nothing has happened for anyone: `undo` takes back what a crash before it has left.
Where a file system knows no second name (step 3 is refused), the old file is renamed instead; a
crash just then leaves no file under the journal's name, and `next_made` has the one to go on with.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import SegmentOpened
from vsync_sm.journal.codec import decode
from vsync_sm.journal.repair import sync_directory
from vsync_sm.journal.segments import next_path

_NO_SECOND_NAME = frozenset((errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK))
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY


def change_over(journal: Path, closed: Path, first_line: bytes) -> int:
    """Close the journal's file under its new name and begin the next one with its first line.

    Every byte of the old one must be on the disk.

    Returns:
        The new file's descriptor, which has the lock.

    Raises:
        OSError: it could not be done; what was written before is whole and in its place.
    """
    fresh = next_path(journal)
    fresh.unlink(missing_ok=True)
    fd = os.open(fresh, FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        write_all(fd, first_line)
        os.fsync(fd)
        sync_directory(journal.parent)
        _name(journal, closed)
        os.replace(fresh, journal)  # noqa: PTH105  beside the other calls
        sync_directory(journal.parent)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _name(journal: Path, closed: Path) -> None:
    try:
        os.link(journal, closed)
    except OSError as error:
        if error.errno not in _NO_SECOND_NAME:
            raise
        os.rename(journal, closed)  # noqa: PTH104  beside the other calls
    sync_directory(journal.parent)


def undo(journal: Path, fd: int) -> None:
    """Take back what a crash has left before the last step; `fd` is the journal's, and locked.

    Raises:
        OSError: it could not be done.
    """
    left = [next_path(journal)] if next_path(journal).exists() else []
    own = os.fstat(fd)
    if own.st_nlink > 1:
        for name in os.listdir(journal.parent):  # noqa: PTH208  names are all that is wanted
            path = journal.with_name(name)
            closed = name.removeprefix(f"{journal.name}.")
            if closed != name and closed.isdigit() and os.path.samestat(path.stat(), own):
                left.append(path)
    for path in left:
        path.unlink()
    if left:
        sync_directory(journal.parent)


def next_made(journal: Path) -> int | None:
    """The file that was to take over the journal's name, where none has that name any more.

    Returns:
        Its descriptor, locked, under the journal's name now; None: there is none, or it was never
        finished.

    Raises:
        BlockingIOError: another process is at it.
        OSError: it could not be done.
    """
    fresh = next_path(journal)
    try:
        fd = os.open(fresh, FLAGS)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _opens_a_segment(fd):
            os.close(fd)
            return None
        os.replace(fresh, journal)  # noqa: PTH105  beside the other calls
        sync_directory(journal.parent)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _opens_a_segment(fd: int) -> bool:
    line = os.pread(fd, os.fstat(fd).st_size, 0)
    try:
        return line.endswith(b"\n") and isinstance(
            decode(line, line_number=1, byte=0).event, SegmentOpened
        )
    except JournalError:
        return False


def write_all(fd: int, data: bytes | bytearray) -> None:
    """Write every byte. Raises OSError."""
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.write(fd, view[done:])

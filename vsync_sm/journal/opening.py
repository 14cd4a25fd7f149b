"""Opens a journal for its one writer: makes it, locks it, and says why it cannot be had."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from vsync_sm.core.errors import Fault, FaultKind, JournalError
from vsync_sm.journal.repair import sync_directory
from vsync_sm.journal.rotation import FLAGS, next_made
from vsync_sm.journal.segments import closed_segments, number_in

_TRIES = 50

ELSEWHERE = "let this user write there, or choose another place with --journal"
_HINTS = {
    errno.ENOSPC: "free space on that disk, then start again: a torn last line is mended",
    errno.EDQUOT: "raise the quota or free space, then start again: a torn last line is mended",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), then start again",
    errno.EIO: "look after the disk; --journal chooses another place",
    errno.ESTALE: "leave its files to vsync (no logrotate: it rotates by itself); then start again",
    errno.EACCES: ELSEWHERE,
    errno.EPERM: ELSEWHERE,
    errno.EROFS: ELSEWHERE,
}


def open_locked(path: Path) -> int:
    """The journal's descriptor, locked; made (0600) where there is none, with its directories.

    Raises:
        Fault: journal: another vsync writes it, or it is no file, or its last file is gone.
        OSError, ValueError: the operating system refuses.
    """
    _make_directories(path.parent)
    with suppress(BlockingIOError):
        for _ in range(_TRIES):
            fd = _open_or_create(path)
            if _locked(path, fd):
                return fd
    raise fault(
        path,
        f"another vsync writes the journal {path}",
        "stop the other one, or give this one a journal of its own with --journal",
    )


def _locked(path: Path, fd: int) -> bool:
    """Lock the file; False: its writer has closed it meanwhile, and it is no longer the journal.

    Raises:
        BlockingIOError: another process writes it.
    """
    there = False
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise fault(path, f"{path} is not a file", "--journal wants a file of its own")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there = os.path.samestat(path.stat(), os.fstat(fd))
    finally:
        if not there:
            os.close(fd)
    return there


def _open_or_create(path: Path) -> int:
    try:
        return os.open(path, FLAGS)
    except FileNotFoundError:
        pass
    fd = next_made(path)
    if fd is not None:
        return fd
    closed = closed_segments(path)
    if closed:
        raise fault(
            path,
            f"{path} is gone, but {closed[-1].path.name} before it is there",
            "put it back, or move all its files aside; a new journal forgets what the safety rules "
            "know of earlier saves",
        )
    try:
        fd = os.open(path, FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, FLAGS)
    sync_directory(path.parent)
    return fd


def _make_directories(directory: Path) -> None:
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_directory(each.parent)


def refuse_beheaded(path: Path, fd: int) -> None:
    """Raises JournalError: closed files are there, but what is written does not go on from them."""
    closed = closed_segments(path)
    if not closed:
        return
    number = number_in(os.pread(fd, 1024, 0)) or 1
    if number != closed[-1].number + 1:
        name = closed[-1].path.name
        raise JournalError(f"it does not go on where {name} ends", line=1, byte=0, file=path.name)


def refused(path: Path, what: str, error: OSError) -> Fault:
    """What the operating system does not let us do to the journal, and what would help."""
    why = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, "--journal chooses another place")
    return fault(path, f"{what} the journal {path}: {why}", hint)


def fault(path: Path, message: str, hint: str) -> Fault:
    """A fault of the journal's."""
    return Fault(FaultKind.JOURNAL, message, hint=hint, context={"journal": str(path)})

"""Mends the tail of a journal after a crash: the writer's business, with the lock in its hand.

Three things can be wrong with an end that a crash has cut: NULs where a file system had lengthened
the file before it wrote, a last line that is torn or damaged, a whole last line without its
newline. What is taken away goes to a file aside first. Only the tail is read, however long the
journal; any damage above the last line is left alone and refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import JournalRepaired
from vsync_sm.journal.codec import decode
from vsync_sm.journal.reader import LINE_LIMIT
from vsync_sm.journal.segments import number_in

TORN = "torn last line"
DAMAGED = "damaged last line"
NULS = "tail of NULs"
NO_NEWLINE = "missing newline"

_CHUNK = 64 * 1024
_BEGINNING = b'{"v":'
"""Every journal begins so: a file that does not is somebody else's, and not ours to shorten."""


def repair_tail(fd: int, path: Path) -> tuple[tuple[JournalRepaired, ...], int]:
    """Mend the tail of the journal `fd`, which lies at `path` and is locked.

    Returns:
        What was mended, and the `seq` of the last line (0: the journal is empty).

    Raises:
        JournalError: the damage is more than a crash leaves; nothing was changed.
        OSError: reading, or writing the file aside, failed; no whole line is lost.
    """
    size = os.fstat(fd).st_size
    tail = _judge(fd, size)
    repairs = []
    if tail.keep < size:
        aside = _put_aside(fd, path, tail.keep)
        os.ftruncate(fd, tail.keep)
        repairs.append(
            JournalRepaired(what=tail.wrong, removed_bytes=size - tail.keep, aside=aside.name)
        )
    if not tail.ended:
        os.write(fd, b"\n")
        repairs.append(JournalRepaired(what=NO_NEWLINE, removed_bytes=0))
    if repairs:
        os.fsync(fd)
    return tuple(repairs), tail.seq


class _Tail(NamedTuple):
    """How many bytes may stay, what is wrong with the rest, and how what stays ends."""

    keep: int
    wrong: str
    ended: bool
    seq: int


class _Line(NamedTuple):
    start: int
    text: bytes
    ended: bool


def _judge(fd: int, size: int) -> _Tail:
    end = _end_of_text(fd, size)
    _refuse_foreign(fd, end)
    if end == 0:
        return _Tail(keep=0, wrong=NULS, ended=True, seq=0)
    last = _line_before(fd, end)
    try:
        return _Tail(keep=end, wrong=NULS, ended=last.ended, seq=_seq(last))
    except JournalError:
        wrong = DAMAGED if last.ended else TORN
    if last.start == 0 and number_in(last.text) is not None:
        raise _error(fd, 0, "the line that opens this file is damaged")
    if last.start == 0:
        return _Tail(keep=0, wrong=wrong, ended=True, seq=0)
    above = _line_before(fd, last.start)
    try:
        return _Tail(keep=last.start, wrong=wrong, ended=True, seq=_seq(above))
    except JournalError as error:
        raise _error(fd, above.start, error.message) from None


def _refuse_foreign(fd: int, end: int) -> None:
    if not _BEGINNING.startswith(os.pread(fd, min(end, len(_BEGINNING)), 0)):
        raise JournalError("this is no journal", line=1, byte=0)


def _seq(line: _Line) -> int:
    return decode(line.text, line_number=0, byte=line.start).seq


def _end_of_text(fd: int, size: int) -> int:
    """Where the NULs at the end begin; the size of the file when there are none."""
    end = size
    while end > 0:
        start = max(0, end - _CHUNK)
        text = os.pread(fd, end - start, start).rstrip(b"\0")
        if text:
            return start + len(text)
        end = start
    return 0


def _line_before(fd: int, end: int) -> _Line:
    """The line whose last byte, its newline if it has one, stands just before `end` (> 0)."""
    ended = os.pread(fd, 1, end - 1) == b"\n"
    start = stop = end - 1 if ended else end
    parts: list[bytes] = []
    while start > 0:
        if stop - start > LINE_LIMIT:
            raise _error(fd, start, f"longer than {LINE_LIMIT} bytes")
        before = max(0, start - _CHUNK)
        chunk = os.pread(fd, start - before, before)
        newline = chunk.rfind(b"\n")
        parts.append(chunk[newline + 1 :])
        if newline >= 0:
            start = before + newline + 1
            break
        start = before
    return _Line(start, b"".join(reversed(parts)), ended)


def _put_aside(fd: int, path: Path, start: int) -> Path:
    """Copy everything from `start` on to a new file beside the journal, on the disk for good."""
    aside, target = _new_file_aside(path)
    try:
        while chunk := os.pread(fd, _CHUNK, start):
            start += len(chunk)
            while chunk:
                chunk = chunk[os.write(target, chunk) :]
        os.fsync(target)
    except OSError:
        aside.unlink()
        raise
    finally:
        os.close(target)
    sync_directory(path.parent)
    return aside


def _new_file_aside(path: Path) -> tuple[Path, int]:
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.torn-{number}")
        try:
            return aside, os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1


def sync_directory(directory: Path) -> None:
    """Have the directory's entries on the disk, so that a new file is found after a crash."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _error(fd: int, byte: int, message: str) -> JournalError:
    """The error with the number of the line in which `byte` lies: the one time all is read."""
    line, at = 1, 0
    while chunk := os.pread(fd, min(_CHUNK, byte - at), at):
        line += chunk.count(b"\n")
        at += len(chunk)
    return JournalError(message, line=line, byte=byte)

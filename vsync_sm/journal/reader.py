"""Reads a journal, from its first line to its last whole one, and on as it grows.

A reader never writes and never waits. An unfinished last line is "not yet"; everything else that
is not a whole line with the next `seq` is a `JournalError`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import VERSION, Record
from vsync_sm.journal.codec import decode

LINE_LIMIT = 64 * 1024 * 1024
"""No line of a journal is this long (bytes): what is, is none, and is not taken into memory."""

_CHUNK = 128 * 1024


def read_journal(path: Path) -> Iterator[Record]:
    """Every record of a journal, streaming; the memory needed does not grow with the file.

    Raises:
        JournalError: at the first line that is damaged or out of sequence; with line 0 when there
            is no such file, or it cannot be read.
    """
    with JournalReader(path) as reader:
        if not reader.exists():
            raise JournalError(f"no such journal: {path}", line=0, byte=0)
        yield from reader.records()


class JournalReader:
    """Follows a journal that may still grow, or not even be there yet.

    It remembers only where the next line begins, and reads an unfinished line anew each time: the
    writer that comes after a crash may have put its bytes aside.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None
        self._line = 1
        self._byte = 0
        self._seq = 0

    @property
    def line(self) -> int:
        """The line that comes next, from 1."""
        return self._line

    @property
    def byte(self) -> int:
        """Where the line that comes next begins."""
        return self._byte

    @property
    def last_seq(self) -> int:
        """`seq` of the last record read, 0 before the first."""
        return self._seq

    def exists(self) -> bool:
        """Whether the file is there.

        Raises:
            JournalError: it is, and cannot be read.
        """
        return self._file() is not None

    def poll(self) -> list[Record]:
        """The records of all whole lines since the last poll; empty when there are none.

        Raises:
            JournalError: the next line is damaged. What stands before it has been returned by the
                polls before, and each poll from now on fails alike.
        """
        records: list[Record] = []
        try:
            records.extend(self.records())
        except JournalError:
            if not records:
                raise
        return records

    def records(self, skip: Callable[[bytes], bool] | None = None) -> Iterator[Record]:
        """The same one by one, so that a long journal is never wholly in memory.

        Args:
            skip: of which lines the record is not wanted. Such a line is not decoded: all that is
                seen of it is that it begins and ends as the next line of a journal does.
        """
        while lines := self._whole_lines():
            for line in lines:
                record = None
                if skip is None or not (skip(line) and self._follows(line)):
                    record = self._next(line)
                self._line += 1
                self._byte += len(line) + 1
                self._seq += 1
                if record is not None:
                    yield record

    def _follows(self, line: bytes) -> bool:
        start = b'{"v":%d,"seq":%d,"ts":' % (VERSION, self._seq + 1)
        return line.startswith(start) and line.endswith(b"}")

    def close(self) -> None:
        """Give the file back. Polling again opens it again, at the same place."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _file(self) -> int | None:
        if self._fd is None:
            try:
                self._fd = _open(self.path)
            except FileNotFoundError:
                return None
            except (OSError, ValueError) as error:
                message = f"cannot read {self.path}: {_why(error)}"
                raise JournalError(message, line=0, byte=0) from None
        return self._fd

    def _next(self, line: bytes) -> Record:
        record = decode(line, line_number=self._line, byte=self._byte)
        if record.seq != self._seq + 1:
            raise self._error(f"seq {record.seq} where {self._seq + 1} was due")
        return record

    def _whole_lines(self) -> list[bytes]:
        """The next whole lines without their newlines, some chunks' worth; empty at the end."""
        fd = self._file()
        if fd is None:
            return []
        parts: list[bytes] = []
        end = self._byte
        while True:
            chunk = self._read(fd, end)
            newline = chunk.rfind(b"\n")
            if newline >= 0:
                parts.append(chunk[:newline])
                return b"".join(parts).split(b"\n")
            parts.append(chunk)
            end += len(chunk)
            if not chunk:
                return []
            if end - self._byte > LINE_LIMIT:
                raise self._error(f"longer than {LINE_LIMIT} bytes")

    def _read(self, fd: int, byte: int) -> bytes:
        try:
            chunk = os.pread(fd, _CHUNK, byte)
            if not chunk and os.fstat(fd).st_size < self._byte:
                raise self._error("the journal has lost lines that were there before")
        except OSError as error:
            raise self._error(f"cannot read {self.path}: {_why(error)}") from None
        return chunk

    def _error(self, message: str) -> JournalError:
        return JournalError(message, line=self._line, byte=self._byte)


def _open(path: Path) -> int:
    # Not blocking: a pipe without a writer would hold us for ever before we can refuse it.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("not a file")
    return fd


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)

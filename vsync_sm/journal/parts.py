"""The files of a journal at random access: each opened once, and kept open while it is wanted.

A packed file is unpacked piece by piece into a temporary one without a name.
"""

from __future__ import annotations

import gzip
import os
import stat
import tempfile
import zlib
from pathlib import Path

from vsync_sm.journal.segments import PACKED, Segment, closed_segments, number_in

REACH = 128 * 1024 * 1024
"""So many bytes of lines before the file being written are looked at, in whole files."""

KEPT = 2 * REACH
"""So many of them are kept once there are more."""

PACKED_BY = 8
"""About so much smaller is a packed file: for what must be known before it is unpacked."""

_BEGINNING = 1024
_PIECE = 1024 * 1024


class Part:
    """One file. `base` is where it begins when all files lie behind each other, in bytes.

    `closed`: it does not grow any more.
    """

    def __init__(self, path: Path, number: int, *, packed: bool, closed: bool) -> None:
        """Opens it. Raises OSError or ValueError: it cannot be, or is no file."""
        # Not blocking: a pipe without a writer would hold us for ever before we can refuse it.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise ValueError("not a file")
        self._stat = os.fstat(fd)
        self.number = number
        self.base = 0
        self.closed = closed
        self.fd = fd
        self._packed_fd: int | None = None
        self._unpacking: gzip.GzipFile | None = None
        if packed:
            try:
                with tempfile.TemporaryFile() as file:
                    self.fd = os.dup(file.fileno())
            except BaseException:
                os.close(fd)
                raise
            self._packed_fd = fd
            self._unpacking = gzip.GzipFile(fileobj=os.fdopen(fd, "rb", closefd=False))

    @property
    def size(self) -> int:
        """How many bytes can be read now."""
        return os.fstat(self.fd).st_size

    @property
    def expected(self) -> int:
        """How many there will be, as far as one can tell."""
        if self._packed_fd is None or self._unpacking is None:
            return self.size
        return max(self.size, PACKED_BY * os.fstat(self._packed_fd).st_size)

    @property
    def whole(self) -> bool:
        """Whether all of it can be read."""
        return self.closed and self._unpacking is None

    def unpack(self, budget: int) -> None:
        """Unpack about so many more bytes; of a damaged file, what there is before the damage."""
        while self._unpacking is not None and budget > 0:
            try:
                piece = self._unpacking.read(min(_PIECE, budget))
                budget -= len(piece)
                end = not piece
                while piece:
                    piece = piece[os.write(self.fd, piece) :]
            except (OSError, EOFError, zlib.error):  # damaged, or there is no room to unpack it
                end = True
            if end:
                self._end_unpacking()

    def _end_unpacking(self) -> None:
        if self._unpacking is not None:
            self._unpacking.close()
            self._unpacking = None
        if self._packed_fd is not None:
            os.close(self._packed_fd)
            self._packed_fd = None

    def is_file(self, there: os.stat_result) -> bool:
        """Whether it is this file."""
        return os.path.samestat(self._stat, there)

    def close(self) -> None:
        """Give it back."""
        self._end_unpacking()
        os.close(self.fd)


def open_parts(journal: Path) -> list[Part]:
    """The file being written, and before it those closed ones that lie within reach.

    Where only closed files were put, those.

    Raises:
        OSError, ValueError: the file being written cannot be opened.
    """
    closed = _in_reach(closed_segments(journal))
    try:
        live = _open_live(journal)
    except FileNotFoundError:
        if parts := _opened(closed):
            return parts
        raise
    parts = _opened(closed) if closed and closed[-1].number == live.number - 1 else []
    return [*parts, live]


def newest_file(journal: Path) -> os.stat_result:
    """The file being written; where only closed ones were put, the newest of them.

    Raises:
        OSError: there is none, or it cannot be looked at.
    """
    try:
        return journal.stat()
    except FileNotFoundError:
        closed = closed_segments(journal)
        if not closed:
            raise
        return closed[-1].path.stat()


def later_parts(journal: Path, last: Part) -> list[Part] | None:
    """The files that follow the one that was being written; None: another journal lies there.

    Raises:
        OSError, ValueError: one cannot be opened.
    """
    closed = {each.number: each for each in closed_segments(journal)}
    own = closed.get(last.number)
    live = _open_live(journal)
    between = [closed[n] for n in range(last.number + 1, live.number) if n in closed]
    if own is None or not _is(last, own) or len(between) != live.number - last.number - 1:
        live.close()
        return None
    return [*_opened(between), live]


def _in_reach(closed: list[Segment]) -> list[Segment]:
    left = REACH
    found: list[Segment] = []
    for each in reversed(closed):
        try:
            left -= each.path.stat().st_size * (PACKED_BY if each.packed else 1)
        except FileNotFoundError:
            break
        if left < 0:
            break
        found.append(each)
    return found[::-1]


def _opened(closed: list[Segment]) -> list[Part]:
    parts: list[Part] = []
    try:
        parts.extend(Part(one.path, one.number, packed=one.packed, closed=True) for one in closed)
    except FileNotFoundError:  # packed or deleted this moment: the lines behind it will do
        for part in parts:
            part.close()
        return []
    return parts


def _open_live(journal: Path) -> Part:
    # One file that is looked at alone may be a packed one.
    live = Part(journal, 1, packed=journal.name.endswith(PACKED), closed=False)
    live.unpack(_BEGINNING)
    live.number = number_in(os.pread(live.fd, _BEGINNING, 0)) or 1
    return live


def _is(part: Part, closed: Segment) -> bool:
    try:
        same = Part(closed.path, closed.number, packed=closed.packed, closed=True)
    except (OSError, ValueError):
        return False
    try:
        same.unpack(_BEGINNING)
        beginning = os.pread(part.fd, _BEGINNING, 0)
        return bool(beginning) and os.pread(same.fd, len(beginning), 0) == beginning
    finally:
        same.close()

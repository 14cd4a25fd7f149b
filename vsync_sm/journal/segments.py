"""The files of one journal: what they are called, which there are, and their bytes.

The file that is written keeps the journal's own name, `journal.jsonl`. When it is full it is
closed as `journal.jsonl.000001`, numbered from 1 in the order of their lines, and packed by and by
(gzip: `journal.jsonl.000001.gz`). `journal.jsonl.next` is a file that is being made ready. The
lines of all files, in order, are the journal; each file but the first begins with `segment_opened`.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from vsync_sm.core.errors import JournalError

PACKED = ".gz"

_CLOSED = re.compile(r"\.([0-9]{6,12})(\.gz)?")
_NUMBER = re.compile(rb'"type":"segment_opened","number":([0-9]{1,12}),')
_BEGINNING = 1024


class Segment(msgspec.Struct, frozen=True):
    """One file of a journal. `number` is its place in the order, from 1."""

    path: Path
    number: int
    packed: bool = False


class Usage(msgspec.Struct, frozen=True):
    """What a journal takes on the disk, bytes: the file being written, and those closed."""

    segments: int
    live_bytes: int
    closed_bytes: int

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.live_bytes + self.closed_bytes


def usage(journal: Path) -> Usage:
    """What a journal takes now; nothing where there is none. Raises OSError."""
    closed = [size for each in closed_segments(journal) if (size := _size(each.path)) is not None]
    live = _size(journal)
    count = len(closed) + (live is not None)
    return Usage(segments=count, live_bytes=live or 0, closed_bytes=sum(closed))


def journal_in(given: Path) -> Path:
    """The journal that is meant: of a directory, `journal.jsonl` or its only one; else as given.

    Where only closed files were put, it is the one that they are of.
    """
    if not given.is_dir():
        return given
    found = [path for path in given.glob("*.jsonl") if path.is_file()]
    if not found:
        closed = [each.name for each in given.iterdir() if closed_number(each.name) is not None]
        bare = {name.removesuffix(PACKED).rpartition(".")[0] for name in closed}
        return given / bare.pop() if len(bare) == 1 else given
    usual = given / "journal.jsonl"
    return found[0] if len(found) == 1 else usual if usual in found else given


def closed_path(journal: Path, number: int) -> Path:
    """Where the file with this number lies once it is closed."""
    return journal.with_name(f"{journal.name}.{number:06}")


def next_path(journal: Path) -> Path:
    """Where the file after the one being written is made ready."""
    return journal.with_name(f"{journal.name}.next")


def closed_number(name: str) -> int | None:
    """The number in the name of a closed file; None: it is none."""
    match = _CLOSED.search(name)
    return int(match[1]) if match is not None and match.end() == len(name) else None


def alone(path: Path) -> Segment | None:
    """A file that is read by itself: a closed one, or a whole journal that somebody has packed.

    None: it is none by its name, but a journal, to which other files may belong.
    """
    number, packed = closed_number(path.name), path.name.endswith(PACKED)
    if number is None and not packed:
        return None
    return Segment(path, 1 if number is None else number, packed)


def closed_segments(journal: Path) -> list[Segment]:
    """The closed files, in order. One that is being closed this moment still counts as open.

    Raises:
        OSError: the directory cannot be read; that there is none is no error.
    """
    found: dict[int, Segment] = {}
    inodes: dict[int, int] = {}
    try:
        with os.scandir(journal.parent) as entries:
            for entry in entries:
                match = _CLOSED.fullmatch(entry.name.removeprefix(journal.name))
                if match is None or not entry.name.startswith(journal.name):
                    continue
                number, packed = int(match[1]), match[2] is not None
                if packed and number in found:
                    continue  # packed, and not yet unlinked: the plain one is as good
                found[number] = Segment(Path(entry.path), number, packed)
                inodes[number] = entry.inode()
    except FileNotFoundError:
        return []
    # Only now: whatever happens between, none that is closed is taken for the open one.
    with suppress(OSError):
        live = journal.stat().st_ino
        found = {number: each for number, each in found.items() if inodes[number] != live}
    return [found[number] for number in sorted(found)]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


# --- their bytes -----------------------------------------------------------------------------


class Source(Protocol):
    """The bytes of one file, read from its beginning to its end."""

    def read(self, byte: int, size: int) -> bytes:
        """Up to `size` bytes from `byte` on, which never goes back; empty at the end.

        Raises:
            OSError, EOFError, zlib.error: it cannot be read.
        """

    def length(self) -> int | None:
        """How many bytes there are now; None: it cannot be told."""

    def is_at(self, path: Path) -> bool:
        """Whether it is still this file that lies there."""

    @property
    def share(self) -> tuple[int, int]:
        """Of how many bytes of the disk's how many have been read: (read, all)."""

    def close(self) -> None:
        """Give the file back."""


class Plain:
    """A file as it was written."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._read = 0

    def read(self, byte: int, size: int) -> bytes:
        """Up to `size` bytes from `byte` on."""
        chunk = os.pread(self._fd, size, byte)
        self._read = byte + len(chunk)
        return chunk

    def length(self) -> int | None:
        """How many bytes there are now."""
        return os.fstat(self._fd).st_size

    def is_at(self, path: Path) -> bool:
        """Whether it is still this file that lies there."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self._fd))
        except OSError:
            return False

    @property
    def share(self) -> tuple[int, int]:
        """Of how many bytes how many have been read."""
        return self._read, max(self._read, os.fstat(self._fd).st_size)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)


class Packed:
    """A closed file, unpacked while it is read."""

    def __init__(self, fd: int) -> None:
        self._file = os.fdopen(fd, "rb")
        self._unpacked = gzip.GzipFile(fileobj=self._file)
        self._start = 0
        self._held = b""

    def read(self, byte: int, size: int) -> bytes:
        """Up to `size` bytes from `byte` on, which never goes back."""
        if byte > self._start + len(self._held):
            self._unpacked.seek(byte)
            self._start, self._held = byte, b""
        elif byte > self._start:
            self._held = self._held[byte - self._start :]
            self._start = byte
        if len(self._held) < size:
            self._held += self._unpacked.read(size)
        return self._held[:size]

    def length(self) -> int | None:
        """Nobody knows before the end."""
        return None

    def is_at(self, path: Path) -> bool:
        """Whether it is still this file that lies there."""
        try:
            return os.path.samestat(path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    @property
    def share(self) -> tuple[int, int]:
        """Of how many packed bytes how many have been read."""
        fd = self._file.fileno()
        return os.lseek(fd, 0, os.SEEK_CUR), os.fstat(fd).st_size

    def close(self) -> None:
        """Give the file back."""
        self._unpacked.close()
        self._file.close()


UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a source may raise."""


def open_source(path: Path, *, packed: bool = False) -> Source:
    """The bytes of a file.

    Raises:
        FileNotFoundError: there is none.
        OSError, ValueError: it cannot be opened, or is no file.
    """
    # Not blocking: a pipe without a writer would hold us for ever before we can refuse it.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("not a file")
        return Packed(fd) if packed else Plain(fd)
    except BaseException:
        os.close(fd)
        raise


def number_in(beginning: bytes) -> int | None:
    """The number that a file gives itself in its first line; None: it does not open a segment."""
    match = _NUMBER.search(beginning[:_BEGINNING])
    return int(match[1]) if match is not None else None


def live_number(journal: Path) -> int:
    """The number of the file being written: 1 where it is the first, or empty, or not there."""
    try:
        source = open_source(journal)
    except (OSError, ValueError):
        return 1
    try:
        return number_in(source.read(0, _BEGINNING)) or 1
    except OSError:
        return 1
    finally:
        source.close()


def why(error: Exception) -> str:
    """What the operating system says."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def cannot_read(path: Path, error: Exception) -> JournalError:
    """The error of a file that cannot be read at all."""
    return JournalError(f"cannot read {path}: {why(error)}", line=0, byte=0)

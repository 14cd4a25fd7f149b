"""An index kept in a file beside its journal, `journal.jsonl.index`, for the next who looks.

It is no part of the journal: whoever deletes it loses some seconds. It is trusted only where it is
whole, was written by this very vsync, and lies beside the very files that it was made of; and each
stretch of them that is read proves it again, by its seals. What cannot be read or written is passed
over in silence.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from array import array
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from operator import le
from pathlib import Path
from typing import NamedTuple

import msgspec

import vsync_sm
from vsync_sm.core.marks import Mark, Marks
from vsync_sm.core.ready import ready
from vsync_sm.journal.index import File, Index, Place
from vsync_sm.journal.pressing import Pressed
from vsync_sm.journal.segments import Segment

WORTH = 50_000
"""A journal of fewer records is indexed in no time: nothing is put beside it."""

_MOST_BYTES = 512 * 1024 * 1024
_MAGIC = b"vsync index\n"
_SEEN = 4096
_MADE_OF = ("core", "journal")


class Seen(msgspec.Struct, frozen=True):
    """What tells a file from any other, at a glance: also of a file that was written over."""

    number: int
    packed: bool
    size: int
    mtime_ns: int
    inode: int
    head: bytes
    tail: bytes


class _Saved(msgspec.Struct, frozen=True):
    """The whole of it. Numbers lie in `bytes` as arrays do; parts of views stand once, by place."""

    seen: tuple[Seen, ...]
    files: tuple[File, ...]
    anew: tuple[int, ...]
    first: int
    seq: int
    place: Place
    stride: int
    seqs: bytes
    places: bytes
    least: bytes
    parts: tuple[bytes, ...]
    rows: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...]
    mark_seqs: bytes
    mark_kinds: bytes
    told: tuple[Mark, ...]
    damage: str
    newer: bool


class Kept(NamedTuple):
    """An index as it was kept, and with which file it goes on; None: it is whole."""

    made: Index
    onward: int | None
    damage: str
    newer: bool


ready(_Saved)


def index_path(journal: Path) -> Path:
    """Where the index of a journal lies."""
    return journal.with_name(f"{journal.name}.index")


def seen_of(files: Sequence[Segment]) -> tuple[Seen, ...]:
    """What the files look like now. Raises OSError, ValueError."""
    return tuple(map(_seen, files))


def _seen(file: Segment) -> Seen:
    fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        there = os.fstat(fd)
        if not stat.S_ISREG(there.st_mode):
            raise ValueError("not a file")
        head = os.pread(fd, _SEEN, 0)
        tail = os.pread(fd, _SEEN, max(0, there.st_size - _SEEN))
    finally:
        os.close(fd)
    return Seen(
        number=file.number,
        packed=file.packed,
        size=there.st_size,
        mtime_ns=there.st_mtime_ns,
        inode=there.st_ino,
        head=_digest(head),
        tail=_digest(tail),
    )


def _digest(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=32).digest()


@cache
def _made_by() -> bytes:
    """What tells this vsync from any other one that may fold, audit or mark otherwise."""
    made = hashlib.blake2b(digest_size=32)
    made.update(f"{msgspec.__version__} {sys.byteorder}".encode())
    root = Path(vsync_sm.__file__).parent
    for room in _MADE_OF:
        for path in sorted((root / room).glob("*.py")):
            made.update(path.name.encode() + b"\0" + path.read_bytes())
    return made.digest()


# --- writing ---------------------------------------------------------------------------------


def keep(journal: Path, index: Index, seen: tuple[Seen, ...], damage: str, *, newer: bool) -> None:
    """Put an index beside its journal, where that may be done.

    Args:
        journal: the journal.
        index: all of it.
        seen: what its files looked like before they were read.
        damage: why it cannot be read further than to the index's end.
        newer: a newer vsync wrote some of it.
    """
    with suppress(OSError):
        _write(index_path(journal), _raw(index, seen, damage, newer=newer))


def _raw(index: Index, seen: tuple[Seen, ...], damage: str, *, newer: bool) -> bytes:
    parts: dict[bytes, int] = {}

    def place(part: bytes) -> int:
        return parts.setdefault(part, len(parts))

    rows = tuple(
        (
            (place(each.own), *map(place, each.whole)),
            tuple(map(place, each.history)),
            tuple(map(place, each.saves)),
        )
        for each in index.pressed
    )
    mark_seqs, mark_kinds = index.marks.packed()
    saved = _Saved(
        seen=seen,
        files=tuple(index.files),
        anew=tuple(index.anew),
        first=index.first,
        seq=index.seq,
        place=index.place,
        stride=index.stride,
        seqs=index.seqs.tobytes(),
        places=array("Q", [number for each in index.places for number in each]).tobytes(),
        least=index.least.tobytes(),
        parts=tuple(parts),
        rows=rows,
        mark_seqs=mark_seqs,
        mark_kinds=mark_kinds,
        told=tuple(index.told),
        damage=damage,
        newer=newer,
    )
    body = msgspec.msgpack.encode(saved)
    return _MAGIC + _made_by() + _digest(body) + body


def _write(path: Path, raw: bytes) -> None:
    aside = path.with_name(f"{path.name}.part")
    aside.unlink(missing_ok=True)  # of one who was killed here; or writes still, and will fail
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(raw)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def drop(journal: Path) -> None:
    """Take away an index that is wrong, where that may be done."""
    with suppress(OSError):
        index_path(journal).unlink()


# --- reading ---------------------------------------------------------------------------------


def kept(journal: Path, files: Sequence[Segment], seen: tuple[Seen, ...]) -> Kept | None:
    """The index that lies beside a journal, as far as it may be used; None: not at all.

    Where some of the files are as they were, and others have grown, were packed or have come
    since, it is cut: it ends before the first of those.
    """
    try:
        saved = _read(index_path(journal), journal)
        if saved is None:
            return None
        index = _index(saved)
    except (OSError, ValueError, IndexError, TypeError, msgspec.MsgspecError):
        return None
    same = 0
    while same < min(len(seen), len(saved.seen)) and seen[same] == saved.seen[same]:
        same += 1
    if same == len(seen) == len(saved.seen):
        return Kept(index, None, saved.damage, saved.newer)
    known = [each.number for each in index.files]
    # Of a journal in which something was amiss nothing is taken over.
    if not 0 < same < len(files) or saved.damage or saved.newer:
        return None
    if known[:same] != [each.number for each in files[:same]]:
        return None
    if same < len(known):
        index.cut(same)
    return Kept(index, files[same].number, "", newer=False)


def _read(path: Path, journal: Path) -> _Saved | None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        there = os.fstat(file.fileno())
        own = {0, os.geteuid(), journal.stat().st_uid}
        others = stat.S_IWGRP | stat.S_IWOTH
        if not stat.S_ISREG(there.st_mode) or there.st_uid not in own or there.st_mode & others:
            return None
        if there.st_size > _MOST_BYTES:
            return None
        raw = file.read(_MOST_BYTES)
    made, size = _MAGIC + _made_by(), 32
    body = raw[len(made) + size :]
    if not raw.startswith(made) or raw[len(made) : len(made) + size] != _digest(body):
        return None
    return msgspec.msgpack.decode(body, type=_Saved)


def _index(saved: _Saved) -> Index:
    """The index again. Raises ValueError: it does not hold together."""
    index = Index(saved.place)
    index.first, index.seq, index.stride = saved.first, saved.seq, saved.stride
    index.files, index.anew = list(saved.files), list(saved.anew)
    index.marks = Marks.unpacked(saved.mark_seqs, saved.mark_kinds)
    index.told = list(saved.told)
    index.seqs.frombytes(saved.seqs)
    index.least.frombytes(saved.least)
    places = array("Q")
    places.frombytes(saved.places)
    index.places = [Place(*places[at : at + 3]) for at in range(0, len(places), 3)]
    index.pressed = [
        Pressed(
            own=saved.parts[whole[0]],
            whole=tuple(saved.parts[at] for at in whole[1:]),
            history=tuple(saved.parts[at] for at in history),
            saves=tuple(saved.parts[at] for at in saves),
        )
        for whole, history, saves in saved.rows
    ]
    lengths = {len(index.seqs), len(index.least), len(index.places), len(index.pressed)}
    if len(lengths) != 1 or not index.seqs or not index.files or index.stride < 1:
        raise ValueError("it does not hold together")
    numbers = [each.number for each in index.files]
    if not all(map(le, index.seqs, [*index.seqs[1:], index.seq])) or sorted(numbers) != numbers:
        raise ValueError("its order is wrong")
    return index

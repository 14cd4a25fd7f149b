"""Reads what lies between two checkpoints of an index, and proves that it is what was indexed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.journal.codec import decode
from vsync_sm.journal.index import SEAL_BYTES, SEALED, File, Stretch, seal
from vsync_sm.journal.shelf import Shelf, Stale


class Text(NamedTuple):
    """Whole lines of one file: where they begin, and their bytes."""

    byte: int
    line: int
    raw: bytes


def text_of(stretch: Stretch, shelf: Shelf) -> Iterator[Text]:
    """The lines of a stretch, file by file.

    Raises:
        Stale: they are not what was indexed.
        JournalError: they cannot be read.
    """
    for file, start, stop, line in stretch.spans:
        yield Text(start, line, proven(file, start, stop, shelf))


def records_of(stretch: Stretch, shelf: Shelf) -> tuple[Record, ...]:
    """The records of a stretch; raises as `text_of` does."""
    records: list[Record] = []
    seq = stretch.seq
    for text in text_of(stretch, shelf):
        line, byte = text.line, text.byte
        for raw in text.raw.removesuffix(b"\n").split(b"\n"):
            try:
                record = decode(raw, line_number=line, byte=byte)
            except JournalError as error:
                raise Stale(error.message, line=line, byte=byte) from None
            line, byte = line + 1, byte + len(raw) + 1
            if record.seq > seq:  # in a history a line may stand twice
                seq = record.seq
                records.append(record)
    if seq != stretch.last:
        raise Stale(f"seq {seq} where {stretch.last} was indexed", line=0, byte=0)
    return tuple(records)


def proven(file: File, start: int, stop: int, shelf: Shelf) -> bytes:
    """The bytes, read with all of the blocks that they lie in."""
    seals = file.seals  # before its end is looked at: the end never lies before what is sealed
    begin = start // SEALED * SEALED
    end = min(-(-stop // SEALED) * SEALED, max(file.end, stop))
    raw = shelf.read(file.number, begin, end - begin)
    for at in range(begin, end, SEALED):
        number = at // SEALED
        sealed = seals[number * SEAL_BYTES : (number + 1) * SEAL_BYTES]
        block = raw[at - begin : at - begin + SEALED]
        if sealed and seal(block) != sealed:
            raise Stale("the journal was changed since it was indexed", line=0, byte=at)
    if len(raw) < stop - begin:
        raise Stale("the journal has lost lines since it was indexed", line=0, byte=start)
    return raw[start - begin : stop - begin]

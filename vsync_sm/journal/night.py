"""A journal as one night: record after record over all its files, with where each line stands.

Where a file is damaged or missing it goes on with the next one that begins with a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record, SegmentOpened
from vsync_sm.core.view import View, apply
from vsync_sm.journal.codec import decode
from vsync_sm.journal.history import is_history
from vsync_sm.journal.index import Place
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import usable
from vsync_sm.journal.shelf import Shelf, files_of

_CHUNK = 256 * 1024


def onward(view: View, record: Record) -> View:
    """The view after one more record; behind files that are missing it begins anew.

    As any fold does that begins with the file behind them: at its checkpoint.
    """
    anew = record.seq > view.seq + 1 and isinstance(record.event, SegmentOpened)
    return apply(View() if anew else view, record)


class Read(NamedTuple):
    """A record, where its line and the next one begin, and its file's name ("": the only one)."""

    record: Record
    place: Place
    after: Place
    file: str


class Broken(NamedTuple):
    """Here it cannot be read on, and why; `last`: nor behind it."""

    words: str
    last: bool


class Night:
    """Reads the files of a journal, of a history, or one closed file."""

    def __init__(self, journal: Path, shelf: Shelf) -> None:
        self._journal, self._shelf = journal, shelf
        self._history = is_history(journal)
        self._reader: JournalReader | None = None
        self._over = False

    @property
    def share(self) -> float:
        """How much has been read, of 1; about."""
        return 1.0 if self._over else self._reader.share if self._reader is not None else 0.0

    def reads(self, begun: int) -> Iterator[Read | Broken]:
        """All of it, from the file with this number on."""
        if self._history:
            yield from self._read_history()
        else:
            yield from self._read_files(begun)
        self._over = True

    def _read_files(self, begun: int) -> Iterator[Read | Broken]:
        seq = 0
        while True:
            reader = self._reader = JournalReader(self._journal, first=begun)
            try:
                for read in _read_from(reader):
                    seq = read.record.seq
                    yield read
                return
            except JournalError as error:
                failed = error
            finally:
                reader.close()
            follower = self._follower(reader.position.number, begun, failed.line, seq)
            yield Broken(str(failed), last=follower is None)
            if follower is None:
                return
            begun = follower

    def _follower(self, number: int, begun: int, line: int, seq: int) -> int | None:
        """The number of the next file with which a fold can begin."""
        for file in files_of(self._journal):
            itself = file.number == number != begun and line == 1
            if file.number <= number and not itself:
                continue
            with JournalReader(self._journal, first=file.number) as reader:
                try:
                    first = next(reader.records(), None)
                except JournalError:
                    continue
                there = reader.position.number == file.number
            if first is None or not there or not isinstance(first.event, SegmentOpened):
                continue
            if first.seq > seq and usable(first):
                return file.number
        return None

    def _read_history(self) -> Iterator[Read | Broken]:
        place, seq, rest = Place(1, 0, 1), 0, b""
        at = 0
        try:
            while chunk := self._shelf.read(1, at, _CHUNK):
                at += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    record = decode(line, line_number=place.line, byte=place.byte)
                    after = Place(1, place.byte + len(line) + 1, place.line + 1)
                    if record.seq > seq:
                        seq = record.seq
                        yield Read(record, place, after, "")
                    place = after
        except JournalError as error:
            yield Broken(str(error), last=True)


def _read_from(reader: JournalReader) -> Iterator[Read]:
    place, name = Place(0, 0, 0), ""
    for record in reader.records():
        number, byte = reader.position
        if number != place.number:
            place, name = Place(number, 0, 1), reader.name
        after = Place(number, byte, reader.line)
        yield Read(record, place, after, name)
        place = after

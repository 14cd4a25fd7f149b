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
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import usable
from vsync_sm.journal.shelf import Shelf, files_of

_CHUNK = 256 * 1024


class Read(NamedTuple):
    """A record, the number of its file, its line in it, and the byte behind that.

    `file` is its name ("": the only one). `anew`: what stands before it could not be read to its
    end; a fold begins anew with it.
    """

    record: Record
    number: int
    line: int
    end: int
    file: str = ""
    anew: bool = False

    def onto(self, view: View) -> View:
        """The view after it; `view` is the one before it."""
        return apply(View() if self.anew else view, self.record)


class Broken(NamedTuple):
    """Here it cannot be read on, and why; `last`: nor behind it. Line 0: not at all."""

    words: str
    last: bool
    line: int


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
        seq, anew = 0, False
        while True:
            reader = self._reader = JournalReader(self._journal, first=begun)
            try:
                for read in _read_from(reader):
                    seq = read.record.seq
                    yield read._replace(anew=True) if anew else read
                    anew = False
                return
            except JournalError as error:
                failed = error
            finally:
                reader.close()
            number = reader.position.number
            next_one = follower(self._journal, number, begun, failed.line, seq)
            yield Broken(str(failed), next_one is None, failed.line)
            if next_one is None:
                return
            begun, anew = next_one, True

    def _read_history(self) -> Iterator[Read | Broken]:
        seq = line = at = end = 0
        rest = b""
        try:
            while chunk := self._shelf.read(1, at, _CHUNK):
                at += len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for raw in lines:
                    line += 1
                    record = decode(raw, line_number=line, byte=end)
                    end += len(raw) + 1
                    if record.seq > seq:  # after a crash a line may stand twice
                        seq = record.seq
                        yield Read(record, 1, line, end)
        except JournalError as error:
            yield Broken(str(error), last=True, line=error.line)


def follower(journal: Path, number: int, begun: int, line: int, seq: int) -> int | None:
    """The number of the next file with which a fold can begin; None: there is none.

    Args:
        journal: the journal.
        number: of the file that could not be read any further.
        begun: of the file that the reading began with.
        line: the line at which it is damaged: the first one may only contradict the file before.
        seq: of the last record that was read.
    """
    for file in files_of(journal):
        itself = file.number == number != begun and line == 1
        if file.number <= number and not itself:
            continue
        with JournalReader(journal, first=file.number) as reader:
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


def _read_from(reader: JournalReader) -> Iterator[Read]:
    number, name = 0, ""
    for record in reader.records():
        line = reader.line - 1
        if line == 1:
            number, name = reader.position.number, reader.name
        yield Read(record, number, line, reader.byte, name)

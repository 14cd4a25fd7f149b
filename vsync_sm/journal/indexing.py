"""Makes the index of a journal: reads it once, folds, audits and marks it on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from vsync_sm.core.events import SegmentOpened, Unknown
from vsync_sm.core.marks import Kind, Mark, kinds_at, wall_or_zero
from vsync_sm.core.view import View, apply
from vsync_sm.journal.audit import Audit
from vsync_sm.journal.history import is_history
from vsync_sm.journal.index import SEAL_BYTES, SEALED, File, Index, Place, seal
from vsync_sm.journal.night import Broken, Night, Read
from vsync_sm.journal.pressing import Press
from vsync_sm.journal.shelf import Shelf, Stale
from vsync_sm.journal.stretches import proven

BATCH = 256
"""So many records are taken in at a stretch."""

_SHARE_EVERY = 8


class Indexer:
    """Reads a journal into its index, as far as it is told to."""

    def __init__(self, journal: Path, index: Index, lock: threading.Lock, shelf: Shelf) -> None:
        """`lock` is held for each moment in which the index changes."""
        self._index, self._lock, self._shelf = index, lock, shelf
        self._history = is_history(journal)
        self._night = Night(journal, shelf)
        self._begun = index.place.number
        self._reads: Iterator[Read | Broken] | None = None
        self._resumes = False
        self._audit: Audit | None = None if self._history else Audit()
        self._press = Press()
        self._view = View()
        self._since, self._since_byte = 0, 0
        self.share = 0.0  # of 1, about; the thread that indexes keeps it for all
        self.done = False
        self.damage = ""
        self.newer = False

    def run(self, stop: Callable[[], bool]) -> None:
        """Go on until all is read, or until it shall stop.

        Raises:
            JournalError: a file cannot be read any more.
        """
        if self._reads is None and not self.done:
            self._reads = self._night.reads(self._begun)
        batches = 0
        while self._reads is not None and not self.done and not stop():
            batch = list(islice(self._reads, BATCH))
            if self._resumes:
                self._resumed(batch)
            self._take(batch)
            self.done = len(batch) < BATCH
            batches += 1
            if batches % _SHARE_EVERY == 0:
                self.share = max(self.share, self._night.share)
        if self.done:
            self.share = 1.0
            self._seal(self._index.place.byte, whole=True)

    def resume(self, number: int, view: View) -> None:
        """Go on with the file of this number; `view` is what all before it have come to.

        It is audited from its own beginning on, by the checkpoint in its first line.
        """
        self._view = view
        self._begun = number
        self._resumes = True

    def _resumed(self, batch: list[Read | Broken]) -> None:
        first = batch[0] if batch else None
        event = first.record.event if isinstance(first, Read) else None
        if not isinstance(event, SegmentOpened) or event.predecessor_seq != self._view.seq:
            raise Stale("the journal does not go on where it was indexed", line=0, byte=0)
        self._resumes = False

    # --- one batch -------------------------------------------------------------------------

    def _take(self, batch: list[Read | Broken]) -> None:
        index = self._index
        if not len(index):
            self._checkpoint(index.seq, index.place)
        taken = _Taken()
        for read in batch:
            if isinstance(read, Broken):
                self._publish(taken)
                self._broken(read)
                continue
            if read.number != index.place.number:
                self._publish(taken)
                self._enter(read.number)
            self._note(read, taken)
            if index.due(self._since, read.end - self._since_byte):
                self._publish(taken)
                self._checkpoint(index.seq, index.place)
        self._publish(taken)
        self._seal(index.place.byte)

    def _note(self, read: Read, taken: _Taken) -> None:
        record = read.record
        if not self._index.first:
            self._index.first = record.seq
        if read.anew:
            self._index.anew.append(record.seq)
        ts = record.ts
        if len(ts) != len(taken.ts) or ts < taken.ts:  # mostly it is no earlier
            taken.least = min(taken.least, wall_or_zero(ts))
        kinds = kinds_at(self._view, record, history=self._history)
        if kinds:
            taken.marks.append((record.seq, kinds))
        if self._audit is not None:
            for each in self._audit.check(read.line, record):
                taken.marks.append(_contradiction(read, each.what))
        if type(record.event) is Unknown:
            self.newer = True
        self._view = apply(View() if read.anew else self._view, record)
        self._since += 1
        taken.ts, taken.last = ts, read

    def _publish(self, taken: _Taken) -> None:
        last = taken.last
        if last is None:
            return
        index = self._index
        with self._lock:
            for each in taken.marks:
                if isinstance(each, Mark):
                    index.tell(each)
                else:
                    index.marks.add(*each)
            place = Place(last.number, last.end, last.line + 1)
            index.passed(last.record.seq, place, taken.least)
        taken.clear()

    def _checkpoint(self, seq: int, place: Place) -> None:
        pressed = self._press.press(self._view)
        with self._lock:
            self._index.checkpoint(seq, place, pressed)
        self._since, self._since_byte = 0, place.byte

    def _enter(self, number: int) -> None:
        self._seal(self._index.place.byte, whole=True)
        with self._lock:
            self._index.enter(number)
        self._checkpoint(self._index.seq, Place(number, 0, 1))

    # --- seals and damage --------------------------------------------------------------------

    def prove(self, stop: Callable[[], bool]) -> bool:
        """Hold all that is sealed against its seals; whether all of it was, before it shall stop.

        Raises:
            Stale: something was changed.
            JournalError: something cannot be read any more.
        """
        for file in self._index.files:
            for at in range(0, file.end, SEALED):
                if stop():
                    return False
                proven(file, at, min(at + SEALED, file.end), self._shelf)
        return True

    def _seal(self, end: int, *, whole: bool = False) -> None:
        file: File = self._index.files[-1]
        while True:
            start = len(file.seals) // SEAL_BYTES * SEALED
            size = min(SEALED, end - start)
            if size <= 0 or (size < SEALED and not whole):
                return
            sealed = seal(self._shelf.read(file.number, start, size))
            with self._lock:
                file.seals += sealed

    def _broken(self, broken: Broken) -> None:
        view = self._view
        cycle = view.cycle.number if view.cycle is not None else None
        with self._lock:
            self._index.tell(Mark(Kind.DAMAGE, view.seq, view.now.ts, cycle, broken.words))
        if broken.last:
            self.damage = broken.words
        elif self._audit is not None:
            self._audit = Audit()


class _Taken:
    """What some records have come to, until it is put into the index."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """None of them."""
        self.last: Read | None = None
        self.ts = ""
        self.least = 2**63 - 1
        self.marks: list[Mark | tuple[int, tuple[Kind, ...]]] = []


def _contradiction(read: Read, what: str) -> Mark:
    record = read.record
    where = f"{read.file}, line {read.line}" if read.file else f"line {read.line}"
    return Mark(Kind.CONTRADICTION, record.seq, record.ts, record.cycle, f"{where}: {what}")

"""A journal whose clock can be moved: the view at any moment of it, and what is worth a look.

While one thread indexes it, others ask. Whatever is told of a moment is what a fold of all the
records up to it gives, to the last bit; what is not indexed yet takes its time.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import orjson

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.marks import Kind, Mark, mark, wall_of
from vsync_sm.core.view import View
from vsync_sm.journal.glimpse import Ahead
from vsync_sm.journal.history import is_history
from vsync_sm.journal.index import Index, Place, Stretch
from vsync_sm.journal.indexing import Indexer
from vsync_sm.journal.night import Broken, Night, Read, onward
from vsync_sm.journal.pressing import Unpress
from vsync_sm.journal.segments import cannot_read, journal_in
from vsync_sm.journal.shelf import Shelf, Stale, files_of
from vsync_sm.journal.stretches import records_of, text_of

__all__ = ["Past", "Stale"]

_KEPT_RECORDS = 20_000
"""So many records are kept decoded, around what was asked for lately."""


class Past:
    """One journal, or the part of it that was named, as one night. Thread-safe.

    Attributes:
        journal: its file; of a directory, the one within.
        history: it is a history: lines are missing everywhere, and nothing is checked.
    """

    def __init__(self, journal: Path) -> None:
        """Opens it, in well under a second; nothing is written.

        Args:
            journal: a journal, a directory with one in it, one closed file, or a history.

        Raises:
            JournalError: there is none, or it cannot be read at all (line 0).
        """
        self.journal = journal_in(journal)
        self.history = is_history(self.journal)
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._shelf = Shelf(self.journal)
        self._unpress = Unpress()
        self._blocks: OrderedDict[int, _Block] = OrderedDict()
        self._stale = False
        self._begin()

    def _begin(self) -> None:
        try:
            self._files = files_of(self.journal)
        except OSError as error:
            raise cannot_read(self.journal, error) from None
        if not self._files:
            raise JournalError(f"there is no journal {self.journal}", line=0, byte=0)
        self._ahead = Ahead(self._files, self._shelf)
        start = Place(self._files[0].number, 0, 1)
        first = next(Night(self.journal, self._shelf).reads(start.number), None)
        self._first = first.record.seq if isinstance(first, Read) else 0
        self._index = Index(start, max(0, self._first - 1))
        self._indexer = Indexer(self.journal, self._index, self._lock, self._shelf)
        self._stale = False

    # --- what is known -----------------------------------------------------------------------

    @property
    def first(self) -> int:
        """The `seq` of the first record; 0: there is none, or it is not found yet."""
        return self._first or self._index.first

    @property
    def last(self) -> int:
        """The `seq` of the last record that can be read, as far as is known."""
        return self.indexed if self._indexer.done else max(self.indexed, self._ahead.last)

    @property
    def indexed(self) -> int:
        """The record up to which everything is at hand."""
        return self._index.seq if self._index.first else 0

    @property
    def known(self) -> int:
        """The newest record of which the view is at hand: while it is indexed, mostly the last."""
        if self._indexer.done:
            return self.indexed
        return max(self.indexed, self._ahead.view.seq)

    @property
    def share(self) -> float:
        """How much of the journal is indexed, of 1."""
        return self._indexer.share

    @property
    def damage(self) -> str:
        """Why it cannot be read beyond `last` ("": it can, or nobody knows yet)."""
        return self._indexer.damage

    @property
    def newer(self) -> bool:
        """Whether a newer vsync wrote some of it, as far as it is indexed."""
        return self._indexer.newer

    def ready(self, seq: int) -> bool:
        """Whether the view at that record is at hand."""
        return self._indexer.done or seq <= self.indexed or seq == self._ahead.view.seq

    # --- indexing ----------------------------------------------------------------------------

    def index(self, stop: Callable[[], bool]) -> None:
        """Index it, on a thread of the caller's; called again after a stop, it goes on.

        Raises:
            JournalError: a file cannot be read any more.
        """
        if self._stale:
            with self._asking, self._lock:
                self._blocks.clear()
                self._begin()
        self._indexer.run(stop)

    def close(self) -> None:
        """Give the files back."""
        self._shelf.close()

    # --- a moment ----------------------------------------------------------------------------

    def view_at(self, seq: int) -> View:
        """The fold of all records up to `seq`: in no time where it is `ready`.

        Before the first record it is the empty view, behind the last one that of the last.

        Raises:
            Stale: the files were changed since they were indexed.
            JournalError: they cannot be read any more.
        """
        if seq == self._ahead.view.seq and seq > self.indexed and not self._indexer.done:
            return self._ahead.view
        with self._lock:
            near = seq <= self._index.seq or self._indexer.done
            stretch = self._index.stretch(seq) if near else None
        if not near:
            return self._folded_to(seq)
        return self._block(stretch).view_at(seq) if stretch is not None else View()

    def record_at(self, seq: int) -> Record | None:
        """The record; None: there is none, or it is not indexed yet."""
        with self._lock:
            stretch = self._index.holding(seq)
        return self._block(stretch).record_at(seq) if stretch is not None else None

    def records(self, after: int) -> Iterator[Record]:
        """Those behind `after`, one after the other, as far as they are indexed."""
        while True:
            with self._lock:
                after = max(after, self._index.seqs[0] if len(self._index) else 0)
                stretch = self._index.stretch(after) if after < self._index.seq else None
            if stretch is None:
                return
            for record in self._block(stretch).records:
                if record.seq > after:
                    yield record
            if stretch.last <= after:
                return
            after = stretch.last

    def seq_at(self, wall_ns: int) -> int:
        """The last record that is not later than that time; the first where all of them are.

        Of what is indexed. Where the wall clock went back, later lines may be earlier.
        """
        with self._lock:
            stretch = self._index.not_later(wall_ns)
        if stretch is None:
            return self.first
        records = self._block(stretch).records
        found = (each.seq for each in reversed(records) if wall_of(each.ts) <= wall_ns)
        return next(found, self.first)

    def _folded_to(self, seq: int) -> View:
        """The same where nothing is at hand: from the nearest file that begins before it."""
        view = View()
        for read in Night(self.journal, self._shelf).reads(self._ahead.begins(seq)):
            if isinstance(read, Broken):
                if read.last:
                    break
                continue
            if read.record.seq > seq:
                break
            view = onward(view, read.record)
        return view

    # --- marks -------------------------------------------------------------------------------

    def following(self, seq: int, *kinds: Kind) -> Mark | None:
        """The next mark of these kinds behind `seq`, of what is indexed."""
        with self._lock:
            found = self._index.marks.following(seq, kinds)
        return self._mark(*found) if found is not None else None

    def preceding(self, seq: int, *kinds: Kind) -> Mark | None:
        """The last one before `seq`."""
        with self._lock:
            found = self._index.marks.preceding(seq, kinds)
        return self._mark(*found) if found is not None else None

    def gravest(self, columns: int) -> Sequence[Kind | None]:
        """The gravest mark in each of so many columns of the records from `first` to `last`."""
        with self._lock:
            return self._index.marks.gravest(self.first, self.last, columns)

    def runs(self) -> Sequence[int]:
        """Where runs begin."""
        with self._lock:
            return list(self._index.marks.of(Kind.RUN))

    def following_path(self, seq: int, path: str, stop: Callable[[], bool]) -> int | None:
        """The next record behind `seq` that is about a path; None: there is none, or it stopped.

        Args:
            seq: where to begin, without it.
            path: its absolute data path.
            stop: asked again and again whether to give up.
        """
        wanted = orjson.dumps(path)
        while not stop():
            with self._lock:
                seq = max(seq, self._index.seqs[0] if len(self._index) else 0)
                stretch = self._index.stretch(seq) if seq < self._index.seq else None
            if stretch is None or stretch.last <= seq:
                return None
            if any(wanted in text.raw for text in text_of(stretch, self._index, self._shelf)):
                for record in self._block(stretch).records:
                    if record.seq > seq and _about(record) == path:
                        return record.seq
            seq = stretch.last
        return None

    def _mark(self, seq: int, kind: Kind) -> Mark:
        if kind in {Kind.CONTRADICTION, Kind.DAMAGE}:
            with self._lock:
                told = self._index.told_at(seq, kind)
            if told is not None:
                return told
        record = self.record_at(seq)
        if record is None:
            return Mark(kind, seq, "", None, "")
        return mark(kind, self.view_at(seq - 1), record)

    # --- stretches ---------------------------------------------------------------------------

    def _block(self, stretch: Stretch) -> _Block:
        with self._asking:
            block = self._blocks.get(stretch.seq)
            if block is None or block.last != stretch.last:
                block = self._read(stretch)
                self._blocks[stretch.seq] = block
            self._blocks.move_to_end(stretch.seq)
            while len(self._blocks) > 1 and _count(self._blocks) > _KEPT_RECORDS:
                self._blocks.popitem(last=False)
            return block

    def _read(self, stretch: Stretch) -> _Block:
        try:
            view = self._unpress.view(stretch.pressed)
            records = records_of(stretch, self._index, self._shelf)
        except Stale:
            self._stale = True
            raise
        except ValueError as error:
            self._stale = True
            raise Stale(str(error), line=0, byte=0) from None
        return _Block(view, stretch.last, records)


class _Block:
    """A stretch of records, decoded, and the view before them."""

    def __init__(self, view: View, last: int, records: tuple[Record, ...]) -> None:
        self.view, self.last, self.records = view, last, records
        self._seqs = [each.seq for each in records]
        self._memo = (0, view)  # after so many of them

    def view_at(self, seq: int) -> View:
        """The view after the last of them up to `seq`."""
        count = bisect_right(self._seqs, seq)
        known, view = self._memo
        if count < known:
            known, view = 0, self.view
        for record in self.records[known:count]:
            view = onward(view, record)
        self._memo = (count, view)
        return view

    def record_at(self, seq: int) -> Record | None:
        """The one with this `seq`."""
        at = bisect_right(self._seqs, seq) - 1
        return self.records[at] if at >= 0 and self._seqs[at] == seq else None


def _count(blocks: OrderedDict[int, _Block]) -> int:
    return sum(len(each.records) for each in blocks.values())


def _about(record: Record) -> str:
    event = record.event
    return str(getattr(event, "path", "") or getattr(event, "what", ""))

"""A journal whose clock can be moved: the view at any moment of it, and what is worth a look.

While one thread indexes it, others ask. Whatever is told of a moment is what a fold of all the
records up to it gives, to the last bit; what is not indexed yet takes its time.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import orjson

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.marks import Kind, Mark, mark, wall_or_zero
from vsync_sm.core.view import View, apply
from vsync_sm.journal import index_file
from vsync_sm.journal.glimpse import Ahead
from vsync_sm.journal.history import is_history
from vsync_sm.journal.index import Index, Place, Stretch
from vsync_sm.journal.index_file import Kept, Seen
from vsync_sm.journal.indexing import Indexer
from vsync_sm.journal.night import Broken, Night, Read
from vsync_sm.journal.pressing import Unpress
from vsync_sm.journal.segments import Segment, cannot_read, journal_in
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

    def _begin(self, *, anew: bool = False) -> None:
        try:
            self._files = files_of(self.journal)
        except OSError as error:
            raise cannot_read(self.journal, error) from None
        if not self._files:
            raise JournalError(f"there is no journal {self.journal}", line=0, byte=0)
        seen = self._look(self._files)
        use = bool(seen) and not anew
        kept = index_file.kept(self.journal, self._files, seen) if use else None
        if kept is None:
            self._begin_anew()
        else:
            self._go_on(kept)
        self._seen = seen
        self._stale = False

    def _look(self, files: Sequence[Segment]) -> tuple[Seen, ...]:
        try:
            return index_file.seen_of(files)
        except (OSError, ValueError):  # packed this moment; or it is for who reads it to say
            return ()

    def _begin_anew(self) -> None:
        self._ahead = Ahead(self._files, self._shelf)
        start = Place(self._files[0].number, 0, 1)
        first = next(Night(self.journal, self._shelf).reads(start.number), None)
        if isinstance(first, Broken) and not first.line:
            raise JournalError(first.words, line=0, byte=0)
        self._first = first.record.seq if isinstance(first, Read) else 0
        self._index = Index(start, max(0, self._first - 1))
        self._indexer = Indexer(self.journal, self._index, self._lock, self._shelf)
        self._unproven = False

    def _go_on(self, kept: Kept) -> None:
        """With an index that was kept."""
        self._first, self._index = kept.made.first, kept.made
        self._indexer = Indexer(self.journal, self._index, self._lock, self._shelf)
        self._unproven = True
        if kept.onward is None:
            self._ahead = Ahead((), self._shelf)
            self._indexer.done, self._indexer.share = True, 1.0
            self._indexer.damage, self._indexer.newer = kept.damage, kept.newer
            return
        self._ahead = Ahead(self._files, self._shelf)
        try:
            view = self.view_at(self._index.seq)
        except JournalError:
            self._begin_anew()
            return
        self._indexer.resume(kept.onward, view)

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
        """The newest record of which the view is at hand: soon the last, before all is indexed."""
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
        while not stop():
            try:
                self._index_on(stop)
                return
            except Stale:
                self._stale = True

    def _index_on(self, stop: Callable[[], bool]) -> None:
        if self._stale:
            index_file.drop(self.journal)
            with self._lock:
                self._begin(anew=True)
        whole = self._indexer.done
        if not whole:
            self._ahead.look_on(stop)
        self._indexer.run(stop)
        if self._indexer.done and self._unproven:
            self._unproven = not self._indexer.prove(stop)
        if self._indexer.done and not whole and not self._unproven:
            self._keep()

    def _keep(self) -> None:
        index = self._index
        if self._seen and index.seq - index.first >= index_file.WORTH:
            damage, newer = self._indexer.damage, self._indexer.newer
            index_file.keep(self.journal, index, self._seen, damage, newer=newer)

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
        ahead = self._ahead.view  # another thread may look on meanwhile
        if seq == ahead.seq and seq > self.indexed and not self._indexer.done:
            return ahead
        with self._lock:
            near = seq <= self._index.seq or self._indexer.done
            stretch = self._index.stretch(seq) if near else None
        if not near:
            return self._folded_to(seq)
        return self._block(stretch).view_at(seq) if stretch is not None else View()

    def record_at(self, seq: int) -> Record | None:
        """The record; None: there is none, or it is not indexed yet. Raises as `view_at` does."""
        with self._lock:
            stretch = self._index.holding(seq)
        return self._block(stretch).record_at(seq) if stretch is not None else None

    def records(self, after: int) -> Iterator[Record]:
        """Those behind `after`, as far as they are indexed. Raises as `view_at` does."""
        for stretch in self._stretches(after):
            for record in self._block(stretch).records:
                if record.seq > after:
                    yield record

    def after(self, view: View, record: Record) -> View:
        """The view after one of `records`, given the one before it: for who goes on step by step.

        Behind a stretch that cannot be read it begins anew, with the checkpoint that is there.
        """
        with self._lock:
            anew = record.seq in self._index.anew
        return apply(View() if anew else view, record)

    def seq_at(self, wall_ns: int) -> int:
        """The last record that is not later than that time; the first where all of them are.

        Of what is indexed. Where the wall clock went back, earlier records may be later. Raises as
        `view_at` does.
        """
        with self._lock:
            stretches = list(islice(self._index.not_later(wall_ns), 2))
        for stretch in stretches:
            for record in reversed(self._block(stretch).records):
                if wall_or_zero(record.ts) <= wall_ns:
                    return record.seq
        return self.first

    def _stretches(self, after: int) -> Iterator[Stretch]:
        """Those that hold the records behind `after`."""
        while True:
            with self._lock:
                after = max(after, self._index.seqs[0] if len(self._index) else 0)
                stretch = self._index.stretch(after) if after < self._index.seq else None
            if stretch is None or stretch.last <= after:
                return
            yield stretch
            after = stretch.last

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
            view = read.onto(view)
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

        Raises:
            Stale, JournalError: as `view_at` does.
        """
        wanted = orjson.dumps(path)
        for stretch in self._stretches(seq):
            if stop():
                break
            with self._proving(stretch):
                there = any(wanted in text.raw for text in text_of(stretch, self._shelf))
            if there:
                for record in self._block(stretch).records:
                    if record.seq > seq and _about(record) == path:
                        return record.seq
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
            if block is None or block.stretch != stretch:
                block = self._blocks[stretch.seq] = self._read(stretch)
            self._blocks.move_to_end(stretch.seq)
            while len(self._blocks) > 1 and _count(self._blocks) > _KEPT_RECORDS:
                self._blocks.popitem(last=False)
            return block

    def _read(self, stretch: Stretch) -> _Block:
        with self._proving(stretch):
            view = self._unpress.view(stretch.pressed)
            return _Block(stretch, view, records_of(stretch, self._shelf))

    @contextmanager
    def _proving(self, stretch: Stretch) -> Iterator[None]:
        """What is found changed here makes the index begin anew."""
        try:
            yield
        except (Stale, ValueError) as error:
            with self._lock:  # unless it was thrown away already
                own = {id(file) for file in self._index.files}
                self._stale |= any(id(span.file) in own for span in stretch.spans)
            if isinstance(error, Stale):
                raise
            raise Stale(f"{error}", line=0, byte=0) from None


class _Block:
    """A stretch of records, decoded, and the view before them."""

    def __init__(self, stretch: Stretch, view: View, records: tuple[Record, ...]) -> None:
        self.stretch, self.view, self.records = stretch, view, records
        self._seqs = [each.seq for each in records]
        self._memo = (0, view)  # after so many of them

    def view_at(self, seq: int) -> View:
        """The view after the last of them up to `seq`."""
        count = bisect_right(self._seqs, seq)
        known, view = self._memo
        if count < known:
            known, view = 0, self.view
        anew = self.stretch.anew
        for record in self.records[known:count]:
            view = apply(View() if record.seq in anew else view, record)
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

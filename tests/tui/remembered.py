"""A journal that is nothing but a list of records: what the player asks of the past, at hand."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

from vsync_sm.core.events import Record
from vsync_sm.core.insight import moment
from vsync_sm.core.marks import Kind, Mark, Marks, kinds_at, mark
from vsync_sm.core.view import View, apply


class Remembered:
    """As `vsync_sm.journal.past.Past`; `more` are marks that no record tells of by itself."""

    damage = ""

    def __init__(self, records: Sequence[Record], *more: Mark, missing: Sequence[int] = ()) -> None:
        self._records = list(records)
        self._missing = missing
        self._views = [View()]
        self._marks = Marks()
        self._told: dict[tuple[Kind, int], Mark] = {}
        for record in self._records:
            before = self._views[-1]
            kinds = kinds_at(before, record)
            told = [mark(kind, before, record) for kind in kinds]
            told += [each for each in more if each.seq == record.seq]
            self._told |= {(each.kind, each.seq): each for each in told}
            self._marks.add(record.seq, [each.kind for each in told])
            self._views.append(apply(before, record))
        self.first, self.last = 1, len(self._records)
        self.known, self.share = self.last, 1.0

    newer = False

    def close(self) -> None:
        """There is nothing to give back."""

    def index(self, stop: Callable[[], bool]) -> None:
        """There is nothing to learn."""

    def ready(self, seq: int) -> bool:
        """All is at hand, as far as `share` says."""
        return seq <= self.known

    def view_at(self, seq: int) -> View:
        """As it was folded."""
        return self._views[max(0, min(seq, self.last))]

    def record_at(self, seq: int) -> Record | None:
        """One of them."""
        if seq in self._missing:
            return None
        return self._records[seq - 1] if self.first <= seq <= self.last else None

    def records(self, after: int) -> Iterator[Record]:
        """Those behind it."""
        return (each for each in self._records[after:] if each.seq not in self._missing)

    def after(self, view: View, record: Record) -> View:
        """As any fold goes on."""
        return apply(view, record)

    def seq_at(self, wall_ns: int) -> int:
        """By its time."""
        return max(1, bisect_right(self._records, wall_ns, key=lambda each: moment(each.ts)))

    def following(self, seq: int, *kinds: Kind) -> Mark | None:
        """The first one behind."""
        return self._mark(self._marks.following(seq, kinds))

    def preceding(self, seq: int, *kinds: Kind) -> Mark | None:
        """The last one before."""
        return self._mark(self._marks.preceding(seq, kinds))

    def _mark(self, found: tuple[int, Kind] | None) -> Mark | None:
        return None if found is None else self._told[found[1], found[0]]

    def following_path(self, seq: int, path: str, stop: Callable[[], bool]) -> int | None:
        """Whose event has that path."""
        del stop
        return next(
            (each.seq for each in self.records(seq) if getattr(each.event, "path", "") == path),
            None,
        )

    def gravest(self, columns: int) -> Sequence[Kind | None]:
        """Of each part."""
        return self._marks.gravest(self.first, self.last, columns)

    def runs(self) -> Sequence[int]:
        """Where they begin."""
        return list(self._marks.of(Kind.RUN))

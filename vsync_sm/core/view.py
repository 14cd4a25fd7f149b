"""The run view: one pure fold over the journal that everything shown is taken from.

`apply(view, record)` gives the view after one more fact, and `Folded` the same after many.
Console, status, metrics, log and replay all use it, so what an operator saw live is what a
post-mortem shows. Times are the records' own (`ts`, `mono`).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.fold_cycle import CYCLE, insights_generated
from vsync_sm.core.fold_run import RUN
from vsync_sm.core.fold_save import SAVE
from vsync_sm.core.folding import KEPT, KEPT_PATHS, KEPT_SAVES, Fold
from vsync_sm.core.ready import ready
from vsync_sm.core.shapes import View, When

__all__ = ["KEPT", "KEPT_PATHS", "KEPT_SAVES", "Folded", "View", "apply", "view_of"]

ready(View)

_FOLDS: dict[type, Fold] = RUN.table | CYCLE.table | SAVE.table


def apply(view: View, record: e.Record) -> View:
    """The view after one more record; one that is not above the last one folded is skipped.

    Where the first one opens a segment, what its checkpoint has seen is taken over.
    """
    if record.seq <= view.seq:
        return view
    if not view.seq and isinstance(record.event, e.SegmentOpened):
        view = _begun_at(record.event)
    fold = _FOLDS.get(type(record.event))
    if fold is not None:
        view = fold(view, record, record.event)
    return replace(view, seq=record.seq, now=When(record.ts, record.mono))


ROW = 1_000
"""Once so many insights wait, they are folded."""


class Folded:
    """The same fold, for who takes more records than looks at the view.

    Nearly all records of a journal are insights, which add to counts and little else: a row of them
    waits for somebody to look, and is folded at once.
    """

    def __init__(self, view: View | None = None) -> None:
        """`view` has folded what came before."""
        self._view = view or View()
        self._seq = self._view.seq
        self._row: list[e.Record] = []

    @property
    def view(self) -> View:
        """The view after all records that were taken: what `apply` gives, one by one."""
        row = self._row
        if row:
            last = row[-1]
            view = insights_generated(self._view, row)
            self._view = replace(view, seq=last.seq, now=When(last.ts, last.mono))
            row.clear()
        return self._view

    def take(self, record: e.Record) -> None:
        """One more record; one that is not above the last one taken is skipped."""
        if record.seq <= self._seq:
            return
        self._seq = record.seq
        if type(record.event) is not e.InsightGenerated:
            self._view = apply(self.view, record)
            return
        self._row.append(record)
        if len(self._row) >= ROW:
            self._view = self.view

    def take_insights(self, records: Sequence[e.Record]) -> None:
        """Records that all hold an `InsightGenerated`: the same as one by one."""
        if not records or records[0].seq <= self._seq:
            for record in records:
                self.take(record)
            return
        self._seq = records[-1].seq
        self._row += records
        if len(self._row) >= ROW:
            self._view = self.view


def view_of(event: e.SegmentOpened) -> View:
    """What the checkpoint of a segment has seen. Raises ValueError: it cannot be used."""
    try:
        return msgspec.convert(event.checkpoint.get("view"), View, str_keys=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"the checkpoint's view cannot be used: {error}") from None


def _begun_at(event: e.SegmentOpened) -> View:
    try:
        return view_of(event)
    except ValueError:  # what follows is shown all the same
        return View()

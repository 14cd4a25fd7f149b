"""The run view: one pure fold over the journal that everything shown is taken from.

`apply(view, record)` gives the view after one more fact. Console, status, metrics, log and
replay all use it, so what an operator saw live is what a post-mortem shows. Times are the
records' own (`ts`, `mono`).
"""

from __future__ import annotations

from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.fold_cycle import CYCLE
from vsync_sm.core.fold_run import RUN
from vsync_sm.core.fold_save import SAVE
from vsync_sm.core.folding import KEPT, KEPT_PATHS, KEPT_SAVES, Fold
from vsync_sm.core.shapes import View, When

__all__ = ["KEPT", "KEPT_PATHS", "KEPT_SAVES", "View", "apply"]

_FOLDS: dict[type, Fold] = RUN.table | CYCLE.table | SAVE.table


def apply(view: View, record: e.Record) -> View:
    """The view after one more record; one that is not above the last one folded is skipped."""
    if record.seq <= view.seq:
        return view
    fold = _FOLDS.get(type(record.event))
    if fold is not None:
        view = fold(view, record, record.event)
    return replace(view, seq=record.seq, now=When(record.ts, record.mono))

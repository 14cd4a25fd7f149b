"""How folds are kept: a table from the class of an event to what it does to the view.

`fold_run`, `fold_cycle` and `fold_save` each fill one of their own; `view` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from vsync_sm.core import events as e
from vsync_sm.core.shapes import View, When

KEPT = 50
"""How many cycles, faults, checks and crashes a view remembers."""

KEPT_PATHS = 200
"""How many of a cycle's changed paths of each kind a view remembers."""

KEPT_SAVES = 20
"""How many saves it remembers."""

KEPT_FAULTS = 10
"""How many faults of one cycle it remembers with that cycle."""


Fold = Callable[[View, e.Record, Any], View]

_T = TypeVar("_T")
_E = TypeVar("_E", bound=e.Event)


class Folds:
    """Folds by the class of their event."""

    def __init__(self) -> None:
        self.table: dict[type, Fold] = {}

    def on(
        self, cls: type[_E]
    ) -> Callable[[Callable[[View, e.Record, _E], View]], Callable[[View, e.Record, _E], View]]:
        """A decorator: this function folds events of that class."""

        def keep(
            fold: Callable[[View, e.Record, _E], View],
        ) -> Callable[[View, e.Record, _E], View]:
            self.table[cls] = fold
            return fold

        return keep


def when(record: e.Record) -> When:
    """The moment of a record."""
    return When(record.ts, record.mono)


def add(kept: tuple[_T, ...], item: _T, most: int = KEPT) -> tuple[_T, ...]:
    """The last `most` of what was kept and one more."""
    return (*kept[1 - most :], item) if len(kept) >= most else (*kept, item)

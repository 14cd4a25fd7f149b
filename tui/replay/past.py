"""What the player asks of a journal: any moment of it, and what stands where.

Tests have one that is at hand: `tests/tui/remembered.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from vsync_sm.core.events import Record
from vsync_sm.core.marks import Kind, Mark
from vsync_sm.core.view import View


class Past(Protocol):
    """A journal that one can go back and forth in; `vsync_sm.journal.past` has the real one."""

    @property
    def first(self) -> int:
        """`seq` of the first record that can be read."""

    @property
    def last(self) -> int:
        """`seq` of the last one, as far as is known."""

    @property
    def known(self) -> int:
        """The newest `seq` whose view is at hand before anything is indexed; mostly the end."""

    @property
    def share(self) -> float:
        """How much of the journal is indexed, of 1."""

    @property
    def damage(self) -> str:
        """Why it cannot be read beyond `last`; "": it can."""

    @property
    def newer(self) -> bool:
        """Whether a newer vsync wrote some of it."""

    def index(self, stop: Callable[[], bool]) -> None:
        """Learn what stands where, on a thread of the caller's, until `stop` says so."""

    def ready(self, seq: int) -> bool:
        """Whether `view_at` answers at once; else the index has still to come to it."""

    def close(self) -> None:
        """Give the files back."""

    def view_at(self, seq: int) -> View:
        """The fold of all records up to this one; where it is missing, to the last before it."""

    def record_at(self, seq: int) -> Record | None:
        """One record."""

    def records(self, after: int) -> Iterator[Record]:
        """All records behind this one, streaming."""

    def after(self, view: View, record: Record) -> View:
        """The view after one of `records`, given the one before it."""

    def seq_at(self, wall_ns: int) -> int:
        """The last record not later than this (ns since 1970); the first where all are later."""

    def following(self, seq: int, *kinds: Kind) -> Mark | None:
        """The first mark of these kinds behind this record."""

    def preceding(self, seq: int, *kinds: Kind) -> Mark | None:
        """The last mark of these kinds before this record."""

    def following_path(self, seq: int, path: str, stop: Callable[[], bool]) -> int | None:
        """The next record behind this one that tells of a path."""

    def gravest(self, columns: int) -> Sequence[Kind | None]:
        """The gravest mark of each of so many equal parts of the journal."""

    def runs(self) -> Sequence[int]:
        """Where each run begins."""

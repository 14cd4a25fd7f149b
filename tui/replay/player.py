"""The moment that moves: where it stands, what was known there, and how it goes on while it plays.

No thread and no clock of its own: who owns it says how much time has passed.
"""

from __future__ import annotations

from collections.abc import Iterator

from tui.replay.moves import Move, Spot
from tui.replay.past import Past
from vsync_sm.core.events import Record
from vsync_sm.core.insight import moment
from vsync_sm.core.view import View

SPEEDS = (1, 10, 100, 0)
"""So many times as fast as it was; 0: as fast as it goes."""

BATCH = 500
"""So many records are folded at a stretch while it plays."""


class Player:
    """A moment of a journal.

    Attributes:
        view: what was known at it.
        spot: where it is.
        playing: whether it goes on by itself.
        speed: how fast, one of `SPEEDS`.
    """

    def __init__(self, past: Past) -> None:
        """It stands nowhere yet: `move` it."""
        self.view = View()
        self.spot = Spot(0)
        self.playing = False
        self.speed = SPEEDS[0]
        self._past = past
        self._passed = 0  # ns since its last record; more than shown while it cannot keep up
        self._coming: Iterator[Record] | None = None
        self._next: Record | None = None

    @property
    def at_end(self) -> bool:
        """Whether nothing comes any more."""
        return self.spot.seq >= self._past.last

    @property
    def moment(self) -> int:
        """The moment of the view, ns since 1970."""
        passed = self.spot.passed if self.settled else 0
        return (moment(self.view.now.ts) if self.view.now.ts else 0) + passed

    def move(self, move: Move) -> None:
        """Go elsewhere, and stand still there; `settle` has the view follow.

        Raises:
            Nowhere: it leads nowhere; it stands where it stood.
        """
        self.playing = False
        self.spot = move(self._past, self.spot)
        self._passed = self.spot.passed

    @property
    def settled(self) -> bool:
        """Whether the view is that of where it stands."""
        return self.spot.seq == self.view.seq

    def settle(self) -> bool:
        """Take the view of where it stands, after one move or many, as soon as it is at hand."""
        if not self.settled and self._past.ready(self.spot.seq):
            self._coming = self._next = None
            self.view = self._past.view_at(self.spot.seq)
            if not self.settled:  # there is no such record: some are missing
                self.spot = Spot(self.view.seq)
        return self.settled

    # --- playing ---

    def toggle(self) -> None:
        """Play, or stand still; at the end it begins anew."""
        self.playing = not self.playing
        if self.playing and self.at_end:
            self.spot, self._passed = Spot(self._past.first), 0

    def advance(self, passed: int) -> bool:
        """Go on by so many ns of whoever watches.

        Returns:
            Whether there is more to do right now: call again, with 0.
        """
        if not self.playing:
            return False
        self._passed += passed * self.speed
        for _ in range(BATCH):
            record = self._peek()
            if record is None:
                self.playing, self._passed = False, 0
                break
            due = self._due(record)
            if self.speed and self._passed < due:
                break
            self._passed = max(0, self._passed - due) if self.speed else 0
            self.view = self._past.after(self.view, record)
            self._next = None
        record = self._peek()
        due = self._due(record) if record is not None else 0
        self.spot = Spot(self.view.seq, min(self._passed, due))
        return self.playing and (not self.speed or self._passed >= due)

    def _due(self, record: Record) -> int:
        """So long after the record before it comes, ns: of a run's own time, where it has one."""
        view = self.view
        if view.run is not None and record.run == view.run.id:
            return max(0, record.mono - view.now.mono)
        return max(0, moment(record.ts) - moment(view.now.ts)) if view.now.ts else 0

    def _peek(self) -> Record | None:
        if self._coming is None:
            self._coming = self._past.records(self.view.seq)
        if self._next is None:
            self._next = next(self._coming, None)
        return self._next

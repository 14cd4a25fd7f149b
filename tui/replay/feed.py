"""A journal whose clock can be moved, as the console's feed: a thread goes where it is asked to."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tui.feed import NEWER, Look
from tui.glance import Badge, Place
from tui.replay.moves import Move, Nowhere, Spot, end
from tui.replay.past import Past
from tui.replay.player import SPEEDS, Player
from tui.theme import MARK
from vsync_sm.core.errors import JournalError
from vsync_sm.core.marks import Kind, Mark

REST_S = 0.002
"""Between two batches while it plays, whoever paints gets so long (seconds)."""


class Standing(msgspec.Struct, frozen=True):
    """Where the clock stands, and what the position bar is drawn from.

    `marks` has the gravest mark of each column of the bar, `runs` the records that runs begin
    with, `share` says how much of the journal is indexed, of 1.
    """

    look: Look = Look()
    spot: Spot = Spot(0)
    at_end: bool = True
    playing: bool = False
    speed: int = SPEEDS[0]
    first: int = 0
    last: int = 0
    share: float = 0.0
    marks: tuple[Kind | None, ...] = ()
    runs: tuple[int, ...] = ()


class PlayFeed:
    """Begins at the journal's end.

    Attributes:
        standing: where it stands.
        past: the journal.
        columns: how many columns the bar has; its owner sets it.
        marked: the `seq` of the marked moment, 0 where there is none; its owner sets it.
        tell: called with what could not be done, on the feed's own thread.
    """

    badge = Badge.REPLAY

    def __init__(self, past: Past, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """`clock` gives ns; only how much passes counts."""
        self.standing = Standing()
        self.columns = 0
        self.marked = 0
        self.tell: Callable[[str], None] = _nothing
        self.past = past
        self._clock = clock
        self._player = Player(past)
        self._wishes: deque[Callable[[Player], None]] = deque()
        self._wake = threading.Event()
        self._over = threading.Event()
        self._index_again = threading.Event()
        self._before = 0  # the clock, when it was looked at last
        self._stay_at_end = True
        self._drawn: tuple[object, ...] = ()  # what the bar was drawn for
        self._marks: tuple[Kind | None, ...] = ()
        self._runs: tuple[int, ...] = ()
        self._looked_up: tuple[int, float] = (0, 0.0)
        self._here = Place()
        self._damage = ""  # why the index ended
        self._indexed = False
        self._trouble = ""  # why the last wish led nowhere
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._work, "replay"), (self._index, "replay index"))
        ]

    # --- for the console ---

    def look(self) -> Look:
        """What was known where it stands."""
        self._wake.set()
        return self.standing.look

    def open(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End; a journal that hangs is not waited for."""
        self._over.set()
        self._wake.set()
        self._index_again.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(1.0)
        self.past.close()

    def closed(self) -> bool:
        """Whether it has ended: nobody waits for an answer any more."""
        return self._over.is_set()

    def move(self, move: Move) -> None:
        """Go elsewhere, and stand still there."""
        self._wish(lambda player: player.move(move))

    def toggle(self) -> None:
        """Play, or stand still."""
        self._wish(Player.toggle)

    def faster(self, way: int) -> None:
        """Play faster (1) or slower (-1)."""

        def change(player: Player) -> None:
            at = SPEEDS.index(player.speed) + way
            player.speed = SPEEDS[max(0, min(at, len(SPEEDS) - 1))]

        self._wish(change)

    def _wish(self, what: Callable[[Player], None]) -> None:
        self._wishes.append(what)
        self._wake.set()

    # --- on threads of its own ---

    def _index(self) -> None:
        while not self.closed():
            self._damage, self._indexed = "", False
            try:
                self.past.index(self.closed)
                self._indexed = True
            except (JournalError, OSError) as error:
                self._damage = str(error)
            self._wake.set()
            self._index_again.wait()
            self._index_again.clear()

    def _work(self) -> None:
        self._before = self._clock()
        self._player.spot = end(self.past, Spot(0))
        while True:
            self._wake.clear()
            if self.closed():
                return
            if self._tried():
                self._over.wait(REST_S)
            else:
                self._wake.wait()

    def _tried(self) -> bool:
        try:
            more = self._turn()
            self.standing = self._stand()
        except Exception as error:  # noqa: BLE001  a screen must not stand still without a word
            player = self._player
            player.playing, player.spot = False, Spot(player.view.seq)
            known = isinstance(error, JournalError | OSError)
            self._index_again.set()  # the files may be others than those that were indexed
            self._trouble = str(error) if known else f"{type(error).__name__}: {error}"
            look = replace(self.standing.look, damage=self._trouble)
            self.standing = replace(self.standing, look=look, playing=False)
            return False
        return more

    def _turn(self) -> bool:
        """Do what was asked for, and play on; whether there is more to do right now."""
        player = self._player
        clock = self._clock()
        passed, self._before = max(0, clock - self._before), clock
        if self._stay_at_end and not self._wishes:
            player.spot = end(self.past, player.spot)  # it is still being found
        moved = bool(self._wishes) or player.playing
        while self._wishes:
            self._trouble = ""
            try:
                self._wishes.popleft()(player)
            except Nowhere as none:
                self.tell(str(none))
            passed = 0
        more = player.settle() and player.advance(passed)
        if moved:
            self._stay_at_end = player.spot == end(self.past, player.spot) and not player.playing
        return more

    def _stand(self) -> Standing:
        player, past = self._player, self.past
        at_end = player.at_end and not player.playing and player.settled
        look = Look(
            player.view,
            note=self._note(),
            damage=self._trouble or self._damage or (past.damage if at_end else ""),
            moment=None if at_end else player.moment,
            place=self._place(),
        )
        return Standing(
            look,
            player.spot,
            at_end,
            player.playing,
            player.speed,
            past.first,
            past.last,
            self._share,
            *self._bar(),
        )

    @property
    def _share(self) -> float:
        """How much is indexed; all of it only when nothing more will be found."""
        return self.past.share if self._indexed else min(self.past.share, 0.99)

    def _note(self) -> str:
        if self._player.settled:
            if self._stay_at_end and not self._player.at_end:
                return "the journal's end is still being found; this is an earlier moment"
            return NEWER if self.past.newer else ""
        return f"#{self._player.spot.seq} is shown as soon as the journal is indexed up to there"

    def _place(self) -> Place:
        past, seq = self.past, self._player.view.seq
        looked_up = (seq, self._share)
        if looked_up != self._looked_up:
            self._looked_up = looked_up
            self._here = Place(past.record_at(seq), self._marks_at(seq))
        return self._here

    def _marks_at(self, seq: int) -> tuple[Mark, ...]:
        """All that stand at a record, the gravest first."""
        found: list[Mark] = []
        kinds = list(MARK)
        while kinds:
            mark = self.past.following(seq - 1, *kinds)
            if mark is None or mark.seq != seq:
                break
            found.append(mark)
            kinds = kinds[kinds.index(mark.kind) + 1 :]
        return tuple(found)

    def _bar(self) -> tuple[tuple[Kind | None, ...], tuple[int, ...]]:
        past = self.past
        drawn = (self.columns, past.first, past.last, self._share)
        if drawn != self._drawn:
            self._drawn = drawn
            self._marks = tuple(past.gravest(self.columns)) if self.columns else ()
            self._runs = tuple(past.runs())
        return self._marks, self._runs


def _nothing(_: str) -> None:
    pass

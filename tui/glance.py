"""All that a panel paints from: the view at a moment, and how the console is set."""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec.structs import replace

from tui.times import Times
from vsync_sm.core.answer import Answer, Now, age, answer, seconds_since
from vsync_sm.core.events import Record
from vsync_sm.core.insight import moment
from vsync_sm.core.machine import State
from vsync_sm.core.marks import Mark
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.shapes import View
from vsync_sm.core.words import duration


class Badge(StrEnum):
    """Where the view comes from, and whether it still does."""

    LIVE = "LIVE"
    ATTACHED = "ATTACHED"
    REPLAY = "REPLAY"
    LOST = "LOST"


class Place(msgspec.Struct, frozen=True):
    """A place in a journal that is looked at afterwards: its record, and what that one marks."""

    record: Record | None = None
    marks: tuple[Mark, ...] = ()


class Glance(msgspec.Struct, frozen=True):
    """One look at the origin.

    `note` says more about the badge (why it is lost, what is awaited), `todo` what to do about
    that, `unable` why nothing can be commanded ("": it can), `damage` where and why the journal
    could be read no further, `source` is the journal's path, and `reach` how whoever looks gives
    the origin commands. `place` is where a journal that is looked at afterwards is open, and
    `silent` that the origin was lost at that moment.
    """

    view: View
    now: Now
    badge: Badge
    note: str = ""
    todo: str = ""
    unable: str = ""
    damage: str = ""
    source: str = ""
    times: Times = Times.utc
    reach: Reach = SHELL
    place: Place = Place()
    silent: bool = False

    @property
    def lost(self) -> bool:
        """Whether nobody listens any more, or nothing was written for longer than it should."""
        return self.silent or self.badge is Badge.LOST

    @property
    def known_until(self) -> int | None:
        """`seq` of the last record that was there at this moment; None: all that the journal has.

        For who reads the journal itself.
        """
        past = self.badge is Badge.REPLAY and not self.now.end
        return self.view.seq if past else None

    @property
    def answer(self) -> Answer:
        """The answer on top. Its ages are true; what it rests on is as old as the view."""
        told = answer(self.view, self.now, self.reach)
        then = answer(self.view, self.last, self.reach)
        if told.word != then.word:
            return told
        return replace(told, because=then.because, todo=then.todo)

    @property
    def stale(self) -> str:
        """Why what the view tells may be so no longer, and how old it is; "" where it is new."""
        if self.damage:
            return f"as told before the damage, {self._ago}"
        if self.lost:
            return f"as last told, {self._ago}"
        return "at the journal's end" if self.now.end else ""

    @property
    def known(self) -> bool:
        """Whether what the view tells is so now, as far as one can know."""
        over = self.view.ended is not None or self.view.state.name == State.halted
        return self.view.run is not None and not over and not self.stale

    @property
    def last(self) -> Now:
        """The moment up to which the view tells: now, or its last line where it is stale."""
        view = self.view
        if not self.stale or not view.now.ts:
            return self.now
        return Now(moment(view.now.ts), view.now.mono, self.now.end)

    @property
    def state_s(self) -> float:
        """For how many seconds the state has been known: also of a lost origin time passes."""
        return seconds_since(self.view.state.since.mono, self.now if self.lost else self.last)

    @property
    def _ago(self) -> str:
        return f"{duration(int(age(self.view.now.ts, self.now) or 0.0))} {self.now.ago}"

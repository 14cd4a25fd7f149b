"""What the feed tells, seen at a moment: whose clock counts, and whether the origin is lost."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tui.feed import Feed, Look
from tui.glance import Badge, Glance
from tui.lost import Contact, silence
from tui.times import Times
from vsync_sm.core.answer import Now, age, now_at
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.reach import Reach


class Sight:
    """Looks at a feed, and remembers when something new was seen to come in."""

    def __init__(self, feed: Feed, clock: Callable[[], int]) -> None:
        """`clock` tells ns since 1970."""
        self._feed = feed
        self._clock = clock
        self._arrived = 0
        self._heard: int | None = None  # when the last line came in, where that was seen

    def glance(
        self, *, unable: str, contact: Contact, source: str, times: Times, reach: Reach
    ) -> Glance:
        """One look; `contact` is what the origin's commander says of it."""
        look, wall = self._feed.look(), self._clock()
        if look.arrived != self._arrived:
            self._arrived, self._heard = look.arrived, wall
        badge, now, note = self._feed.badge, self._now(look, wall), look.note
        todo, lost = "", False
        if not now.end:
            silent = silence(look.view, now, self._quiet(look, wall), contact, reach)
            if silent is not None:
                lost = silent.lost
                note, todo = f"{silent.why}; {note}" if note else silent.why, silent.todo
        past = badge is Badge.REPLAY
        return Glance(
            view=look.view,
            now=now,
            badge=Badge.LOST if lost and not past else badge,
            note=note,
            todo=todo,
            unable=unable,
            damage=look.damage,
            source=source,
            times=times,
            reach=reach,
            place=look.place,
            silent=lost and past,
        )

    def _now(self, look: Look, wall: int) -> Now:
        """The moment for this view.

        A journal on a shared volume may be written by another clock: from a line that was seen to
        come in, time is counted on this one.
        """
        view = look.view
        if self._feed.badge is Badge.REPLAY:
            if look.moment is None:
                return replace(now_at(view), end=True)
            return now_at(view, look.moment)
        if self._feed.badge is Badge.LIVE or self._heard is None or not view.now.ts:
            return now_at(view, wall)
        return now_at(view, moment(view.now.ts) + wall - self._heard)

    def _quiet(self, look: Look, wall: int) -> float:
        """Seconds since the last line."""
        view = look.view
        if look.moment is not None:
            return age(view.now.ts, Now(look.moment, 0)) or 0.0
        if self._heard is not None:
            return max(0.0, (wall - self._heard) / NS)
        return age(view.now.ts, Now(wall, 0)) or 0.0

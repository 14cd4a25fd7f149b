"""How long a token lives, and what is to be done about it when: pure.

Times are the clock's monotonic nanoseconds. A lease runs from before its token was asked for, so
that it never seems longer than it is.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from vsync_sm.core.insight import NS

SHARE = 2 / 3
"""Of a lease: then it is time to renew it."""

JITTER = 0.1
"""Of that moment: so much earlier or later at the most, together: origins are no crowd."""


class Step(Enum):
    """What is due when a lease's time has come."""

    renew = "renew"
    replace = "replace"  # renewing gives no more: another token
    end = "end"  # and there is no way to another one


class Lease(msgspec.Struct, frozen=True):
    """The life of a token, as the answer told it that gave or renewed it.

    `seconds` is 0 for one that never ends; `full` is the longest that any answer gave this token,
    so less than that is the rest before its max TTL. `early` is from 0 to 1, for the jitter.
    """

    since: int
    seconds: int
    renewable: bool
    full: int
    early: float = 0.5

    @property
    def lasts(self) -> bool:
        """Whether renewing it gives it its full time again."""
        return self.renewable and self.seconds >= self.full

    def step(self, *, can_log_in: bool) -> Step:
        """What is to be done once it is due."""
        if self.lasts:
            return Step.renew
        return Step.replace if can_log_in else Step.end

    def due(self, *, can_log_in: bool) -> int | None:
        """When to do it; None: never."""
        if self.seconds == 0:
            return None
        if self.step(can_log_in=can_log_in) is Step.end:
            return self.ends
        share = SHARE * (1 + JITTER * (self.early - 0.5))
        return self.since + int(self.seconds * share * NS)

    @property
    def ends(self) -> int:
        """When the token dies."""
        return self.since + self.seconds * NS


def lease(
    former: Lease | None, *, since: int, seconds: int, renewable: bool, early: float = 0.5
) -> Lease:
    """The lease after an answer; `former` is the same token's before, None for a new token."""
    full = max(seconds, former.full) if former is not None else seconds
    return Lease(since, seconds, renewable, full, early)


NOTHING_TO_DO = Lease(since=0, seconds=0, renewable=False, full=0)
"""Of a token that cannot be renewed, and of whose end nobody has told."""

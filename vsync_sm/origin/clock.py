"""Time and randomness as parameters: nothing but the wiring asks the machine for them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Protocol

from vsync_sm.core.insight import timestamp

# A cycle that was suspended for hours must find its deadline passed (Linux has this clock).
_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Random = Callable[[], float]
"""A number from 0 up to, but not including, 1."""

Stamp = Callable[[], tuple[str, int]]
"""What a line bears: `ts` (UTC, RFC 3339, microseconds) and `mono` (ns since the run began)."""


class Clock(Protocol):
    """Wall time for people, monotonic time for decisions."""

    def now(self) -> int:
        """Nanoseconds since 1970."""
        ...

    def mono(self) -> int:
        """Monotonic nanoseconds; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def mono(self) -> int:
        """Monotonic nanoseconds, which also pass while the machine is suspended."""
        return time.clock_gettime_ns(_MONOTONIC)


def stamp_from(clock: Clock) -> Stamp:
    """A `Stamp` that reads `clock` and counts `mono` from now."""
    began = clock.mono()

    def stamp() -> tuple[str, int]:
        mono = clock.mono() - began
        return timestamp(clock.now()), mono

    return stamp


def system_random() -> Random:
    """Randomness for jitter; nothing secret hangs on it."""
    return random.Random().random  # noqa: S311  jitter, not cryptography

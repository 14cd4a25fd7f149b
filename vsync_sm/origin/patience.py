"""Trying again inside a cycle: bounded, with jitter, and shared by all workers.

One back-off for the whole cycle: when one worker is told to wait, all wait, so that a struggling
server is not asked by the others meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from vsync_sm.core.errors import Fault
from vsync_sm.core.events import RetryScheduled
from vsync_sm.core.insight import NS
from vsync_sm.origin.clock import Clock, Random

ATTEMPTS = 4
"""How often one request is sent at the most."""

RETRIES = 100
"""How often a cycle tries again at the most, over all its requests."""

FLOOR_S = 0.1
CEILING_S = 5.0
RETRY_AFTER_CEILING_S = 30.0
JITTER = 0.5
"""A wait is longer than it has to be by up to this share of it."""

_T = TypeVar("_T")


class Cancelled(Exception):  # noqa: N818  nothing went wrong
    """The cycle is being torn down; whoever notices just ends."""


class Patience:
    """Sends requests, again if need be."""

    def __init__(
        self,
        clock: Clock,
        random: Random,
        cancelled: threading.Event,
        report: Callable[[RetryScheduled], None],
    ) -> None:
        """`report` takes each retry as a fact; `cancelled` ends every wait."""
        self._clock = clock
        self._random = random
        self._cancelled = cancelled
        self._report = report
        self._lock = threading.Lock()
        self._resume = 0
        self._streak = 0
        self._left = RETRIES

    def pause(self) -> float:
        """Seconds until anybody may ask again; not above 0: now."""
        return (self._resume - self._clock.mono()) / NS

    def went_well(self) -> None:
        """A request that was sent past `call` was answered."""
        self._streak = 0

    def call(self, what: str, request: Callable[[], _T], *, sent: int | None = None) -> _T:
        """Send `request`; `what` names it in the journal.

        Args:
            sent: the first try is under way since then already (the clock's monotonic time), and
                `request` only tells its end.

        Raises:
            Fault: it kept failing, or failed in a way that trying again does not heal.
            Cancelled: the cycle was torn down meanwhile.
        """
        attempt = 1
        while True:
            if sent is None:
                self._wait()
                sent = self._clock.mono()
            try:
                answer = request()
            except Fault as fault:
                delay = self._failed(fault, sent)
                if not fault.retry or attempt == ATTEMPTS or delay is None:
                    raise
                self._report(
                    RetryScheduled(
                        what=what,
                        attempt=attempt,
                        delay_s=round(delay, 3),
                        kind=fault.kind.word,
                        message=fault.message,
                        server=fault.context.get("server", ""),
                    )
                )
                attempt, sent = attempt + 1, None
            else:
                self._streak = 0
                return answer

    def _wait(self) -> None:
        while True:
            if self._cancelled.is_set():
                raise Cancelled
            pause = self.pause()
            if pause <= 0:
                return
            self._cancelled.wait(pause)

    def _failed(self, fault: Fault, sent: int) -> float | None:
        # A missing or zero Retry-After is never taken at its word: there is a floor. Jitter only
        # adds: nobody comes sooner than was asked, and no two origins come back together.
        if not fault.retry:
            return None
        with self._lock:
            if self._left == 0:
                return None
            self._left -= 1
            if sent >= self._resume:  # what was out together and fails together counts once
                self._streak = min(self._streak + 1, 10)
            exponent = max(self._streak - 1, 0)
            backoff = min(FLOOR_S * 2**exponent, CEILING_S)
            asked = min(fault.retry_after or 0.0, RETRY_AFTER_CEILING_S)
            delay: float = max(backoff, asked) * (1 + JITTER * self._random())
            self._resume = max(self._resume, self._clock.mono() + int(delay * NS))
            return delay

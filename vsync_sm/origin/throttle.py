"""A ceiling on the requests to Vault: `origin.vault.maxRequestsPerSecond`."""

from __future__ import annotations

import threading

from vsync_sm.core.insight import NS


class Throttle:
    """Gives each request its turn, evenly spaced: what was not used is not saved up for a burst.

    One for the whole run. Lister and workers share it, and so do the cycles: one that follows
    another at once goes on where that one was.
    """

    def __init__(self, per_second: float = 0.0) -> None:
        """`per_second`: requests, at the most; 0: no ceiling."""
        self._gap = int(NS / per_second) if per_second else 0
        self._lock = threading.Lock()
        self._next: int | None = None

    def turn(self, now: int) -> int:
        """When the next request may be sent, at `now` or later; monotonic nanoseconds both."""
        if not self._gap:
            return now
        with self._lock:
            at = now if self._next is None else max(now, self._next)
            self._next = at + self._gap
            return at

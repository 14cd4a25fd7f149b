"""How long a cycle's requests may take, and how many there were (safety rule 8)."""

from __future__ import annotations

import threading

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import Requests
from vsync_sm.origin.clock import NS, Clock

SAVE_LIMIT_S = 5.0
"""From `save_started` on the deadline no longer aborts; each call to Consul has this limit."""


class Budget:
    """Gives each request its total limit: no longer than what is left of the cycle."""

    def __init__(self, clock: Clock, *, deadline: int, request_timeout_s: float) -> None:
        """`deadline` is in the clock's monotonic nanoseconds, `request_timeout_s` in seconds."""
        self._clock = clock
        self._deadline = deadline
        self._request_timeout_s = request_timeout_s
        self._lock = threading.Lock()
        self._vault = 0
        self._consul = 0

    def vault(self) -> float:
        """The limit of the next request to Vault, seconds. Raises Fault(DEADLINE)."""
        limit = self._left()
        with self._lock:
            self._vault += 1
        return limit

    def consul(self) -> float:
        """The limit of the next request to Consul, seconds. Raises Fault(DEADLINE)."""
        limit = self._left()
        with self._lock:
            self._consul += 1
        return limit

    def saving(self) -> float:
        """The limit of the next request of a save, seconds; the deadline does not count."""
        with self._lock:
            self._consul += 1
        return SAVE_LIMIT_S

    def requests(self) -> Requests:
        """How many requests were sent so far."""
        with self._lock:
            return Requests(vault=self._vault, consul=self._consul)

    def _left(self) -> float:
        left = (self._deadline - self._clock.mono()) / NS
        if left <= 0:
            raise Fault(
                FaultKind.DEADLINE,
                "the cycle's deadline has passed",
                hint="Raise origin.timeout or origin.numWorkers, or look for a slow server.",
            )
        return min(left, self._request_timeout_s)

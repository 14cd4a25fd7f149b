"""When a cycle's requests are sent, how long they may take (safety rule 8), how many there were."""

from __future__ import annotations

import threading

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import Requests
from vsync_sm.core.insight import NS
from vsync_sm.origin.clock import Clock
from vsync_sm.origin.patience import Cancelled
from vsync_sm.origin.throttle import Throttle

SAVE_LIMIT_S = 5.0
"""From `save_started` on the deadline no longer aborts; each call to Consul has this limit."""


class Budget:
    """Gives each request its total limit: no longer than what is left of the cycle."""

    def __init__(
        self,
        clock: Clock,
        *,
        deadline: int,
        request_timeout_s: float,
        throttle: Throttle | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        """
        Args:
            deadline: in the clock's monotonic nanoseconds.
            request_timeout_s: in seconds.
            throttle: gives each request to Vault its turn.
            cancelled: ends every wait once it is set; one of its own unless given.
        """
        self.cancelled = cancelled or threading.Event()
        self._throttle = throttle or Throttle()
        self._clock = clock
        self._deadline = deadline
        self._request_timeout_s = request_timeout_s
        self._lock = threading.Lock()
        self._vault = 0
        self._consul = 0

    def vault(self) -> float:
        """The limit of the next request to Vault, seconds, once it is its turn.

        Raises:
            Fault: DEADLINE, nothing is left of the cycle; no longer is a turn waited for.
            Cancelled: the cycle was torn down while it waited.
        """
        turn = self.turn()
        while (pause := self.pause(turn)) > 0:
            if self.cancelled.wait(pause):
                raise Cancelled
        return self.vault_now()

    def turn(self) -> int:
        """Take the next turn at Vault: when it comes, in the clock's monotonic nanoseconds."""
        return min(self._throttle.turn(self._clock.mono()), self._deadline)

    def pause(self, turn: int) -> float:
        """Seconds until a turn comes; not above 0: now."""
        return (turn - self._clock.mono()) / NS

    def vault_now(self) -> float:
        """The limit of a request whose turn has come, seconds. Raises Fault(DEADLINE)."""
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

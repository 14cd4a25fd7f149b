"""The start-up checks of a run: try after try, until they pass, fail for good, or time is over."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import ChecksPostponed
from vsync_sm.core.insight import NS
from vsync_sm.core.words import duration
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.checks import NotYet, StartupChecks
from vsync_sm.origin.clock import Random
from vsync_sm.origin.demands import Demands
from vsync_sm.origin.orders import Hands, Orders
from vsync_sm.origin.scope import Scope

FLOOR_S = 1.0
CEILING_S = 30.0
"""Between two tries lie 1 s at first, then twice as much each time, up to 30 s."""

LAST_TRY_S = 1.0
"""A try that begins near the end of the time still has so long for each request."""


class Startup:
    """The checks, each try on a thread of its own. Between two tries nothing runs."""

    def __init__(self, orders: Orders, hands: Hands) -> None:
        self._orders = orders
        self._hands = hands
        self._checks = StartupChecks(
            hands.servers, orders.terms, orders.required, probe=orders.probe
        )
        self._scope: Scope | None = None
        self._thread: threading.Thread | None = None
        self._began = 0
        self._due: int | None = None  # when the next try begins
        self._tries = 0

    @property
    def waited_s(self) -> float:
        """How long ago the first try began, seconds."""
        return (self._hands.clock.mono() - self._began) / NS if self._tries else 0.0

    def start(self) -> None:
        """Begin a try."""
        terms, clock = self._orders.terms, self._hands.clock
        now = clock.mono()
        if not self._tries:
            self._began = now
        self._tries, self._due = self._tries + 1, None
        budget = Budget(
            clock,
            deadline=now + int(terms.timeout_s * NS),  # it has as long as a cycle
            request_timeout_s=self._request_limit_s(),
            throttle=self._hands.servers.throttle,
        )
        self._scope = Scope(None, self._hands.inbox, budget, clock, self._hands.random)
        self._thread = threading.Thread(
            target=self._checks.run, args=(self._scope,), name="checks", daemon=True
        )
        self._thread.start()

    def put_off(self, not_yet: NotYet) -> ChecksPostponed:
        """Wait for what is not there yet, until the next try.

        Raises:
            Fault: it has been waited for long enough (CHECK_FAILED).
        """
        fault, left = not_yet.faults[0], self._left_s()
        if left <= 0:
            raise self._given_up(fault)
        pause = backoff(self._tries, self._hands.random)
        asked = min(max(each.retry_after or 0.0 for each in not_yet.faults), CEILING_S)
        delay = min(max(pause, asked), left)
        self._due = self._hands.clock.mono() + int(delay * NS)
        return ChecksPostponed(
            tries=self._tries,
            waited_s=round(self.waited_s, 3),
            delay_s=round(delay, 3),
            kind=fault.kind.word,
            message=fault.message + _and_others(not_yet.faults),
            hint=fault.hint,
            server=fault.context.get("server", ""),
        )

    def due(self, demands: Demands) -> bool:
        """Whether it is time for another try, or somebody wants one at once."""
        if self._due is None:
            return False
        return demands.take_hurry() or self._hands.clock.mono() >= self._due

    @property
    def rest_s(self) -> float | None:
        """Seconds until the next try; None while one is under way."""
        if self._due is None:
            return None
        return max(0.0, (self._due - self._hands.clock.mono()) / NS)

    def ended(self) -> bool:
        """Let no further check begin; whether the one under way has ended."""
        if self._scope is not None:
            self._scope.cancelled.set()
        return self._thread is None or not self._thread.is_alive()

    def close(self) -> None:
        """Nothing of the checks is heard any more."""
        if self._scope is not None:
            self._scope.close()

    def _left_s(self) -> float:
        limit = self._orders.start_timeout_s
        return math.inf if limit is None else limit - self.waited_s

    def _request_limit_s(self) -> float:
        # A frozen server does not hold the start up for longer than it may take, but for a moment.
        return min(self._orders.terms.request_timeout_s, max(self._left_s(), LAST_TRY_S))

    def _given_up(self, fault: Fault) -> Fault:
        tries = "1 try" if self._tries == 1 else f"{self._tries} tries"
        return Fault(
            FaultKind.CHECK_FAILED,
            f"{fault.message} (after {tries} in {duration(self.waited_s)})",
            hint=f"{fault.hint or 'see the server'}; origin.startTimeout is how long a start waits",
            context=fault.context,
        )


def _and_others(faults: Sequence[Fault]) -> str:
    """What else is waited for, in short: the other server has a message of its own elsewhere."""
    first, *others = ((each.context.get("server", ""), each.kind.word) for each in faults)
    told = {server: word for server, word in reversed(others) if server not in {"", first[0]}}
    return "".join(f"; {name} too: {word.replace('_', ' ')}" for name, word in told.items())


def backoff(tries: int, random: Random) -> float:
    """The seconds between the `tries`-th try and the next: doubled each time, with jitter."""
    full = min(FLOOR_S * 2 ** min(tries - 1, 10), CEILING_S)
    return float(full * (0.5 + random() / 2))

"""The start-up checks of a run, on a thread of their own."""

from __future__ import annotations

import threading

from vsync_sm.origin.budget import Budget
from vsync_sm.origin.checks import StartupChecks
from vsync_sm.origin.clock import NS
from vsync_sm.origin.orders import Hands, Orders
from vsync_sm.origin.scope import Scope


class Startup:
    """The checks' own thread, and their end."""

    def __init__(self, scope: Scope, checks: StartupChecks) -> None:
        self._scope = scope
        self._thread = threading.Thread(target=checks.run, name="checks", daemon=True)

    def start(self) -> None:
        """Begin the checks."""
        self._thread.start()

    def ended(self) -> bool:
        """Let no further check begin; whether the one under way has ended."""
        self._scope.cancelled.set()
        return not self._thread.is_alive()

    def close(self) -> None:
        """Nothing of the checks is heard any more."""
        self._scope.close()


def startup(orders: Orders, hands: Hands) -> Startup:
    """The checks that a run begins with; they have as long as a cycle."""
    terms = orders.terms
    budget = Budget(
        hands.clock,
        deadline=hands.clock.mono() + int(terms.timeout_s * NS),
        request_timeout_s=terms.request_timeout_s,
    )
    scope = Scope(None, hands.inbox, budget, hands.clock, hands.random)
    checks = StartupChecks(scope, hands.servers, terms, orders.required, probe=orders.probe)
    return Startup(scope, checks)

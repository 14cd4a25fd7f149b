"""What the effects of one cycle share: who hears them, how long they have, when they must end."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import Event
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.clock import Clock, Random
from vsync_sm.origin.inbox import EffectDone, Facts, FaultCame, Inbox, LateFacts
from vsync_sm.origin.patience import Cancelled, Patience

BATCH = 256
"""So many facts reach the loop at once at the most: it never works long at a stretch."""


class Scope:
    """One cycle's own. Once closed it delivers nothing more: a dead cycle cannot speak."""

    def __init__(
        self, number: int | None, inbox: Inbox, budget: Budget, clock: Clock, random: Random
    ) -> None:
        """`number` is the cycle's; None for the start-up checks."""
        self.number = number
        self.budget = budget
        self.clock = clock
        self.cancelled = budget.cancelled
        self.patience = Patience(clock, random, self.cancelled, lambda fact: self.tell((fact,)))
        self._inbox = inbox
        self._lock = threading.Lock()
        self._closed = False

    def tell(self, facts: Iterable[Event]) -> None:
        """Deliver facts, in order and in batches; waits while the loop has much to do.

        Raises:
            Cancelled: the cycle is over; what was not delivered was counted and dropped.
        """
        left = iter(facts)
        while batch := tuple(islice(left, BATCH)):
            self.tell_batch(batch)

    def tell_batch(self, batch: Sequence[Event]) -> None:
        """Deliver these facts all or none. Raises Cancelled: none."""
        if batch:
            self._deliver(Facts(tuple(batch), self.number), len(batch))

    def done(self, result: object) -> None:
        """Say that an effect came to its end. Raises Cancelled when the cycle is over."""
        self._deliver(EffectDone(result, self.number), 1)

    def raise_fault(self, fault: Fault) -> None:
        """Put a fault into the inbox: the loop decides what becomes of the cycle."""
        self._inbox.post(FaultCame(fault, self.number))

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Around what runs on a thread of the cycle's own: whatever goes wrong is a fault."""
        try:
            yield
        except Cancelled:
            pass
        except Fault as fault:
            self.raise_fault(fault)
        except Exception as error:  # noqa: BLE001  the outermost place of a thread
            self.raise_fault(broken_invariant(error))

    def check(self) -> None:
        """Raise Cancelled when the cycle is being torn down."""
        if self.cancelled.is_set():
            raise Cancelled

    def close(self) -> None:
        """Tear down: whoever waits or asks ends; nothing more is delivered."""
        self.cancelled.set()
        with self._lock:
            self._closed = True

    def _deliver(self, message: Facts | EffectDone, count: int) -> None:
        room = self._inbox.reserve(self.cancelled)
        with self._lock:
            if room and not self._closed:
                self._inbox.deliver(message)
                return
        if room:
            self._inbox.give_back()
        self._inbox.post(LateFacts(self.number, count))
        raise Cancelled


def broken_invariant(error: Exception) -> Fault:
    """The fault of an exception that nobody expected: where it came from, not what it held."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f"{last[0].name}, line {last[0].lineno}" if last else "unknown place"
    return Fault(
        FaultKind.INVARIANT,
        f"vsync itself is at fault: {type(error).__name__} in {where}",
        hint="Nothing was saved. Please report it with the journal's last lines.",
        context={"error": type(error).__name__, "where": where},
    )

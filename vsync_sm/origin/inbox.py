"""The one way in: everything that the loop hears comes through here.

Two lanes. Control (signals, faults, whatever steers) never blocks, may be posted from a signal
handler, and is taken first. Results (facts of a cycle, ends of its phases) wait for room, so that
workers slow down instead of filling the memory.
"""

from __future__ import annotations

import threading
from collections import deque
from queue import Empty, SimpleQueue

import msgspec

from vsync_sm.core.errors import Fault
from vsync_sm.core.events import Event, Notified


class SignalCame(msgspec.Struct, frozen=True):
    """The operating system sent a signal."""

    number: int


class FaultCame(msgspec.Struct, frozen=True):
    """Somebody raised a fault; `cycle` is None outside cycles."""

    fault: Fault
    cycle: int | None = None


class Informed(msgspec.Struct, frozen=True):
    """How it went to inform a human."""

    notified: Notified


class LateFacts(msgspec.Struct, frozen=True):
    """Facts of a cycle that is over; they were dropped."""

    cycle: int | None
    count: int


class Facts(msgspec.Struct, frozen=True):
    """What happened in a cycle (None: in the start-up checks), in order."""

    events: tuple[Event, ...]
    cycle: int | None = None


class EffectDone(msgspec.Struct, frozen=True):
    """An effect came to its end, with this result; all its facts were delivered before."""

    result: object
    cycle: int | None = None


Control = SignalCame | FaultCame | Informed | LateFacts
Result = Facts | EffectDone
Message = Control | Result


class Inbox:
    """The loop takes; everybody else posts and delivers."""

    def __init__(self, capacity: int = 16) -> None:
        """`capacity`: how many results may lie here before `deliver` waits."""
        self._control: SimpleQueue[Control | None] = SimpleQueue()  # None: results have come in
        self._results: deque[Result] = deque()
        self._room = threading.Semaphore(capacity)

    def post(self, message: Control) -> None:
        """Put a message into the control lane. Never blocks; safe in a signal handler."""
        self._control.put(message)

    def reserve(self, gone: threading.Event) -> bool:
        """Wait for room for one result; False when `gone` was set first."""
        while not self._room.acquire(timeout=0.04):
            if gone.is_set():
                return False
        return True

    def give_back(self) -> None:
        """Give back a place that `reserve` has won and nobody needs."""
        self._room.release()

    def deliver(self, message: Result) -> None:
        """Put a result into the place that `reserve` has won. Never blocks."""
        self._results.append(message)
        self._control.put(None)

    def take(self, timeout: float) -> list[Message]:
        """All control messages, else some results, else (after `timeout` seconds) nothing."""
        control = self._drain_control(timeout)
        if control:
            if self._results:
                self._control.put(None)
            return list(control)
        return list(self.take_results(limit=16))

    def take_results(self, limit: int) -> list[Result]:
        """Up to `limit` results, without waiting."""
        results: list[Result] = []
        while self._results and len(results) < limit:
            results.append(self._results.popleft())
            self._room.release()
        if self._results:
            self._control.put(None)
        return results

    def _drain_control(self, timeout: float) -> list[Control]:
        messages: list[Control] = []
        try:
            message = self._control.get(timeout=max(timeout, 0.0))
            while True:
                if message is not None:
                    messages.append(message)
                message = self._control.get_nowait()
        except Empty:
            return messages

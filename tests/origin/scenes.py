"""A daemon in this process, steered by what it writes: each act happens right after a record."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS
from vsync_sm.core.view import View
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.engine import Engine
from vsync_sm.origin.inbox import Inbox, SignalCame
from vsync_sm.origin.orders import Mode

Told = Callable[[Record], bool]


def entered(state: str, nth: int = 1) -> Told:
    """The nth transition into a state."""
    return _nth(
        lambda record: isinstance(record.event, e.Transitioned) and record.event.dest == state, nth
    )


def came(cls: type[e.Event], nth: int = 1, **fields: Any) -> Told:
    """The nth event of a class, with these fields."""

    def wanted(record: Record) -> bool:
        event = record.event
        return isinstance(event, cls) and all(
            getattr(event, name) == value for name, value in fields.items()
        )

    return _nth(wanted, nth)


def _nth(wanted: Told, nth: int) -> Told:
    left = [nth]

    def told(record: Record) -> bool:
        if not wanted(record):
            return False
        left[0] -= 1
        return left[0] == 0

    return told


def until(holds: Callable[[], bool]) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it never did"
        time.sleep(0.005)


def leave_behind(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """An aborted cycle abandons so many threads: it waits for all others, however long."""

    def torn_down(of: Engine) -> bool:
        return of._cycle is not None and of._cycle.alive() <= count

    monkeypatch.setattr(Engine, "_torn_down", torn_down)


class Jumping(SystemClock):
    """The machine's clock, which a test may set forward."""

    def __init__(self) -> None:
        self.ahead = 0

    def jump(self, seconds: float) -> None:
        """From now on so much later."""
        self.ahead += int(seconds * NS)

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return super().now() + self.ahead

    def mono(self) -> int:
        """Monotonic nanoseconds."""
        return super().mono() + self.ahead


class Scene:
    """Acts run on the loop's own thread, in the order in which they were given."""

    def __init__(self, shop: Workshop, inbox: Inbox | None = None) -> None:
        self.shop = shop
        self.inbox = inbox or Inbox()
        self.clock = Jumping()
        self._acts: list[tuple[Told, Callable[[], object]]] = []
        self._lost = False

    def on(self, told: Told, act: Callable[[], object]) -> None:
        """Once `told` says so of a record that has just been appended, `act`."""
        self._acts.append((told, act))

    def signal(self, number: int = signal.SIGTERM) -> None:
        """As if the operating system had sent it."""
        self.inbox.post(SignalCame(number))

    def run(self, mode: Mode = Mode.daemon, **how: Any) -> Run:
        """The whole run. One that does not end by itself fails."""
        rescue = threading.Timer(PATIENCE_S, self._rescue)
        rescue.daemon = True
        rescue.start()
        try:
            run = self.shop.once(
                mode=mode, inbox=self.inbox, clock=self.clock, sinks=[self._sink], **how
            )
        finally:
            rescue.cancel()
        assert not self._lost, f"it did not come to its end: {run.records[-5:]}"
        return run

    def _sink(self, record: Record, _: View) -> None:
        for told, act in self._acts:
            if told(record):
                act()

    def _rescue(self) -> None:
        self._lost = True
        self.signal()
        self.signal()

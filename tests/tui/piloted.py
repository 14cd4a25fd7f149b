"""A console driven key by key, without a terminal: what it shows, and what it asks of an origin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from textual._context import active_app
from textual.pilot import Pilot

from tests.tui.night import Night
from tests.workshop import PATIENCE_S
from tui.app import Console
from tui.feed import Look
from tui.glance import Badge
from tui.widgets.answer import AnswerBar
from tui.widgets.strip import Strip
from tui.widgets.title import Title
from vsync_sm.core.commands import Done
from vsync_sm.core.view import View

JOURNAL = Path("journal.jsonl")
Test = Callable[[Console, "Pilot[int]"], Awaitable[None]]


class Handed:
    """A feed that shows whatever a test hands it."""

    def __init__(self, view: View | None = None, badge: Badge = Badge.ATTACHED) -> None:
        self.badge = badge
        self.now = Look(view or View())
        self.opened = self.closed = False

    def look(self) -> Look:
        """What was handed."""
        return self.now

    def open(self) -> None:
        """Begun."""
        self.opened = True

    def close(self) -> None:
        """Ended."""
        self.closed = True


class Asked:
    """A commander that notes what it is asked; `why` says why it can do nothing."""

    def __init__(self, why: str = "", done: Done | None = None) -> None:
        self.why = why
        self.asked: list[tuple[str, str]] = []
        self._done = done or Done(True, "it is done")

    def unable(self) -> str:
        """As the test says."""
        return self.why

    def do(self, command: str, argument: str = "") -> Done:
        """Note it."""
        self.asked.append((command, argument))
        return self._done

    def refused(self, allowance: str) -> tuple[str, ...] | None:
        """It knows of nothing."""
        del allowance
        return None


class Here:
    """An origin in this process, as far as the console minds it."""

    def __init__(self) -> None:
        self.over = False
        self.code = 0
        self.halts: list[str] = []
        self.ended: Callable[[], None] | None = None

    def start(self, ended: Callable[[], None]) -> None:
        """Begun."""
        self.ended = ended

    def halt(self, by: str) -> None:
        """Asked to end."""
        self.halts.append(f"halt by {by}")

    def insist(self) -> None:
        """Asked to end at once."""
        self.halts.append("insist")

    def end(self, code: int) -> None:
        """It ends."""
        self.over, self.code = True, code
        assert self.ended is not None
        self.ended()


class Clock:
    """Wall time that passes only where a test says so."""

    def __init__(self, wall: int = 0) -> None:
        self.wall = wall

    def __call__(self) -> int:
        """Nanoseconds since 1970."""
        return self.wall

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.wall += int(seconds * 1_000_000_000)


def at(night: Night) -> Clock:
    """A clock that stands at the moment of looking."""
    return Clock(night.now.wall)


def piloted(
    app: Console, test: Test, size: tuple[int, int] = (120, 40), *, sound: bool = True
) -> int | None:
    """Runs the console under a test; what it ended with. `sound`: no panel failed."""

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await until(lambda: app.glance is not None)
            await pilot.pause()
            await test(app, pilot)

    asyncio.run(run())
    if sound:
        assert not app.troubles, app.troubles
    return app.return_value


async def until(true: Callable[[], object]) -> None:
    """Waits for something that must come, and until the screen that shows takes keys."""
    end = time.monotonic() + PATIENCE_S
    while not (true() and _takes_keys()):
        assert time.monotonic() < end, "it never came"
        await asyncio.sleep(0.01)


def _takes_keys() -> bool:
    """Whether the screen on top is all there; a key that comes before would go astray."""
    app = active_app.get(None)
    if app is None or not app.is_running or not app.screen_stack:
        return True
    screen = app.screen
    return screen.is_mounted and (screen.focused is not None or not screen.focus_chain)


def told(app: Console) -> list[str]:
    """The toasts, oldest first."""
    return [each.message for each in app._notifications]


def top(app: Console) -> dict[str, str]:
    """What stands on top, by name."""
    return {
        cls.__name__: str(app.screen_stack[0].query_one(cls).render())
        for cls in (Title, AnswerBar, Strip)
    }

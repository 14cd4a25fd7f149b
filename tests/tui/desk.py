"""The journal's panel alone on a desk: a tiny app, and what a test does with it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.journal.example import numbered, one_saved_cycle
from tests.workshop import PATIENCE_S
from tui.glance import Badge, Glance
from tui.times import Times
from tui.widgets.journal import JournalPanel
from tui.widgets.lines import JournalLines
from tui.widgets.record import RecordScreen
from vsync_sm.core import events as e
from vsync_sm.core.answer import Now
from vsync_sm.core.insight import Insight, moment
from vsync_sm.core.view import View
from vsync_sm.journal.codec import encode

EXAMPLE = numbered(one_saved_cycle())
NOW = Now(moment("2026-11-02T10:05:00Z"), 0)
INSIGHT = Insight(2, "2026-10-01T00:00:00Z")
HEIGHT = 22  # rows of the list on a screen of 24 without a footer


def read(seq: int) -> bytes:
    """A line of a path that was read; every tenth failed."""
    path = f"secret/data/p{seq:07d}"
    event: e.Event = e.InsightGenerated(worker=1, path=path, insight=INSIGHT, change="unchanged")
    if seq % 10 == 0:
        event = e.PathFailed(worker=1, path=path, kind="timeout", message="no answer")
    return encode(replace(EXAMPLE[5], seq=seq, event=event))


def lines_of(count: int, *, first: int = 1) -> bytes:
    return b"".join(read(seq) for seq in range(first, first + count))


class Tiny(App[None]):
    """Nothing but the panel; painted by hand."""

    def __init__(self, journal: Path) -> None:
        super().__init__()
        self.journal = journal
        self.animation_level = "none"
        self.times = Times.utc

    def compose(self) -> ComposeResult:
        yield JournalPanel(self.journal)


class Desk:
    """A tiny app in use: presses keys, paints, reads what stands there."""

    def __init__(self, app: Tiny, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.panel = app.query_one(JournalPanel)
        self.list = app.query_one(JournalLines)

    def paint(self) -> None:
        glance = Glance(View(), NOW, Badge.LIVE, times=self.app.times)
        self.panel.paint(glance)
        if isinstance(self.app.screen, RecordScreen):
            self.app.screen.paint(glance)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        self.paint()
        await self.pilot.pause()

    async def until(self, there: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S * 2  # a busy machine is no failing test
        while True:
            self.paint()
            await asyncio.sleep(0.02)
            if there():
                return
            assert time.monotonic() < end, (self.title, self.note, *self.rows)

    async def rest(self) -> None:
        """Wait until all that is asked for has been looked through."""
        behind = self.panel._behind
        await self.until(
            lambda: (
                self.panel._pages.progress == 1
                and behind.seek is None
                and (behind.sift is None or behind.sift.done)
            )
        )
        self.paint()
        await self.pilot.pause()

    async def ask(self, key: str, words: str) -> None:
        await self.press(key)
        self.app.query_one(Input).value = words
        await self.press("enter")
        await self.rest()

    def grow(self, more: bytes) -> None:
        with self.app.journal.open("ab") as file:
            file.write(more)
        self.paint()

    @property
    def rows(self) -> list[str]:
        return self.list.screen_text

    @property
    def selected(self) -> str:
        found = [row for row in self.rows if row.startswith("▶")]
        assert len(found) == 1, self.rows
        return found[0]

    @property
    def path(self) -> int:
        """The number in the path of the selected row."""
        match = re.search(r"/p(\d{7})", self.selected)
        assert match is not None, self.selected
        return int(match[1])

    @property
    def seen(self) -> list[int]:
        return [int(match[1]) for row in self.rows if (match := re.search(r"/p(\d{7})", row))]

    @property
    def title(self) -> str:
        return str(self.panel._border_title)

    @property
    def note(self) -> str:
        return str(self.panel._border_subtitle or "")

    @property
    def said(self) -> str:
        return str(self.app.query_one("#journal-said", Static).visual)


def use(
    journal: Path,
    how: Callable[[Desk], Awaitable[None]],
    size: tuple[int, int] = (100, HEIGHT + 2),
) -> None:
    """Run the panel over a journal, and do something with it."""

    async def run() -> None:
        app = Tiny(journal)
        async with app.run_test(size=size) as pilot:
            desk = Desk(app, pilot)
            desk.list.focus()
            await desk.rest()
            await how(desk)

    asyncio.run(run())

"""A console over a night that is looked at afterwards, driven key by key; its clock stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from textual.pilot import Pilot

from tests.tui.nights import NIGHTS
from tests.tui.piloted import Clock, piloted, until
from tests.tui.remembered import Remembered
from tui.app import Console
from tui.glance import Glance
from tui.replay.console import ReplayConsole
from tui.replay.feed import PlayFeed
from vsync_sm.core import events as e
from vsync_sm.core.events import Record

JOURNAL = Path("journal.jsonl")


def where(records: Sequence[Record], true: Callable[[Record], bool]) -> list[int]:
    """The `seq`s of some records."""
    return [record.seq for record in records if true(record)]


def of(*classes: type) -> Callable[[Record], bool]:
    """Whether a record is of one of these events."""
    return lambda record: isinstance(record.event, classes)


def _begins_phase(record: Record) -> bool:
    phases = {"listing", "working", "reindexing", "saving"}
    return isinstance(record.event, e.Transitioned) and record.event.dest in phases


RECORDS = NIGHTS["refused"]().records
PLACES = {
    "transition": where(RECORDS, of(e.Transitioned)),
    "phase": where(RECORDS, _begins_phase),
    "cycle": where(RECORDS, of(e.CycleStarted)),
    "save": where(RECORDS, of(e.SaveCommitted)),
    "fault": where(RECORDS, of(e.FaultRaised, e.SaveRefused)),
}
"""What stands where in a night whose last save was refused."""


class Watched:
    """A console in use: presses keys, waits for where they lead."""

    def __init__(self, app: ReplayConsole, pilot: Pilot[int], clock: Clock) -> None:
        self.app = app
        self.pilot = pilot
        self.clock = clock

    @property
    def glance(self) -> Glance:
        """The last look."""
        self.app.paint_now()
        assert self.app.glance is not None
        return self.app.glance

    async def press(self, *keys: str) -> None:
        """Press them, one after the other."""
        await self.pilot.press(*keys)

    async def at(self, seq: int) -> None:
        """Wait until it stands there."""
        await self.until(lambda: self.glance.view.seq == seq)

    async def until(self, true: Callable[[], object]) -> None:
        """Wait for something that must come."""
        await until(true)
        await self.pilot.pause()

    def bar(self) -> str:
        """The position bar."""
        return str(self.app.screen_stack[0].query_one("#position").render())


Walk = Callable[[Watched], Awaitable[None]]


def walk(
    records: Sequence[Record] | Remembered,
    test: Walk,
    size: tuple[int, int] = (120, 40),
    journal: Path = JOURNAL,
) -> None:
    """Open the console at the end of these records, and walk in them."""
    past = records if isinstance(records, Remembered) else Remembered(records)
    clock = Clock()
    app = ReplayConsole(PlayFeed(past, clock), journal=journal, cpu=lambda: 0.0)

    async def begun(_: Console, pilot: Pilot[int]) -> None:
        watched = Watched(app, pilot, clock)
        await watched.at(past.last if past.ready(past.last) else past.known)
        await test(watched)

    piloted(app, begun, size)

"""A small app for one panel or some, with made-up views to paint from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget

from tests.journal.example import numbered
from tests.workshop import PATIENCE_S
from tui.glance import Badge, Glance
from tui.times import Times
from tui.widgets.panel import PathChosen
from vsync_sm.core import events as e
from vsync_sm.core.answer import Now, now_at
from vsync_sm.core.insight import Insight
from vsync_sm.core.view import View, apply

Told = tuple[e.Event | e.Unknown, int | None]


class Paints(Protocol):
    """What all panels can do."""

    def paint(self, glance: Glance) -> None: ...


class Stage(App[None]):
    """Shows these, above one another, and keeps which paths were chosen."""

    def __init__(self, panels: Sequence[Widget], *, colours: bool = True) -> None:
        super().__init__()
        self.panels = panels
        self.paths: list[str] = []
        if not colours:
            self.no_color = True

    def compose(self) -> ComposeResult:
        yield from self.panels

    def on_path_chosen(self, message: PathChosen) -> None:
        self.paths.append(message.path)

    def screen_lines(self) -> list[str]:
        """What stands on the screen, line by line."""
        width, height = self.size
        strips = self.screen._compositor.render_strips()
        lines = [strip.text for strip in strips]
        assert len(lines) == height
        assert {cell_len(line) for line in lines} == {width}, "a line is not as wide as the screen"
        return lines

    def text(self) -> str:
        """The same, as one text."""
        return "\n".join(line.rstrip() for line in self.screen_lines())


Act = Callable[[Stage, Pilot[None]], Awaitable[None]]


def play(
    panels: Widget | Sequence[Widget],
    act: Act,
    *,
    size: tuple[int, int] = (80, 24),
    colours: bool = True,
) -> Stage:
    """Puts panels on a screen of that size and lets `act` do something with them."""
    stage = Stage([panels] if isinstance(panels, Widget) else panels, colours=colours)

    async def run() -> None:
        async with stage.run_test(size=size) as pilot:
            await pilot.pause()
            await act(stage, pilot)

    asyncio.run(run())
    return stage


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    """Waits for a condition."""
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < ends, "it never came"
        await pilot.pause(0.01)


async def painted(pilot: Pilot[None], panel: Paints, glance: Glance) -> None:
    """Paints, and waits until it stands on the screen; twice, as a size may change meanwhile."""
    for _ in range(2):
        panel.paint(glance)
        await pilot.pause()


def shown(
    panel: Widget, view: View, *, size: tuple[int, int] = (80, 24), colours: bool = True
) -> str:
    """What a panel shows of a view."""
    said: list[str] = []

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert hasattr(panel, "paint")
        await painted(pilot, panel, glance(view))
        said.append(stage.text())

    play(panel, act, size=size, colours=colours)
    return said[0]


# --- views -----------------------------------------------------------------------------------


def glance(view: View, *, later_s: float = 0.0, badge: Badge = Badge.ATTACHED) -> Glance:
    """A look at a view, some seconds after its last record."""
    now = now_at(view)
    passed = round(later_s * 1e9)
    return Glance(view, Now(now.wall + passed, now.mono + passed), badge, times=Times.utc)


def viewed(events: Iterable[Told]) -> View:
    """The view of made-up events."""
    view = View()
    for record in numbered(list(events)):
        view = apply(view, record)
    return view


def began(limit: int = 524288) -> Told:
    """A run begins."""
    event = e.RunStarted(
        version="0.1.0", pid=1, host="h", once=False, config={}, value_limit_bytes=limit
    )
    return event, None


def move(trigger: str, source: str, dest: str, reason: str = "") -> e.Transitioned:
    """A transition."""
    return e.Transitioned(trigger=trigger, source=source, dest=dest, reason=reason)


def working(number: int = 1, *, workers: int = 2, listed: int = 10) -> list[Told]:
    """A cycle that has come to its working phase."""
    events: list[e.Event] = [
        e.CycleStarted(mounts=("secret/",), workers=workers, num_buckets=4, deadline_s=300.0),
        move("tick", "waiting", "listing"),
        e.PathsListed(paths=listed, mounts={"secret/": listed}),
        move("listed", "listing", "working"),
        *(e.WorkerStarted(worker=worker) for worker in range(1, workers + 1)),
    ]
    return [(event, number) for event in events]


def insight() -> Insight:
    """Some insight."""
    return Insight(1, "2026-10-01T00:00:00Z")


def saved(number: int, *, added: Sequence[str] = (), gone: Sequence[str] = ()) -> list[Told]:
    """A whole cycle that saves, with these paths added and vanished."""
    events: list[e.Event] = [
        *(e.InsightGenerated(worker=1, path=p, insight=insight(), change="added") for p in added),
        move("worked", "working", "reindexing"),
        *(e.InsightVanished(path=path, insight=insight()) for path in gone),
        e.BucketReindexed(bucket=1, insights=len(added), size_bytes=180, digest="ab" * 32),
        move("reindexed", "reindexing", "saving"),
        e.SaveStarted(index="1" * 64, index_key="i", index_modify_index=8, keys=()),
        e.SaveCommitted(index="1" * 64, keys=2),
        move("saved", "saving", "waiting"),
        e.CycleFinished(
            outcome="saved",
            listed=len(added),
            generated=len(added),
            added=len(added),
            vanished=len(gone),
            phases={"listing": 0.002, "working": 0.006, "saving": 0.002},
            requests=e.Requests(vault=12, consul=3),
        ),
    ]
    return [*working(number), *((event, number) for event in events)]


def aborted(number: int, *faults: e.FaultRaised, reason: str = "fault") -> list[Told]:
    """A cycle that ends by these faults."""
    events: list[e.Event] = [
        *faults,
        move("abort", "working", "aborted", reason),
        e.CycleFinished(outcome="aborted", reason=reason, listed=10, unsent=10),
        move("recovered", "aborted", "waiting"),
    ]
    return [*working(number), *((event, number) for event in events)]


def fault(message: str, *, kind: str = "sealed", fatal: bool = False) -> e.FaultRaised:
    """A fault with a hint and a context."""
    context = {"server": "Vault"}
    return e.FaultRaised(kind=kind, fatal=fatal, message=message, hint="unseal it", context=context)


def refused(number: int, paths: Sequence[str], *, of: int = 100) -> list[Told]:
    """A cycle whose save is refused, since these paths would vanish."""
    refusal = e.Refusal(rule="shrink_mount", mount="secret/", count=len(paths), of=of, limit=0.2)
    events: list[e.Event] = [
        move("worked", "working", "reindexing"),
        *(e.InsightVanished(path=path, insight=insight()) for path in paths),
        e.SaveRefused(
            refusals=(refusal,),
            vanished={"secret/": len(paths)},
            regressed={},
            sample=tuple(paths[:3]),
            allowance="a1b2c3d4e5f6",
            insights={"secret/": of - len(paths)},
        ),
        move("abort", "reindexing", "aborted", "refused"),
        e.CycleFinished(outcome="refused", reason="refused", listed=of, vanished=len(paths)),
        move("recovered", "aborted", "waiting"),
    ]
    return [*working(number), *((event, number) for event in events)]

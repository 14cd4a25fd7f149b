"""A dialog on an empty screen: opened, driven, read; and what is told to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec.structs import replace
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Static

from tests.tui.screen import photograph
from tests.workshop import PATIENCE_S
from tui.glance import Badge, Glance
from tui.theme import THEMES
from tui.widgets.dialogs import AllowDialog
from vsync_sm.core import events as e
from vsync_sm.core.answer import Now
from vsync_sm.core.commands import Done
from vsync_sm.core.safety import allowance_id
from vsync_sm.core.shapes import LastRefusal, View

TS = "2026-11-02T10:00:00.000000Z"
NOW = Now(1_793_613_600_000_000_000, 60_000_000_000)
SMALL = (80, 24)

Drive = Callable[[Pilot[Any]], Awaitable[None]]


class Host(App[None]):
    """Opens one dialog and keeps what it answered."""

    def __init__(self, dialog: Screen[Any]) -> None:
        super().__init__()
        self.dialog = dialog
        self.answers: list[object] = []
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name

    def on_mount(self) -> None:
        self.push_screen(self.dialog, self.answers.append)


def drive(dialog: Screen[Any], what: Drive, size: tuple[int, int] = SMALL) -> Host:
    """Open a dialog on an empty screen, and do something with it."""
    host = Host(dialog)

    async def run() -> None:
        async with host.run_test(size=size) as pilot:
            await until(pilot, lambda: host.screen is dialog and bool(dialog.focused))
            await what(pilot)
            await pilot.pause()

    asyncio.run(run())
    return host


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    ends = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends, photograph(pilot.app).text
        await pilot.pause(0.01)


def pressed(dialog: Screen[Any], *keys: str) -> list[object]:
    """What a dialog answers to keys; nothing: it is still open."""

    async def press(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)

    return drive(dialog, press).answers


def clicked(dialog: Screen[Any], button: str) -> list[object]:
    """What a dialog answers to a click."""

    async def click(pilot: Pilot[Any]) -> None:
        await pilot.click(button)

    return drive(dialog, click).answers


def seen(dialog: Screen[Any], size: tuple[int, int] = SMALL, *keys: str) -> str:
    """What stands on the screen."""
    texts: list[str] = []

    async def look(pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)
        if isinstance(dialog, AllowDialog):
            await told(pilot, dialog)
        await pilot.pause()
        texts.append(photograph(pilot.app).text)

    drive(dialog, look, size)
    return texts[0]


def flat(text: str) -> str:
    """A dialog's words without its border and its line breaks."""
    return " ".join(text.replace("│", " ").split())


def glance(view: View) -> Glance:
    return Glance(view=view, now=NOW, badge=Badge.ATTACHED)


class Told:
    """A commander that knows one refusal; `gate` holds the answer back."""

    def __init__(
        self, lines: Sequence[str] | None, why: str = "", error: Exception | None = None
    ) -> None:
        self.lines = None if lines is None else tuple(lines)
        self.why = why
        self.error = error
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def unable(self) -> str:
        return self.why

    def do(self, command: str, argument: str = "") -> Done:
        raise AssertionError(f"a dialog commands nothing, least of all {command} {argument}")

    def refused(self, allowance: str) -> tuple[str, ...] | None:
        self.asked.append(allowance)
        assert threading.current_thread() is not threading.main_thread()
        self.gate.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return self.lines


LINES = (
    *(f"regressed secret/data/old/{n:02}" for n in range(12)),
    *(f"vanished kv/data/app-{n:02}/[db]/\x1b[31mred" for n in range(29)),
    *(f"vanished secret/data/new/{n}" for n in range(3)),
)


def refused_(lines: Sequence[str] = LINES, **changes: Any) -> LastRefusal:
    event = e.SaveRefused(
        refusals=(
            e.Refusal(rule="shrink", count=32, of=120, limit=0.2),
            e.Refusal(rule="shrink_mount", mount="kv/", count=29, of=100, limit=0.2),
            e.Refusal(rule="backwards_mount", mount="secret/", count=12, of=40, limit=0.2),
        ),
        vanished={"kv/": 29, "secret/": 3},
        regressed={"secret/": 12},
        sample=(),
        allowance=allowance_id(lines),
        insights={"kv/": 71, "secret/": 20},
    )
    return LastRefusal(TS, 12, replace(event, **changes))


async def told(pilot: Pilot[Any], dialog: AllowDialog) -> None:
    """Wait until the origin has answered."""
    waits = dialog.query_one("#loading", Static)
    await until(pilot, lambda: dialog.has_class("-ready") or "Asking" not in str(waits.content))

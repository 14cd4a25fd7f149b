"""The console on a screen that nobody has: set up over a night, driven, and photographed.

Pictures (SVG) and texts are the same on every machine, whatever its fonts, its time zone and the
terminal that it is done from.
"""

from __future__ import annotations

import asyncio
import io
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console as RichConsole
from rich.segment import Segment
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.night import Night
from tests.workshop import PATIENCE_S
from tui import tabs
from tui.app import Console
from tui.feed import Feed, LiveFeed
from tui.follow import FollowFeed
from tui.replay.console import ReplayConsole
from tui.replay.feed import PlayFeed, Standing
from tui.widgets.journal import JournalPanel
from tui.widgets.path import PathPanel
from vsync_sm.core.commands import Done
from vsync_sm.core.memory import Memory
from vsync_sm.journal.past import Past

_FONTS = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_ID = re.compile(r"terminal-\d+")
_COMMENT = re.compile(r"\s*<!--.*?-->")

SAME = 2
"""So often a screen must look the same before it is taken to stand still."""

TYPED = "…"
"""What begins with this is typed, key by key."""


class Photo(NamedTuple):
    """One look at a screen."""

    svg: str
    text: str


def photograph(app: App[Any], title: str = "vsync-tui") -> Photo:
    """What the app's screen, with all that lies under it, looks like now."""
    paper = _paper(app)
    text = paper.export_text(clear=False)
    return Photo(evened(paper.export_svg(title=title)), trimmed(text))


def read(app: App[Any]) -> str:
    """What can be read on the app's screen."""
    return trimmed(_paper(app).export_text())


def _paper(app: App[Any]) -> RichConsole:
    width, height = app.size
    paper = RichConsole(
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
        safe_box=False,
    )
    shown = app.screen._compositor.render_update(
        full=True, screen_stack=app._background_screens, simplify=True
    )
    paper.print(shown)
    return paper


def evened(svg: str) -> str:
    """A picture without what differs unseen, and without fonts from elsewhere."""
    svg = _COMMENT.sub("", _FONTS.sub("", svg))
    svg = svg.replace("Fira Code, monospace", "'Fira Code', 'DejaVu Sans Mono', monospace")
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return trimmed(_ID.sub("terminal", svg))


def trimmed(text: str) -> str:
    """Lines without what nobody sees at their ends."""
    return "".join(f"{line.rstrip()}\n" for line in text.rstrip().splitlines())


class Obliging:
    """Commands nothing, and says that it did; knows what was refused in a night.

    With `unreachable`, why, it cannot.
    """

    def __init__(self, night: Night, unreachable: str = "") -> None:
        self._unreachable = unreachable
        self._memory = Memory()
        for record in night.records:
            self._memory.note(record)

    def unable(self) -> str:
        """As it was made."""
        return self._unreachable

    def do(self, command: str, argument: str = "") -> Done:  # noqa: ARG002  the Protocol's
        """Done."""
        return Done(True, f"{command}: done")

    def refused(self, allowance: str) -> tuple[str, ...] | None:
        """What the night knows of it."""
        known = self._memory.refused(allowance)
        return tuple(sorted(known.covers)) if known else None


class Asleep:
    """An origin in this process that does nothing."""

    over = False
    code = 0

    def start(self, ended: Callable[[], None]) -> None:
        """Nothing begins."""

    def halt(self, by: str) -> None:
        """Nothing ends."""

    def insist(self) -> None:
        """Nothing ends."""


class Scene(NamedTuple):
    """A console over a night: how it was opened, what was pressed, what must come to stand there.

    `way` is `attach`, `replay` or `live`. What in `keys` begins with `TYPED` is typed letter by
    letter; `words` are waited for after the last key.
    """

    night: str
    keys: tuple[str, ...] = ()
    words: str = ""
    way: str = "attach"
    size: tuple[int, int] = (120, 40)
    theme: str = ""
    commands: bool = True
    readonly: str = ""
    unreachable: str = ""


def console(scene: Scene, night: Night, journal: Path) -> Console:
    """The console of a scene over a journal; its clock stands."""
    if scene.way == "replay":
        return _dressed(
            ReplayConsole(PlayFeed(Past(journal), lambda: 0), journal=journal, cpu=lambda: 0.0),
            scene,
        )
    feeds: dict[str, Callable[[], Feed]] = {
        "attach": lambda: FollowFeed(journal),
        "live": lambda: _live(night),
    }
    app = Console(
        feeds[scene.way](),
        Obliging(night, scene.unreachable) if scene.commands else None,
        journal=journal,
        readonly=scene.readonly,
        origin=Asleep() if scene.way == "live" else None,
        clock=lambda: night.now.wall,
        cpu=lambda: 0.0,
    )
    return _dressed(app, scene)


def _dressed(app: Console, scene: Scene) -> Console:
    app.animation_level = "none"
    if scene.theme:
        app.theme = scene.theme
    return app


def _live(night: Night) -> LiveFeed:
    feed = LiveFeed()
    feed.begin(night.view)
    return feed


def take(scene: Scene, night: Night, journal: Path, seq: int | None = None) -> Photo:
    """A photo of a scene; `seq` is the last record that can be read (None: all of the night)."""
    until = night.view.seq if seq is None else seq
    return asyncio.run(_take(scene, night, journal, until))


async def _take(scene: Scene, night: Night, journal: Path, seq: int) -> Photo:
    app = console(scene, night, journal)
    async with app.run_test(size=scene.size) as pilot:
        await _until(pilot, lambda: app.glance is not None and app.glance.view.seq == seq)
        await _until(pilot, lambda: app.unreachable == scene.unreachable and not app._asking)
        await _until(pilot, lambda: _indexed(app))
        await _settled(pilot, app)
        for key in scene.keys:
            await pilot.press(*(key[1:] if key.startswith(TYPED) else (key,)))
            await _settled(pilot, app)
        await _until(pilot, lambda: scene.words in read(app))
        await _settled(pilot, app)
        assert not app.troubles, app.troubles
        return photograph(app)


def _indexed(app: Console) -> bool:
    """Whether nothing more is found out about a journal that is looked at afterwards."""
    if not isinstance(app, ReplayConsole):
        return True
    app.paint_now()
    standing = app.player.standing
    return standing.share == 1 and len(standing.marks) == app.player.columns > 0


async def _until(pilot: Pilot[Any], there: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not there():
        if time.monotonic() > until:
            raise AssertionError(read(pilot.app))
        await pilot.pause(0.01)


async def _settled(pilot: Pilot[Any], app: Console) -> None:
    """Until nothing more changes: neither what threads find out, nor what is drawn of it."""
    until = time.monotonic() + PATIENCE_S
    await _caught_up(pilot, app)
    await _until(pilot, lambda: _looked_through(app))
    last: list[Segment] = []
    same = 0
    while same < SAME:
        for field in app.screen.query(Input):
            field.cursor_blink = False
        app.paint_now()
        await pilot.pause(0.02)
        drawn = _paper(app)._record_buffer  # colours count: a scrollbar has no text
        last, same = drawn, same + 1 if drawn == last else 0
        if time.monotonic() > until:
            raise AssertionError("the screen does not come to rest")


async def _caught_up(pilot: Pilot[Any], app: Console) -> None:
    """Until the clock stands where the keys have moved it."""
    if not isinstance(app, ReplayConsole):
        return
    for _ in range(2):  # what stands there first may have been begun before the last key
        await _until(pilot, partial(_moved_on, app, app.player.standing))


def _moved_on(app: ReplayConsole, before: Standing) -> bool:
    app.paint_now()  # it wakes the thread that moves the clock
    return app.player.standing is not before


def _looked_through(app: Console) -> bool:
    """Whether all is found that panels look for in the journal."""
    app.paint_now()  # it takes what was found
    base = app.screen_stack[0]
    pane = tabs.shown(base)
    if pane is None:
        return False
    looking = any(panel.looking for panel in pane.query(PathPanel))
    return not looking and all(_sifted(panel) for panel in pane.query(JournalPanel))


def _sifted(panel: JournalPanel) -> bool:
    behind = panel._behind
    counted = panel._pages.progress == 1 or panel._pages.missing
    return counted and behind.seek is None and (behind.sift is None or behind.sift.done)

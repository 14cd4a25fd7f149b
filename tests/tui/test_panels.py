"""What holds for every panel: any size, any text, any count, and nothing drawn in vain."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from textual.pilot import Pilot
from textual.widget import Widget

from tests.journal.playbook import journals, legal_journal
from tests.tui.stage import (
    Stage,
    aborted,
    began,
    fault,
    glance,
    painted,
    play,
    refused,
    saved,
    shown,
    viewed,
    working,
)
from tui.widgets.browse import Browse
from tui.widgets.buckets import BucketsPanel
from tui.widgets.changes import ChangesPanel
from tui.widgets.cycle import CyclePanel
from tui.widgets.cycles import CyclesPanel
from tui.widgets.faults import FaultsPanel
from tui.widgets.panel import Panel
from tui.widgets.path import PathPanel
from tui.widgets.workers import WorkersPanel
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.core.view import View, apply

Make = Callable[[], Widget]

PANELS: dict[str, Make] = {
    "cycle": CyclePanel,
    "workers": WorkersPanel,
    "changes": ChangesPanel,
    "changes in brief": lambda: ChangesPanel(brief=True),
    "cycles": CyclesPanel,
    "faults": FaultsPanel,
    "faults in brief": lambda: FaultsPanel(brief=True),
    "buckets": BucketsPanel,
    "path": lambda: PathPanel(Path("no such journal")),
}
EMPTY = {
    "cycle": "no cycle yet",
    "workers": "no workers",
    "changes": "nothing changed in the saves that this journal knows",
    "changes in brief": "nothing changed in the saves",
    "cycles": "no cycle has ended yet",
    "faults": "no fault in the runs that this journal knows",
    "faults in brief": "no fault in the runs that this journal knows",
    "buckets": "no bucket yet",
    "path": "no path asked for yet",
}
each_panel = pytest.mark.parametrize("name", PANELS)

HOSTILE = (
    "secret/data/[b]bold[/b]",
    "secret/data/[link=evil]",
    "secret/data/\x1b[31mred\x07",
    "secret/data/" + "秘密" * 60,
    "secret/data/" + "x" * 500,
    "secret/data/\u202eturned",
)


def _inner(panel: Widget) -> list[Panel]:
    if isinstance(panel, Panel):
        return [panel]
    if isinstance(panel, Browse):
        return [panel.list, panel.detail]
    assert isinstance(panel, PathPanel)
    return [panel.answers]


def busy_view() -> View:
    """Much of everything, and hostile names everywhere."""
    events = [began()]
    events += saved(1, added=[*HOSTILE, *(f"secret/data/p{i}" for i in range(300))])
    events += saved(2, gone=HOSTILE)
    events += aborted(3, fault(HOSTILE[0]), fault(HOSTILE[2] + HOSTILE[3], fatal=True))
    events += refused(4, [*HOSTILE, *(f"secret/data/gone{i}" for i in range(250))])
    events += working(5, workers=64, listed=12_345)
    at = tuple(e.BusyWorker(n + 1, path, 0) for n, path in enumerate(HOSTILE))
    events += [(e.WorkersObserved(busy=at), 5)]
    return viewed(events)


@each_panel
def test_an_empty_journal_is_told_in_words(name: str) -> None:
    assert EMPTY[name] in shown(PANELS[name](), View())


@each_panel
def test_any_size_shows_something_whole(name: str) -> None:
    view = busy_view()
    panel = PANELS[name]()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert hasattr(panel, "paint")
        for width in (40, 80, 120, 200):
            for height in (6 if name == "path" else 3, 10, 60):
                await pilot.resize_terminal(width, height)
                await painted(pilot, panel, glance(view))
                # The stage holds every line against the width: no cell is cut in two.
                lines = stage.text().splitlines()
                assert lines[0].startswith("╭─")
                assert lines[-1].endswith("╯")
                assert any(line.strip("╭╮╰╯│─ ") for line in lines[1:-1])

    play(panel, act)


@each_panel
def test_nothing_steers_the_terminal_nor_is_markup(name: str) -> None:
    text = shown(PANELS[name](), busy_view(), size=(200, 60))
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


@pytest.mark.parametrize("name", ["workers", "changes", "faults"])
def test_names_stand_as_they_are(name: str) -> None:
    text = shown(PANELS[name](), busy_view(), size=(200, 60))
    assert "secret/data/[b]bold[/b]" in text
    assert "secret/data/\\x1b[31mred\\x07" in text
    assert "秘密" in text


@each_panel
def test_what_has_not_changed_is_not_drawn_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = busy_view()
    panel = PANELS[name]()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert hasattr(panel, "paint")
        await painted(pilot, panel, glance(view))
        drawn: list[str] = []
        for pane in _inner(panel):
            monkeypatch.setattr(pane, "refresh", lambda *_, **__: drawn.append("drawn"))
        panel.paint(glance(view))
        assert drawn == []
        others = viewed([began(), *saved(1, added=["secret/data/other"]), *working(2)])
        others = apply(others, _a_fault(others))
        panel.paint(glance(others, later_s=30))
        assert drawn or name == "path"

    play(panel, act)


def _a_fault(view: View) -> Record:
    return Record(
        seq=view.seq + 1, ts=view.now.ts, mono=view.now.mono, run="run-1", event=fault("another")
    )


@each_panel
def test_a_panel_can_be_painted_before_it_has_a_place(name: str) -> None:
    panel = PANELS[name]()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        late = PANELS[name]()
        assert hasattr(late, "paint")
        late.display = False
        await stage.mount(late)
        late.paint(glance(busy_view()))
        panel.display, late.display = False, True
        await pilot.pause()
        await pilot.pause()
        assert EMPTY[name] not in stage.text() or name == "path"

    play(panel, act)


@pytest.mark.parametrize("name", ["changes", "cycles", "buckets", "faults"])
def test_only_what_is_in_sight_is_made(name: str) -> None:
    view = busy_view()
    panel = PANELS[name]()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert hasattr(panel, "paint")
        await painted(pilot, panel, glance(view))
        pane = _inner(panel)[0]
        made = 0
        content = pane._rows.content

        def counting(at: int) -> object:
            nonlocal made
            made += 1
            return content(at)

        pane._rows.content = counting  # type: ignore[method-assign, assignment]
        pane.show(pane._rows)
        assert made <= pane.depth

    play(panel, act)


@hypothesis_settings(max_examples=15)
@given(records=journals)
def test_any_legal_journal_can_be_shown(records: list[Record]) -> None:
    view = View()
    for record in records:
        view = apply(view, record)
    panels = [make() for make in PANELS.values()]

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for panel in panels:
            assert hasattr(panel, "paint")
            panel.paint(glance(view))
        await pilot.pause()
        stage.screen_lines()

    play(panels, act, size=(80, 60))


@each_panel
def test_every_step_of_a_journal_can_be_shown(name: str) -> None:
    panel = PANELS[name]()
    views = [View()]
    rng = random.Random(0)  # noqa: S311  no secret is made of it
    for record in legal_journal(rng):
        views.append(apply(views[-1], record))
    assert len(views) > 30

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        assert hasattr(panel, "paint")
        for view in views:
            panel.paint(glance(view))
        await pilot.pause()
        stage.screen_lines()

    play(panel, act)

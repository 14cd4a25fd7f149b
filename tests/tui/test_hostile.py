"""A journal whose every text would steer the terminal: none of it reaches the screen as it is."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields, replace
from textual.pilot import Pilot

from tests.core.specimens import specimen
from tests.journal.example import numbered
from tests.tui.piloted import until
from tui.app import Console
from tui.lost import Contact, silence
from tui.replay.console import ReplayConsole
from tui.replay.feed import PlayFeed
from tui.tabs import TABS
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.panel import PathChosen
from tui.widgets.record import RecordScreen
from vsync_sm.core import events as e
from vsync_sm.core.answer import now_at
from vsync_sm.core.consequence import to_type
from vsync_sm.core.insight import Insight
from vsync_sm.journal.codec import encode
from vsync_sm.journal.past import Past

STEERS = ("\x1b", "\x07", "\x9b", "\u202e", "\n")
FORGED = "FORGED"
HOSTILE = f"\x1b]0;pwned\x07\u202e\x9b2J\n{FORGED}"

WIDE = (200, 60)
NARROW = (80, 24)


def hostile(cls: type[e.Event], **known: Any) -> e.Event:
    """An event of that class with nothing but hostile text, also within its parts."""
    made = specimen(cls, HOSTILE)
    inner: dict[str, Any] = {
        "busy": (e.BusyWorker(1, HOSTILE, 5),),
        "keys": (e.SavedKey(HOSTILE, 3, HOSTILE),),
        "refusals": (e.Refusal(HOSTILE, HOSTILE, 30, 100, 0.2, (HOSTILE,)),),
        "mounts": {HOSTILE: 2} if cls is e.PathsListed else (HOSTILE,),
        "vanished": {HOSTILE: 2},
        "regressed": {HOSTILE: 2},
        "insights": {HOSTILE: 2},
        "phases": {HOSTILE: 0.2},
        "insight": Insight(2, HOSTILE),
        "former": Insight(1, HOSTILE),
    }
    hints = {each.name: getattr(made, each.name) for each in fields(made)}
    fitting = {name: value for name, value in inner.items() if _same_kind(hints.get(name), value)}
    return replace(made, **(fitting | known))


def _same_kind(there: object, value: object) -> bool:
    return type(there) is type(value)


def begun(name: str = "config") -> list[e.Event]:
    config = {HOSTILE: HOSTILE} if name == "config" else {"name": HOSTILE}
    return [hostile(e.RunStarted, config=config), hostile(e.Transitioned)]


ENDS = (e.RunFinished, e.RunRecovered, e.RunStarted)

#: Journals by what they end in: what is told of a cycle that runs is not what is told of one over.
JOURNALS: dict[str, list[e.Event]] = {
    "begun": begun(),
    "named": begun("name"),
    "all": [
        *begun(),
        hostile(e.CycleStarted),
        *(hostile(cls) for cls in e.EVENTS.values() if cls not in {*ENDS, e.CycleStarted}),
    ],
    "running": [
        *begun(),
        hostile(e.CycleStarted),
        *(
            hostile(cls)
            for cls in e.EVENTS.values()
            if cls not in {*ENDS, e.CycleStarted, e.CycleFinished}
        ),
    ],
    "states": [
        *begun(),
        hostile(e.CycleStarted),
        hostile(e.Transitioned, dest="working"),
        hostile(e.WorkerStarted),
        hostile(e.WorkersObserved),
        hostile(e.SaveStarted),
        hostile(e.SaveCommitted),
        hostile(e.CycleFinished, outcome="saved"),
        hostile(e.ServerConditionChanged, server="Vault"),
        hostile(e.ServerConditionChanged, server="Consul"),
    ],
    "over": [*begun(), hostile(e.RunFinished)],
    "crashed": [*begun(), hostile(e.RunRecovered)],
}


def written(events: list[e.Event], journal: Path) -> Path:
    """The journal of these events, and one that no version knows."""
    known: list[tuple[e.Event | e.Unknown, int | None]] = [(event, 3) for event in events]
    newer = e.Unknown(HOSTILE, 9, {HOSTILE: HOSTILE})
    records = [
        replace(record, run=HOSTILE, cycle=None if number < 3 else 3)
        for number, record in enumerate(numbered([*known, (newer, 3)]), start=1)
    ]
    journal.write_bytes(b"".join(map(encode, records)))
    return journal


def assert_harmless(app: Console, where: str) -> None:
    """What is about to be written to the terminal holds nothing that steers it."""
    app.paint_now()
    for strip in app.screen._compositor.render_strips():
        row = "".join(segment.text for segment in strip if not segment.control)
        found = [each for each in STEERS if each in row]
        assert not found, (where, found, row)
        if not where.startswith("record"):  # there a line as long as this is folded
            assert not row.strip(" │┃▶▌").startswith(FORGED), (where, row)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", JOURNALS)
def test_no_text_of_a_journal_steers_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    journal = written(JOURNALS[name], tmp_path / "journal.jsonl")
    app = ReplayConsole(PlayFeed(Past(journal)), journal=journal, cpu=lambda: 0.0)
    app.animation_level = "none"
    # "all" holds a record of each kind; of the other journals only the last is opened.
    asyncio.run(_look_everywhere(app, size, every_record=name == "all"))
    assert not app.troubles, app.troubles


async def _look_everywhere(app: Console, size: tuple[int, int], *, every_record: bool) -> None:
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(lambda: app.glance is not None and app.glance.view.seq)
        await pilot.pause()
        assert_harmless(app, "at first")
        if isinstance(app.screen, FatalScreen):
            await pilot.press("escape")
        for number, tab in enumerate(TABS, start=1):
            await pilot.press(str(number))
            await _settled(app, pilot, tab.id)
            if tab.id == "journal":
                await _look_at_records(app, pilot, every_record)
        app.screen.post_message(PathChosen(HOSTILE))
        await _settled(app, pilot, "path chosen")
        if every_record and size == NARROW and app.glance is not None:
            await pilot.press("escape", "1")
            for seq in range(app.glance.view.seq - 1, 0, -1):
                await pilot.press("left")
                await until(partial(_stands_at, app, seq))
                assert_harmless(app, f"at {seq}")


def test_what_is_to_be_typed_for_a_yes_steers_nothing() -> None:
    rules = (e.Refusal(rule="missing_sync_info"),)
    for vanished in ({HOSTILE: 2}, {}):
        refused = hostile(e.SaveRefused, refusals=rules, vanished=vanished, regressed={})
        assert isinstance(refused, e.SaveRefused)
        assert not set(STEERS) & set(to_type(refused))


def test_the_state_in_which_an_origin_is_lost_steers_nothing(tmp_path: Path) -> None:
    past = Past(written(begun(), tmp_path / "journal.jsonl"))
    view = past.view_at(past.last)
    told = silence(view, now_at(view, 0), 60, Contact())
    assert told is not None
    words = told.why
    assert "no line for 1 min" in words
    assert not set(STEERS) & set(words)


def _stands_at(app: Console, seq: int) -> bool:
    app.paint_now()
    return app.glance is not None and app.glance.view.seq == seq


async def _settled(app: Console, pilot: Pilot[int], where: str) -> None:
    # Panels read the journal on threads: each of the next moments must be harmless too.
    for _ in range(4):
        await pilot.pause(0.02)
        assert_harmless(app, where)


async def _look_at_records(app: Console, pilot: Pilot[int], every: bool) -> None:
    await pilot.press("g" if every else "G", "enter")
    assert isinstance(app.screen, RecordScreen)
    assert app.glance is not None
    for seq in range(app.glance.view.seq if every else 1):
        assert_harmless(app, f"record {seq + 1}")
        await pilot.press("n")
    await pilot.press("escape")

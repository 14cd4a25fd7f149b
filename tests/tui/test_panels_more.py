"""The panels of their own tabs: the history of cycles, the buckets, one path."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Input, TabbedContent

from tests.journal.example import numbered, one_saved_cycle
from tests.tui.piloted import until as comes
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
    until,
    viewed,
    working,
)
from tests.workshop import PATIENCE_S
from tui.app import Console
from tui.feed import LiveFeed
from tui.glance import Glance
from tui.widgets import path as path_panel
from tui.widgets.buckets import BucketsPanel
from tui.widgets.cycles import CyclesPanel
from tui.widgets.keys import Keys
from tui.widgets.panel import Rows
from tui.widgets.path import PathPanel
from vsync_sm.core import events as e
from vsync_sm.core.shapes import BucketSeen, View
from vsync_sm.core.view import apply
from vsync_sm.core.whereabouts import Whereabouts, Word
from vsync_sm.journal.codec import encode
from vsync_sm.journal.lookup import look_up

# --- the history -----------------------------------------------------------------------------


def history() -> View:
    events = [began(), *saved(1, added=["secret/data/a", "secret/data/[b]"])]
    events += aborted(2, fault("Vault is sealed"))
    events += refused(3, ["secret/data/a"])
    return viewed(events)


def cells(line: str) -> list[str]:
    return line.strip("│ ▶>▁▂▃▄▅▆▇█").split()


def test_cycles_stand_newest_first_with_their_outcomes() -> None:
    lines = shown(CyclesPanel(), history()).splitlines()
    assert cells(lines[1])[:5] == ["outcome", "cycle", "began", "took", "listed"]
    assert [cells(line)[:3] for line in lines[2:5]] == [
        ["✖", "refused", "3"],
        ["!", "aborted", "2"],
        ["✔", "saved", "1"],
    ]
    assert cells(lines[4])[-1] == "+2"


def test_where_there_is_room_the_reason_and_the_open_one_are_there() -> None:
    text = shown(CyclesPanel(), history(), size=(200, 24))
    assert "╭─ cycle 3 ─" in text
    assert "refused because a safety rule refused the save" in text
    assert "fault" in next(line for line in text.splitlines() if "aborted" in line)


def test_what_vanished_comes_first_where_not_all_that_changed_can_be_told() -> None:
    view = history()
    last = view.history[-1]
    facts = replace(last.facts, added=1162, updated=1151, vanished=30)
    view = replace(view, history=(*view.history[:-1], replace(last, facts=facts)))
    assert "-30 +1,162 …" in shown(CyclesPanel(), view)


def test_enter_opens_a_cycle_with_where_its_time_went() -> None:
    panel = CyclesPanel()
    view = history()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        await pilot.press("G", "enter")
        await painted(pilot, panel, glance(view))
        text = stage.text()
        assert "╭─ cycle 1 ─" in text
        assert "ll listing 2 ms (20 %)" in text
        assert "ww working 6 ms (60 %)" in text
        bar = next(line for line in text.splitlines() if "lllll" in line)
        drawn = bar.strip("│ ")
        assert 2.7 < drawn.count("w") / drawn.count("l") < 3.3
        assert set(drawn) == {"l", "w", "s"}
        assert "12 to Vault, 3 to Consul" in text
        assert "+ secret/data/[b]" in text
        await pilot.press("j", "enter")
        await pilot.pause()
        assert stage.paths == ["secret/data/[b]"]
        await pilot.press("escape")
        await pilot.pause()
        assert panel.list.has_focus
        assert panel.list.cursor == ("cycle", 1, "run-1")

    play(panel, act, colours=False)


def test_its_faults_have_their_hints() -> None:
    panel = CyclesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(history()))
        await pilot.press("j", "enter")
        await painted(pilot, panel, glance(history()))
        assert "! sealed: Vault is sealed" in stage.text()
        assert "→ unseal it" in stage.text()

    play(panel, act)


def test_a_click_opens_the_one_under_the_mouse() -> None:
    panel = CyclesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(history()))
        await pilot.click(panel, offset=(10, 3))
        await painted(pilot, panel, glance(history()))
        assert "╭─ cycle 2 ─" in stage.text()

    play(panel, act)


def test_the_selection_is_kept_while_new_cycles_come() -> None:
    panel = CyclesPanel()
    events = [began(), *saved(1), *saved(2), *saved(3)]

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(viewed(events)))
        await pilot.press("j")
        await painted(pilot, panel, glance(viewed([*events, *saved(4), *saved(5)])))
        assert panel.list.cursor == ("cycle", 2, "run-1")
        chosen = next(line for line in stage.screen_lines() if "▶" in line)
        assert cells(chosen)[:3] == ["✔", "saved", "2"]

    play(panel, act)


def test_a_crash_is_seen_as_what_it_is() -> None:
    crash = e.RunRecovered(crashed_run="run-0", state="saving", open_cycle=2, open_save=True)
    view = viewed([began(), *saved(1), (crash, None)])
    panel = CyclesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        assert cells(stage.screen_lines()[2])[:3] == ["✖", "crashed", "2"]
        await pilot.press("enter")
        await painted(pilot, panel, glance(view))
        assert "the run ended without a word in saving, with a save open" in stage.text()
        assert "it was in cycle 2" in stage.text()

    play(panel, act)


def test_a_wider_screen_shows_both_and_a_narrower_one_the_list_again() -> None:
    panel = CyclesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(history()))
        assert "╭─ cycle 3 ─" not in stage.text()
        await pilot.resize_terminal(160, 24)
        await pilot.pause()
        await painted(pilot, panel, glance(history()))
        assert "╭─ cycle 3 ─" in stage.text()
        assert "╭─ cycles ─" in stage.text()
        await pilot.press("j")
        await painted(pilot, panel, glance(history()))
        assert "╭─ cycle 2 ─" in stage.text()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        await painted(pilot, panel, glance(history()))
        assert "╭─ cycle 2 ─" not in stage.text()
        assert "╭─ cycles ─" in stage.text()

    play(panel, act)


def test_side_by_side_enter_goes_into_the_open_one_and_escape_back() -> None:
    panel = CyclesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(history()))
        await pilot.press("enter")
        assert panel.detail.has_focus
        await pilot.press("escape")
        assert panel.list.has_focus

    play(panel, act, size=(160, 24))


def test_what_is_not_opened_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = CyclesPanel()
    made: list[int] = []
    told = panel.told

    def counted(glance: Glance, width: int) -> Rows:
        made.append(width)
        return told(glance, width)

    monkeypatch.setattr(panel, "told", counted)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(history()))
        await pilot.press("enter", "escape")
        made.clear()
        await painted(pilot, panel, glance(history()))
        assert made == []

    play(panel, act)


# --- the buckets -----------------------------------------------------------------------------


def with_buckets(buckets: dict[int, BucketSeen], *, limit: int = 1000, of: int = 0) -> View:
    view = viewed([began(limit)])
    return replace(view, buckets=buckets, num_buckets=of or len(buckets))


def bucket(size: int, second: int = 0) -> BucketSeen:
    return BucketSeen(3, size, f"2026-11-02T10:00:{second:02}.000000Z", 7)


def numbers(stage: Stage) -> list[int]:
    rows = [cells(line) for line in stage.screen_lines()[2:-1]]
    return [
        int((row[1] if row[0] in {"!", "✖"} else row[0]).replace(",", "")) for row in rows if row
    ]


def test_buckets_tell_their_size_against_the_limit() -> None:
    view = with_buckets({0: bucket(500), 1: bucket(790), 2: bucket(800), 3: bucket(1000)}, of=9)
    lines = shown(BucketsPanel(), view, colours=False).splitlines()
    assert [cells(line)[0] for line in lines[2:6]] == ["0", "1", "!", "✖"]
    assert "50 %" in lines[2]
    assert "####----" in lines[2]
    assert "2 nearly full" in lines[0]
    assert "4 of 9 known from this journal's saves" in lines[-1]
    assert cells(lines[2])[-1] == "7"


def test_buckets_of_one_size_show_one_share() -> None:
    view = with_buckets({n: bucket(10_470 + 10 * n) for n in range(3)}, limit=524_288)
    lines = shown(BucketsPanel(), view, colours=False).splitlines()[2:5]
    assert all("10.2 KiB" in line and " 1 % " in line for line in lines), lines


def test_no_share_is_rounded_up_to_a_mark_that_is_not_reached() -> None:
    view = with_buckets({0: bucket(79_999), 1: bucket(99_999)}, limit=100_000)
    lines = shown(BucketsPanel(), view, colours=False).splitlines()
    assert " 79 % " in lines[2]
    assert " 99 % " in lines[3]


def test_a_key_sorts_them_otherwise() -> None:
    view = with_buckets({0: bucket(20, 1), 1: bucket(10, 3), 2: bucket(30, 2)})
    panel = BucketsPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0], [0, 1, 2]):
            assert numbers(stage) == order
            assert panel.cursor == order[0]
            await pilot.press("o")
            await pilot.pause()

    play(panel, act)


def test_thousands_of_them_are_walked_through() -> None:
    view = with_buckets({number: bucket(number % 900) for number in range(7800)})
    panel = BucketsPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        assert numbers(stage)[0] == 0
        await pilot.press("G")
        await pilot.pause()
        assert numbers(stage)[-1] == 7799
        assert panel.cursor == 7799
        assert "bucket" in stage.screen_lines()[1], "the head stays"

    play(panel, act)


def test_the_longest_size_is_told_whole() -> None:
    view = with_buckets({0: bucket(1023), 1: bucket(1023 * 1024 + 1000)})
    text = shown(BucketsPanel(), view, size=(80, 24))
    assert "1,023 bytes" in text
    assert "1024.0 KiB" in text


def test_a_new_save_is_shown_in_place() -> None:
    panel = BucketsPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(with_buckets({0: bucket(10), 1: bucket(20)})))
        await painted(pilot, panel, glance(with_buckets({0: bucket(10), 1: bucket(999)})))
        assert "999 bytes" in stage.text()
        assert " 20 bytes" not in stage.text()

    play(panel, act)


# --- one path --------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A run with one saved cycle."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(map(encode, numbered(one_saved_cycle()))))
    return path


def view_of(journal_events: int = 0) -> View:
    view = View()
    for record in numbered(one_saved_cycle())[: journal_events or None]:
        view = apply(view, record)
    return view


async def answered(pilot: Pilot[None], panel: PathPanel, view: View) -> None:
    await until(pilot, lambda: not panel.looking)
    await painted(pilot, panel, glance(view))


def test_a_typed_path_is_looked_for(journal: Path) -> None:
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(glance(view_of()))
        panel.field.focus()
        await pilot.press(*"secret/a", "enter")
        await answered(pilot, panel, view_of())
        text = stage.text()
        assert "✔ secret/data/a: OUT" in text
        assert "tells from 2026-11-02 10:00:00 UTC" in text
        assert "as of 10:00:00" in text
        assert panel.answers.has_focus
        await pilot.press("i")
        assert panel.field.has_focus

    play(panel, act, size=(100, 24))


def test_another_panel_may_ask_and_markup_is_none(journal: Path) -> None:
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.show_path("secret/data/[b]x[/b]")
        await answered(pilot, panel, view_of())
        assert "? secret/data/[b]x[/b]: UNKNOWN" in stage.text()

    play(panel, act, size=(100, 24))


def test_every_word_of_an_answer_has_its_mark() -> None:
    assert path_panel._LOOKS.keys() == {*Word}


def test_what_may_be_meant_is_named(journal: Path) -> None:
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.show_path("ops/a")
        await answered(pilot, panel, view_of())
        assert "secret/data/a" in stage.text()

    play(panel, act, size=(100, 24))


def test_the_answer_stays_until_it_is_asked_for_again(journal: Path) -> None:
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[:12]))
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(glance(view_of(12)))
        panel.show_path("secret/a")
        await answered(pilot, panel, view_of(12))
        before = stage.text()
        assert "secret/data/a: OUT" not in before
        assert "r asks again" not in before
        assert "as of 10:00:00" in before
        journal.write_bytes(b"".join(whole))
        await painted(pilot, panel, glance(view_of()))
        assert "secret/data/a: OUT" not in stage.text()
        asks = "! so it was as of 10:00:00; a cycle has ended since: r asks again"
        assert asks in stage.text()
        assert "· secret/a: UNKNOWN" in stage.text()
        await pilot.press("r")
        await answered(pilot, panel, view_of())
        assert "secret/data/a: OUT" in stage.text()

    play(panel, act, size=(100, 24))


def test_good_news_is_not_told_as_such_once_another_cycle_has_ended(journal: Path) -> None:
    panel, view = PathPanel(journal), view_of()
    later = replace(view.history[-1], finished="2026-11-02T11:00:00.000000Z")

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.show_path("secret/a")
        await answered(pilot, panel, view)
        assert "✔ secret/data/a: OUT" in stage.text()
        await painted(pilot, panel, glance(replace(view, history=(*view.history, later))))
        assert "· secret/data/a: OUT" in stage.text()
        assert "a cycle has ended since: r asks again" in stage.text()

    play(panel, act, size=(100, 24))


def test_what_is_typed_is_text_and_the_keys_that_are_not_are_offered(journal: Path) -> None:
    app = Console(LiveFeed(), journal=journal)

    async def act() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            panel = app.query_one(PathPanel)
            await pilot.press("6")
            await comes(lambda: panel.field.has_focus)
            await pilot.press(*"2026/s?q")
            assert panel.field.value == "2026/s?q"
            tabs = app.query_one(TabbedContent)
            assert tabs.active == "path"
            await pilot.pause()
            keys = str(app.query_one(Keys).render())
            assert "OK" in keys
            assert "Leave" in keys
            await pilot.press("escape", "2", "F", *"1/x")
            assert app.query_one("#journal-asked", Input).value == "1/x"
            await pilot.pause()
            assert "Leave" in str(app.query_one(Keys).render())
            assert "Search" not in str(app.query_one(Keys).render())
            await pilot.press("escape", "1")
            assert tabs.active == "now"

    asyncio.run(act())


def test_a_journal_that_is_not_there_or_damaged_is_said(journal: Path, tmp_path: Path) -> None:
    journal.write_bytes(journal.read_bytes() + b"{}\n")
    damaged, missing = PathPanel(journal), PathPanel(tmp_path / "none")

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for panel in (damaged, missing):
            panel.show_path("secret/a")
            await answered(pilot, panel, view_of())
        text = stage.text()
        assert f"line {len(numbered(one_saved_cycle())) + 1}" in text
        assert "no such journal" in text

    play([damaged, missing], act, size=(120, 40))


def test_only_the_last_question_is_answered(journal: Path) -> None:
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        for path in ("secret/b", "secret/c", "secret/a"):
            panel.show_path(path)
        await answered(pilot, panel, view_of())
        assert "secret/data/a: OUT" in stage.text()
        panel.on_path_panel_found(PathPanel.Found("secret/b", None, "too late"))
        await painted(pilot, panel, glance(view_of()))
        assert "secret/data/a: OUT" in stage.text()
        assert "too late" not in stage.text()

    play(panel, act, size=(100, 24))


def test_the_end_does_not_wait_for_an_answer(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, answered = threading.Event(), threading.Event(), threading.Event()

    def hanging(
        path: str, file: Path, progress: Callable[[float], None], *, until: int | None
    ) -> Whereabouts:
        asked.set()
        go_on.wait(PATIENCE_S)
        answered.set()
        return look_up(path, file, progress, until=until)

    monkeypatch.setattr("tui.widgets.path.look_up", hanging)
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.show_path("secret/a")
        await until(pilot, asked.is_set)

    play(panel, act)
    assert not answered.is_set()
    go_on.set()
    assert answered.wait(PATIENCE_S)


def test_a_question_that_nobody_asks_any_more_is_given_up(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[str] = []

    def endless(
        path: str, _: Path, progress: Callable[[float], None], *, until: int | None
    ) -> Whereabouts:
        del until
        try:
            while not over.wait(0.001):
                progress(0.5)
        except Exception:
            given_up.append(path)
            raise
        return Whereabouts(path)

    over = threading.Event()
    monkeypatch.setattr("tui.widgets.path.look_up", endless)
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.show_path("secret/a")
        panel.show_path("secret/b")
        await until(pilot, lambda: given_up == ["secret/a"])
        panel.show_path("secret/b")
        await until(pilot, lambda: given_up == ["secret/a", "secret/b"])
        await until(pilot, lambda: panel.answers.read == 0.5)
        await painted(pilot, panel, glance(view_of()))
        assert "looking for secret/b: 50 % of the journal" in stage.text()
        assert "went wrong" not in stage.text()

    try:
        play(panel, act)
    finally:
        over.set()


def test_a_look_that_breaks_is_said(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, until: int | None) -> Whereabouts:
        del until
        raise ValueError("[b]odd[/b]")

    monkeypatch.setattr("tui.widgets.path.look_up", broken)
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.show_path("secret/a")
        await answered(pilot, panel, view_of())
        assert "✖ looking for it went wrong: [b]odd[/b]" in stage.text()

    play(panel, act)


def test_nothing_is_asked_for_by_an_empty_line(journal: Path) -> None:
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(glance(view_of()))
        panel.field.focus()
        await pilot.press("space", "enter", "escape", "r")
        await pilot.pause()
        assert not panel.looking
        assert "no path asked for yet" in stage.text()

    play(panel, act)


def test_a_long_journal_tells_how_far_it_is(journal: Path) -> None:
    panel = PathPanel(journal)

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(glance(view_of()))
        panel.answers.asked, panel.answers.read = "secret/a", 0.0
        panel.on_path_panel_read(PathPanel.Read("secret/a", 0.4))
        await pilot.pause()
        assert "looking for secret/a: 40 % of the journal" in stage.text()
        panel.on_path_panel_read(PathPanel.Read("secret/b", 0.9))
        await pilot.pause()
        assert "40 %" in stage.text()

    play(panel, act)


def test_working_cycles_are_no_history() -> None:
    assert "no cycle has ended yet" in shown(CyclesPanel(), viewed([began(), *working(1)]))

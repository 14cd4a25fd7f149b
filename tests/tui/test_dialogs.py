"""The dialogs: what each says, and what each key and each button answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Button

from tests.tui.dialog import (
    LINES,
    NOW,
    SMALL,
    TS,
    Told,
    clicked,
    drive,
    flat,
    glance,
    pressed,
    refused_,
    seen,
    told,
)
from tests.tui.screen import photograph
from tui.widgets.dialogs import (
    AbortDialog,
    AllowDialog,
    Dialog,
    FatalScreen,
    HaltDialog,
    HelpScreen,
    PauseDialog,
    ResumeDialog,
)
from vsync_sm.core import events as e
from vsync_sm.core.reach import Reach
from vsync_sm.core.shapes import Cycle, Pause, Phase, Run, RunEnd, SeenFault, Tally, View, When

# --- pause and resume ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (("enter",), ""),
        (("u", "p", "enter"), "up"),
        (("space", "y", "n", "q", "question_mark", "slash", "space", "enter"), "ynq?/"),
        (("u", "p", "escape"), None),
        (("u", "tab", "tab", "enter"), "u"),
        (("u", "tab", "enter"), None),
    ],
)
def test_pausing_asks_why(keys: tuple[str, ...], answer: str | None) -> None:
    assert pressed(PauseDialog(), *keys) == [answer]


@pytest.mark.parametrize(("button", "answer"), [("#yes", ""), ("#no", None)])
def test_pausing_with_the_mouse(button: str, answer: str | None) -> None:
    assert clicked(PauseDialog(), button) == [answer]


def paused(why: str = "Vault [b]upgrade[/b]") -> Pause:
    return Pause("2026-11-02T09:12:00.000000Z", "alice@ops", "control socket", why)


def test_resuming_says_since_when_by_whom_and_why() -> None:
    text = flat(seen(ResumeDialog(paused(), NOW)))
    assert "Paused since 2026-11-02 09:12:00 UTC, for 48 min" in text
    assert "by alice@ops through the control socket" in text
    assert "Why: Vault [b]upgrade[/b]" in text
    assert "No reason was given" in flat(seen(ResumeDialog(paused(""), NOW)))


def test_resuming_is_over_when_somebody_else_did() -> None:
    dialog = ResumeDialog(paused(), NOW)

    async def resumed(pilot: Pilot[Any]) -> None:
        dialog.paint(glance(View(pause=paused())))
        await pilot.pause()
        assert pilot.app.screen is dialog
        dialog.paint(glance(View()))
        dialog.paint(glance(View()))

    assert drive(dialog, resumed).answers == [False]


# --- questions: abort, halt, resume ----------------------------------------------------------


def cycle(number: int = 12, phase: str = "working") -> Cycle:
    return Cycle(
        number,
        "tick",
        When(TS),
        300.0,
        4,
        ("kv/",),
        phases=(Phase(phase, When(TS)),),
        listed=300,
        tally=Tally(generated=118, skipped=1, failed=1),
    )


QUESTIONS: list[Callable[[], Dialog[bool]]] = [
    lambda: AbortDialog(cycle()),
    lambda: HaltDialog(live=True),
    lambda: ResumeDialog(paused(), NOW),
]


@pytest.mark.parametrize("make", QUESTIONS)
@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (("y",), True),
        (("n",), False),
        (("escape",), False),
        (("x", "slash", "y"), True),
    ],
)
def test_a_question(
    make: Callable[[], Dialog[bool]], keys: tuple[str, ...], *, answer: bool
) -> None:
    assert pressed(make(), *keys) == [answer]


@pytest.mark.parametrize("make", QUESTIONS)
def test_a_question_with_the_mouse(make: Callable[[], Dialog[bool]]) -> None:
    assert clicked(make(), "#yes") == [True]
    assert clicked(make(), "#no") == [False]


@pytest.mark.parametrize("make", QUESTIONS[:2])
@pytest.mark.parametrize("move", ["right", "l", "left", "h", "tab"])
def test_a_grave_question_begins_at_no(make: Callable[[], Dialog[bool]], move: str) -> None:
    assert pressed(make(), "enter") == [False]
    assert pressed(make(), move, "enter") == [True]
    assert pressed(make(), move, move, "enter") == [False]


def test_resuming_begins_at_yes() -> None:
    assert pressed(ResumeDialog(paused(), NOW), "enter") == [True]


def test_aborting_says_what_is_lost() -> None:
    text = flat(seen(AbortDialog(cycle())))
    assert "Abort cycle 12" in text
    assert "Nothing of cycle 12 is saved: 120 of 300 paths read so far" in text
    assert "Consul stays as it is" in text
    assert "The next tick tries again" in text


@pytest.mark.parametrize(
    ("now", "says"),
    [
        (None, "Cycle 12 has ended meanwhile"),
        (cycle(13), "Cycle 12 has ended meanwhile"),
        (cycle(phase="saving"), "The save of cycle 12 has begun"),
    ],
)
def test_what_cannot_be_aborted_any_more_is_not(now: Cycle | None, says: str) -> None:
    dialog = AbortDialog(cycle())

    async def ended(pilot: Pilot[Any]) -> None:
        await pilot.press("right")
        dialog.paint(glance(View(cycle=cycle())))
        assert not dialog.query_one("#yes").disabled
        dialog.paint(glance(View(cycle=now)))
        await pilot.pause()
        assert says in flat(photograph(pilot.app).text)
        await pilot.press("y")
        await pilot.click("#yes")
        assert pilot.app.screen is dialog
        await pilot.press("enter")

    assert drive(dialog, ended).answers == [False]


def test_halting_says_what_happens() -> None:
    reach = Reach("/j.jsonl")
    here, there = (flat(seen(HaltDialog(live, reach))) for live in (True, False))
    for text in (here, there):
        assert "The running cycle is aborted" in text
        assert "a save that has begun gets 3 s" in text
        assert "Nobody syncs until it is started again with your configuration" in text
    assert "to quit is to halt it" in here
    assert "configuration: vsync-tui --journal /j.jsonl" in here
    assert "this console stays open" in there
    assert "configuration: vsync-sm --headless --journal /j.jsonl" in there


def test_halting_a_demo_names_no_journal_whose_servers_are_gone() -> None:
    text = flat(seen(HaltDialog(True, Reach("/tmp/demo.jsonl", demo=True))))
    assert "The demo's servers end with it. Another demo: vsync-tui --demo" in text
    assert "demo.jsonl" not in text


# --- fatal -----------------------------------------------------------------------------------


def fault() -> SeenFault:
    return SeenFault(
        TS,
        "run-1",
        12,
        e.FaultRaised(
            kind="authentication",
            fatal=True,
            message="Vault refuses the token [bold]x[/bold]",
            hint="Give it a living token.",
            context={"status": "403", "path": "secret/\x1b[2J"},
        ),
    )


END = RunEnd(TS, 1, "a fatal fault")


def test_a_fatal_fault_tells_all() -> None:
    text = flat(seen(FatalScreen(fault(), END, "/var/lib/vsync/a b.jsonl")))
    for words in (
        "Vault refuses the token [bold]x[/bold]",
        "Give it a living token.",
        "2026-11-02 10:00:00 UTC, in cycle 12",
        "authentication",
        "path: secret/\\x1b[2J",
        "status: 403",
        "code 1: a fatal fault",
        "vsync-sm replay '/var/lib/vsync/a b.jsonl'",
    ):
        assert words in text


@pytest.mark.parametrize("key", ["enter", "escape"])
def test_a_fatal_fault_needs_a_key(key: str) -> None:
    assert pressed(FatalScreen(fault(), END), "x", "down", "slash") == []
    assert pressed(FatalScreen(fault(), END), key) == [None]
    assert clicked(FatalScreen(fault(), END), "#seen") == [None]


@pytest.mark.parametrize("way", ["c", "#copy"])
def test_a_fatal_fault_can_be_copied(way: str) -> None:
    async def copy(pilot: Pilot[Any]) -> None:
        await (pilot.click(way) if way.startswith("#") else pilot.press(way))
        await pilot.pause()
        assert "Copied" in photograph(pilot.app).text

    host = drive(FatalScreen(fault(), END, "j.jsonl"), copy)
    assert host.answers == []
    assert "What: Vault refuses the token [bold]x[/bold]" in host.clipboard
    assert "More: vsync-sm replay j.jsonl" in host.clipboard


def test_a_fatal_fault_tells_the_exit_code_when_it_is_known() -> None:
    dialog = FatalScreen(fault(), None)
    ran = Run("run-1", "1", "h", 1, False, TS, {})

    async def ended(pilot: Pilot[Any]) -> None:
        assert "the run is about to end" in photograph(pilot.app).text
        dialog.paint(glance(View(run=replace(ran, id="run-2"), ended=END)))
        await pilot.pause()
        assert "the run is about to end" in photograph(pilot.app).text
        dialog.paint(glance(View(run=ran, ended=END)))
        await pilot.pause()
        assert "code 1: a fatal fault" in photograph(pilot.app).text

    drive(dialog, ended)


def test_a_long_fault_scrolls() -> None:
    long = replace(fault().event, context={f"fact {n:02}": "x" * 60 for n in range(40)})
    dialog = FatalScreen(replace(fault(), event=long), END)
    assert "fact 39" not in seen(dialog)
    dialog = FatalScreen(replace(fault(), event=long), END)
    assert "vsync-sm replay" in seen(dialog, SMALL, *["pagedown"] * 6, *["j", "down"] * 3)


# --- what fits -------------------------------------------------------------------------------

MAKE: dict[str, Callable[[], Dialog[Any]]] = {
    "pause": PauseDialog,
    "resume": lambda: ResumeDialog(paused("x" * 200), NOW),
    "abort": lambda: AbortDialog(cycle()),
    "halt": lambda: HaltDialog(live=True),
    "halt there": lambda: HaltDialog(live=False),
    "fatal": lambda: FatalScreen(fault(), END, "/var/lib/vsync/journal.jsonl"),
    "allow": lambda: AllowDialog(refused_(), Told(LINES), lambda: None),
    "many rules": lambda: AllowDialog(
        refused_(refusals=refused_().event.refusals * 20), Told(LINES), lambda: None
    ),
    "help": lambda: HelpScreen((), live=True),
}


@pytest.mark.parametrize("name", MAKE)
def test_painting_before_it_is_drawn_or_after_it_is_left_does_nothing(name: str) -> None:
    dialog = MAKE[name]()
    dialog.paint(glance(View()))

    async def leave(pilot: Pilot[Any]) -> None:
        await pilot.press("escape")
        dialog.paint(glance(View()))

    assert len(drive(dialog, leave).answers) == 1


@pytest.mark.parametrize("size", [SMALL, (120, 40), (200, 60)])
@pytest.mark.parametrize("name", MAKE)
def test_everything_fits(name: str, size: tuple[int, int]) -> None:
    dialog = MAKE[name]()

    async def fits(pilot: Pilot[Any]) -> None:
        if isinstance(dialog, AllowDialog):
            await told(pilot, dialog)
        await pilot.pause()
        text = photograph(pilot.app).text
        whole = pilot.app.screen.region
        for each in dialog.query("#box, Button, Input, RefusedRows"):
            if each.display and each.id != "search":
                assert each.region.area, each
                assert whole.contains_region(each.region), each
        for button in dialog.query(Button):
            assert str(button.label) in text
        if isinstance(dialog, AllowDialog):
            assert dialog.query_one("#refused").size.height >= 6

    drive(dialog, fits, size)

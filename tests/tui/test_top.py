"""What stands on top, where it is not known now: lost, damaged, silent, replayed."""

from __future__ import annotations

import threading

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from tests.tui.night import NS
from tests.tui.nights import NIGHTS
from tests.tui.piloted import JOURNAL, Asked, Handed, at, piloted, top, until
from tests.workshop import PATIENCE_S
from tui.app import Console
from tui.glance import Badge
from tui.widgets.top import Top


def console(
    night: str = "waiting", *, commander: Asked | None = None, badge: Badge = Badge.ATTACHED
) -> Console:
    """A console over a night; its clock stands."""
    found = NIGHTS[night]()
    return Console(Handed(found.view, badge), commander, journal=JOURNAL, clock=at(found))


def test_of_what_is_lost_nothing_is_said_to_be_so_now() -> None:
    night = NIGHTS["waiting"]()
    clock = at(night)
    app = Console(Handed(night.view), Asked("nobody listens"), journal=JOURNAL, clock=clock)

    async def test(app: Console, _: Pilot[int]) -> None:
        assert "✔ Vault answers" in top(app)["Strip"]
        assert "✔ IN SYNC" in top(app)["AnswerBar"]
        clock.wait(120)
        await until(lambda: app.unreachable)
        app.paint_now()
        said = top(app)
        assert "? IN SYNC   as last told, 2 min 12 s ago: " in said["AnswerBar"]
        assert "Nobody answers for it: does process 4711 on origin-1.example run?" in (
            said["AnswerBar"].replace("\n", " ")
        )
        assert "answers" not in said["Strip"]
        assert "? Vault answered" in said["Strip"]
        assert "? waiting" in said["Strip"]
        assert "tick" not in said["Strip"]
        colours = {str(span.style) for each in app.query(Top) for span in each._told.spans}
        assert not any("success" in style for style in colours)

    piloted(app, test, (160, 40))


def test_what_a_damaged_journal_told_last_is_old() -> None:
    night = NIGHTS["waiting"]()
    feed = Handed(night.view)
    feed.now = replace(feed.now, damage="line 7")

    async def test(app: Console, _: Pilot[int]) -> None:
        said = top(app)
        assert "? IN SYNC   as told before the damage, " in said["AnswerBar"]
        assert "vsync-sm ctl status --journal journal.jsonl" in said["AnswerBar"]
        assert "? Vault answered" in said["Strip"]

    piloted(Console(feed, Asked(), journal=JOURNAL, clock=at(night)), test)


@pytest.mark.parametrize(("seconds", "words"), [(4, "Vault answers"), (6, "Vault silent for 6 s")])
def test_a_server_that_hangs_is_told_while_nothing_times_out(seconds: int, words: str) -> None:
    night = NIGHTS["working"]()
    last = night.view.now
    observed = replace(night.view, now=replace(last, mono=last.mono + seconds * NS))

    async def test(app: Console, _: Pilot[int]) -> None:
        assert words in top(app)["Strip"]
        assert ("but no path finished for" in top(app)["AnswerBar"]) == ("silent" in words)

    app = Console(Handed(observed), Asked(), journal=JOURNAL, clock=at(night))
    piloted(app, test, (120, 40))


def test_a_silent_origin_is_no_servers_silence() -> None:
    night = NIGHTS["working"]()
    clock = at(night)

    async def test(app: Console, _: Pilot[int]) -> None:
        clock.wait(8)
        app.paint_now()
        assert "silent" not in top(app)["Strip"]
        assert "but the origin has written nothing for 8 s" in top(app)["AnswerBar"]

    piloted(Console(Handed(night.view), Asked(), journal=JOURNAL, clock=clock), test, (120, 40))


def test_a_socket_that_answers_keeps_a_silent_cycle_from_being_lost() -> None:
    night = NIGHTS["working"]()
    commander, clock = Asked(), at(night)

    async def test(app: Console, _: Pilot[int]) -> None:
        clock.wait(16)
        app.paint_now()
        assert "ATTACHED working" in top(app)["Title"]
        assert "its control socket answers" in top(app)["Title"]
        commander.why = "nobody listens there"
        app._ask()
        await until(lambda: app.unreachable)
        app.paint_now()
        assert "LOST working" in top(app)["Title"]

    piloted(Console(Handed(night.view), commander, journal=JOURNAL, clock=clock), test)


def test_what_has_not_answered_when_it_is_asked_again_answers_no_more() -> None:
    answer = threading.Event()

    class Frozen(Asked):
        def unable(self) -> str:
            answer.wait(PATIENCE_S)
            return ""

    async def test(app: Console, _: Pilot[int]) -> None:
        app._ask()
        assert not app.contact.answers
        answer.set()
        await until(lambda: app.contact.answers)

    piloted(console(commander=Frozen()), test)


@pytest.mark.parametrize(
    ("night", "key", "shell"),
    [
        ("refused", "press A", "vsync-sm ctl allow {} --journal journal.jsonl"),
        ("paused", "press p", "vsync-sm ctl resume --journal journal.jsonl"),
    ],
)
def test_what_to_do_is_a_key_where_keys_command(night: str, key: str, shell: str) -> None:
    refusal = NIGHTS[night]().view.refusal
    command = shell.format(refusal.event.allowance if refusal else "")

    async def can(app: Console, _: Pilot[int]) -> None:
        assert key in top(app)["AnswerBar"]
        assert "vsync-sm ctl" not in top(app)["AnswerBar"]

    async def cannot(app: Console, _: Pilot[int]) -> None:
        assert command in top(app)["AnswerBar"].replace("\n", " ")

    piloted(console(night, commander=Asked()), can)
    piloted(console(night), cannot)


@pytest.mark.parametrize(
    ("night", "end"),
    [
        ("finished", "ended 2026-11-02 02:00:10 UTC, exit code 0"),
        ("waiting", "! ends 2026-11-02 02:00:02 UTC, not finished"),
    ],
)
def test_a_replay_says_when_it_ends_and_counts_nothing_down(night: str, end: str) -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        said = top(app)
        assert end in said["Title"]
        assert "before its end" in said["AnswerBar"]
        assert "ago" not in said["AnswerBar"]
        assert "tick" not in said["Strip"]
        assert "answers" not in said["Strip"]

    piloted(console(night, badge=Badge.REPLAY), test, (120, 40))

"""LOST: every state, silent for a while, with what could still be said of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.night import NS
from tests.tui.nights import NIGHTS
from tui.lost import HEARD_S, SILENCE_S, VOUCHED_S, Contact, Silence, silence
from vsync_sm.core.answer import Now
from vsync_sm.core.commands import GONE
from vsync_sm.core.reach import Reach
from vsync_sm.core.shapes import RunEnd
from vsync_sm.core.view import View

LONG, SHORT = SILENCE_S + 1, SILENCE_S - 1


def after(view: View, seconds: float) -> Now:
    """So long after the view's last record."""
    return Now(0, view.now.mono + int(seconds * NS))


ANSWERS = Contact(answers=True)
DEAD = Contact("nobody listens there")


def said(name: str, quiet: float, contact: Contact = Contact()) -> Silence | None:  # noqa: B008  it is frozen
    """What is said of a night after so long a silence."""
    view = NIGHTS[name]().view
    return silence(view, after(view, quiet), quiet, contact)


def look(name: str, quiet: float, unreachable: str = "") -> str:
    """Why it is lost; "" where it is not."""
    told = said(name, quiet, Contact(unreachable))
    assert told is None or told.lost
    return told.why if told else ""


@pytest.mark.parametrize(
    "name", ["checking", "listing", "working", "reindexing", "saving", "aborted"]
)
def test_where_lines_are_due_silence_is_loss(name: str) -> None:
    assert look(name, SHORT) == ""
    assert f"no line for 16 s, in {name}" == look(name, LONG)


def test_waiting_is_lost_only_past_the_tick() -> None:
    view = NIGHTS["waiting"]().view
    due = (view.next_tick - view.now.mono) / NS
    assert due > LONG
    assert look("waiting", LONG) == ""
    assert look("waiting", due + SHORT) == ""
    assert look("waiting", due + LONG) == "the next cycle was due 16 s ago"


def test_a_start_that_waits_is_lost_only_past_its_next_try() -> None:
    view = NIGHTS["postponed"]().view
    assert view.postponed is not None
    due = (view.postponed.due - view.now.mono) / NS
    assert due > LONG
    assert look("postponed", LONG) == ""
    assert look("postponed", due + SHORT) == ""
    assert look("postponed", due + LONG) == f"no line for {round(due + LONG)} s, in checking"


def test_a_late_tick_is_no_loss_while_lines_come() -> None:
    view = NIGHTS["waiting"]().view
    late = Now(0, view.next_tick + 60 * NS)
    assert silence(view, late, SHORT, ANSWERS) is None
    told = silence(view, late, LONG, ANSWERS)
    assert told is not None
    assert told.lost, "a tick that is due is no wait for a server"
    assert told.todo.startswith("It lives (its control socket answers), but writes nothing")


def test_while_paused_only_the_socket_tells() -> None:
    assert look("paused", 1e6) == ""
    assert look("paused", 1e6, "nobody listens there") == "paused, and nobody listens there"
    assert look("paused", SHORT, "nobody listens there") == ""


def test_a_cycle_that_runs_while_paused_is_lost_by_silence() -> None:
    working, paused = NIGHTS["working"]().view, NIGHTS["paused"]().view
    view = replace(working, pause=paused.pause)
    assert silence(view, after(view, LONG), LONG, DEAD)


@pytest.mark.parametrize("name", ["empty", "halted", "finished"])
def test_what_has_ended_or_not_begun_is_not_lost(name: str) -> None:
    assert look(name, 1e6, "nobody listens there") == ""


def test_a_run_that_a_second_signal_cut_short_is_not_lost() -> None:
    view = replace(NIGHTS["working"]().view, ended=RunEnd("", 143, "a second signal"))
    assert view.state.name == "working"
    assert silence(view, after(view, LONG), LONG, DEAD) is None


# --- what the socket tells -------------------------------------------------------------------


def test_in_a_cycle_an_origin_that_answers_is_silent_and_not_lost() -> None:
    told = said("working", LONG, ANSWERS)
    assert told is not None
    assert not told.lost
    assert told.why == "no line for 16 s, in working; its control socket answers"
    assert told.todo.startswith("The origin lives")


@pytest.mark.parametrize("name", ["checking", "working", "waiting", "paused", "postponed"])
def test_where_nobody_listens_it_is_lost_at_once(name: str) -> None:
    gone = f"nobody listens at j.jsonl.sock: {GONE}"
    assert look(name, HEARD_S, gone) == ""  # a line has just come
    assert look(name, HEARD_S + 1, gone) == gone
    assert look(name, HEARD_S + 1, "there is no control socket at j.jsonl.sock") == ""


@pytest.mark.parametrize("name", ["empty", "halted", "finished"])
def test_where_nobody_listens_after_the_end_nothing_is_lost(name: str) -> None:
    assert look(name, HEARD_S + 1, f"nobody listens at j.jsonl.sock: {GONE}") == ""


def test_past_its_deadline_no_answering_socket_vouches_for_a_cycle() -> None:
    view = NIGHTS["working"]().view
    assert view.cycle is not None
    ends = view.cycle.started.mono + int((view.cycle.deadline_s + SILENCE_S) * NS)
    before = silence(view, Now(0, ends), LONG, ANSWERS)
    after_ = silence(view, Now(0, ends + 1), LONG, ANSWERS)
    assert before is not None
    assert after_ is not None
    assert (before.lost, after_.lost) == (False, True)


def test_nor_for_ever_where_there_is_no_deadline() -> None:
    vouched, late = said("checking", VOUCHED_S, ANSWERS), said("checking", VOUCHED_S + 1, ANSWERS)
    assert vouched is not None
    assert late is not None
    assert (vouched.lost, late.lost) == (False, True)


def test_in_this_process_the_socket_says_nothing_of_the_loop() -> None:
    told = said("working", LONG, Contact(answers=True, here=True))
    assert told is not None
    assert told.lost
    assert "q ends it" in told.todo


def test_a_dead_origin_is_to_be_started_with_its_journal() -> None:
    view = NIGHTS["working"]().view
    told = silence(view, after(view, LONG), LONG, DEAD, Reach("/var/j.jsonl"))
    assert told is not None
    assert "process 4711 on origin-1.example" in told.todo
    assert told.todo.endswith(
        "again with your configuration: vsync-sm --headless --journal /var/j.jsonl"
    )

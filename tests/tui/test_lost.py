"""LOST: every state, silent for a while, with what could still be said of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.tui.night import NS
from tests.tui.nights import NIGHTS
from tui.lost import SILENCE_S, lost
from vsync_sm.core.answer import Now
from vsync_sm.core.shapes import RunEnd
from vsync_sm.core.view import View

LONG, SHORT = SILENCE_S + 1, SILENCE_S - 1


def after(view: View, seconds: float) -> Now:
    """So long after the view's last record."""
    return Now(0, view.now.mono + int(seconds * NS))


def look(name: str, quiet: float, unreachable: str = "") -> str:
    """What is said of a night after so long a silence."""
    view = NIGHTS[name]().view
    return lost(view, after(view, quiet), quiet, unreachable)


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


def test_a_late_tick_is_no_loss_while_lines_come() -> None:
    view = NIGHTS["waiting"]().view
    late = Now(0, view.next_tick + 60 * NS)
    assert lost(view, late, SHORT) == ""
    assert lost(view, late, LONG)


def test_while_paused_only_the_socket_tells() -> None:
    assert look("paused", 1e6) == ""
    assert look("paused", 1e6, "nobody listens there") == "paused, and nobody listens there"
    assert look("paused", SHORT, "nobody listens there") == ""


def test_a_cycle_that_runs_while_paused_is_lost_by_silence() -> None:
    working, paused = NIGHTS["working"]().view, NIGHTS["paused"]().view
    view = replace(working, pause=paused.pause)
    assert lost(view, after(view, LONG), LONG)


@pytest.mark.parametrize("name", ["empty", "halted", "finished"])
def test_what_has_ended_or_not_begun_is_not_lost(name: str) -> None:
    assert look(name, 1e6, "nobody listens there") == ""


def test_a_run_that_a_second_signal_cut_short_is_not_lost() -> None:
    view = replace(NIGHTS["working"]().view, ended=RunEnd("", 143, "a second signal"))
    assert view.state.name == "working"
    assert lost(view, after(view, LONG), LONG) == ""

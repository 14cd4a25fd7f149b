"""What an origin tells others of itself: one small JSON object, taken from the view."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.core.viewing import Seen, moved, refused
from vsync_sm.core import events as e
from vsync_sm.core.status_key import TELLING, status_value
from vsync_sm.core.view import View

WIRE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")


def started() -> Seen:
    seen = Seen()
    seen.start()
    return seen


def end(seen: Seen, reason: str, exit_code: int = 0) -> None:
    seen(moved("halt", "waiting", "halted", reason), e.RunFinished(exit_code=exit_code, why="w"))


def test_a_journal_that_tells_nothing() -> None:
    told = status_value(View())
    assert {name for name, value in told.items() if value is not None} == {
        *("v", "written", "state", "word", "failed_in_row"),
    }


def test_a_run_that_has_just_begun() -> None:
    told = status_value(started().view)
    assert (told["state"], told["word"], told["outcome"]) == ("running", "BEHIND", None)
    assert (told["tick_s"], told["timeout_s"]) == (60.0, 300.0)
    assert (told["version"], told["host"], told["run"]) == ("0.4.0", "host-1", "run-1")


def test_the_three_moments_are_told_apart() -> None:
    seen = started()
    seen.save(1)
    saved = seen.view.last_complete
    seen.begin()
    seen.finish("unchanged")
    looked = seen.view.last_complete
    seen.fail()
    told = status_value(seen.view)
    assert (told["last_success"], told["last_attempt"]) == (looked, seen.view.history[-1].finished)
    assert seen.view.last_save is not None
    assert told["last_save"] == seen.view.last_save.ts
    assert told["last_save"] < saved < told["last_success"] < told["last_attempt"] < told["written"]
    assert (told["cycle"], told["outcome"], told["reason"]) == (3, "aborted", "fault")
    assert (told["fault"], told["failed_in_row"], told["word"]) == ("sealed", 1, "IN SYNC")


def test_a_complete_cycle_has_no_fault() -> None:
    seen = started()
    seen.fail()
    seen.save(1)
    assert status_value(seen.view)["fault"] is None


def test_refused_and_paused() -> None:
    seen = started()
    seen.begin()
    seen(refused(vanished=30))
    seen.finish("refused", "refused")
    assert status_value(seen.view)["word"] == "REFUSED"
    seen(e.TickerPaused(by="ada", through="console", why="not yours"))
    told = status_value(seen.view)
    assert (told["word"], told["paused_since"]) == ("PAUSED", seen.records[-1].ts)
    assert "ada" not in str(told)
    assert "not yours" not in str(told)


@pytest.mark.parametrize("reason", ["signal", "operator", "once"])
def test_one_that_was_asked_to_end_is_stopped(reason: str) -> None:
    seen = started()
    seen.save(1)
    end(seen, reason)
    told = status_value(seen.view)
    assert (told["state"], told["word"], told["fault"]) == ("stopped", "HALTED", None)


def test_one_that_a_fault_ended_is_halted() -> None:
    seen = started()
    seen(e.FaultRaised(kind="authentication", fatal=True, message="m"))
    seen(e.FaultRaised(kind="carried_too_long", fatal=False, message="m"))
    end(seen, "fatal", 1)
    told = status_value(seen.view)
    assert (told["state"], told["word"], told["fault"]) == ("halted", "HALTED", "authentication")


def test_one_whose_journal_breaks_is_halted_too() -> None:
    """An earlier run's fault is not this one's."""
    seen = started()
    seen(e.FaultRaised(kind="authentication", fatal=True, message="m"))
    end(seen, "fatal", 1)
    seen.start()
    told = status_value(seen.view, broke_off=True)
    assert (told["state"], told["word"], told["fault"]) == ("halted", "HALTED", "journal")
    seen(e.FaultRaised(kind="invariant", fatal=True, message="m"))
    assert status_value(seen.view, broke_off=True)["fault"] == "invariant"


def test_the_documentation_has_every_field() -> None:
    seen = started()
    seen.save(1)
    told = status_value(seen.view)
    assert json.loads(json.dumps(told)) == told
    section = WIRE.partition("## The status\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(told)
    for name in told["counts"]:
        assert f"`{name}`" in section


def test_it_is_told_where_it_changes_for_good() -> None:
    assert [cls.__name__ for cls in TELLING] == [
        *("RunStarted", "CycleFinished", "TickerPaused", "TickerResumed", "RunFinished"),
    ]

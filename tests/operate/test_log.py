"""The log does not fill with one cycle's paths: of many that are alike, some are told each."""

from __future__ import annotations

import io

import pytest
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight
from vsync_sm.core.view import View, apply
from vsync_sm.operate.log import EACH, Log, Progress

RECORD = numbered(one_saved_cycle())[5]
INSIGHT = Insight(2, "2026-10-01T00:00:00Z")


def told(level: str, *cycles: int) -> list[str]:
    """What is logged of so many paths in each cycle that went backwards, or could not be read."""
    stream = io.StringIO()
    log = Log(stream, level=level, json=False, allow_command=str)
    for cycle, paths in enumerate(cycles, start=1):
        for n in range(paths):
            path = f"secret/data/{n}"
            for event in (
                e.InsightRegressed(path=path, former=INSIGHT, insight=INSIGHT),
                e.PathFailed(worker=1, path=path, kind="forbidden", message="no"),
            ):
                log(replace(RECORD, cycle=cycle, event=event), View())
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("kind", ["went back", "could not be read"])
def test_of_many_paths_some_are_told_and_that_there_are_more(kind: str) -> None:
    lines = [line for line in told("info", EACH + 30, 2) if kind in line]
    assert len(lines) == EACH + 1 + 2, "the next cycle is told anew"
    assert "more like this are in the journal" in lines[EACH]
    assert sum("more like this" in line for line in lines) == 1


def test_each_is_told_where_there_are_few_or_all_is_asked_for() -> None:
    assert len(told("info", EACH)) == 2 * EACH
    assert "more like this" not in "".join(told("info", EACH))
    assert len(told("debug", 100)) == 2 * 100


@pytest.mark.parametrize(("level", "lines"), [("debug", 2), ("info", 0)])
def test_insights_in_a_row_are_logged_where_the_log_is_so_detailed(level: str, lines: int) -> None:
    stream = io.StringIO()
    log = Log(stream, level=level, json=False, allow_command=str)
    row = [
        replace(RECORD, event=e.InsightGenerated(1, f"kv/data/{n}", INSIGHT, "added"))
        for n in range(2)
    ]
    log.insights(row, View())
    assert [f"kv/data/{n}" in line for n, line in enumerate(stream.getvalue().splitlines())] == (
        lines * [True]
    )


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def test_insights_in_a_row_move_the_progress_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Terminal()
    log = Log(io.StringIO(), level="info", json=False, allow_command=str, progress=Progress(screen))
    view = View()
    for record in numbered(one_saved_cycle()[:12]):
        view = apply(view, record)
    late = replace(RECORD, mono=10**12, event=e.InsightGenerated(1, "kv/data/a", INSIGHT, "added"))
    log.insights([late], view)
    assert "cycle 1" in screen.getvalue()

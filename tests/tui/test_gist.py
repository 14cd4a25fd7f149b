"""The first tab on a small screen: workers, changes and faults share a panel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.nights import working as working_night
from tests.tui.screen import Scene, take
from tests.tui.stage import (
    Told,
    aborted,
    began,
    fault,
    refused,
    saved,
    shown,
    viewed,
    working,
)
from tui.widgets.gist import GistPanel, shared
from tui.widgets.workers import STUCK_S, WorkersPanel
from vsync_sm.core import events as e

NS = 1_000_000_000
SMALL = (80, 7)  # five lines and a border


def told(*events: Told, size: tuple[int, int] = SMALL) -> list[str]:
    text = shown(GistPanel(), viewed([began(), *events]), size=size)
    return [line.strip("│").strip() for line in text.splitlines()[1:-1]]


def hanging(*seconds: float) -> list[Told]:
    busy = [
        e.BusyWorker(n, f"secret/data/p{n}", -round(each * NS)) for n, each in enumerate(seconds, 1)
    ]
    return [*working(5, workers=len(busy)), (e.WorkersObserved(busy=tuple(busy)), 5)]


def test_each_has_its_line_also_when_there_is_nothing() -> None:
    assert told()[:3] == [
        "workers  no workers: no cycle is working",
        "changes  nothing changed in the saves that this journal knows",
        "faults   no fault in the runs that this journal knows",
    ]


def test_the_last_save_the_newest_fault_and_what_to_do_about_it() -> None:
    events = [*saved(1, added=["secret/data/a"]), *aborted(2, fault("Vault is sealed"))]
    lines = told(*events, *saved(3, gone=["secret/data/a"]), *hanging(0.0))
    assert lines[0].startswith("workers  1 busy")
    assert lines[1] == "changes  ✔ cycle 3 10:00:00   -1 vanished"
    assert lines[2] == "✔ cycle 1 10:00:00   +1 added"
    assert lines[3].startswith("faults   ! sealed: Vault is sealed ")
    assert lines[3].endswith("10:00:00")
    assert lines[4] == "→ unseal it"


def test_a_worker_that_hangs_has_a_line_before_an_older_save() -> None:
    events = [*saved(1, added=["secret/data/a"]), *saved(2, gone=["secret/data/a"])]
    lines = told(*events, *aborted(3, fault("no")), *hanging(0.0, 725.0, STUCK_S + 1))
    assert lines[0].startswith("workers  ! 2 longer than 5 s on one path")
    assert lines[1].startswith("!   2 secret/data/p2")
    assert "12 min 5 s" in lines[1]
    assert [line.split("  ")[0] for line in lines[2:4]] == ["changes", "faults"]
    assert lines[4] == "→ unseal it"


def test_a_refusal_that_stands_comes_before_the_saves() -> None:
    lines = told(*saved(1, added=["secret/data/a"]), *refused(2, ["secret/data/a"]))
    assert lines[1] == "changes  ✖ REFUSED in cycle 2 10:00:00   -1 vanished"
    assert lines[2] == "✔ cycle 1 10:00:00   +1 added"


@pytest.mark.parametrize(
    ("room", "taken"),
    [
        (0, {"a": 1, "b": 1, "c": 1}),
        (5, {"a": 2, "b": 2, "c": 1}),
        (9, {"a": 5, "b": 2, "c": 2}),
        (99, {"a": 60, "b": 2, "c": 2}),
    ],
)
def test_the_room_goes_round(room: int, taken: dict[str, int]) -> None:
    assert shared({"a": 60, "b": 2, "c": 2}, room) == taken


def test_minutes_stand_whole_beside_a_path_on_a_narrow_panel() -> None:
    text = shown(WorkersPanel(), viewed([began(), *hanging(3725.0, 64.0)]), size=(48, 8))
    assert "1 h 2 min" in text
    assert "1 min 4 s" in text
    assert "data/p1" in text


@pytest.mark.parametrize("size", [(80, 24), (99, 29), (120, 24)])
def test_a_small_first_tab_tells_state_counts_changes_and_faults(
    size: tuple[int, int], tmp_path: Path
) -> None:
    journal = tmp_path / "journal.jsonl"
    night = working_night()
    journal.write_bytes(night.text())

    text = take(Scene("working", size=size, words="sealed: Vault"), night, journal).text
    assert "▶ working" in text
    assert "213 of 372 paths" in text
    assert "platform/data/retired/ftp" in text
    assert "✔ cycle 8 01:59:02   ~1 updated   -2 vanished" in text
    assert "372 listed   213 done   3 failed" in text

"""The panels of the first tab: the cycle, its workers, what changed, the faults."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from tests.tui.stage import (
    Stage,
    Told,
    aborted,
    began,
    fault,
    glance,
    insight,
    move,
    painted,
    play,
    refused,
    saved,
    shown,
    viewed,
    working,
)
from tui.glance import Badge
from tui.widgets.changes import ChangesPanel
from tui.widgets.cycle import CyclePanel
from tui.widgets.faults import FaultsPanel
from tui.widgets.workers import STUCK_S, WorkersPanel
from vsync_sm.core import events as e

NS = 1_000_000_000


def at_work(ended: int = 3, *, listed: int = 10) -> list[Told]:
    """A cycle of which so many paths are read, one of them failed and carried forward."""
    events: list[e.Event] = [
        e.InsightGenerated(worker=1, path=f"secret/data/{n}", insight=insight(), change="added")
        for n in range(ended - 1)
    ]
    failed = {"kind": "timeout", "message": "no answer"}
    events += [
        e.PathFailed(worker=2, path="secret/data/slow", **failed),
        e.InsightCarriedForward(path="secret/data/slow", insight=insight(), cycles=1),
    ]
    return [began(), *working(1, listed=listed), *((event, 1) for event in events)]


# --- the cycle -------------------------------------------------------------------------------


def test_a_running_cycle_tells_how_far_it_is() -> None:
    text = shown(CyclePanel(), viewed(at_work(4)), colours=False)
    assert "cycle 1 " in text
    assert "working  40 %  4 of 10 paths" in text
    bar = next(line for line in text.splitlines() if "##" in line)
    assert round(bar.count("#") / (bar.count("#") + bar.count("-")), 1) == 0.4
    for words in ("10 listed", "4 done", "1 failed", "1 carried forward", "+3 added", "~0 updated"):
        assert words in text
    assert "until its deadline" in text
    assert "paths a second" in text
    assert "to go" in text
    assert "secret/ 10" in text


def test_a_passed_deadline_is_said() -> None:
    panel = CyclePanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(viewed(at_work()), later_s=301))
        assert "! its deadline has passed" in stage.text()

    play(panel, act)


def test_while_listing_it_tells_folders() -> None:
    events: list[Told] = [
        began(),
        (e.CycleStarted(mounts=("s/",), workers=2, num_buckets=4, deadline_s=9.0), 1),
        (move("tick", "waiting", "listing"), 1),
        (e.FolderListed(mount="s/", folder="", paths=3, folders=0), 1),
    ]
    text = shown(CyclePanel(), viewed(events))
    assert "listing  1 folder listed so far" in text
    assert "%" not in text


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (saved(1, added=["secret/data/a"]), "✔ cycle 1 is over: saved"),
        (aborted(1, fault("no")), "! cycle 1 is over: aborted because a fault came in"),
        (refused(1, ["secret/data/a"]), "✖ cycle 1 is over: refused"),
    ],
)
def test_the_last_cycle_is_said_to_be_over(events: list[Told], words: str) -> None:
    text = shown(CyclePanel(), viewed([began(), *events]))
    assert words in text
    assert "no cycle runs" in text


def test_what_was_not_saved_is_said_not_to_be() -> None:
    events = [began(), *refused(1, ["secret/data/a"])]
    assert "-1 vanished   not saved" in shown(CyclePanel(), viewed(events))
    events = [began(), *saved(1, added=["secret/data/a"])]
    assert "not saved" not in shown(CyclePanel(), viewed(events))


def test_what_was_lost_is_told_as_it_was_last() -> None:
    panel = CyclePanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(viewed(at_work()), badge=Badge.LOST))
        assert "as it was last told" in stage.text()

    play(panel, act)


def test_a_cycle_that_was_given_up_says_so() -> None:
    abort = move("abort", "working", "aborted", "timeout")
    text = shown(CyclePanel(), viewed([*at_work(), (abort, 1)]))
    assert "! aborted while working: its deadline passed" in text
    assert "▶" not in text
    assert "to go" not in text


def test_while_nothing_moves_no_end_is_invented() -> None:
    panel = CyclePanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(viewed(at_work()), later_s=16))
        assert "! no path finished for 16 s" in stage.text()
        assert "to go" not in stage.text()
        assert "a second" not in stage.text()

    play(panel, act)


def test_in_the_least_room_the_first_line_says_the_most() -> None:
    assert "working  30 %  3 of 10 paths" in shown(CyclePanel(), viewed(at_work()), size=(40, 3))


# --- the workers -----------------------------------------------------------------------------


def with_workers(count: int, *busy: e.BusyWorker) -> list[Told]:
    return [began(), *working(1, workers=count), (e.WorkersObserved(busy=busy), 1)]


def test_a_stuck_worker_stands_on_top_with_a_glyph() -> None:
    view = viewed(with_workers(3, *(e.BusyWorker(n, f"secret/data/p{n}", 0) for n in (1, 2))))
    late = e.BusyWorker(2, "secret/data/p2", -round(STUCK_S * NS))
    stuck = viewed(with_workers(3, e.BusyWorker(1, "secret/data/p1", 0), late))
    lines = shown(WorkersPanel(), view).splitlines()
    assert [line[2:7] for line in lines[2:5]] == ["▶   1", "▶   2", "·   3"]
    lines = shown(WorkersPanel(), stuck).splitlines()
    assert "! 1 longer than 5 s on one path" in lines[1]
    assert [line[2:7] for line in lines[2:5]] == ["!   2", "▶   1", "·   3"]
    assert "5.0 s" in lines[2]


def test_each_worker_tells_its_count_and_errors() -> None:
    text = shown(WorkersPanel(), viewed(at_work(4)))
    assert "2 idle" in text
    assert "✖ 1 failed" in text
    one, two = (line for line in text.splitlines() if "idle  " in line and "done" in line)
    assert "3 done" in one
    assert "✖" not in one
    assert "1 done ✖ 1" in two


def test_those_left_behind_stand_out() -> None:
    events = [*with_workers(2), (e.WorkerStopped(worker=1, paths=0, abandoned=True), 1)]
    events += [(e.WorkerStopped(worker=2, paths=4), 1)]
    text = shown(WorkersPanel(), viewed(events))
    assert "1 left behind" in text
    assert "✖   1 left behind: it did not come back" in text
    assert "·   2 stopped" in text


def test_sixty_four_of_them_can_be_walked_through() -> None:
    busy = [e.BusyWorker(n, f"secret/data/p{n}", 0) for n in range(1, 61)]
    view = viewed(with_workers(64, *busy))
    panel = WorkersPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        assert "60 busy   4 idle" in stage.text()
        assert "secret/data/p1 " in stage.text()
        await pilot.press("G")
        await pilot.pause()
        assert "secret/data/p60 " in stage.text()
        assert "· not busy: 61 to 64" in stage.text()

    play(panel, act, size=(80, 12))
    tall = shown(WorkersPanel(), view, size=(80, 70))
    assert "not busy" not in tall
    assert "·  64 idle" in tall


# --- what changed ----------------------------------------------------------------------------


def test_the_last_saves_stand_newest_first_with_their_paths() -> None:
    first = saved(1, added=["secret/data/a", "secret/data/b"])
    events = [began(), *first, *saved(2, added=["secret/data/c"], gone=["secret/data/a"])]
    lines = [line.strip("│╭╮╰╯─ ▶") for line in shown(ChangesPanel(), viewed(events)).splitlines()]
    assert [line for line in lines if line][:7] == [
        "changes",
        "✔ cycle 2 10:00:00   +1 added   -1 vanished",
        "- secret/data/a",
        "+ secret/data/c",
        "✔ cycle 1 10:00:00   +2 added",
        "+ secret/data/a",
        "+ secret/data/b",
    ]


def test_a_save_that_changed_no_path_says_so() -> None:
    assert "no path changed" in shown(ChangesPanel(), viewed([began(), *saved(1)]))


def test_a_sample_is_said_to_be_one() -> None:
    view = viewed([began(), *saved(7, added=[f"secret/data/p{n}" for n in range(1234)])])
    panel = ChangesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        await pilot.press("G", "j", "j")
        await pilot.pause()
        words = "200 of 1,234 paths added shown; vsync-sm replay --cycle 7 tells all"
        assert words in stage.text()

    play(panel, act)


def test_a_refusal_tells_its_rules_its_mounts_and_its_paths() -> None:
    gone = [f"secret/data/p{n}" for n in range(30)]
    text = shown(ChangesPanel(), viewed([began(), *refused(3, gone)]), size=(100, 24))
    assert "✖ REFUSED in cycle 3" in text
    assert "30 of 100 paths would vanish from secret/ (limit: 10 paths or 20 %" in text
    assert "-30 would vanish   70 would stay" in text
    assert "a1b2c3d4e5f6" in text
    assert "- secret/data/p0" in text


def test_what_left_within_the_hour_is_told_apart() -> None:
    earlier = refused(3, [f"secret/data/p{n}" for n in range(30)])
    event = next(each for each, _ in earlier if isinstance(each, e.SaveRefused))
    more = replace(event, refusals=(replace(event.refusals[0], count=34),))
    events = [(more if each is event else each, cycle) for each, cycle in earlier]
    text = shown(ChangesPanel(), viewed([began(), *events]), size=(140, 24))
    assert "34 of 100 paths would vanish from secret/" in text
    assert "4 of them in saves of the last hour" in text


def test_of_a_large_refusal_a_sample_is_said_to_be_one() -> None:
    gone = [f"secret/data/p{n}" for n in range(1234)]
    panel = ChangesPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(viewed([began(), *refused(3, gone, of=2000)])))
        await pilot.press("G", "j", "j", "j", "j")
        await pilot.pause()
        words = "200 of 1,234 paths that would vanish shown; vsync-sm replay --cycle 3 tells all"
        assert words in stage.text()

    play(panel, act, size=(100, 24))


def test_enter_on_a_path_asks_for_it() -> None:
    panel = ChangesPanel()
    view = viewed([began(), *saved(1, added=["secret/data/a", "secret/data/[b]"])])

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        await pilot.press("j", "enter")
        await pilot.pause()
        assert stage.paths == ["secret/data/[b]"]

    play(panel, act)


def test_in_brief_there_are_no_more_lines_than_room() -> None:
    panel = ChangesPanel(brief=True)
    view = viewed([began(), *saved(1, added=[f"secret/data/p{n}" for n in range(100)])])

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(view))
        assert panel.max_scroll_y == 0
        assert "+100 added" in stage.text()

    play(panel, act, size=(80, 8))


# --- the faults ------------------------------------------------------------------------------


def troubles() -> list[Told]:
    slow = [fault(f"no answer after {n} s", kind="timeout") for n in range(3)]
    return [
        began(),
        *aborted(1, slow[0]),
        *aborted(2, fault("Vault is sealed")),
        *aborted(3, *slow[1:]),
    ]


def test_faults_stand_in_groups_newest_first_with_what_to_do() -> None:
    text = shown(FaultsPanel(), viewed(troubles()))
    lines = [line.strip("│ ▶") for line in text.splitlines()[1:-1]]
    assert lines[:8] == [
        "! timeout: no answer after 2 s",
        "→ unseal it",
        "server Vault",
        "3 times, last 10:00:00, cycles 3, 1",
        "! sealed: Vault is sealed",
        "→ unseal it",
        "server Vault",
        "10:00:00, cycle 2",
    ]


def test_enter_opens_one_and_escape_closes_it() -> None:
    panel = FaultsPanel()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        await painted(pilot, panel, glance(viewed(troubles())))
        await pilot.press("j", "enter")
        await painted(pilot, panel, glance(viewed(troubles())))
        assert "╭─ sealed ─" in stage.text()
        assert "run run-1" in stage.text()
        assert "timeout" not in stage.text()
        await pilot.press("escape")
        await pilot.pause()
        assert "! timeout: no answer" in stage.text()
        assert panel.list.has_focus
        assert panel.list.cursor is not None

    play(panel, act)


def test_a_fatal_one_is_marked() -> None:
    view = viewed([began(), *aborted(1, fault("the token is gone", fatal=True))])
    assert "✖ FATAL sealed: the token is gone" in shown(FaultsPanel(), view)
    assert "✖ FATAL sealed: the token is gone" in shown(FaultsPanel(brief=True), view)


def test_that_there_is_nothing_is_told_whole_in_a_narrow_panel() -> None:
    view = viewed([began()])
    assert "…" not in shown(FaultsPanel(brief=True), view, size=(30, 8))
    assert "…" not in shown(WorkersPanel(), view, size=(30, 8))


def test_in_brief_the_newest_are_whole_where_there_is_room_for_it() -> None:
    long = fault("Vault at https://vault.example:8200 cannot be reached: Connection refused")
    view = viewed([began(), *aborted(1, fault("short")), *aborted(2, replace(long, kind="far"))])
    roomy = shown(FaultsPanel(brief=True), view, size=(40, 12)).replace("│", "").split()
    assert "cannot be reached: Connection refused" in " ".join(roomy)
    tight = shown(FaultsPanel(brief=True), view, size=(40, 6))
    assert "refused" not in tight
    assert "short" in tight, "none is hidden for another one's sake"


def test_in_brief_a_group_is_two_lines_with_its_time() -> None:
    text = shown(FaultsPanel(brief=True), viewed(troubles()), size=(60, 8))
    lines = [line.strip("│ ") for line in text.splitlines()[1:5]]
    assert lines[0].startswith("! timeout: no answer after 2 s")
    assert lines[0].endswith("3 times 10:00:00")
    assert lines[1] == "→ unseal it"
    assert lines[2].startswith("! sealed")


def test_what_is_forgotten_is_said() -> None:
    many = [fault(f"trouble {'x' * n}") for n in range(60)]
    text = shown(FaultsPanel(), viewed([began(), *aborted(1, *many)]))
    assert "the last 50; the journal has all" in text

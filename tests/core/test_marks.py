"""What a record marks, and how marks are found, counted on a bar and thinned out."""

from __future__ import annotations

import random

import pytest
from msgspec import structs

from vsync_sm.core import events as e
from vsync_sm.core.marks import KINDS, Kind, Marks, kinds_at, mark
from vsync_sm.core.view import View, apply

NS = 1_000_000_000


class Told:
    """Records one after the other, and the view before the last one."""

    def __init__(self) -> None:
        self.view = View()
        self.seq = 0
        self.mono = 0
        self.wall_s = 0
        self.run = "run-1"

    def __call__(
        self, event: e.Event, *, wall_s: int = 1, mono_s: int | None = None
    ) -> list[tuple[Kind, str]]:
        """The marks at one more record, that long after the last one, and their words."""
        self.seq += 1
        self.wall_s += wall_s
        self.mono += (wall_s if mono_s is None else mono_s) * NS
        minutes, second = divmod(self.wall_s, 60)
        ts = f"2026-11-02T{10 + minutes // 60:02}:{minutes % 60:02}:{second:02}.000000Z"
        record = e.Record(self.seq, ts, self.mono, self.run, event)
        found = [(kind, mark(kind, self.view, record)) for kind in kinds_at(self.view, record)]
        assert all(one.seq == self.seq and one.ts == ts for _, one in found)
        self.view = apply(self.view, record)
        return [(kind, one.words) for kind, one in found]

    def begin(self, run: str, wall_s: int = 1) -> list[tuple[Kind, str]]:
        self.run, self.mono = run, 0
        started = e.RunStarted(version="1", pid=7, host="h", once=False, config={})
        return self(started, wall_s=wall_s, mono_s=0)


def move(source: str, dest: str) -> e.Transitioned:
    return e.Transitioned(trigger="listed", source=source, dest=dest)


@pytest.fixture
def told() -> Told:
    told = Told()
    assert [kind for kind, _ in told.begin("run-1")] == [Kind.RUN]
    return told


def test_a_run_that_ended_by_itself_leaves_no_crash(told: Told) -> None:
    told(e.RunFinished(exit_code=0, why="SIGTERM"))
    assert [kind for kind, _ in told.begin("run-2")] == [Kind.RUN]


def test_a_crash_is_marked_once_where_the_next_run_begins(told: Told) -> None:
    told(move("listing", "working"))
    (_, _), (kind, words) = told.begin("run-2")
    assert kind is Kind.CRASH
    assert words == "run run-1 ended without a word, working"
    assert told(e.RunRecovered(crashed_run="run-1", state="working")) == []


def test_a_crash_is_marked_where_nothing_else_is_left_of_it() -> None:
    told = Told()
    told.begin("run-2")
    ((kind, words),) = told(e.RunRecovered(crashed_run="run-1", state="saving", open_cycle=4))
    assert kind is Kind.CRASH
    assert words == "run run-1 ended without a word, saving in cycle 4"


WAITS = e.ChecksPostponed(
    tries=1, waited_s=0.0, delay_s=1.0, kind="sealed", message="it is sealed", server="Vault"
)


def test_what_the_checks_wait_for_is_a_fault_once(told: Told) -> None:
    ((kind, words),) = told(WAITS)
    assert kind is Kind.FAULT
    assert "it is sealed" in words
    assert told(structs.replace(WAITS, tries=2)) == []
    other = structs.replace(WAITS, tries=3, kind="unreachable", message="nobody is there")
    assert [kind for kind, _ in told(other)] == [Kind.FAULT]
    told(e.Transitioned(trigger="checks_passed", source="checking", dest="waiting"))
    assert [kind for kind, _ in told(WAITS)] == [Kind.FAULT]


def aborted(reason: str) -> e.Transitioned:
    return e.Transitioned(trigger="abort", source="listing", dest="aborted", reason=reason)


@pytest.mark.parametrize("reason", ["timeout", "signal"])
@pytest.mark.parametrize("fault", [None, "deadline", "sealed"])
def test_a_deadline_without_a_fault_is_one(told: Told, reason: str, fault: str | None) -> None:
    """The first origins raised none: their journals are walked through all the same."""
    told(e.CycleStarted(mounts=("a/",), workers=1, num_buckets=4, deadline_s=60.0))
    told(move("waiting", "listing"))
    if fault is not None:
        told(e.FaultRaised(kind=fault, fatal=False, message="m"))
    found = dict(told(aborted(reason), wall_s=58))
    if reason == "timeout" and fault != "deadline":
        assert "it was waiting for Consul, which gave no good answer" in found[Kind.FAULT]
    else:
        assert found.keys() == {Kind.TRANSITION}


def test_a_phase_is_where_one_begins(told: Told) -> None:
    assert [kind for kind, _ in told(move("waiting", "listing"))] == [Kind.TRANSITION, Kind.PHASE]
    assert [kind for kind, _ in told(move("listing", "aborted"))] == [Kind.TRANSITION]


@pytest.mark.parametrize(
    ("wall_s", "mono_s", "words"),
    [
        (299, 299, None),
        (300, 300, "nothing was written for 5 min"),
        (100, 41, None),
        (100, 40, "the wall clock leapt forward by 1 min"),
        (10, 70, "the wall clock leapt back by 1 min"),
        (-90, 1, "the wall clock leapt back by 1 min 31 s"),
        (0, 3600, "the wall clock leapt back by 1 h"),
    ],
)
def test_a_gap_is_silence_or_a_leap(
    told: Told, wall_s: int, mono_s: int, words: str | None
) -> None:
    told(e.TokenRenewed(method="token", login=False), wall_s=1000)
    found = told(e.TokenRenewed(method="token", login=False), wall_s=wall_s, mono_s=mono_s)
    assert found == ([] if words is None else [(Kind.GAP, words)])


def test_a_long_tick_is_no_silence() -> None:
    told = Told()
    told(e.RunStarted(version="1", pid=7, host="h", once=False, config={}, tick_s=600.0))
    renewed = e.TokenRenewed(method="token", login=False)
    assert told(renewed, wall_s=1700) == []
    told(e.TickerPaused(by="ann", through="console"))
    assert told(renewed, wall_s=1800) == [
        (Kind.GAP, "nothing was written for 30 min, paused by ann")
    ]


def test_time_without_a_run_is_a_gap(told: Told) -> None:
    told(e.RunFinished(exit_code=0, why="SIGTERM"))
    assert told.begin("run-2", wall_s=7200)[-1] == (Kind.GAP, "no origin wrote here for 2 h")


def test_missing_lines_are_a_gap_but_not_in_a_history(told: Told) -> None:
    told.seq += 3
    view = told.view
    assert told(e.StatusWritten()) == [(Kind.GAP, "3 lines before this one are missing")]
    record = e.Record(9, told.view.now.ts, told.mono, "run-1", e.StatusWritten())
    assert kinds_at(view, record, history=True) == ()


# --- many of them ----------------------------------------------------------------------------


def test_the_next_and_the_last_one_are_found() -> None:
    rng = random.Random(7)  # noqa: S311  no secret
    there = sorted((rng.randint(1, 60), rng.choice(KINDS)) for _ in range(40))
    marks = Marks()
    for seq, kind in there:
        marks.add(seq, [kind])
    for seq in range(62):
        for wanted in ([Kind.FAULT], [Kind.SAVE, Kind.CYCLE], list(KINDS), []):
            later = [one for one in there if one[0] > seq and one[1] in wanted]
            sooner = [one for one in there if one[0] < seq and one[1] in wanted]
            for found, of, end in (
                (marks.following(seq, wanted), later, min),
                (marks.preceding(seq, wanted), sooner, max),
            ):
                if not of:
                    assert found is None
                    continue
                at = end(one[0] for one in of)
                gravest = max((one[1] for one in of if one[0] == at), key=KINDS.index)
                assert found == (at, gravest)


def test_a_bar_shows_the_gravest_of_each_column() -> None:
    marks = Marks()
    for seq, kind in ((11, Kind.CYCLE), (12, Kind.FAULT), (13, Kind.SAVE), (20, Kind.RUN)):
        marks.add(seq, [kind])
    assert marks.gravest(11, 20, 5) == [Kind.FAULT, Kind.SAVE, None, None, Kind.RUN]
    assert marks.gravest(11, 20, 1) == [Kind.FAULT]
    assert marks.gravest(11, 20, 40).count(None) == 36


def test_too_many_thin_out_and_the_grave_ones_stay() -> None:
    marks = Marks(most=50)
    for seq in range(1, 1001):
        marks.add(seq, [Kind.FAULT] if seq % 100 == 0 else [Kind.PHASE])
    assert len(marks) <= 50
    assert list(marks.of(Kind.FAULT)) == list(range(100, 1001, 100))
    assert 5 < len(list(marks.of(Kind.PHASE))) <= 40


def test_where_all_of_them_are_grave_they_thin_out_too() -> None:
    marks = Marks(most=50)
    for seq in range(1, 1001):
        marks.add(seq, [Kind.DAMAGE] if seq == 500 else [Kind.FAULT])
    assert 20 < len(marks) <= 50
    assert list(marks.of(Kind.DAMAGE)) == [500]

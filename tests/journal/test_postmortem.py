"""A post-mortem page: what it says of each kind of night, and that nobody's text can steer it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import journals, relaxed
from tests.journal.test_replay import crash_then
from tests.snapshots import MarkdownSnapshot
from tests.tui.night import Night
from tests.tui.nights import BEGAN, NIGHTS, tree
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.insight import moment, timestamp
from vsync_sm.core.markdown import code, escaped
from vsync_sm.journal import postmortem
from vsync_sm.journal.markdown import markdown
from vsync_sm.journal.postmortem import ROWS, Postmortem

TOLD = (
    *("refused", "allowed", "stuck", "behind", "frozen", "halted"),
    *("working", "finished", "crashed"),
)
"""The nights of which a post-mortem may be written."""


def page(records: Iterable[e.Record]) -> str:
    """The whole page."""
    told = Postmortem()
    told.read(records)
    return "".join(markdown(told, journal="journal.jsonl"))


def night(name: str) -> list[e.Record]:
    """Its records; two nights go on where others of the console end."""
    if name == "allowed":
        return allowed()
    if name == "crashed":
        return crashed()
    return NIGHTS[name]().records


def allowed() -> list[e.Record]:
    """The refused night, and somebody's yes."""
    records = list(NIGHTS["refused"]().records)
    refused = next(x.event for x in reversed(records) if isinstance(x.event, e.SaveRefused))
    by, through = "mara|<b>", "control socket"
    asked = e.CommandReceived(command=f"allow {refused.allowance}", by=by, through=through)
    yes = e.AllowanceGranted(allowance=refused.allowance, by=by, through=through)
    return [*records, *after(records[-1], [asked, yes])]


def crashed() -> list[e.Record]:
    """A cycle cut short, and the run that found it."""
    records = list(NIGHTS["working"]().records)
    started = next(x.event for x in records if isinstance(x.event, e.RunStarted))
    started = replace(started, pid=4712)
    number = records[-1].cycle
    crashed = e.RunRecovered(crashed_run=records[-1].run, state="working", open_cycle=number)
    return [*records, *after(records[-1], [started, crashed], run="0e2f11aa", mono=0)]


def after(
    last: e.Record, events: list[e.Event], *, run: str = "", mono: int | None = None
) -> Iterator[e.Record]:
    """Records of these events, a second apart."""
    for at, event in enumerate(events, start=1):
        yield e.Record(
            seq=last.seq + at,
            ts=timestamp(moment(last.ts) + at * 1_000_000_000),
            mono=(last.mono if mono is None else mono) + at * 1_000_000_000,
            run=run or last.run,
            event=event,
        )


@pytest.mark.parametrize("name", TOLD)
def test_the_page_of_a_night(name: str, snapshot: SnapshotAssertion) -> None:
    assert page(night(name)) == snapshot(extension_class=MarkdownSnapshot)


@relaxed
@given(journals)
def test_every_journal_has_a_page(records: list[e.Record]) -> None:
    told = page(records)
    assert told == page(records)
    assert told.startswith("# vsync on host-1: 2026-11-02 10:00:00 to ")
    assert told.endswith("Times are UTC.\n")
    for row in tables(told):
        assert len({line.replace(r"\|", "").count("|") for line in row}) == 1, row


def tables(told: str) -> list[list[str]]:
    """The lines of each table."""
    found: list[list[str]] = []
    for before, line in pairwise(["", *told.splitlines()]):
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            found[-1].append(line)
    return found


# --- what went wrong first, and what became of it --------------------------------------------


def begun() -> Night:
    """A run with one good cycle behind it."""
    night = Night(tree(), BEGAN)
    night.start("7c1f09ab")
    night.check()
    night.cycle()
    night.until_tick()
    return night


DOWN = "Consul at http://c:8500 took too long"


def late(night: Night, *, told: bool) -> None:
    """Consul is frozen for a cycle, which its deadline ends; the first origins told no fault."""
    night.begin(consul=False)
    night.wait(10)
    night.retry("read vsync/origin/", "timeout", DOWN)
    night.seen("Consul", "timeout", DOWN)
    night.wait(289)
    if told:
        night.late()
    night.abort("timeout")
    night.until_tick()


@pytest.mark.parametrize("told", [True, False])
def test_the_first_trouble_is_that_of_the_first_cycle_that_failed(told: bool) -> None:
    night = begun()
    late(night, told=told)
    night.seen("Consul")
    night.cycle()
    night.fault("keeps_failing", "3 cycles in a row were not complete", hint="See before.")
    summary = page(night.records).partition("## Timeline")[0]
    if told:
        first = (
            "in cycle 2, from 01:53:10 UTC on: **the cycle's deadline of 5 min has passed while "
        )
    else:
        first = "at 01:53:10 UTC in cycle 2: **Consul is in trouble (timeout): "
    assert f"The first trouble came {first}" in summary
    assert DOWN in summary
    assert ("Cycle 2 was given up because **its deadline passed.**" in summary) is not told
    assert "It healed with cycle 3, complete at " in summary
    assert "in a row" not in summary


def test_an_alarm_is_no_cause() -> None:
    night = begun()
    night.fault("token_ending", "it cannot be renewed", hint="See to it.")
    late(night, told=True)
    assert "The first trouble came in cycle 2, from " in page(night.records)


def test_a_fault_of_before_is_told_first_and_by_itself() -> None:
    night = begun()
    night.fault("too_large", "a bucket is nearly too large", hint="Raise numBuckets.")
    night.until_tick()
    late(night, told=True)
    summary = page(night.records)
    assert "UTC: **a bucket is nearly too large**. What helps: Raise numBuckets. Then, " in summary
    assert " UTC on: **the cycle's deadline of 5 min has passed " in summary


def test_what_a_start_waits_for_is_trouble() -> None:
    told = page(NIGHTS["postponed"]().records)
    assert "The first trouble came at 01:52:00 UTC: **the start waits: Vault is sealed**." in told


def test_late_cycles_share_a_row_however_far_they_came() -> None:
    night = begun()
    for most in (100, 120, 140):
        night.begin()
        night.list_all()
        night.work(most=most, each_s=300 / most)
        night.late()
        night.abort("timeout")
        night.until_tick()
    told = page(night.records)
    assert "| **Cycles 2 to 4: 3 aborted** |" in told
    assert "raised 3 times, from " in told


def test_each_refusal_has_its_own_fate() -> None:
    night = begun()
    for n in (100, 50):
        night.purge(*[path for path in night.vault if path.startswith("teams/data/")][:n])
        night.begin()
        night.list_all()
        night.work()
        allowance = night.refuse()
        night.until_tick()
    night.add(e.AllowanceGranted(allowance=allowance, by="mara", through="control socket"))
    summary = page(night.records).partition("## Timeline")[0]
    first, second = summary.partition("2 saves were refused by a safety rule: ")[2].split("; once")
    assert first.startswith("once, at 01:53:01 UTC: 100 of 369 paths would vanish")
    assert first.endswith("and nobody has allowed it")
    assert ": 150 of 369 paths would vanish" in second
    assert "and mara allowed it at 01:5" in second


def test_a_crash_lies_between_two_times_and_an_open_end_may_be_one() -> None:
    night = begun()
    night.begin()
    cut = page(night.records)
    assert "ends the run is listing, and no line tells of its end: it still goes on, or it" in cut
    assert "| no end yet: listing, in cycle 2 | it still goes on, or it crashed |" in cut
    night.crash(again="c0ffee12", after=420, pid=9120)
    whole = page(night.records)
    assert "| 01:53:00 to 02:00:00 | **the process crashed while listing, in cycle 2** | " in whole
    assert (
        "The first trouble came in cycle 2, from 01:53:00 UTC on: **the process crashed.**" in whole
    )


def test_where_the_time_went_until_a_crash() -> None:
    told = page([record for record in night("crashed") if record.cycle != 4])
    assert "| Phase | cycle 10 (cut short by a crash) | cycle 9 (unchanged) | difference |" in told
    assert "| working | 51.2 s | 1.49 s | +49.7 s |" in told
    assert "| saving |  | 2 ms | not reached |" in told
    assert "| all of it | 51.7 s | 2.03 s | +49.7 s |" in told


def test_a_cycle_that_a_second_signal_cut_off_did_not_fail() -> None:
    records = list(NIGHTS["working"]().records)
    end = e.RunFinished(exit_code=130, why="a second signal (SIGINT)")
    told = page([*records, *after(records[-1], [end])])
    assert "1 aborted, 1 cut off by the end of its run." in told
    assert "The run ended at 02:01:52 UTC with exit code 130: a second signal (SIGINT)." in told
    assert "| 02:01:00 | **Cycle 10: cut off by the end of its run** |" in told
    assert "Again, from" not in told  # no outage begins with it
    assert "no end yet" not in told


def test_nothing_is_said_of_a_save_whose_end_is_not_known() -> None:
    events = one_saved_cycle()
    begun = 1 + next(i for i, (x, _) in enumerate(events) if isinstance(x, e.SaveStarted))
    told = page(crash_then(upto=begun))
    assert "Cycle 1 did not complete (cut short by a crash): how a save of it ended was not" in told
    assert "No save is known to have reached Consul." in told
    assert "nothing of it was saved" not in told


def test_an_empty_journal() -> None:
    assert page([]) == "# vsync: nothing has happened yet\n\nThe journal is empty.\n"


def test_a_journal_that_is_none_is_not_called_empty() -> None:
    def none() -> Iterator[e.Record]:
        yield from ()
        raise JournalError("no JSON", line=1, byte=0)

    assert page(none()) == (
        "# vsync: nothing can be read\n\n"
        "**Damaged** at line 1, byte 0: no JSON. Nothing after it could be read.\n"
    )


def test_damage_and_contradictions_stand_on_it() -> None:
    def torn() -> Iterator[e.Record]:
        events = one_saved_cycle()
        del events[events.index((e.WorkerStarted(worker=2), 1))]
        yield from numbered(events)[:20]
        raise JournalError("torn | here", line=21, byte=4711, file="journal.jsonl.000002")

    told = page(torn())
    assert "**The journal is damaged: what came after the damage is not told here.**" in told
    assert "**The journal contradicts itself in " in told
    assert (
        r"- **Damaged** at journal.jsonl.000002, line 21, byte 4711: torn \| here. Nothing after it"
        in told
    )
    assert "cannot be true: " in told


# --- in bounds -------------------------------------------------------------------------------


def quiet(cycles: int, *, every: int = 0) -> Iterator[e.Record]:
    """One run of a great many cycles; every so many-th one is aborted by a fault of its own."""
    events = one_saved_cycle()
    start, cycle = events[:3], [lasting(event) for event, n in events if n is not None]
    head = numbered(start)
    yield from head
    seq, mono = len(head), head[-1].mono
    for number in range(1, cycles + 1):
        for event in cycle if not every or number % every else failing(cycle, number):
            seq, mono = seq + 1, mono + 10_000_000
            ts = timestamp(moment(head[-1].ts) + mono)
            yield e.Record(seq=seq, ts=ts, mono=mono, run="run-1", event=event, cycle=number)


def lasting(event: e.Event | e.Unknown) -> e.Event | e.Unknown:
    """The same, where nothing vanishes: no rule minds how often it happens."""
    if isinstance(event, e.InsightVanished):
        return e.InsightRegressed(path=event.path, former=event.insight, insight=event.insight)
    if isinstance(event, e.CycleFinished):
        return replace(event, vanished=0, regressed=1)
    return replace(event, vanished={}) if isinstance(event, e.SaveStarted) else event


def failing(cycle: list[e.Event | e.Unknown], number: int) -> list[e.Event]:
    """The same cycle, aborted while it lists."""
    assert isinstance(cycle[0], e.CycleStarted)
    assert isinstance(cycle[1], e.Transitioned)
    return [
        cycle[0],
        cycle[1],
        e.FaultRaised(kind="sealed", fatal=False, message=f"sealed for time {number}"),
        e.Transitioned(trigger="abort", source="listing", dest="aborted", reason="fault"),
        e.CycleFinished(outcome="aborted", reason="fault"),
        e.Transitioned(trigger="recovered", source="aborted", dest="waiting"),
    ]


def test_a_quiet_stretch_is_one_row() -> None:
    told = page(quiet(412))
    assert "| Cycles 1 to 412: 412 saved | each 0.24 s; 412 updated; " in told
    assert "Nothing: machine, order and sums of the journal agree." in told
    assert len(told.splitlines()) < 40


def test_many_troubles_are_bounded() -> None:
    told = page(quiet(1200, every=2))
    rows = [line for line in told.splitlines() if line.startswith("| 10:")]
    assert len(rows) == ROWS + ROWS // 3
    assert f"| … | {1201 - len(rows)} rows left out | |" in told
    assert "- and 560 faults in other words." in told
    assert "599 more stretches without a complete cycle healed" in told


def test_memory_does_not_grow_with_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postmortem, "ROWS", 30)

    def most(cycles: int) -> int:
        tracemalloc.start()
        page(quiet(cycles, every=2))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    short = most(100)
    assert most(300) < short * 1.2


# --- other people's text ---------------------------------------------------------------------

HOSTILE = "a|b `c` *d* _e_ [f](g) <html> &lt; ~h~ $i$ \\ #1 !x\n\x1b[2J\u202e # no heading"


def test_nobody_can_steer_the_page() -> None:
    fault = e.FaultRaised(
        kind="sealed", fatal=False, message=HOSTILE, hint=HOSTILE, context={HOSTILE: HOSTILE}
    )
    records = [
        replace(each, event=replace(each.event, host=HOSTILE))
        if isinstance(each.event, e.RunStarted)
        else each
        for each in numbered([one_saved_cycle()[0], (fault, None)])
    ]
    told = page(records)
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "<html>" not in told.replace(r"\<html\>", "").replace("`` " + code_of(HOSTILE), "")
    assert [line for line in told.splitlines() if line.startswith("# ")] == [told.splitlines()[0]]
    for table in tables(told):
        assert len({line.replace(r"\|", "").count("|") for line in table}) == 1


def code_of(text: str) -> str:
    """What stands within the fence."""
    return code(text).strip("` ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("*a* and a*b", r"\*a\* and a\*b"),
        ("_a_ but insight_generated", r"\_a\_ but insight_generated"),
        ("1. first", r"1\. first"),
        ("- item", r"\- item"),
        ("0.1.0", "0.1.0"),
        ("-5 s", "-5 s"),
        ("a\nb", r"a\\x0ab"),
    ],
)
def test_text_is_shown_to_the_letter(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a/b", "`a/b`"),
        ("a`b", "`` a`b ``"),
        ("a|b", r"a\|b"),
        (" a", "`  a `"),
        ("", ""),
    ],
)
def test_a_name_as_code(name: str, shown: str) -> None:
    assert code(name) == shown


@given(st.text())
def test_a_cell_is_a_cell(text: str) -> None:
    for made in (escaped(text), code(text)):
        assert "|" not in made.replace(r"\\", "").replace(r"\|", "")
        assert "\n" not in made

"""Replay tells what happened, the same everywhere, in memory that does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import insight, journals, legal_journal, relaxed
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.machine import INITIAL, TABLE, IllegalTrigger, Machine, Trigger
from vsync_sm.core.safety import allowance_id
from vsync_sm.core.safety import items as lines_of
from vsync_sm.core.view import View, apply
from vsync_sm.journal.codec import encode
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import Replay, replay


def text(records: Iterable[e.Record], **how: Any) -> str:
    """The story as text."""
    return "".join(replay(records, **how))


def items(records: Iterable[e.Record], **how: Any) -> list[dict[str, Any]]:
    """The story as the objects of its lines."""
    return [orjson.loads(line) for line in text(records, json=True, lines=True, **how).splitlines()]


def checked(records: Iterable[e.Record]) -> Replay:
    """A replay that has been told to its end."""
    story = replay(records)
    assert "".join(story)
    return story


def crash_then(*later: e.Event, upto: int = 10) -> list[e.Record]:
    """The example cut short after `upto` lines, and a second run with these events."""
    events = one_saved_cycle()
    start = [*events[:upto], events[0], *((event, None) for event in later)]
    return [
        replace(record, run="run-2") if record.seq > upto else record for record in numbered(start)
    ]


EXAMPLE = """\
Run run-1: vsync 0.1.0 on host-1 (process 4711), from 2026-11-02 10:00:00 UTC
                  configuration: mounts secret/, ops/, sync path vsync/, tick 1 min, workers 2, \
buckets 4
  10:00:00.002  checked consul: write, read, list, update, delete
  10:00:00.003  checking -> waiting (checks_passed)
  10:00:00.004  cycle 1 saved in 0.02 s: 3 paths listed, 1 updated, 1 vanished, 1 skipped, \
1 failed, 1 carried; listing 5 ms, working 0.01 s, reindexing 3 ms, saving 3 ms; \
requests: 7 to Vault, 2 to Consul
!                 secret/data/b could not be read: no answer
!                 secret/data/b keeps the insight last saved (version 1)
                  saved: 2 keys written to Consul
                  1 retry: timeout 1
  10:00:00.029  SIGTERM received
  10:00:00.030  waiting -> halted (halt), because a signal asked to stop
  10:00:00.031  the run ends with exit code 0: SIGTERM

31 lines, 1 run, 1 cycle (1 saved).
Nothing contradicts: machine, order and sums agree.
"""


def test_the_story_of_a_run() -> None:
    assert text(numbered(one_saved_cycle())) == EXAMPLE


def test_the_result() -> None:
    story = checked(numbered(one_saved_cycle()))
    assert (story.ok, story.empty, story.found) == (True, False, True)
    assert story.contradictions == []
    assert story.view.outcomes.saved == 1


def test_one_cycle_in_detail() -> None:
    events = [*one_saved_cycle()[:-3], *crash_events(2)]
    told = text(numbered(events), cycle=1)
    for line in (
        "Run run-1: vsync 0.1.0 on host-1",
        "  10:00:00.004  cycle 1 begins: 2 mounts, 2 workers, 4 buckets, at most 5 min\n",
        "  10:00:00.013  secret/data/a: version 2, updated\n",
        "  10:00:00.014  secret/data/b is tried again in 0.20 s: no answer\n",
        "! 10:00:00.016  secret/data/b could not be read: no answer\n",
        "  10:00:00.022  secret/data/c is no longer there\n",
        "  10:00:00.028  cycle 1 saved in 0.02 s: 3 paths listed",
    ):
        assert told.count(line) == 1, line
    assert "cycle 2" not in told
    assert "no end yet" not in told
    assert "checked consul" not in told


def crash_events(number: int) -> list[tuple[e.Event | e.Unknown, int | None]]:
    """The first three events of another cycle."""
    return [(event, number) for event, _ in one_saved_cycle()[3:6]]


def test_one_cycle_without_an_end() -> None:
    events = [*one_saved_cycle()[:-3], *crash_events(2)]
    told = text(numbered(events), cycle=2)
    assert "cycle 2 begins" in told
    assert "cycle 2 has no end: listing" in told
    assert "no end yet: run run-1 is listing, in cycle 2" in told
    assert "cycle 1" not in told


def test_a_cycle_that_is_not_there() -> None:
    story = replay(numbered(one_saved_cycle()), cycle=7)
    assert "Run" not in "".join(story)
    assert (story.ok, story.found) == (True, False)


def test_one_cycle_is_told_but_all_is_checked() -> None:
    events = one_saved_cycle()
    del events[-2]
    story = replay(numbered(events), cycle=1)
    assert "X line 30" in "".join(story)
    assert not story.ok


def test_an_empty_journal() -> None:
    story = replay([])
    assert "".join(story) == "The journal is empty: nothing has happened yet.\n"
    assert (story.ok, story.empty) == (True, True)


def test_a_run_without_an_end_is_no_contradiction() -> None:
    story = replay(numbered(one_saved_cycle()[:10]))
    told = "".join(story)
    assert story.ok
    assert "! 10:00:00.004  cycle 1 has no end: working\n" in told
    assert "no end yet: run run-1 is working, in cycle 1; it still goes on, or it crashed" in told


def test_a_crash_is_told_as_one() -> None:
    recovered = e.RunRecovered(crashed_run="run-1", state="working", open_cycle=1)
    story = replay(crash_then(recovered))
    told = "".join(story)
    assert story.ok
    assert "! 10:00:00.004  cycle 1 has no end: working\n" in told
    assert "run run-1 ends without a word: it crashed while working, in cycle 1\n" in told
    assert "run run-1 ended without a word, working in cycle 1\n" in told


def test_a_crash_in_a_save_says_so() -> None:
    upto = 1 + next(i for i, (x, _) in enumerate(one_saved_cycle()) if x.type == "save_started")
    recovered = e.RunRecovered(crashed_run="run-1", state="saving", open_cycle=1, open_save=True)
    story = replay(crash_then(recovered, upto=upto))
    told = "".join(story)
    assert story.ok
    assert "it crashed while saving, in cycle 1; how its save ended is not known" in told


def test_a_fault_comes_with_its_context_and_hint() -> None:
    fault = e.FaultRaised(
        kind="check_failed",
        fatal=True,
        message="ops/ is KV v1",
        hint="Upgrade it.",
        context={"mount": "ops/", "version": "1"},
    )
    events = [
        one_saved_cycle()[0],
        (fault, None),
        (e.Transitioned(trigger="halt", source="checking", dest="halted", reason="fatal"), None),
        (e.RunFinished(exit_code=1, why="a fatal fault: ops/ is KV v1"), None),
    ]
    story = replay(numbered(events))
    told = "".join(story)
    assert story.ok
    assert "! 10:00:00.002  fatal fault: ops/ is KV v1 → Upgrade it.\n" in told
    assert "                  mount: ops/, version: 1\n" in told
    assert "checking -> halted (halt), because a fatal fault came in\n" in told
    assert "the run ends with exit code 1" in told


def test_a_refusal_comes_with_its_sample_and_id() -> None:
    events = one_saved_cycle()
    at = next(i for i, (event, _) in enumerate(events) if event.type == "bucket_reindexed")
    vanished = [event.path for event, _ in events[:at] if isinstance(event, e.InsightVanished)]
    shrink = e.Refusal(rule="shrink", count=1, of=1, limit=0.2)
    allowance = allowance_id(lines_of(vanished, (), (), (shrink,)))
    refused = e.SaveRefused(
        refusals=(shrink,),
        vanished={"secret/": 1},
        regressed={},
        sample=("secret/data/\x1b[2Jc",),
        allowance=allowance,
    )
    closing = next(event for event, _ in events if isinstance(event, e.CycleFinished))
    events[at + 1 :] = [
        (refused, 1),
        (
            e.Transitioned(trigger="abort", source="reindexing", dest="aborted", reason="refused"),
            1,
        ),
        (replace(closing, outcome="refused", reason="refused"), 1),
        (e.Transitioned(trigger="recovered", source="aborted", dest="waiting"), 1),
    ]
    story = replay(numbered(events))
    told = "".join(story)
    assert story.contradictions == []
    limit = "(limit: 10 paths or 20 %, whichever is more)"
    assert f"the save is refused: 1 of 1 path would vanish {limit}" in told
    assert f"(allowance id {allowance})" in told
    assert "would vanish, by mount: secret/ 1\n" in told
    assert "for example: secret/data/\\x1b[2Jc\n" in told
    assert "\x1b" not in told


def test_many_of_a_kind_are_counted() -> None:
    events = one_saved_cycle()
    late = (e.LateResultDropped(late_cycle=0, count=1), 1)
    events[10:10] = [late] * 25
    story = replay(numbered(events))
    told = "".join(story)
    assert story.ok
    assert told.count("1 late result of cycle 0 dropped") == 10
    assert "and 15 more of late_result_dropped\n" in told


def test_damage_ends_the_story(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines = [encode(record) for record in numbered(one_saved_cycle())]
    path.write_bytes(b"".join([*lines[:5], b"rubbish\n", *lines[6:]]))
    story = replay(read_journal(path))
    told = "".join(story)
    assert story.damage is not None
    assert (story.ok, story.damage.line, story.damage.byte) == (False, 6, sum(map(len, lines[:5])))
    assert f"X line 6, byte {story.damage.byte}: " in told
    assert "The story ends here." in told
    assert "cycle 1 has no end: listing" in told
    assert "5 lines, 1 run, 1 cycle." in told


def test_a_gap_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    lines = [encode(record) for record in numbered(one_saved_cycle())]
    path.write_bytes(b"".join([*lines[:5], *lines[6:]]))
    story = checked(read_journal(path))
    assert story.damage is not None
    assert story.damage.line == 6


def test_damage_is_never_a_traceback() -> None:
    def broken() -> Iterator[e.Record]:
        yield from numbered(one_saved_cycle()[:2])
        raise JournalError("torn \x1b[2J", line=3, byte=200)

    ways: tuple[dict[str, Any], ...] = ({}, {"json": True}, {"json": True, "lines": True})
    for how in ways:
        story = replay(broken(), **how)
        told = "".join(story)
        assert not story.ok
        assert "torn" in told
        assert "\x1b" not in told


# --- for programs ----------------------------------------------------------------------------


def test_json_is_one_document_or_one_a_line() -> None:
    records = numbered(one_saved_cycle())
    document = orjson.loads(text(records, json=True))
    assert document == {"story": items(records), "ok": True}


def test_json_of_a_forged_journal() -> None:
    events = one_saved_cycle()
    del events[12]
    document = orjson.loads(text(numbered(events), json=True))
    assert document["ok"] is False
    found = document["story"][-1]["contradictions"]
    assert {"line", "seq", "what"} == set(found[0])
    assert found[0]["line"] == 18


def test_json_says_what_the_text_says() -> None:
    story = items(numbered(one_saved_cycle()))
    kinds = [item["kind"] for item in story]
    assert kinds == ["run", "event", "event", "cycle", "event", "event", "event", "run_end", "end"]
    cycle = story[3]
    assert (cycle["cycle"], cycle["outcome"], cycle["line"]) == (1, "saved", 28)
    assert cycle["seconds"] == 0.024
    assert list(cycle["phases"]) == ["listing", "working", "reindexing", "saving"]
    assert cycle["facts"]["listed"] == 3
    assert cycle["retries"] == {"timeout": 1}
    assert [entry["type"] for entry in cycle["entries"]] == [
        "path_failed",
        "insight_carried_forward",
        "save_committed",
    ]
    assert story[-2] == {
        "kind": "run_end",
        "run": "run-1",
        "how": "finished",
        "state": "halted",
        "cycle": None,
        "save": False,
    }
    assert story[-1]["ok"] is True


def test_json_on_a_terminal_steers_nothing() -> None:
    events = one_saved_cycle()
    events[1] = (e.CheckPassed(check="\x1b[2J\x9b31m\x7f", detail="", note=""), None)
    told = text(numbered(events), json=True, lines=True)
    assert not {"\x1b", "\x9b", "\x7f"} & set(told)
    line = orjson.loads(told.splitlines()[1])
    assert line["event"]["check"] == "\x1b[2J\x9b31m\x7f"


# --- properties ------------------------------------------------------------------------------


@relaxed
@given(journals)
def test_a_legal_journal_contradicts_nowhere(records: list[e.Record]) -> None:
    assert checked(records).contradictions == []


@relaxed
@given(journals)
def test_the_view_is_the_one_that_was_live(records: list[e.Record]) -> None:
    live = View()
    for record in records:
        live = apply(live, record)
    assert checked(records).view == live


@relaxed
@given(journals)
def test_json_is_always_json(records: list[e.Record]) -> None:
    document = orjson.loads(text(records, json=True))
    assert document["ok"] is True
    told = [item["cycle"] for item in document["story"] if item["kind"] == "cycle"]
    started = [each.cycle for each in records if isinstance(each.event, e.CycleStarted)]
    assert told == started


@relaxed
@given(st.lists(st.sampled_from([*map(str, Trigger), "to_halted", "", "state"])))
def test_the_machine_is_its_table(triggers: list[str]) -> None:
    machine, state = Machine(), INITIAL
    for trigger in triggers:
        rows = [row for row in TABLE if (row.trigger, row.source) == (trigger, state)]
        if rows:
            assert [machine.pull(trigger)] == rows
            state = rows[0].dest
        else:
            with pytest.raises(IllegalTrigger):
                machine.pull(trigger)
        assert machine.state is state


SEEDS = (1, 2, 3)


def test_the_same_bytes_on_any_machine(tmp_path: Path) -> None:
    paths = []
    for seed in SEEDS:
        path = tmp_path / f"{seed}.jsonl"
        records = legal_journal(Random(seed))  # noqa: S311  not for secrets
        path.write_bytes(b"".join(map(encode, records)))
        paths.append(str(path))
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from vsync_sm.journal.reader import read_journal\n"
        "from vsync_sm.journal.replay import replay\n"
        "for path in sys.argv[1:]:\n"
        "    for json in (False, True):\n"
        "        for chunk in replay(read_journal(Path(path)), json=json):\n"
        "            sys.stdout.buffer.write(chunk.encode())\n"
    )
    there = [
        subprocess.run(
            [sys.executable, "-c", program, *paths],
            env={**os.environ, "TZ": zone, "LC_ALL": locale, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for zone, locale, seed in (
            ("UTC", "C", "1"),
            ("Asia/Kathmandu", "C.UTF-8", "2"),
        )
    ]
    assert there[0] == there[1]
    assert there[0].count(b"Run run-1") == len(SEEDS)


def long_journal(cycles: int, paths: int) -> Iterator[e.Record]:
    """A run of unchanged cycles, made as it is read."""
    template = one_saved_cycle()
    seq = 0

    def record(event: e.Event | e.Unknown, cycle: int | None) -> e.Record:
        nonlocal seq
        seq += 1
        ts = "2026-11-02T10:00:00.000000Z"
        return e.Record(seq=seq, ts=ts, mono=seq, run="run-1", event=event, cycle=cycle)

    for event, _ in template[:3]:
        yield record(event, None)
    same = insight()
    for number in range(1, cycles + 1):
        yield record(template[3][0], number)
        yield record(template[4][0], number)
        yield record(e.PathsListed(paths=paths, mounts={"secret/": paths}), number)
        yield record(template[9][0], number)
        yield record(e.WorkerStarted(worker=1), number)
        for i in range(paths):
            path = f"secret/data/{i}"
            yield record(
                e.InsightGenerated(worker=1, path=path, insight=same, change="unchanged"),
                number,
            )
        yield record(e.WorkerStopped(worker=1, paths=paths), number)
        for trigger, source, dest in (
            ("worked", "working", "reindexing"),
            ("reindexed", "reindexing", "saving"),
        ):
            yield record(e.Transitioned(trigger=trigger, source=source, dest=dest), number)
        yield record(e.SaveSkipped(index="1" * 64), number)
        yield record(e.Transitioned(trigger="saved", source="saving", dest="waiting"), number)
        closing = e.CycleFinished(
            outcome="unchanged", listed=paths, generated=paths, unchanged=paths
        )
        yield record(closing, number)


def peak(cycles: int) -> int:
    """The most bytes that replay held while it told so many cycles of 200 paths."""
    story = replay(long_journal(cycles, 200))
    tracemalloc.start()
    try:
        for _ in story:
            pass
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert story.contradictions == []
    assert story.view.last_cycle == cycles
    return most


def test_memory_does_not_grow_with_the_journal() -> None:
    assert peak(120) < 1.2 * peak(60)

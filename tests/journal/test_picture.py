"""The picture of a cycle: what it shows of each kind of night, and that it stays a picture."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import journals, relaxed
from tests.journal.test_postmortem import HOSTILE, after, night
from tests.snapshots import ScreenSnapshot
from vsync_sm.core import events as e
from vsync_sm.core.outcome import CRASHED, CUT_OFF
from vsync_sm.journal.picture import picture
from vsync_sm.journal.sketch import MARKS, READS, Sketch, sketch_of

SVG = "{http://www.w3.org/2000/svg}"
PICTURED = ("refused", "stuck", "behind", "working", "crashed")
"""The nights of which a cycle is drawn."""


def drawn(records: list[e.Record], cycle: int | None = None) -> str:
    """The picture of a cycle that is there."""
    sketch = sketch_of(records, cycle)
    assert sketch is not None
    return "".join(picture(sketch))


def texts(svg: str, tag: str) -> list[str]:
    """What stands in all elements of a kind."""
    return [each.text or "" for each in ET.fromstring(svg).iter(f"{SVG}{tag}")]  # noqa: S314  ours


@pytest.mark.parametrize("name", PICTURED)
def test_the_picture_of_a_night(name: str, snapshot: SnapshotAssertion) -> None:
    records = night(name)
    last = max(record.cycle or 0 for record in records)
    assert drawn(records, last) == snapshot(extension_class=ScreenSnapshot)


def test_the_first_failed_cycle_else_the_last() -> None:
    records = night("refused")
    first = sketch_of(records)
    assert first is not None
    assert (first.number, first.failed) == (4, True)
    well = sketch_of([record for record in records if (record.cycle or 0) < 4])
    assert well is not None
    assert (well.number, well.failed) == (3, False)
    assert sketch_of(records, 99) is None
    assert sketch_of([]) is None


def without(records: list[e.Record], *cycles: int) -> list[e.Record]:
    """The journal, but for some cycles of it."""
    return [record for record in records if record.cycle not in cycles]


def test_a_cycle_that_a_crash_cut_short_has_failed() -> None:
    records = without(night("crashed"), 4)  # which failed before it, by itself
    crashed = sketch_of(records)
    assert crashed is not None
    assert (crashed.number, crashed.failed, crashed.outcome) == (10, True, CRASHED)
    svg = drawn(records)
    assert texts(svg, "title")[0] == "Cycle 10 was cut short by a crash after 51.7 s"
    until = "a crash: nothing came after this until the next run began at 2026-11-02 02:01:52 UTC"
    assert until in texts(svg, "text")
    assert f"51.7 s: {until}" in texts(svg, "title")
    assert "1 crash" in texts(svg, "desc")[0]


def test_another_cycle_says_that_the_one_before_it_was_cut_short() -> None:
    records = without(night("crashed"), 4)
    start = next(record for record in records if isinstance(record.event, e.CycleStarted))
    ends = [at for at, record in enumerate(records) if isinstance(record.event, e.RunStarted)]
    cut = [*records[: ends[-1]], replace(start, cycle=11)]
    crashed = sketch_of(cut)
    assert crashed is not None
    assert (crashed.number, crashed.failed) == (10, True)


def test_a_cycle_that_goes_on_where_the_journal_ends_has_not_failed() -> None:
    records = without(night("working"), 4)
    live = sketch_of(records)
    assert live is not None
    assert (live.number, live.failed, live.outcome) == (10, False, "")
    svg = drawn(records)
    title = "Cycle 10 is still running, or crashed: the journal has 51.7 s of it"
    assert texts(svg, "title")[0] == title
    assert "crash" not in texts(svg, "desc")[0]


def test_a_cycle_that_a_second_signal_cut_off_was_asked_to_stop() -> None:
    records = without(night("working"), 4)
    end = e.RunFinished(exit_code=130, why="a second signal (SIGINT)")
    records = [*records, *after(records[-1], [end])]
    off = sketch_of(records)
    assert off is not None
    assert (off.number, off.failed, off.outcome) == (10, False, CUT_OFF)
    title = "Cycle 10 was cut off by the end of its run after 51.7 s"
    assert texts(drawn(records), "title")[0] == title


def test_what_one_cannot_see_is_said() -> None:
    svg = drawn(night("behind"), 10)
    title, *_ = texts(svg, "title")
    assert title == "Cycle 10 was aborted after 5 min 1 s"
    (described,) = texts(svg, "desc")
    for words in (
        "vsync on origin-1.example, from 2026-11-02 02:01:00 UTC, 371 paths listed.",
        "Phases: listing 0.53 s, working 5 min, aborted ",
        "First trouble: fault: the cycle's deadline of 5 min has passed while working, ",
        "140 of 371 paths ended: Vault answered, but too slowly",
    ):
        assert words in described
    root = ET.fromstring(svg)  # noqa: S314  ours
    assert root.get("role") == "img"
    labelled = (root.get("aria-labelledby") or "").split()
    assert [root[0].get("id"), root[1].get("id")] == labelled


def test_a_worker_that_hangs_is_seen_to() -> None:
    svg = drawn(night("working"), 10)
    stuck = [
        each
        for each in ET.fromstring(svg).iter(f"{SVG}rect")  # noqa: S314  ours
        if each.get("class") == "retry"
    ]
    assert len(stuck) >= 1
    assert any(float(each.get("width", "0")) > 700 for each in stuck)


@relaxed
@given(journals)
def test_every_cycle_has_a_picture(records: list[e.Record]) -> None:
    for number in {record.cycle for record in records if record.cycle is not None}:
        svg = drawn(records, number)
        assert svg == drawn(records, number)
        root = ET.fromstring(svg)  # noqa: S314  ours
        for each in root.iter(f"{SVG}rect"):
            if each.get("x") is not None:
                end = float(each.get("x", "")) + float(each.get("width", ""))
                assert 120 <= float(each.get("x", "")) <= end <= 912


def test_nobody_can_steer_the_picture() -> None:
    hostile = f'{HOSTILE}"><script>alert(1)</script><![CDATA['
    records = [
        replace(each, event=replace(each.event, message=hostile, path=hostile))
        if isinstance(each.event, e.PathFailed)
        else replace(each, event=replace(each.event, host=hostile))
        if isinstance(each.event, e.RunStarted)
        else each
        for each in numbered(one_saved_cycle())
    ]
    svg = drawn(records)
    assert "\x1b" not in svg
    tags = {each.tag.removeprefix(SVG) for each in ET.fromstring(svg).iter()}  # noqa: S314  ours
    assert tags <= {"svg", "title", "desc", "style", "rect", "path", "text"}


def test_it_is_bounded() -> None:
    rng = random.Random(3)  # noqa: S311  no secret
    start = e.CycleStarted(mounts=("kv/",), workers=1, num_buckets=1, deadline_s=1e6)
    at = 0

    def record(event: e.Event) -> e.Record:
        return e.Record(seq=1, ts="2026-11-02T10:00:00Z", mono=at, run="r", event=event, cycle=1)

    sketch = Sketch(record(start), start)
    sketch.note(record(e.WorkerStarted(worker=1)))
    longest = 0
    for number in range(5 * READS):
        path = f"kv/data/{number}"
        begun, at = at, at + rng.randrange(1, 10**9)
        longest = max(longest, at - begun)
        sketch.note(record(e.WorkersObserved(busy=(e.BusyWorker(1, path, begun),))))
        sketch.note(record(e.PathFailed(worker=1, path=path, kind="timeout", message="no")))
    assert sketch.counts["failed path"] == 5 * READS
    assert len(sketch.marks) == MARKS
    reads = list(sketch.reads_of(1))
    assert len(reads) < 2 * READS
    assert max((each.end or 0) - each.begin for each in reads) == longest

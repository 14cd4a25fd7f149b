"""Two moments of a journal: they are found, compared, and nothing else is read in full."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.playbook import journals, legal_journal, relaxed
from tests.journal.segmented import pack, write_runs
from tests.tui.night import Night
from tests.tui.nights import NIGHTS, damaged, tree
from vsync_sm.core import events as e
from vsync_sm.core.comparing import Comparison
from vsync_sm.core.cycle_seen import Ended
from vsync_sm.core.differences import differences, place
from vsync_sm.core.errors import JournalError
from vsync_sm.core.outcome import CRASHED
from vsync_sm.core.pairs import pair_of
from vsync_sm.core.path_changes import Change
from vsync_sm.core.side_by_side import rows
from vsync_sm.core.view import View, apply, view_of
from vsync_sm.journal import comparing
from vsync_sm.journal.codec import encode
from vsync_sm.journal.comparing import NoSuchMoment, compare, compared
from vsync_sm.journal.history import remember
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.segments import Segment, closed_segments


def written(path: Path, records: list[e.Record]) -> Path:
    """The records as a journal in one file."""
    path.write_bytes(b"".join(map(encode, records)))
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where the journal of a night lies."""
    return tmp_path / "journal.jsonl"


def between(journal: Path, moments: str) -> Comparison:
    """What `--compare` finds; the journal is whole."""
    found = compare(journal, pair_of(moments))
    assert found.damage is None
    return found.comparison


def seqs(found: Comparison) -> tuple[int, int]:
    """Where both moments are."""
    return found.first.seq, found.second.seq


def ends(night: Night) -> dict[int, int]:
    """By cycle, the `seq` of its `cycle_finished`."""
    return {
        one.cycle or 0: one.seq for one in night.records if isinstance(one.event, e.CycleFinished)
    }


# --- the moments -----------------------------------------------------------------------------


def test_a_failed_cycle_with_the_last_good_one_before_it(journal: Path) -> None:
    night = NIGHTS["stuck"]()
    written(journal, night.records)
    at = ends(night)
    # Cycle 4 failed by itself; cycles 10 to 13 did in a row: the first of them tells what began.
    assert seqs(between(journal, "failed")) == (at[9], at[10])
    assert seqs(between(journal, "cycle:4")) == (at[3], at[4])
    found = between(journal, "cycle:13")
    assert seqs(found) == (at[9], at[13])
    fault = differences(found)[1].words
    assert fault.startswith("fault unreachable, 4 times from cycle 10 on: Consul at ")
    assert seqs(between(journal, "cycle:11..failed")) == (at[11], at[10])


@pytest.mark.parametrize(("reason", "failed"), [("signal", False), ("timeout", True)])
def test_a_cycle_that_was_asked_to_stop_did_not_fail(
    journal: Path, reason: str, failed: bool
) -> None:
    night = Night(tree(), datetime(2026, 11, 2, tzinfo=UTC))
    night.start("run-1")
    night.check()
    night.cycle()
    night.until_tick()
    night.begin()
    night.abort(reason)
    written(journal, night.records)
    if failed:
        assert between(journal, "failed").second.seq == ends(night)[2]
    else:
        with pytest.raises(NoSuchMoment, match="no cycle of this journal failed"):
            compare(journal, pair_of("failed"))


def test_a_cycle_that_a_crash_cut_short_failed(journal: Path) -> None:
    night = Night(tree(), datetime(2026, 11, 2, tzinfo=UTC))
    night.start("run-1")
    night.check()
    night.cycle()
    night.until_tick()
    night.begin()
    night.list_all()
    night.work(most=5)
    cut = len(night.records)
    night._cycle = None
    night.wait(30)
    night.start("run-2")
    night.add(e.RunRecovered(crashed_run="run-1", state="working", open_cycle=2))
    found = between(written(journal, night.records), "failed")
    assert seqs(found) == (ends(night)[1], cut)
    cycle = found.second.cycle
    assert cycle is not None
    assert (cycle.number, cycle.outcome) == (2, CRASHED)
    assert cycle.phases[-1].ended is Ended.cut
    crash = "cycle 2 was cut short by a crash: its run ended without a word; cycle 1 saved"
    assert [said.words for said in differences(found) if said.severity == "error"] == [crash]
    assert place(found.second).endswith(f"(seq {cut}), working in cycle 2")
    assert rows(found)[0].second == "crashed"
    back = between(journal, f"seq:{cut}..cycle:1").first.cycle
    assert back is not None
    assert back.outcome == CRASHED
    before = between(journal, f"seq:{cut - 1}").second.cycle
    assert before is not None
    assert before.outcome == ""  # that is how it was then
    after = between(journal, "cycle:1..end")
    assert after.second.cycle is not None
    assert after.second.cycle.outcome == "crashed"
    assert (after.runs, after.crashes) == (1, 1)
    words = [each.words for each in differences(after)]
    assert words[0] == crash
    assert "1 run between ended without a word: a crash" in words


def test_a_cycle_that_goes_on_where_the_journal_ends_has_not_failed(journal: Path) -> None:
    night = NIGHTS["working"]()
    written(journal, night.records)
    assert between(journal, "failed").second.seq == ends(night)[4]
    found = between(journal, "end")
    assert "cycle 10 was still running; cycle 9 found nothing to save" in [
        each.words for each in differences(found)
    ]
    assert rows(found)[0].second == "still running"
    end = e.RunFinished(exit_code=130, why="a second signal (SIGINT)")
    last = night.records[-1]
    written(journal, [*night.records, replace(last, seq=last.seq + 1, event=end, cycle=None)])
    assert between(journal, "failed").second.seq == ends(night)[4]
    cut = between(journal, "cycle:10")
    assert rows(cut)[0].second == "cut off"
    words = [each.words for each in differences(cut)]
    off = "cycle 10 was cut off: its run ended and did not wait for it"
    assert f"{off}; cycle 9 found nothing to save" in words


def test_times_lines_and_edges(journal: Path) -> None:
    night = NIGHTS["stuck"]()
    written(journal, night.records)
    last = len(night.records)
    late = [one.seq for one in night.records if one.ts <= "2026-11-02T02:00:01.000000Z"][-1]
    assert seqs(between(journal, "start..end")) == (1, last)
    assert seqs(between(journal, "seq:7..#9")) == (7, 9)
    assert seqs(between(journal, "2026-11-02 02:00:01..end")) == (late, last)
    assert seqs(between(journal, "02:00:01..02:00:01")) == (late, late)
    exact = night.records[2000].ts
    at = [one.seq for one in night.records if one.ts <= exact][-1]
    assert between(journal, f"start..{exact}").second.seq == at
    assert between(journal, f"start..{exact[:-2]}Z").second.seq <= at
    assert between(journal, "start..-1m").second.seq < last


@pytest.mark.parametrize(
    ("moments", "words", "hint"),
    [
        ("cycle:99", "there is no cycle 99", "which cycles there are"),
        ("seq:0..end", "there is no line with seq 0", "holds 1 to "),
        ("start..seq:99999", "there is no line with seq 99999", "holds 1 to "),
        ("01:51:59..end", "begins after 2026-11-02 01:51:59 UTC", "start is"),
        ("cycle:1", "no complete cycle lies before cycle 1", "start..cycle:1"),
        ("start", "no complete cycle lies before this moment", "name two moments"),
    ],
)
def test_moments_that_are_not_there(journal: Path, moments: str, words: str, hint: str) -> None:
    written(journal, NIGHTS["waiting"]().records)
    with pytest.raises(NoSuchMoment) as missing:
        compare(journal, pair_of(moments))
    assert words in missing.value.message
    assert hint in missing.value.hint


# --- what is found ---------------------------------------------------------------------------


def test_only_what_must_be_is_read_in_full(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines of paths outside both moments are passed over, and change nothing."""
    night = NIGHTS["stuck"]()
    written(journal, night.records)
    seen: list[e.Record] = []

    def note(self: comparing._Told, record: e.Record) -> bool:
        seen.append(record)
        return told(self, record)

    told = comparing._Told.note
    monkeypatch.setattr(comparing._Told, "note", note)
    found = between(journal, "cycle:8..cycle:9")
    begins = min(one.seq for one in night.records if one.cycle == 8)
    paths = [one.seq for one in seen if isinstance(one.event, e.InsightGenerated)]
    assert begins < min(paths)
    assert max(paths) < found.second.seq
    assert found.second.cycle is not None
    assert found.second.cycle.counts["generated"] == 369


def moments_of(records: list[e.Record]) -> Iterator[tuple[int, int]]:
    """Pairs of moments, here and there."""
    random = Random(len(records))  # noqa: S311
    some = sorted(random.sample(range(1, len(records) + 1), min(6, len(records))))
    yield from pairwise(some)


def view_at(records: list[e.Record], seq: int) -> View:
    """The fold of all records up to `seq`."""
    view = View()
    for record in records[:seq]:
        view = apply(view, record)
    return view


@relaxed
@given(records=journals)
def test_a_moment_with_itself_and_backwards(records: list[e.Record]) -> None:
    for one, other in moments_of(records):
        views = view_at(records, one), view_at(records, other)
        alone = compared(records, views[0], views[0])
        assert alone is not None
        assert not differences(alone)
        assert not alone.paths
        forth, back = compared(records, *views), compared(records, views[1], views[0])
        assert forth is not None
        assert back is not None
        assert back == forth.mirrored()
        assert (forth.back, back.back) == (False, True)
        kinds, mirrored = forth.paths.kinds, back.paths.kinds
        assert kinds.get(Change.added) == mirrored.get(Change.vanished)
        assert kinds.get(Change.vanished) == mirrored.get(Change.added)


@pytest.mark.parametrize("seed", range(6))
def test_files_and_what_was_passed_over_change_nothing(tmp_path: Path, seed: int) -> None:
    """From one file, or from many packed ones: as from the records, each folded."""
    records = legal_journal(Random(seed))  # noqa: S311
    one = written(tmp_path / "one.jsonl", records)
    many = tmp_path / "many.jsonl"
    folded = write_runs(many, records).records
    pack(many)
    for first, second in moments_of(records):
        plain = compared(records, view_at(records, first), view_at(records, second))
        assert between(one, f"seq:{first}..seq:{second}") == plain
    for first, second in moments_of(folded):
        plain = compared(folded, view_at(folded, first), view_at(folded, second))
        assert between(many, f"seq:{first}..seq:{second}") == plain


@pytest.mark.parametrize("night", [name for name in NIGHTS if name != "empty"])
def test_the_end_of_a_night_with_itself(night: str) -> None:
    records = NIGHTS[night]().records
    view = view_at(records, len(records))
    found = compared(records, view, view)
    assert found is not None
    assert differences(found) == ()


def test_what_is_told_of_faults_is_bounded() -> None:
    kinds = [e.FaultRaised(kind=f"k{n}", fatal=False, message="m") for n in range(30)]
    asked = [e.SignalReceived(signal="SIGUSR1", number=10)] * 30
    down = [e.ServerConditionChanged(server=f"s{n}", condition="sealed") for n in range(30)]
    events = [kinds[0], *kinds, *asked, *down]
    records = [
        e.Record(seq, "2026-11-02T00:00:00Z", seq, "run-1", event, 1)
        for seq, event in enumerate(events, start=1)
    ]
    found = compared(records, View(), View(seq=len(records)))
    assert found is not None
    assert [len(each) for each in (found.faults, found.asked, found.troubles)] == [20, 20, 20]
    assert found.faults[0].count == 2


def test_moments_in_different_runs(journal: Path) -> None:
    night = NIGHTS["finished"]()
    records = list(night.records)
    start = records[0].event
    assert isinstance(start, e.RunStarted)
    origin = {**start.config["origin"], "tick": 30.0, "mounts": ["teams/"]}
    config = {**start.config, "origin": origin, "log": {"level": "debug"}}
    later = replace(start, version="0.2.0", host="origin-2.example", config=config)
    records.append(
        e.Record(len(records) + 1, "2026-11-02T03:00:00.000000Z", 0, "run-2", later, None)
    )
    found = between(written(journal, records), "cycle:9..end")
    words = [each.words for each in differences(found)]
    for said in (
        "another version: 0.1.0, then 0.2.0",
        "another host: origin-1.example, then origin-2.example",
        "configuration: origin.tick was 60.0, then 30.0",
        "configuration: origin.mounts was platform/, teams/, then teams/",
        "configuration: log.level was not set, then debug",
        "1 run began between",
    ):
        assert said in words
    assert found.runs == 1
    assert found.crashes == 0


def test_a_journal_whose_first_files_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_runs(path, NIGHTS["stuck"]().records, segment_bytes=100_000)
    first, *others = closed_segments(path)
    first.path.unlink()
    found = between(path, "failed")
    assert found.second.cycle is not None
    assert found.second.cycle.number == 10
    assert between(path, "start..end").first.seq > 1
    running = 0
    while others and not running:  # until the first one there begins within a cycle
        first, *others = others
        opened = next(read_journal(first.path)).event
        assert isinstance(opened, e.SegmentOpened)
        cycle = view_of(opened).cycle
        running = cycle.number if cycle is not None else 0
        if not running:
            first.path.unlink()
    assert running
    found = between(path, f"start..cycle:{running}")
    assert found.one_cycle
    assert found.second.cycle is not None
    assert (found.second.cycle.number, found.second.cycle.whole) == (running, False)


def test_one_closed_file_and_a_history(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_runs(path, NIGHTS["stuck"]().records, segment_bytes=700_000)
    for closed in closed_segments(path):
        remember(path, Segment(closed.path, closed.number, packed=closed.packed))
    alone = compare(closed_segments(path)[0].path, pair_of("cycle:4")).comparison
    assert alone.second.cycle is not None
    assert alone.second.cycle.reason == "fault"
    (history,) = tmp_path.glob("*.history-*")
    with gzip.open(history) as file:
        assert b"insight_generated" not in file.read()
    told = compare(history, pair_of("cycle:4")).comparison
    assert told.phases == alone.phases
    words = [each.words for each in differences(told)]
    assert words[0] == "cycle 4 was aborted because a fault came in; cycle 3 saved"
    assert words[-2].startswith("a history has no lines of single paths")


# --- what is damaged -------------------------------------------------------------------------


def test_what_stands_before_the_damage_is_compared(journal: Path) -> None:
    journal.write_bytes(damaged())
    found = compare(journal, pair_of("failed"))
    assert found.damage is None  # it lies in a line of a path, behind both moments
    assert found.comparison.second.cycle is not None
    assert found.comparison.second.cycle.number == 4
    found = compare(journal, pair_of("end"))
    assert found.damage is not None
    assert found.comparison.second.seq == found.damage.line - 1
    with pytest.raises(NoSuchMoment, match="no line with seq 9999") as missing:
        compare(journal, pair_of("start..seq:9999"))
    assert "holds 1 to" in missing.value.hint
    with pytest.raises(NoSuchMoment, match=f"no line with seq {found.damage.line}") as missing:
        compare(journal, pair_of(f"start..seq:{found.damage.line}"))
    assert missing.value.hint.startswith("the journal is damaged: ")


@pytest.mark.parametrize("content", [b"", b"not a line\n", b'{"v":1'])
@pytest.mark.parametrize("moments", ["failed", "start..end", "03:12", "-2h..end"])
def test_nothing_can_be_read(journal: Path, content: bytes, moments: str) -> None:
    journal.write_bytes(content)
    with pytest.raises(JournalError):
        compare(journal, pair_of(moments))


def test_there_is_no_journal(journal: Path) -> None:
    with pytest.raises(JournalError) as error:
        compare(journal, pair_of("failed"))
    assert error.value.line == 0


@given(at=st.integers(0, 10_000), junk=st.binary(min_size=1, max_size=40))
def test_junk_anywhere_is_damage_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, at: int, junk: bytes
) -> None:
    records = legal_journal(Random(at % 7))  # noqa: S311
    text = b"".join(map(encode, records))
    path = tmp_path_factory.mktemp("junk") / "journal.jsonl"
    at %= len(text)
    path.write_bytes(text[:at] + junk + text[at:])
    for moments in ("failed", "start..end", "-1h..end"):
        try:
            found = compare(path, pair_of(moments))
        except (JournalError, NoSuchMoment):
            continue
        assert differences(found.comparison) or found.comparison is not None


# --- how it reads ----------------------------------------------------------------------------


def test_it_can_be_given_up() -> None:
    records = NIGHTS["waiting"]().records
    views = view_at(records, 1), view_at(records, len(records))
    assert compared(records, *views, stop=lambda: True) is None
    assert compared(records, *views) is not None


def test_progress_is_told_and_may_end_it(journal: Path) -> None:
    written(journal, NIGHTS["stuck"]().records)
    shares: list[float] = []
    compare(journal, pair_of("failed"), progress=shares.append)
    assert shares
    assert all(0 <= share <= 1 for share in shares)

    def enough(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(journal, pair_of("failed"), progress=enough)


def test_memory_does_not_grow_with_the_journal(journal: Path) -> None:
    night = NIGHTS["waiting"]()
    cycle = [one for one in night.records if one.cycle == 9]
    head = [one for one in night.records if one.cycle != 9 and one.seq < cycle[0].seq]

    def peak(times: int) -> int:
        with journal.open("wb") as file:
            lines = (*head, *(each for _ in range(times) for each in cycle))
            for seq, one in enumerate(lines, start=1):
                number = one.cycle if seq <= len(head) else 9 + (seq - len(head)) // len(cycle)
                file.write(encode(replace(one, seq=seq, cycle=number)))
        tracemalloc.start()
        compare(journal, pair_of("start..end"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    small = peak(3)
    assert peak(15) < small * 1.3

"""A span cut out of a journal is a journal of its own, in which nothing is wrong."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.playbook import journals, legal_journal, relaxed
from tests.journal.segmented import TINY, Folded, pack, write_runs
from tests.journal.test_postmortem import night
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.insight import moment, timestamp
from vsync_sm.core.moments import Edge, Moment, OfCycle, Seq, moment_of
from vsync_sm.journal.codec import encode
from vsync_sm.journal.cutting import WHOLE, NoSuchSpan, records_of, span_of, write
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.segments import closed_segments

BOOK = legal_journal(random.Random(11))  # noqa: S311  no secret


def cut(journal: Path, number: int, to: Path, *, force: bool = False) -> int:
    """One cycle into a file of its own."""
    cycle = OfCycle(number)
    return write(records_of(journal, span_of(journal, cycle, cycle)), to, force=force)


def cycle_of(records: list[e.Record], number: int) -> list[e.Record]:
    """A cycle's own records, what follows them up to the next beginning, and what a crash left."""
    starts = [
        at
        for at, record in enumerate(records)
        if isinstance(record.event, e.CycleStarted | e.RunStarted)
    ]
    begin = next(at for at in starts if records[at].cycle == number)
    end = next((at for at in starts if at > begin), len(records))
    return [*records[begin:end], *after_a_crash(records, end)]


def after_a_crash(records: list[e.Record], end: int) -> Iterator[e.Record]:
    """What the next run tells of a crash that came before this place."""
    if end == len(records) or isinstance(records[end - 1].event, e.RunFinished):
        return
    if isinstance(records[end].event, e.RunStarted):
        yield records[end]
        yield from takewhile(
            lambda each: isinstance(each.event, e.JournalRepaired | e.RunRecovered),
            records[end + 1 :],
        )


@settings(relaxed, max_examples=25)
@given(journals)
def test_every_cycle_can_be_cut_out(records: list[e.Record]) -> None:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = home / "j.jsonl"
        written = write_runs(path, records, segment_bytes=3 * TINY)
        pack(path)
        for number in range(1, written.view.last_cycle + 1):
            to = home / f"cycle-{number}.jsonl"
            lines = cut(path, number, to)
            read = list(read_journal(to))
            assert len(read) == lines
            assert read[1:] == cycle_of(written.records, number)
            story = replay(read_journal(to))
            text = "".join(story)
            assert story.ok, text
            assert "Cut out of a longer journal" in text
            told = [record.event for record in read if isinstance(record.event, e.CycleFinished)]
            if told:
                assert f"cycle {number} " in text


def chapters(records: list[e.Record]) -> list[list[e.Record]]:
    """The journal in pieces, each from the beginning of a cycle or a run to that of the next."""
    pieces: list[list[e.Record]] = [[]]
    for record in records:
        if isinstance(record.event, e.CycleStarted | e.RunStarted):
            pieces.append([])
        pieces[-1].append(record)
    return [piece for piece in pieces if piece]


@settings(relaxed, max_examples=15)
@given(journals, st.randoms(use_true_random=False))
def test_every_span_can_be_cut_out(records: list[e.Record], rng: random.Random) -> None:
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = home / "j.jsonl"
        written = write_runs(path, records, segment_bytes=3 * TINY)
        pieces = chapters(written.records)
        for at in range(3):
            first = rng.randrange(len(pieces))
            last = rng.randrange(first, len(pieces))
            since, until = rng.choice(pieces[first]), rng.choice(pieces[last])
            span = span_of(path, *rng.choice((by_seq, by_time))(since, until))
            to = home / f"{at}.jsonl"
            write(records_of(path, span), to)
            read = list(read_journal(to))
            wanted = [record for piece in pieces[first : last + 1] for record in piece]
            wanted += after_a_crash(written.records, written.records.index(wanted[-1]) + 1)
            assert (read if first == 0 else read[1:]) == wanted
            story = replay(read_journal(to))
            assert "".join(story)
            assert story.ok, story.contradictions


def by_seq(since: e.Record, until: e.Record) -> tuple[Moment, Moment]:
    return Seq(since.seq), Seq(until.seq)


def by_time(since: e.Record, until: e.Record) -> tuple[Moment, Moment]:
    """As somebody writes it; made-up journals give each record a time of its own."""
    first, last = (timestamp(moment(each.ts)).replace("T", " ") for each in (since, until))
    return moment_of(first), moment_of(last)


def test_what_tells_of_a_crash_belongs_to_the_cycle_that_it_cut_short(tmp_path: Path) -> None:
    records = night("crashed")
    path = tmp_path / "j.jsonl"
    path.write_bytes(b"".join(map(encode, records)))
    to = tmp_path / "cycle-10.jsonl"
    assert cut(path, 10, to) == len([record for record in records if record.cycle == 10]) + 3
    story = replay(read_journal(to))
    assert "ends without a word: it crashed while working, in cycle 10" in "".join(story)
    assert story.ok
    cut(path, 9, to, force=True)
    assert not [x for x in read_journal(to) if isinstance(x.event, e.RunStarted)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


@pytest.fixture
def long(path: Path) -> Folded:
    written = write_runs(path, BOOK)
    assert written.view.last_cycle >= 2
    return written


def test_what_it_remembers_is_what_was_known_then(path: Path, long: Folded) -> None:
    to = path.with_name("cut")
    number = long.view.last_cycle
    cut(path, number, to)
    event = next(iter(read_journal(to))).event
    assert isinstance(event, e.SegmentOpened)
    assert event.checkpoint["memory"]["last_cycle"] == number - 1


def test_a_cycle_that_is_not_there_leaves_no_file(path: Path, long: Folded) -> None:
    to = path.with_name("cut")
    with pytest.raises(NoSuchSpan):
        cut(path, long.view.last_cycle + 1, to)
    for closed in closed_segments(path):
        closed.path.unlink()
    with pytest.raises(NoSuchSpan):
        cut(path, 1, to)
    assert not to.exists()
    with pytest.raises(JournalError):
        cut(path.with_name("none"), 1, to)


def test_nothing_is_overwritten_and_nobody_else_may_read(path: Path, long: Folded) -> None:
    to = path.with_name("cut")
    cut(path, 1, to)
    assert to.stat().st_mode & 0o777 == 0o600
    content = to.read_bytes()
    with pytest.raises(FileExistsError):
        cut(path, long.view.last_cycle, to)
    assert to.read_bytes() == content
    cut(path, long.view.last_cycle, to, force=True)
    assert to.read_bytes() != content
    assert to.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in path.parent.glob("cut*")) == ["cut"]


def test_what_fails_in_the_middle_leaves_nothing(path: Path, long: Folded) -> None:
    def torn() -> Iterator[e.Record]:
        yield long.records[0]
        raise JournalError("torn", line=2, byte=9)

    to = path.with_name("cut")
    for force in (False, True):
        with pytest.raises(JournalError):
            write(torn(), to, force=force)
        assert not list(path.parent.glob("cut*"))
    to.write_text("what was there")
    with pytest.raises(JournalError):
        write(torn(), to, force=True)
    assert to.read_text() == "what was there"


def test_the_ends_of_a_journal(path: Path, long: Folded) -> None:
    pieces = chapters(long.records)
    assert span_of(path, None, None) is WHOLE
    assert list(records_of(path)) == long.records
    last = list(records_of(path, span_of(path, Edge(end=True), None)))
    assert last[1:] == pieces[-1]
    whole = span_of(path, Edge(end=False), Edge(end=True))
    assert list(records_of(path, whole)) == long.records
    ago = list(records_of(path, span_of(path, moment_of("-1h"), None)))
    assert ago == long.records


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("cycle:99", None, "it does not hold cycle 99, or not its beginning"),
        (None, "cycle:99", "it does not hold cycle 99, or not its beginning"),
        ("#9999", None, "nothing in it lies between these moments"),
        (None, "2026-11-01 00:00", "nothing in it lies between these moments"),
        ("#90", "#2", "nothing in it lies between these moments"),
    ],
)
def test_what_is_not_there_is_said(
    path: Path, long: Folded, since: str | None, until: str | None, said: str
) -> None:
    assert long.records
    asked = (moment_of(since) if since else None, moment_of(until) if until else None)
    with pytest.raises(NoSuchSpan, match=said):
        span_of(path, *asked)


def test_a_damaged_end_does_not_hide_what_stands_before_it(path: Path) -> None:
    records = write_runs(path, BOOK, segment_bytes=10**6).records
    with path.open("ab") as file:
        file.write(b"rubbish\n")
    first = next(record.cycle for record in records if record.cycle is not None)
    span = span_of(path, OfCycle(first), OfCycle(first))
    assert list(records_of(path, span))[1:] == cycle_of(records, first)
    with pytest.raises(JournalError, match="unexpected"):
        list(records_of(path, span_of(path, OfCycle(first), None)))

"""One cycle cut out of a journal is a journal of its own, in which nothing is wrong."""

from __future__ import annotations

import random
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.journal.playbook import journals, legal_journal, relaxed
from tests.journal.segmented import TINY, Folded, pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.journal.cutting import NoSuchCycle, cut
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.segments import closed_segments

BOOK = legal_journal(random.Random(11))  # noqa: S311  no secret


def cycle_of(records: list[e.Record], number: int) -> list[e.Record]:
    """A cycle's own records, and what follows them up to the next beginning."""
    starts = [
        at
        for at, record in enumerate(records)
        if isinstance(record.event, e.CycleStarted | e.RunStarted)
    ]
    begin = next(at for at in starts if records[at].cycle == number)
    return records[begin : next((at for at in starts if at > begin), len(records))]


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
    with pytest.raises(NoSuchCycle):
        cut(path, long.view.last_cycle + 1, to)
    for closed in closed_segments(path):
        closed.path.unlink()
    with pytest.raises(NoSuchCycle):
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

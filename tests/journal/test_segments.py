"""A journal in many files is one journal: the same records, folds and story, however it is cut."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.playbook import journals, legal_journal, relaxed
from tests.journal.segmented import TINY, Folded, pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, JournalError
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View, apply
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.replay import Replay, replay
from vsync_sm.journal.segments import closed_segments, usage
from vsync_sm.journal.writer import JournalWriter
from vsync_sm.wiring import recall


@pytest.fixture(autouse=True, scope="module")
def _a_quick_disk() -> Iterator[None]:
    # What is synced when is `test_rotation`'s business; here thousands of files are made.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@contextmanager
def somewhere() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "j.jsonl"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


@pytest.fixture
def long(path: Path) -> Folded:
    """A journal in a dozen files and more."""
    folded = write_runs(path, a_long_one())
    assert len(closed_segments(path)) > 12
    return folded


def a_long_one() -> list[e.Record]:
    return next(
        records
        for records in (legal_journal(random.Random(seed)) for seed in range(1000))  # noqa: S311  no secret
        if len(records) > 120
    )


def fold(records: list[e.Record]) -> tuple[Memory, View]:
    memory, view = Memory(), View()
    for record in records:
        memory.note(record)
        view = apply(view, record)
    return memory, view


def told_of(path: Path) -> Replay:
    """A replay that has been told to its end."""
    story = replay(read_journal(path))
    assert "".join(story)
    return story


def damage(path: Path) -> JournalError:
    with pytest.raises(JournalError) as caught:
        list(read_journal(path))
    return caught.value


# --- one journal ------------------------------------------------------------------------------


@settings(relaxed, max_examples=30)
@given(journals, st.integers(1, 6000), st.data())
def test_it_reads_as_one_journal_and_any_checkpoint_knows_it_all(
    records: list[e.Record], segment_bytes: int, data: st.DataObject
) -> None:
    with somewhere() as path:

        def crashed(folded: Folded) -> None:
            past = recall(path)
            assert (past.memory, past.view) == (folded.memory, folded.view)

        written = write_runs(path, records, segment_bytes=segment_bytes, between=crashed)
        closed = closed_segments(path)
        pack(path, *(one.number for one in closed if data.draw(st.booleans())))
        read = list(read_journal(path))
        assert read == written.records
        told = [record.event for record in read if not isinstance(record.event, e.SegmentOpened)]
        assert told == [record.event for record in records]
        assert told_of(path).ok
        assert fold(read) == (written.memory, written.view)

        # Whichever of the oldest files are gone, both folds come to the same, and nothing is wrong.
        gone = data.draw(st.integers(0, len(closed)))
        for one in closed_segments(path)[:gone]:
            one.path.unlink()
        rest = list(read_journal(path))
        assert rest == read[len(read) - len(rest) :]
        assert fold(rest) == (written.memory, written.view)
        story = replay(read_journal(path))
        text = "".join(story)
        assert story.ok, text
        assert ("what stood before it is gone" in text) == (gone > 0)


def test_the_story_of_many_files_is_that_of_one(path: Path, long: Folded) -> None:
    whole = path.with_name("whole.jsonl")
    told = write_runs(whole, a_long_one(), segment_bytes=10**9)
    assert not closed_segments(whole)
    assert replace(told.view, seq=0, now=long.view.now) == replace(long.view, seq=0)
    assert _without_numbers(path) == _without_numbers(whole)


def _without_numbers(path: Path) -> list[str]:
    return [
        line for line in "".join(replay(read_journal(path))).splitlines() if " lines, " not in line
    ]


def test_a_single_closed_file_is_read_alone(path: Path, long: Folded) -> None:
    pack(path, 3)
    names = [one.path for one in closed_segments(path)]
    alone = [record for name in names for record in read_journal(name)]
    assert [*alone, *_live(path)] == long.records
    assert told_of(names[4]).ok


def _live(path: Path) -> list[e.Record]:
    with JournalReader(path, first=10**6) as reader:
        return list(reader.records())


def test_usage_counts_files_and_bytes(path: Path, long: Folded) -> None:
    assert long.records
    pack(path, 1, 2)
    used = usage(path)
    sizes = [each.stat().st_size for each in path.parent.iterdir()]
    assert (used.segments, used.bytes) == (len(sizes), sum(sizes))
    assert used.live_bytes == path.stat().st_size
    assert usage(path.with_name("other.jsonl")) == replace(
        used, segments=0, live_bytes=0, closed_bytes=0
    )


# --- what is wrong is told by file and line ---------------------------------------------------


def test_a_file_that_is_missing_in_the_middle_is_named(path: Path, long: Folded) -> None:
    assert long.records
    closed_segments(path)[4].path.unlink()
    error = damage(path)
    assert (error.file, error.line) == ("j.jsonl.000006", 1)
    assert error.message.startswith("j.jsonl.000005 is missing before it")
    assert "X j.jsonl.000006, line 1, byte 0" in "".join(replay(read_journal(path)))


def test_a_line_that_was_changed_after_its_file_was_closed_is_found(
    path: Path, long: Folded
) -> None:
    assert long.records
    changed = closed_segments(path)[3].path
    content = changed.read_bytes()
    changed.write_bytes(content.replace(b'"mono":', b'"mono":1', 1))
    error = damage(path)
    assert (error.file, error.line) == ("j.jsonl.000005", 1)
    assert "j.jsonl.000004 is not what it was when it was closed" in error.message


def test_a_line_that_was_taken_from_the_end_of_a_file_is_missed(path: Path, long: Folded) -> None:
    assert long.records
    cut = closed_segments(path)[3].path
    cut.write_bytes(b"".join(cut.read_bytes().splitlines(keepends=True)[:-1]))
    error = damage(path)
    assert (error.file, error.line) == ("j.jsonl.000005", 1)
    assert "ends with seq" in error.message


@pytest.mark.parametrize("packed", [False, True])
def test_a_closed_file_that_is_torn_is_named(path: Path, long: Folded, *, packed: bool) -> None:
    assert long.records
    if packed:
        pack(path)
    torn = closed_segments(path)[2].path
    torn.write_bytes(torn.read_bytes()[:-30])
    assert damage(path).file == torn.name


@settings(relaxed, max_examples=30)
@given(st.integers(0, 11), st.binary(min_size=1, max_size=40), st.floats(0, 1), st.booleans())
def test_random_bytes_anywhere_are_an_error_or_nothing(
    which: int, put: bytes, where: float, packed: bool
) -> None:
    with somewhere() as path:
        write_runs(path, a_long_one()[:60])
        if packed:
            pack(path)
        files = [*(one.path for one in closed_segments(path)), path]
        hurt = files[which % len(files)]
        content = bytearray(hurt.read_bytes())
        at = int(where * len(content))
        content[at : at + len(put)] = put
        hurt.write_bytes(content)
        with suppress(JournalError):
            list(read_journal(path))


# --- the writer -------------------------------------------------------------------------------


def test_a_journal_without_its_last_file_is_not_begun_anew(path: Path, long: Folded) -> None:
    assert long.records
    path.unlink()
    with pytest.raises(
        Fault, match=r"is gone, but j\.jsonl\.0000\d\d before it is there"
    ) as caught:
        JournalWriter.open(path)
    assert "move all its files aside" in caught.value.hint
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b'{"v":1'])
def test_a_last_file_that_was_emptied_is_refused(path: Path, long: Folded, content: bytes) -> None:
    assert long.records
    path.write_bytes(content)
    with pytest.raises(Fault, match="does not go on where"):
        JournalWriter.open(path)
    assert path.read_bytes() == content


def test_a_damaged_first_line_of_a_later_file_is_never_taken_away(path: Path, long: Folded) -> None:
    assert long.records
    first = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(first[:-20] + b"\n")
    with pytest.raises(Fault, match="the line that opens this file is damaged"):
        JournalWriter.open(path)


def test_a_file_is_closed_for_this_user_alone(path: Path, long: Folded) -> None:
    assert long.records
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


def test_no_file_is_closed_from_a_verdict_to_the_end_of_its_cycle(path: Path, long: Folded) -> None:
    opened = [record.event for record in long.records if isinstance(record.event, e.SegmentOpened)]
    assert {event.state for event in opened} == {"waiting", "listing", "working"}
    assert all(
        event.checkpoint["view"]["cycle"] is None for event in opened if event.state == "waiting"
    )
    assert path.stat().st_size < 20 * TINY


# --- what a release has written -----------------------------------------------------------------

RELEASED = Path(__file__).parents[1] / "data" / "segments" / "journal.jsonl"
"""Files as this release writes them, one of them packed: every later one must read them."""


def test_the_files_of_a_release_are_read_and_recalled() -> None:
    closed = closed_segments(RELEASED)
    assert [each.packed for each in closed] == [True, False]
    read = list(read_journal(RELEASED))
    assert [record.seq for record in read] == list(range(1, len(read) + 1))
    assert not [record for record in read if isinstance(record.event, e.Unknown)]
    assert told_of(RELEASED).ok
    past = recall(RELEASED)
    assert (past.memory, past.view) == fold(read)
    for each in (closed[1].path, RELEASED):
        assert told_of(each).ok
        assert fold(list(read_journal(each)))[0].accessors

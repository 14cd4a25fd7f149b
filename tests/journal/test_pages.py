"""Any line of a journal by its number: the same as reading from the start, whatever happens."""

from __future__ import annotations

import os
import tempfile
from itertools import accumulate
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import legal_journal
from tests.journal.segmented import Folded, pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.journal import pages as pages_module
from vsync_sm.journal import parts as parts_module
from vsync_sm.journal.codec import encode
from vsync_sm.journal.pages import KEPT_BLOCKS, Pages, Row
from vsync_sm.journal.segments import closed_segments
from vsync_sm.journal.writer import JournalWriter

RECORDS = numbered(one_saved_cycle())
LINES = [encode(record) for record in RECORDS]


def many(count: int, *, first: int = 1) -> bytes:
    """A journal of so many lines, all of them alike but for `seq`."""
    record = RECORDS[12]
    return b"".join(encode(replace(record, seq=seq)) for seq in range(first, first + count))


def whole(path: Path) -> Pages:
    """Pages that have seen all of the file."""
    pages = Pages(path)
    while pages.refresh():
        pass
    return pages


def seqs(rows: list[Row]) -> list[int]:
    return [row.record.seq if row.record else -row.line for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


# --- any line ---------------------------------------------------------------------------------


def test_any_line_is_read_by_its_number(path: Path) -> None:
    path.write_bytes(b"".join(LINES))
    pages = whole(path)
    assert len(pages) == len(LINES)
    assert [row.record for row in pages.read(1, 1000)] == RECORDS
    assert [row.record for row in pages.read(5, 2)] == RECORDS[4:6]
    row = pages.read(7, 1)[0]
    assert (row.line, row.raw + b"\n", row.error) == (7, LINES[6], None)
    assert row.byte == sum(map(len, LINES[:6]))


def test_beyond_the_ends_there_is_nothing(path: Path) -> None:
    path.write_bytes(b"".join(LINES))
    pages = whole(path)
    assert pages.read(len(LINES) + 1, 5) == []
    assert pages.read(3, 0) == []
    assert seqs(pages.read(-2, 5)) == [1, 2]  # the lines before the first are none
    assert pages.stretch(0, pages.generation) is None
    assert pages.stretch(len(LINES) + 1, pages.generation) is None


_a_line = st.one_of(
    st.sampled_from(LINES), st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"") + b"\n")
)


@given(
    st.lists(_a_line, max_size=60),
    st.lists(st.tuples(st.integers(-3, 70), st.integers(0, 70)), min_size=1, max_size=4),
    st.integers(1, 4),
    st.binary(max_size=30),
    st.integers(8, 300),
)
def test_any_range_is_what_reading_from_the_start_gives(
    lines: list[bytes], ranges: list[tuple[int, int]], parts: int, torn: bytes, stride: int
) -> None:
    # Small strides and few blocks, so that a short journal has many of them.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(pages_module, "_STRIDE", stride)
        patch.setattr(pages_module, "KEPT_BLOCKS", 2)
        path = Path(directory) / "j.jsonl"
        pages = Pages(path)
        starts = [0, *accumulate(map(len, lines))]
        written = 0
        for part in range(1, parts + 1):
            until = len(lines) * part // parts
            with path.open("ab") as file:
                file.write(b"".join(lines[written:until]))
            written = until
            while pages.refresh(stride):
                pass
            assert len(pages) == written
            for first, count in ranges:
                expected = range(max(1, first), max(1, min(first + count, written + 1)))
                rows = pages.read(first, count)
                assert [row.line for row in rows] == list(expected)
                assert [row.raw + b"\n" for row in rows] == [lines[n - 1] for n in expected]
                assert [row.byte for row in rows] == [starts[n - 1] for n in expected]
                assert all((row.record is None) != (row.error is None) for row in rows)
        with path.open("ab") as file:
            file.write(torn.replace(b"\n", b""))
        pages.refresh()
        assert len(pages) == len(lines)  # an unfinished line is none yet
        assert pages.generation == 1
        pages.close()


# --- damage -----------------------------------------------------------------------------------


def test_a_line_that_cannot_be_read_is_a_row_that_says_so(path: Path) -> None:
    path.write_bytes(LINES[0] + b"\x00\xff not a line\n" + LINES[2])
    first, broken, third = whole(path).read(1, 3)
    assert (first.record, third.record) == (RECORDS[0], RECORDS[2])
    assert broken.record is None
    assert broken.error is not None
    assert (broken.error.line, broken.error.byte) == (2, len(LINES[0]))
    assert broken.raw == b"\x00\xff not a line"


def test_a_line_longer_than_any_is_not_taken_into_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_module, "LINE_LIMIT", 200_000)
    path.write_bytes(LINES[0] + b"x" * 500_000 + b"\n" + b"y" * 150_000 + b"\n" + LINES[1])
    pages = whole(path)
    first, long, shorter, last = pages.read(1, 10)
    assert (first.record, last.record) == (RECORDS[0], RECORDS[1])
    assert long.error is not None
    assert "longer than" in long.error.message
    assert len(long.raw) < 5_000
    assert len(shorter.raw) == 150_000  # this one could have been a line
    assert last.byte == len(LINES[0]) + 500_001 + 150_001


def test_an_endless_line_is_looked_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "LINE_LIMIT", 1_000)
    path.write_bytes(LINES[0] + b"x" * 200_000)
    pages = whole(path)
    assert (len(pages), pages.progress) == (1, 1.0)
    read: list[int] = []
    pread = os.pread

    def counted(fd: int, length: int, at: int) -> bytes:
        read.append(length)
        return pread(fd, length, at)

    monkeypatch.setattr(os, "pread", counted)
    pages.refresh()
    assert sum(read) < 1_000  # not the whole of it again
    with path.open("ab") as file:
        file.write(b"\n" + LINES[1])
    while pages.refresh():
        pass
    assert seqs(pages.read(1, 5)) == [1, -2, 2]


# --- a file that changes ----------------------------------------------------------------------


def test_it_waits_for_a_file_that_is_not_there(path: Path) -> None:
    pages = Pages(path)
    assert not pages.refresh()
    assert pages.missing
    assert (len(pages), pages.read(1, 5)) == (0, [])
    path.write_bytes(LINES[0])
    pages.refresh()
    assert (pages.missing, pages.trouble, seqs(pages.read(1, 5))) == (False, "", [1])


def test_a_file_that_goes_away_takes_its_lines_with_it(path: Path) -> None:
    path.write_bytes(b"".join(LINES))
    pages = whole(path)
    path.unlink()
    pages.refresh()
    assert (pages.missing, len(pages), pages.generation) == (True, 0, 2)
    path.write_bytes(LINES[4])
    pages.refresh()
    assert seqs(pages.read(1, 5)) == [5]


def test_what_is_no_file_is_trouble_and_no_exception(tmp_path: Path) -> None:
    pages = Pages(tmp_path)
    assert not pages.refresh()
    assert not pages.missing
    assert str(tmp_path) in pages.trouble


def test_a_pipe_does_not_hold_it(path: Path) -> None:
    os.mkfifo(path)
    pages = Pages(path)
    pages.refresh()
    assert "not a file" in pages.trouble


def test_a_file_that_was_replaced_is_read_anew(path: Path, tmp_path: Path) -> None:
    path.write_bytes(b"".join(LINES[:9]))
    pages = whole(path)
    assert seqs(pages.read(1, 2)) == [1, 2]
    other = tmp_path / "other"
    other.write_bytes(many(20, first=100))
    other.replace(path)
    pages.refresh()
    assert pages.generation == 2
    assert (len(pages), seqs(pages.read(1, 2))) == (20, [100, 101])


@pytest.mark.parametrize("more", [b"", many(30, first=500)], ids=["shorter", "longer again"])
def test_a_tail_that_was_mended_is_read_anew(path: Path, more: bytes) -> None:
    path.write_bytes(b"".join(LINES[:9]) + b"damaged, with its newline\n")
    pages = whole(path)
    assert seqs(pages.read(9, 5)) == [9, -10]
    with path.open("rb+") as file:
        file.truncate(sum(map(len, LINES[:9])))
        file.seek(0, os.SEEK_END)
        file.write(more)
    pages.refresh()
    assert pages.generation == 2
    assert seqs(pages.read(9, 5)) == ([9, 500, 501, 502, 503] if more else [9])


@pytest.mark.parametrize("torn", [LINES[1][:50], b"\0" * 900], ids=["short", "long"])
def test_a_torn_line_that_is_mended_is_read_as_what_it_became(path: Path, torn: bytes) -> None:
    path.write_bytes(LINES[0] + torn)
    pages = whole(path)
    assert len(pages) == 1
    with path.open("rb+") as file:
        file.truncate(len(LINES[0]))
        file.seek(0, os.SEEK_END)
        file.write(many(9, first=70))
    pages.refresh()
    assert (pages.generation, seqs(pages.read(1, 9))) == (1, [1, *range(70, 78)])


def test_a_stretch_of_a_former_index_is_not_given_out(path: Path) -> None:
    path.write_bytes(b"".join(LINES))
    pages = whole(path)
    before = pages.generation
    assert pages.stretch(1, before) is not None
    path.write_bytes(LINES[3])
    pages.refresh()
    assert pages.stretch(1, before) is None
    assert pages.stretch(1, pages.generation) is not None


# --- bounds -----------------------------------------------------------------------------------


def test_a_long_journal_keeps_little_in_memory(path: Path) -> None:
    path.write_bytes(many(60_000))
    pages = Pages(path)
    looks = 1
    while pages.refresh(1024 * 1024):
        looks += 1
    assert looks >= path.stat().st_size // (1024 * 1024 + 64 * 1024)  # bounded work a call
    assert len(pages) == 60_000
    assert pages.index_entries <= path.stat().st_size // (32 * 1024) + 1
    for line in range(1, 60_000, 199):
        assert seqs(pages.read(line, 3)) == [line, line + 1, line + 2]
    assert pages.blocks_kept <= KEPT_BLOCKS


def test_stretches_cover_every_line_once(path: Path) -> None:
    path.write_bytes(many(5_000))
    pages = whole(path)
    line, seen = len(pages), 0
    while line:
        stretch = pages.stretch(line, pages.generation)
        assert stretch is not None
        assert stretch.first + len(stretch.lines) - 1 == line
        seen += len(stretch.lines)
        line = stretch.first - 1
    assert seen == 5_000
    assert pages.blocks_kept == 0  # who looks through everything takes nothing from the painter


def test_it_never_writes(path: Path) -> None:
    path.write_bytes(LINES[0] + b"torn")
    path.chmod(0o400)
    before = path.stat()
    pages = whole(path)
    pages.read(1, 5)
    pages.close()
    after = path.stat()
    assert (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208  names alone


def test_an_unknown_event_is_a_record(path: Path) -> None:
    unknown = e.Unknown(type="segment_opened", version=9, fields={"path": "x"})
    path.write_bytes(encode(replace(RECORDS[0], event=unknown)))
    assert whole(path).read(1, 1)[0].record == replace(RECORDS[0], event=unknown)


# --- a journal in many files ------------------------------------------------------------------


def one_long_run() -> list[e.Record]:
    """Many journals' records as if one run had told them all."""
    books = (legal_journal(Random(seed)) for seed in range(25))  # noqa: S311  no secret
    return [replace(record, run="run-1") for book in books for record in book]


def in_many_files(path: Path) -> list[int]:
    """The `seq` of every line of a journal in some files."""
    written = write_runs(path, one_long_run(), segment_bytes=30_000)
    assert len(closed_segments(path)) >= 6
    return [record.seq for record in written.records]


def test_the_closed_files_within_reach_are_there_too(path: Path) -> None:
    everything = in_many_files(path)
    pages = whole(path)
    assert seqs(pages.read(1, len(pages))) == everything
    assert pages.files_before == 0
    pages.close()

    pack(path, 1, 3)
    pages = whole(path)
    assert seqs(pages.read(1, len(pages))) == everything
    assert pages.progress == 1
    assert seqs(pages.read(len(everything), 1)) == everything[-1:]
    opened = [row for row in pages.read(1, 10**6) if b'"type":"segment_opened"' in row.raw[:200]]
    assert {row.byte for row in opened} == {0}
    pages.close()


def test_what_lies_further_back_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = in_many_files(path)
    monkeypatch.setattr(parts_module, "REACH", 70_000)
    pages = whole(path)
    read = seqs(pages.read(1, len(pages)))
    assert 0 < pages.files_before < len(closed_segments(path))
    assert read == everything[-len(read) :]
    assert 30_000 < pages.size < 150_000
    pages.close()


def test_a_list_that_is_looked_at_keeps_its_lines_when_a_file_is_closed(path: Path) -> None:
    pages = Pages(path)
    generations = set()
    kept: list[int] = []

    def look(folded: Folded) -> None:
        nonlocal kept
        if folded.view.seq % 20 == 0 and path.stat().st_size:
            while pages.refresh(10_000):
                pass
            read = seqs(pages.read(1, len(pages)))
            assert read[: len(kept)] == kept
            kept = read
            generations.add(pages.generation)
            if folded.view.seq % 60 == 0:
                pack(path)

    written = write_runs(path, one_long_run(), segment_bytes=30_000, each=look)
    while pages.refresh():
        pass
    assert len(closed_segments(path)) >= 5
    assert seqs(pages.read(1, len(pages))) == [record.seq for record in written.records]
    assert len(generations) == 1
    pages.close()


def test_a_list_that_has_grown_too_long_begins_anew(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = in_many_files(path)
    pages = whole(path)
    monkeypatch.setattr(pages_module, "KEPT", 0)
    monkeypatch.setattr(parts_module, "REACH", 0)
    writer = JournalWriter.open(path, segment_bytes=1)
    writer.begin(run="r", last_seq=everything[-1], stamp=lambda: (RECORDS[0].ts, 1))
    writer.rotate("waiting", {}, cycle=None)
    writer.close()
    generation = pages.generation
    pages.refresh()
    assert pages.generation > generation
    assert len(pages) == 1
    assert pages.files_before == len(closed_segments(path))
    pages.close()


def test_a_packed_file_that_is_damaged_costs_its_own_lines(path: Path) -> None:
    everything = in_many_files(path)
    pack(path, 2)
    packed = closed_segments(path)[1].path
    packed.write_bytes(packed.read_bytes()[:-3000])
    pages = whole(path)
    read = seqs(pages.read(1, len(pages)))
    assert set(read) < set(everything)
    assert read[-100:] == everything[-100:]
    pages.close()


def test_one_packed_file_is_looked_at_alone(path: Path) -> None:
    everything = in_many_files(path)
    pack(path, 1)
    packed = closed_segments(path)[0]
    assert packed.packed
    pages = whole(packed.path)
    assert (pages.progress, pages.trouble, pages.generation) == (1.0, "", 1)
    assert seqs(pages.read(1, len(pages))) == everything[: len(pages)]
    assert 0 < len(pages) < len(everything)
    assert not pages.refresh()
    assert pages.generation == 1, "it is the same file at the next look"
    pages.close()


def test_closed_files_alone_are_looked_at_until_the_next_one_comes(path: Path) -> None:
    everything = in_many_files(path)
    pack(path, 1)
    aside = path.rename(path.with_name("aside"))
    pages = whole(path)
    assert (pages.progress, pages.trouble, pages.missing) == (1.0, "", False)
    before = len(pages)
    assert seqs(pages.read(1, before)) == everything[:before]
    assert not pages.refresh()
    assert pages.generation == 1, "they are the same files at the next look"
    aside.rename(path)
    while pages.refresh():
        pass
    assert seqs(pages.read(1, len(pages))) == everything
    assert before < len(everything)
    pages.close()

"""The reader: every whole line in sequence, or one kind of error."""

from __future__ import annotations

import os
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import CheckPassed, Record, RunFinished, Unknown, WorkerStarted
from vsync_sm.journal import reader as reader_module
from vsync_sm.journal.codec import encode
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.writer import JournalWriter

SAMPLE_PATH = Path(__file__).parents[1] / "data" / "journal-v1.jsonl"
SAMPLE = SAMPLE_PATH.read_bytes()


def line(seq: int, detail: str = "d") -> bytes:
    event = CheckPassed(check="c", detail=detail)
    return encode(Record(seq=seq, ts="2026-11-01T10:00:00.000000Z", mono=seq, run="r", event=event))


ONE, TWO, THREE = line(1), line(2), line(3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


@contextmanager
def a_journal(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "j.jsonl"
        path.write_bytes(content)
        yield path


def seqs(path: Path) -> list[int]:
    return [record.seq for record in read_journal(path)]


def damage(path: Path) -> JournalError:
    with pytest.raises(JournalError) as caught:
        list(read_journal(path))
    return caught.value


# --- reading ----------------------------------------------------------------------------------


def test_the_journal_of_the_first_release() -> None:
    records = list(read_journal(SAMPLE_PATH))
    assert len(records) == 228
    assert isinstance(records[-1].event, RunFinished)


def test_an_empty_journal_has_no_records(path: Path) -> None:
    path.write_bytes(b"")
    assert seqs(path) == []


@pytest.mark.parametrize("tail", [b"{", THREE[:-1], b"\0" * 5000, b"\xff", b"torn"])
def test_an_unfinished_last_line_is_not_yet(path: Path, tail: bytes) -> None:
    path.write_bytes(ONE + TWO + tail)
    assert seqs(path) == [1, 2]


@pytest.mark.parametrize(
    ("content", "line_number", "byte"),
    [
        (b"\n", 1, 0),
        (b"hello\n", 1, 0),
        (ONE + b"\n" + TWO, 2, len(ONE)),
        (ONE + TWO[:-5] + b"\n", 2, len(ONE)),
        (ONE + TWO[:-5] + b"\n" + THREE, 2, len(ONE)),
        (ONE + b"\0" * 100 + TWO, 2, len(ONE)),
        (ONE + b"\0\n", 2, len(ONE)),
        (ONE[:-1] + TWO, 1, 0),
        (ONE + TWO.replace(b'"mono":2', b'"mono":"2"') + THREE, 2, len(ONE)),
    ],
)
def test_any_other_damage_is_named_by_line_and_byte(
    path: Path, content: bytes, line_number: int, byte: int
) -> None:
    path.write_bytes(content)
    error = damage(path)
    assert (error.line, error.byte) == (line_number, byte)


@pytest.mark.parametrize(
    ("content", "line_number", "said"),
    [
        (ONE + THREE, 2, "seq 3 where 2 was due"),
        (ONE + ONE, 2, "seq 1 where 2 was due"),
        (ONE + TWO + ONE, 3, "seq 1 where 3 was due"),
        (TWO + THREE, 1, "seq 2 where 1 was due"),
    ],
)
def test_seq_grows_by_exactly_one(path: Path, content: bytes, line_number: int, said: str) -> None:
    path.write_bytes(content)
    error = damage(path)
    assert (error.line, error.message) == (line_number, said)


def test_the_lines_before_the_damage_are_told_first(path: Path) -> None:
    path.write_bytes(ONE + TWO + b"damaged\n")
    records = read_journal(path)
    assert [next(records).seq, next(records).seq] == [1, 2]
    with pytest.raises(JournalError):
        next(records)


def test_an_unknown_line_is_passed_on(path: Path) -> None:
    path.write_bytes(ONE + TWO.replace(b'"v":1', b'"v":9') + THREE)
    assert [type(record.event) for record in read_journal(path)] == [
        CheckPassed, Unknown, CheckPassed,
    ]  # fmt: skip


def test_only_a_newline_ends_a_line(path: Path) -> None:
    detail = "a\u2028b\u0085c\x0bd\re"
    path.write_bytes(line(1, detail) + TWO)
    records = list(read_journal(path))
    assert records[0].event == CheckPassed(check="c", detail=detail)
    assert len(records) == 2


def test_lines_of_any_length(path: Path) -> None:
    sizes = [1, 127_000, 128 * 1024, 128 * 1024 + 1, 2_000_000, 5]
    path.write_bytes(b"".join(line(n, "x" * size) for n, size in enumerate(sizes, 1)))
    events = [record.event for record in read_journal(path)]
    assert events == [CheckPassed(check="c", detail="x" * size) for size in sizes]


def test_a_line_without_end_is_not_taken_into_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "LINE_LIMIT", 300_000)
    path.write_bytes(ONE)
    os.truncate(path, 10_000_000)
    error = damage(path)
    assert (error.line, error.byte) == (2, len(ONE))


# --- what is no journal -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "no such journal"),
        ("missing/j.jsonl", "no such journal"),
        ("directory", "not a file"),
        ("pipe", "not a file"),
        ("file/j.jsonl", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("nul\0", "null"),
    ],
    ids=repr,
)
def test_a_journal_that_cannot_be_opened(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_bytes(ONE)
    os.mkfifo(tmp_path / "pipe")
    error = damage(tmp_path / name)
    assert (error.line, error.byte) == (0, 0)
    assert said in error.message


def test_a_device_is_no_journal() -> None:
    assert "not a file" in damage(Path("/dev/zero")).message


# --- following --------------------------------------------------------------------------------


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def polled(reader: JournalReader) -> list[int]:
    return [record.seq for record in reader.poll()]


def test_a_file_is_followed_from_before_it_is_there(path: Path) -> None:
    with JournalReader(path) as reader:
        assert not reader.exists()
        assert polled(reader) == []
        path.write_bytes(b"")
        assert reader.exists()
        assert polled(reader) == []
        append(path, ONE + TWO[:10])
        assert polled(reader) == [1]
        assert polled(reader) == []
        append(path, TWO[10:-1])
        assert polled(reader) == []
        append(path, b"\n" + THREE)
        assert polled(reader) == [2, 3]
        assert polled(reader) == []
        assert (reader.line, reader.byte, reader.last_seq) == (4, len(ONE + TWO + THREE), 3)


def test_a_follower_stays_in_step_with_a_writer_that_crashes_and_comes_back(path: Path) -> None:
    path.write_bytes(ONE + TWO[:40])
    with JournalReader(path) as reader:
        assert polled(reader) == [1]
        writer = JournalWriter.open(path)
        stamp = ("2026-11-01T10:00:00.000000Z", 0)
        writer.begin(run="r2", last_seq=1, stamp=lambda: stamp)
        expected = [writer.append(WorkerStarted(worker=n)) for n in range(1, 9)]
        writer.close()
        assert reader.poll() == expected


def test_a_poll_gives_what_is_sound_then_fails_each_time_alike(path: Path) -> None:
    path.write_bytes(ONE + b"damaged\n" + TWO)
    with JournalReader(path) as reader:
        assert polled(reader) == [1]
        for _ in range(2):
            with pytest.raises(JournalError) as caught:
                reader.poll()
            assert (caught.value.line, caught.value.byte) == (2, len(ONE))


def test_lines_that_were_there_and_are_gone_are_damage(path: Path) -> None:
    path.write_bytes(ONE + TWO)
    with JournalReader(path) as reader:
        assert polled(reader) == [1, 2]
        os.truncate(path, len(ONE))
        with pytest.raises(JournalError, match="lost lines") as caught:
            reader.poll()
        assert caught.value.line == 3


def test_a_follower_may_stop_in_the_middle_and_go_on(path: Path) -> None:
    path.write_bytes(ONE + TWO + THREE)
    with JournalReader(path) as reader:
        assert next(reader.records()).seq == 1
        reader.close()
        assert polled(reader) == [2, 3]


@settings(deadline=None)
@given(st.lists(st.integers(0, len(SAMPLE))).map(sorted))
def test_in_whatever_pieces_it_comes_it_is_the_same_journal(cuts: list[int]) -> None:
    with a_journal(b"") as path, JournalReader(path) as reader:
        records = []
        for start, stop in pairwise([0, *cuts, len(SAMPLE)]):
            append(path, SAMPLE[start:stop])
            records += reader.poll()
        assert records == list(read_journal(SAMPLE_PATH))


# --- whatever the bytes -----------------------------------------------------------------------


def readable(path: Path) -> list[Record]:
    records = []
    try:
        for record in read_journal(path):
            records.append(record)  # noqa: PERF402  what came before the error counts
    except JournalError:
        pass
    return records


@settings(deadline=None)
@given(st.binary())
def test_random_bytes_are_an_error_or_nothing(content: bytes) -> None:
    with a_journal(content) as path:
        assert readable(path) == []


@settings(deadline=None)
@given(st.integers(0, len(SAMPLE)), st.integers(0, 500), st.binary())
def test_a_damaged_journal_is_read_up_to_the_damage(start: int, length: int, put: bytes) -> None:
    sound = list(read_journal(SAMPLE_PATH))
    whole = SAMPLE[:start].count(b"\n")
    with a_journal(SAMPLE[:start] + put + SAMPLE[start + length :]) as path:
        assert readable(path)[:whole] == sound[:whole]


def test_memory_does_not_grow_with_the_journal(path: Path) -> None:
    def peak(records: int) -> int:
        path.write_bytes(b"".join(line(n, "x" * 200) for n in range(1, records + 1)))
        tracemalloc.start()
        try:
            for _ in read_journal(path):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(20_000) < 2 * peak(2_000)

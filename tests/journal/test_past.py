"""Jumping anywhere in a journal equals folding it from its start."""

from __future__ import annotations

import gzip
import os
import random
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.playbook import Playbook, journals, relaxed
from tests.journal.segmented import pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.insight import timestamp
from vsync_sm.core.marks import Kind, kinds_at, wall_or_zero
from vsync_sm.core.view import View, apply
from vsync_sm.journal import index, indexing, night, pressing, stretches
from vsync_sm.journal.codec import encode
from vsync_sm.journal.history import histories, read_history, remember
from vsync_sm.journal.past import Past, Stale
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.segments import closed_segments, live_number

BEGAN_S = 1_793_613_600
NS = 1_000_000_000


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    # Everything in the small, so that a hundred records are a long journal; nothing is synced.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(index, "FIRST_STRIDE", 3)
        patch.setattr(index, "STRIDE_BYTES", 2000)
        patch.setattr(index, "MOST_CHECKPOINTS", 12)
        patch.setattr(indexing, "BATCH", 7)
        patch.setattr(pressing, "KEPT", 4000)
        for module in (index, indexing, stretches):
            patch.setattr(module, "SEALED", 700)
        yield


@contextmanager
def somewhere() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "j.jsonl"


def folds(path: Path) -> dict[int, View]:
    """The view after each record, as a plain fold has it; behind damage it begins anew."""
    views: dict[int, View] = {}
    numbers = [*(each.number for each in closed_segments(path)), live_number(path)]
    begun = numbers[0]
    while True:
        view = View()
        with JournalReader(path, first=begun) as reader:
            try:
                for record in reader.records():
                    view = views[record.seq] = apply(view, record)
                return views
            except JournalError:
                failed = reader.position.number
        later = [each for each in numbers if each > failed or each == failed != begun]
        begun = next((each for each in later if _begins(path, each)), 0)
        if not begun:
            return views


def _begins(path: Path, number: int) -> bool:
    with JournalReader(path, first=number) as reader, suppress(JournalError):
        first = next(reader.records(), None)
        there = reader.position.number == number
        return there and first is not None and isinstance(first.event, e.SegmentOpened)
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of several runs, a crash among them, in many files."""
    book = Playbook(random.Random(4))  # noqa: S311  no secret
    for crash in (False, True, False):
        book.play_run(crash=crash, cycles=3)
    path = tmp_path / "j.jsonl"
    write_runs(path, book.records)
    assert len(closed_segments(path)) > 6
    return path


def stop_after(calls: int) -> Iterator[bool]:
    """False so many times, then True."""
    yield from [False] * calls
    while True:
        yield True


def check(past: Past, views: dict[int, View], seqs: list[int]) -> None:
    before = View()
    for seq in seqs:
        known = max((each for each in views if each <= seq), default=0)
        assert past.view_at(seq) == views.get(known, before), seq


@settings(relaxed, max_examples=30)
@given(journals, st.integers(200, 9000), st.booleans(), st.data())
def test_a_jump_equals_a_fold(
    records: list[e.Record], segment_bytes: int, changes_only: bool, data: st.DataObject
) -> None:
    with somewhere() as path:
        write_runs(path, records, segment_bytes=segment_bytes, changes_only=changes_only)
        numbers = [each.number for each in closed_segments(path)]
        packed = data.draw(st.sets(st.sampled_from(numbers)) if numbers else st.just(set[int]()))
        if packed:
            pack(path, *packed)
        for each in closed_segments(path)[: data.draw(st.integers(0, len(numbers)))]:
            each.path.unlink()
        views = folds(path)
        seqs = data.draw(st.lists(st.integers(0, max(views) + 3), min_size=1, max_size=12))
        past = Past(path)
        assert past.first == min(views)
        assert past.last == max(views)
        assert past.known == past.last
        assert past.view_at(past.known) == views[past.known]
        check(past, views, seqs[:2])
        past.index(stop_after(data.draw(st.integers(0, 20))).__next__)
        check(past, views, [seq for seq in seqs if past.ready(seq)])
        past.index(lambda: False)
        assert (past.damage, past.share, past.indexed) == ("", 1.0, max(views))
        check(past, views, seqs)
        after = seqs[0]
        told = [record for record in read_journal(path) if record.seq > after]
        assert list(past.records(after)) == told
        for record in told[:5]:
            assert past.record_at(record.seq) == record
        past.close()


# --- damage ----------------------------------------------------------------------------------


@settings(relaxed, max_examples=30)
@given(journals, st.integers(200, 5000), st.data())
def test_a_damaged_journal_is_read_as_far_as_it_can_be(
    records: list[e.Record], segment_bytes: int, data: st.DataObject
) -> None:
    with somewhere() as path:
        write_runs(path, records, segment_bytes=segment_bytes)
        files = [path, *(each.path for each in closed_segments(path))]
        file = data.draw(st.sampled_from(files))
        raw = bytearray(file.read_bytes())
        at = data.draw(st.integers(0, len(raw) - 1))
        how = data.draw(st.sampled_from(("cut", "flipped", "gone", "packed, then cut")))
        if how == "cut":
            file.write_bytes(raw[:at])
        elif how == "flipped":
            raw[at] ^= data.draw(st.integers(1, 255))
            file.write_bytes(raw)
        elif how == "packed, then cut" and file is not path:
            packed = gzip.compress(raw)
            file.with_name(f"{file.name}.gz").write_bytes(packed[: at * len(packed) // len(raw)])
            file.unlink()
        else:
            file.unlink()
        views = folds(path)
        if not path.exists() and len(files) == 1:
            with pytest.raises(JournalError, match="there is no journal"):
                Past(path)
            return
        past = Past(path)
        past.index(lambda: False)
        assert past.last == max(views, default=0)
        damaged = list(seqs_of(past, Kind.DAMAGE))
        assert (past.damage != "") <= bool(damaged)
        check(past, views, [*sorted(views), max(views, default=0) + 5])
        view = View()
        for record in past.records(0):
            view = past.after(view, record)
            assert view == views[record.seq]
        assert [each.seq for each in past.records(0)] == sorted(views)
        past.close()


def seqs_of(past: Past, kind: Kind) -> Iterator[int]:
    """Where marks of a kind stand, by going from one to the next."""
    seq = -1
    while (found := past.following(seq, kind)) is not None:
        assert found.kind is kind
        assert found.words
        assert past.preceding(found.seq + 1, kind) == found
        yield found.seq
        seq = found.seq


# --- while it is indexed ---------------------------------------------------------------------


def test_one_thread_indexes_while_others_jump(path: Path) -> None:
    views = folds(path)
    past = Past(path)
    wrong: list[int] = []
    enough = threading.Event()

    def jump(seed: int) -> None:
        rng = random.Random(seed)  # noqa: S311  no secret
        while not enough.is_set():
            seq = rng.randint(1, max(views))
            if past.ready(seq) and past.view_at(seq) != views[seq]:
                wrong.append(seq)
            past.following(seq, Kind.CYCLE)
            past.gravest(20)

    jumping = [threading.Thread(target=jump, args=[seed]) for seed in (1, 2)]
    for thread in jumping:
        thread.start()
    for _ in range(5):
        past = Past(path)
        past.index(lambda: False)
    enough.set()
    for thread in jumping:
        thread.join()
    assert wrong == []
    check(past, views, sorted(views))


def test_a_stop_ends_it_and_it_goes_on_where_it_was(path: Path) -> None:
    past = Past(path)
    covered = []
    while past.share < 1.0:
        past.index(stop_after(2).__next__)
        covered.append(past.indexed)
    assert len(covered) > 5
    assert covered == sorted(set(covered))
    check(past, folds(path), list(folds(path)))


def test_what_is_not_indexed_is_folded_from_the_nearest_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = folds(path)
    past = Past(path)
    seq = past.last - 8
    assert not past.ready(seq)
    begun: list[int] = []
    real = night.Night.reads

    def noted(self: night.Night, number: int) -> Iterator[night.Read | night.Broken]:
        begun.append(number)
        return real(self, number)

    monkeypatch.setattr(night.Night, "reads", noted)
    assert past.view_at(seq) == views[seq]
    assert begun[0] > 3
    closed_segments(path)[5].path.unlink()
    lost = Past(path)
    (broken, *_) = (each for each in folds(path) if each + 1 not in folds(path))
    assert broken < lost.last
    for seq in (broken - 1, broken, broken + 1):
        assert lost.view_at(seq).seq == min(seq, broken)
    whole = Past(path)
    monkeypatch.setattr(whole._ahead, "begins", lambda _: 1)
    for seq in sorted(folds(path))[-20:-9]:
        assert whole.view_at(seq) == folds(path)[seq]


# --- what may be opened ----------------------------------------------------------------------


def test_a_directory_one_closed_file_and_a_history_are_opened_too(path: Path) -> None:
    views = folds(path)
    assert Past(path.parent).last == max(views)
    live = path.rename(path.parent / "aside")
    brought = Past(path.parent)
    assert brought.last == folds(path)[brought.last].seq < max(views)
    brought.index(lambda: False)
    check(brought, views, list(range(1, brought.last + 1)))
    live.rename(path)
    pack(path, 4)
    alone = Past(closed_segments(path)[3].path)
    alone.index(lambda: False)
    assert 1 < alone.first < alone.last < max(views)
    check(alone, views, list(range(alone.first, alone.last + 1)))
    for closed in closed_segments(path)[:3]:
        remember(path, closed)  # as after a crash: once more further down
    for closed in closed_segments(path):
        remember(path, closed)
    (kept,) = histories(path)
    past = Past(kept)
    assert past.history
    past.index(lambda: False)
    view = View()
    told = list(read_history(kept))
    for record in told:
        view = apply(view, record)
        assert past.view_at(record.seq) == view
        assert past.record_at(record.seq) == record
    assert list(past.records(0)) == told
    assert past.following(0, Kind.GAP, Kind.CONTRADICTION, Kind.DAMAGE) is None


def test_what_cannot_be_read_says_so(tmp_path: Path) -> None:
    for name, words in (("none.jsonl", "there is no journal"), ("pipe.jsonl", "not a file")):
        if name == "pipe.jsonl":
            os.mkfifo(tmp_path / name)
        with pytest.raises(JournalError, match=words) as caught:
            Past(tmp_path / name)
        assert caught.value.line == 0


@pytest.mark.parametrize("raw", [b"", b"\0\0\0", b"no line\n", b'{"v":1'])
def test_one_without_a_line_is_empty(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "j.jsonl"
    path.write_bytes(raw)
    past = Past(path)
    past.index(lambda: False)
    assert (past.first, past.last, past.known, past.share) == (0, 0, 0, 1.0)
    assert past.view_at(7) == View()
    assert list(past.records(0)) == []
    assert past.following(0, *Kind) is None
    assert bool(past.damage) == (b"\n" in raw)
    assert past.gravest(10).count(None) == (9 if past.damage else 10)


def test_its_files_are_given_back_when_nobody_needs_it_any_more(path: Path) -> None:
    def opened() -> int:
        return sum(str(path.parent) in os.path.realpath(each) for each in _fds())

    past = Past(path)
    past.index(lambda: False)
    assert opened() > 0
    past.close()
    assert opened() == 0
    assert past.view_at(past.first).seq == past.first
    assert opened() > 0
    del past
    assert opened() == 0


def _fds() -> list[Path]:
    return list(Path("/proc/self/fd").iterdir())


# --- getting somewhere -----------------------------------------------------------------------


def test_marks_are_those_of_each_record(path: Path) -> None:
    closed_segments(path)[5].path.unlink()
    past = Past(path)
    past.index(lambda: False)
    view = View()
    expected: dict[Kind, list[int]] = {kind: [] for kind in Kind}
    for record in past.records(0):
        for kind in kinds_at(view, record):
            expected[kind].append(record.seq)
        view = past.view_at(record.seq)
    (damage,) = seqs_of(past, Kind.DAMAGE)
    for kind in Kind:
        found = list(seqs_of(past, kind))
        assert found == ([damage] if kind is Kind.DAMAGE else expected[kind]), kind
    assert len(expected[Kind.GAP]) == 1
    (gap,) = expected[Kind.GAP]
    assert past.view_at(gap - 1).seq == damage < gap - 1
    told = past.following(damage - 1, Kind.DAMAGE)
    assert told is not None
    assert "j.jsonl.000006 is missing" in told.words
    bar = past.gravest(past.last)
    assert bar[damage - 1] is Kind.DAMAGE
    assert bar[gap - 1] in {Kind.GAP, Kind.CRASH, Kind.FAULT}
    assert list(past.runs()) == expected[Kind.RUN]


def test_contradictions_are_those_that_replay_tells(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    book = Playbook(random.Random(4))  # noqa: S311  no secret
    for _ in range(3):
        book.play_run(crash=False, cycles=3)
    told = [
        replace(record, cycle=(record.cycle or 0) + 7) if record.seq % 40 == 0 else record
        for record in book.records
    ]
    path.write_bytes(b"".join(map(encode, told)))
    story = replay(read_journal(path))
    assert "contradict" in "".join(story)
    past = Past(path)
    past.index(lambda: False)
    expected: dict[int, str] = {}
    for each in story.contradictions:
        expected.setdefault(each.seq, f"line {each.line}: {each.what}")
    assert len(expected) > 2
    found = {}
    for seq in seqs_of(past, Kind.CONTRADICTION):
        mark = past.following(seq - 1, Kind.CONTRADICTION)
        found[seq] = mark.words if mark is not None else ""
    assert found == expected


def test_a_time_is_found_though_the_clock_went_back(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    rng = random.Random(5)  # noqa: S311  no secret
    book = Playbook(random.Random(4))  # noqa: S311  no secret
    for _ in range(3):
        book.play_run(crash=False, cycles=3)
    walls = (min(99, max(0, record.seq + rng.randint(-30, 30))) for record in book.records)
    told = [
        replace(record, ts=timestamp((BEGAN_S + wall) * NS))
        for record, wall in zip(book.records, walls, strict=True)
    ]
    assert len(told) > 90
    path.write_bytes(b"".join(map(encode, told)))
    past = Past(path)
    past.index(lambda: False)
    for second in range(-2, 102):
        wall = (BEGAN_S + second) * NS
        not_later = [each.seq for each in told if wall_or_zero(each.ts) <= wall]
        assert past.seq_at(wall) == max(not_later, default=1)


def test_the_next_event_of_a_path_is_found(path: Path) -> None:
    past = Past(path)
    past.index(lambda: False)
    about: dict[str, list[int]] = {}
    for record in past.records(0):
        if name := getattr(record.event, "path", ""):
            about.setdefault(name, []).append(record.seq)
    name, seqs = max(about.items(), key=lambda each: len(each[1]))
    assert len(seqs) > 2
    seq, found = 0, []
    while (seq_ := past.following_path(seq, name, lambda: False)) is not None:
        found.append(seq := seq_)
    assert found == seqs
    assert past.following_path(0, name, lambda: True) is None
    assert past.following_path(0, name[:-1], lambda: False) is None


def test_it_does_not_grow_with_the_journal(path: Path) -> None:
    past = Past(path)
    past.index(lambda: False)
    assert past.last > 100
    assert len(past._index) <= 12
    kept = past._unpress
    for seq in range(past.last):
        past.view_at(seq)
        assert kept._size == sum(size for _, size in kept._kept.values()) < 2 * pressing.KEPT
    apart = [b - a for a, b in pairwise(past._index.seqs)]
    assert max(apart) <= 2 * past._index.stride


def test_files_that_change_under_it_are_noticed_and_read_again(path: Path) -> None:
    past = Past(path)
    past.index(lambda: False)
    first = closed_segments(path)[0].path
    raw = first.read_bytes()
    first.write_bytes(raw.replace(b'"host":"host-1"', b'"host":"host-2"'))
    with pytest.raises(Stale):
        past.view_at(2)
    past.index(lambda: False)
    check(past, folds(path), list(folds(path)))
    assert past.view_at(2).run is not None
    assert "digest" in past.following(0, Kind.DAMAGE).words  # type: ignore[union-attr]

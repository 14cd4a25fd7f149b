"""A journal stays within its budget, and what goes leaves its history behind."""

from __future__ import annotations

import errno
import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from tests.journal.playbook import legal_journal
from tests.journal.segmented import Folded, write_runs
from tests.origin.scenes import until
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.journal import keeping
from vsync_sm.journal.account import account, hours_of
from vsync_sm.journal.history import histories, is_history, read_history
from vsync_sm.journal.keeping import Bounds, Keeper
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.segments import closed_segments, usage
from vsync_sm.journal.writer import EARLY_BYTES, JournalWriter

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


def records(seeds: int = 8) -> list[e.Record]:
    """Some runs, one after the other, a day apart."""
    book: list[e.Record] = []
    for seed in range(seeds):
        day = f"2026-11-{seed + 2:02}"
        for record in legal_journal(random.Random(seed)):  # noqa: S311  no secret
            ts = day + record.ts[10:]
            book.append(replace(record, ts=ts, run=f"{seed}-{record.run}"))
    return book


@pytest.fixture
def long(path: Path) -> Folded:
    return write_runs(path, records(), segment_bytes=8_000)


def tidy(path: Path, *, budget: int = 1024 * MIB, days: int = 90) -> Keeper:
    keeper = Keeper(path, Bounds(budget_bytes=budget, history_days=days))
    keeper.tidy()
    return keeper


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


# --- packing ----------------------------------------------------------------------------------


def test_closed_files_are_packed_and_read_as_before(path: Path, long: Folded) -> None:
    before = usage(path)
    assert tidy(path).trouble == ""
    assert all(each.packed for each in closed_segments(path))
    assert len(closed_segments(path)) == before.segments - 1 > 5
    assert usage(path).closed_bytes < before.closed_bytes / 2
    assert list(read_journal(path)) == long.records
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    again = names(path)
    tidy(path)
    assert names(path) == again


def test_a_reader_goes_on_in_a_file_that_is_packed_and_deleted(path: Path, long: Folded) -> None:
    with JournalReader(path) as reader:
        read = reader.records()
        first = [next(read) for _ in range(3)]
        tidy(path)
        assert first + list(read) == long.records


def test_what_was_begun_by_a_process_that_was_killed_is_done_anew(path: Path, long: Folded) -> None:
    half = path.with_name("j.jsonl.000001.gz.part")
    half.write_bytes(b"half")
    whole = path.with_name("j.jsonl.000002.gz")
    whole.write_bytes(gzip.compress(path.with_name("j.jsonl.000002").read_bytes()))
    assert list(read_journal(path)) == long.records
    tidy(path)
    assert not half.exists()
    assert not path.with_name("j.jsonl.000002").exists()
    assert list(read_journal(path)) == long.records


def test_a_full_disk_leaves_files_as_they_are(
    path: Path, long: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in tidy(path).trouble
    monkeypatch.undo()
    assert names(path) == before
    assert tidy(path).trouble == ""
    assert list(read_journal(path)) == long.records


def test_what_cannot_be_packed_goes_all_the_same(
    path: Path, long: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where the disk is full, it is the oldest going that makes room.
    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Keeper, "_packed", full)
    assert "No space left" in tidy(path, budget=1, days=0).trouble
    assert usage(path).closed_bytes == 0


def test_whatever_goes_wrong_is_trouble_and_no_more(
    path: Path, long: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise EOFError

    monkeypatch.setattr(Keeper, "_sweep", broken)
    assert tidy(path, budget=1).trouble == "EOFError"
    assert usage(path).closed_bytes == 0


def test_the_writer_has_it_done_beside_it(path: Path, long: Folded) -> None:
    bounds = Bounds(budget_bytes=MIB)
    writer = JournalWriter.open(path, segment_bytes=8_000, bounds=bounds)
    try:
        until(lambda: all(each.packed for each in closed_segments(path)))
        writer.begin(run="r", last_seq=long.memory.last_seq, stamp=lambda: (long.view.now.ts, 1))
        writer.rotate("waiting", {}, cycle=None)
        last = closed_segments(path)[-1].number
        until(lambda: closed_segments(path)[-1].packed)
        assert closed_segments(path)[-1].number == last
    finally:
        writer.close()


def test_a_stop_does_not_wait_for_the_packing(
    path: Path, long: Folded, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert long.records
    keeper = Keeper(path, Bounds())
    monkeypatch.setattr(keeping, "_PIECE", 1_000)
    real = gzip.GzipFile.write

    def slow(file: gzip.GzipFile, data: Any) -> int:
        keeper.stop()
        return real(file, data)

    monkeypatch.setattr(gzip.GzipFile, "write", slow)
    keeper.tidy()
    assert not any(each.packed for each in closed_segments(path))
    assert not [name for name in names(path) if name.endswith(".part")]


def test_what_nobody_has_synced_is_begun_with_beside_the_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    writer = JournalWriter.open(path, bounds=Bounds())
    try:
        writer.begin(run="r", last_seq=0, stamp=lambda: ("2026-11-02T00:00:00.000000Z", 1))
        big = e.CheckPassed(check="c", detail="x" * (EARLY_BYTES // 4))
        for _ in range(3):
            writer.append(big)
        writer.sync()
        for _ in range(3):
            writer.append(big)
        writer.append(big)
        until(lambda: bool(synced))
    finally:
        writer.close()
    assert synced == [path.stat().st_size]


# --- the budget and the history ---------------------------------------------------------------


def test_the_oldest_go_and_leave_their_history(path: Path, long: Folded) -> None:
    tidy(path)
    whole = usage(path).closed_bytes
    assert tidy(path, budget=whole // 2).trouble == ""
    assert 0 < usage(path).closed_bytes <= whole // 2
    rest = list(read_journal(path))
    assert rest == long.records[-len(rest) :]

    kept = [record for one in histories(path) for record in read_history(one)]
    gone = long.records[: -len(rest)]
    single = {
        *("insight_generated", "insight_skipped", "insight_carried_forward", "insight_vanished"),
        *("insight_regressed", "path_failed", "path_abandoned", "retry_scheduled"),
        *("workers_observed", "folder_listed", "worker_started", "segment_opened"),
    }
    assert kept == [record for record in gone if record.event.type not in single]
    assert len(histories(path)) > 1
    assert all(is_history(one) for one in histories(path))
    assert not is_history(path)


def test_a_history_is_told_and_not_checked(path: Path, long: Folded) -> None:
    assert long.records
    tidy(path, budget=1)
    stories = []
    for one in histories(path):
        story = replay(read_history(one), history=True)
        stories.append("".join(story))
        assert story.ok
    text = "".join(stories)
    gone = [record.event for record in long.records[: -len(list(read_journal(path)))]]
    cycles = [event for event in gone if isinstance(event, e.CycleFinished)]
    assert len(cycles) > 5
    assert sum(": " in line and " listed" in line for line in text.splitlines()) >= len(cycles)
    assert "A history: without the lines of single paths, so nothing was checked." in text
    document = orjson.loads("".join(replay(read_history(one), json=True, history=True)))
    assert document["story"][-1]["checked"] is False


def test_whoever_is_killed_between_the_two_tells_nothing_twice(path: Path, long: Folded) -> None:
    assert long.records
    tidy(path)
    oldest = closed_segments(path)[0].path
    content = oldest.read_bytes()
    tidy(path, budget=usage(path).closed_bytes - 1)
    told = [list(read_history(one)) for one in histories(path)]
    assert not oldest.exists()
    oldest.write_bytes(content)
    tidy(path, budget=usage(path).closed_bytes - 1)
    assert not oldest.exists()
    assert [list(read_history(one)) for one in histories(path)] == told


def test_a_history_is_kept_for_so_many_days(path: Path, long: Folded) -> None:
    assert long.records
    tidy(path, budget=1, days=3)
    days = [one.name for one in histories(path)]
    assert 1 < len(days) <= 3
    newest = days[-1]
    assert newest > "j.jsonl.history-2026-11-06"
    tidy(path, budget=1, days=0)
    assert histories(path) == []


def test_without_a_history_nothing_is_left_behind(path: Path, long: Folded) -> None:
    assert long.records
    tidy(path, budget=1, days=0)
    assert names(path) == ["j.jsonl"]
    assert list(read_journal(path))


def test_a_damaged_file_goes_too(path: Path, long: Folded) -> None:
    assert long.records
    tidy(path)
    damaged = closed_segments(path)[0].path
    damaged.write_bytes(damaged.read_bytes()[:-200])
    assert tidy(path, budget=1).trouble == ""
    assert closed_segments(path) == []


@pytest.mark.parametrize(
    "content",
    [b"nothing packed", gzip.compress(b"{}\n", mtime=0), b""],
    ids=["not packed", "no line", "empty"],
)
def test_a_damaged_history_is_one_error(path: Path, content: bytes) -> None:
    damaged = path.with_name("j.jsonl.history-2026-11-02.gz")
    damaged.write_bytes(content)
    if content:
        with pytest.raises(JournalError):
            list(read_history(damaged))
    else:
        assert list(read_history(damaged)) == []


# --- how long it lasts ------------------------------------------------------------------------


def steady(path: Path, hours: int, segment_bytes: int = 20_000) -> Iterator[str]:
    """A journal that takes some 200 KB an hour."""
    writer = JournalWriter.open(path, segment_bytes=segment_bytes)
    now = ["2026-11-02T00:00:00.000000Z"]
    writer.begin(run="r", last_seq=0, stamp=lambda: (now[0], 1))
    for minute in range(hours * 60):
        now[0] = (
            f"2026-11-{2 + minute // 1440:02}T{minute // 60 % 24:02}:{minute % 60:02}:00.000000Z"
        )
        for line in range(10):
            writer.append(e.CheckPassed(check=f"{line}", detail="x" * 200))
        if writer.full:
            writer.rotate("waiting", {}, cycle=None)
    writer.close()
    yield now[0]


def test_an_account_says_size_span_and_hours(path: Path) -> None:
    last = next(steady(path, 12))
    tidy(path)
    taken = account(path, 10 * MIB)
    assert taken.usage == usage(path)
    assert (taken.first, taken.last) == ("2026-11-02T00:00:00.000000Z", last)
    assert taken.events == sum(1 for _ in read_journal(path))
    closed = usage(path).closed_bytes
    hours = 10 * MIB / (closed / 12)
    assert taken.hours == pytest.approx(hours, rel=0.2)
    assert taken.hours_left == pytest.approx(hours - 12, rel=0.2)
    assert hours_of(path, 10 * MIB, last) == pytest.approx(taken.hours, abs=0.1)
    full = account(path, closed // 2)
    assert full.hours_left == 0


def test_of_a_short_journal_nobody_knows_how_long_it_lasts(path: Path) -> None:
    writer = JournalWriter.open(path)
    writer.begin(run="r", last_seq=0, stamp=lambda: ("2026-11-02T00:00:00.000000Z", 1))
    writer.append(e.CheckPassed(check="c", detail="d"))
    writer.close()
    taken = account(path, MIB)
    assert (taken.hours, taken.hours_left, taken.events) == (None, None, 1)
    assert hours_of(path.with_name("none"), MIB, "") is None
    assert account(path.with_name("none"), MIB).events == 0


def test_a_journal_in_one_file_is_reckoned_as_if_packed(path: Path) -> None:
    last = next(steady(path, 2, segment_bytes=100 * MIB))
    hours = hours_of(path, MIB, last)
    assert hours == pytest.approx(MIB / (path.stat().st_size / 8 / 2), rel=0.05)

"""The last run of a journal, found from its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.segmented import write_runs
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.journal import last_run
from vsync_sm.journal.codec import encode
from vsync_sm.journal.last_run import last_run_started
from vsync_sm.journal.segments import closed_segments

WORD = '"type":"run_started"'


def started(control: str) -> e.RunStarted:
    """A run's beginning."""
    return e.RunStarted(version="1", pid=1, host="h", once=False, config={}, control=control)


def write(path: Path, *told: e.Event) -> bytes:
    """A journal of these events."""
    lines = b"".join(
        encode(Record(seq, "2026-11-02T10:00:00.000000Z", seq, f"run-{seq}", event))
        for seq, event in enumerate(told, start=1)
    )
    path.write_bytes(lines)
    return lines


@pytest.mark.parametrize("chunk", [7, 64, 1024 * 1024])
def test_the_last_one_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(last_run, "_CHUNK", chunk)
    journal = tmp_path / "j"
    first, last = started("/run/first.sock"), started("/run/last.sock")
    lure = e.FaultRaised(kind="x", fatal=False, message=f"not {WORD} at all")
    write(journal, first, lure, last, *[lure] * 20)
    assert last_run_started(journal) == last
    write(journal, first, *[lure] * 20)
    assert last_run_started(journal) == first
    write(journal, lure)
    assert last_run_started(journal) is None


def test_a_torn_last_line_is_not_taken(tmp_path: Path) -> None:
    journal = tmp_path / "j"
    whole = write(journal, started("/run/first.sock"), started("/run/last.sock"))
    journal.write_bytes(whole[:-1])
    assert last_run_started(journal) == started("/run/first.sock")


def test_what_cannot_be_read_has_none(tmp_path: Path) -> None:
    assert last_run_started(tmp_path / "missing") is None
    assert last_run_started(tmp_path) is None
    (tmp_path / "garbage").write_bytes(WORD.encode() * 3 + b"\n\xff\n" + WORD.encode())
    assert last_run_started(tmp_path / "garbage") is None


def test_a_file_that_begins_within_the_run_tells_of_it_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    records = numbered(one_saved_cycle())
    started = records[0].event
    assert isinstance(started, e.RunStarted)
    started = replace(started, control="/run/vsync/j.sock")
    write_runs(path, [replace(records[0], event=started), *records[1:]])
    assert closed_segments(path)
    assert b"run_started" not in path.read_bytes()
    assert last_run_started(path) == started

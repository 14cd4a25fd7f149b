"""Closing a file and beginning the next: killed, refused or watched at every step."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.journal.segmented import TINY, pack
from tests.workshop import PATIENCE_S
from vsync_sm.core import events as e
from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.view import apply
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.segments import closed_segments, next_path
from vsync_sm.journal.writer import JournalWriter
from vsync_sm.wiring import recall

STEPS = 30
"""More than a change-over has."""

CALLS = ("open", "write", "fsync", "link", "replace", "rename", "unlink", "close")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


class Run:
    """A writer, and both folds."""

    def __init__(self, path: Path, name: str = "r1") -> None:
        self.writer = JournalWriter.open(path, segment_bytes=TINY)
        past = recall(path)
        self.memory, self.view = past.memory, past.view
        stamp = ("2026-11-01T10:00:00.000000Z", 1)
        self.writer.begin(run=name, last_seq=self.memory.last_seq, stamp=lambda: stamp)

    def tell(self, *details: str) -> None:
        for detail in details:
            self._show(self.writer.append(e.CheckPassed(check="c", detail=detail)))

    def fault(self, message: str) -> None:
        fault = e.FaultRaised(kind="timeout", fatal=False, message=message)
        self._show(self.writer.append(fault))

    def rotate(self) -> None:
        known = checkpoint(self.view, self.memory)
        self._show(self.writer.rotate("waiting", known, cycle=None))

    def _show(self, record: e.Record) -> None:
        self.memory.note(record)
        self.view = apply(self.view, record)


def told(path: Path) -> list[str]:
    return [
        record.event.detail
        for record in read_journal(path)
        if isinstance(record.event, e.CheckPassed)
    ]


def at_step(
    patch: pytest.MonkeyPatch, step: int, do: Callable[[], Any], calls: list[str] | None = None
) -> None:
    """Do something instead of one call to the operating system, counted from now on."""
    count = [0]
    for module, name in [*((os, name) for name in CALLS), (fcntl, "flock")]:
        real = getattr(module, name)

        def instead(*args: Any, _name: str = name, _real: Any = real, **more: Any) -> Any:
            count[0] += 1
            if calls is not None:
                calls.append(_name)
            if count[0] == step:
                do()
            return _real(*args, **more)

        patch.setattr(module, name, instead)


def killed_at(path: Path, step: int, *, no_second_name: bool) -> bool:
    """A process that rotates, and dies at that step; whether it came so far."""
    child = os.fork()
    if child == 0:
        try:
            run = Run(path)
            run.tell("one", "two")
            with pytest.MonkeyPatch.context() as patch:
                if no_second_name:
                    patch.setattr(os, "link", _refuses)
                at_step(patch, step, lambda: os.kill(os.getpid(), signal.SIGKILL))
                run.rotate()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _refuses(*_: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("no_second_name", [False, True], ids=["link", "rename"])
def test_kill_9_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, *, no_second_name: bool
) -> None:
    came = []
    for step in range(1, STEPS):
        path = tmp_path / str(step) / "j.jsonl"
        came.append(killed_at(path, step, no_second_name=no_second_name))
        there = told(path)
        if step == 1:  # the last lines had not left the process
            assert there == []
            continue
        assert there == ["one", "two"]

        run = Run(path, "r2")
        assert run.writer.repairs == ()
        assert not next_path(path).exists()
        assert told(path) == ["one", "two"]
        run.tell("three")
        run.rotate()
        run.tell("four")
        run.writer.close()
        assert told(path) == ["one", "two", "three", "four"]
        assert recall(path).memory == run.memory
        numbers = [each.number for each in closed_segments(path)]
        assert numbers in ([1], [1, 2])
    assert came.count(True) >= 12  # each of them was a step
    assert came == sorted(came, reverse=True)


def test_a_file_is_not_full_because_of_the_line_that_opens_it(path: Path) -> None:
    # Else a checkpoint larger than a file is to be would give each line a file of its own.
    run = Run(path)
    run.fault("x" * TINY)  # the view keeps it, and so does the checkpoint
    full = [run.writer.full]
    run.rotate()
    assert path.stat().st_size > TINY
    full.append(run.writer.full)
    run.writer.close()

    run = Run(path, "r2")
    full.append(run.writer.full)
    run.tell("x" * TINY)
    full.append(run.writer.full)
    run.writer.close()
    assert full == [True, False, False, True]


def test_what_is_on_the_disk_before_what(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(path)
    run.tell("one")
    calls: list[str] = []
    at_step(monkeypatch, 0, lambda: None, calls)
    run.rotate()
    monkeypatch.undo()
    run.writer.close()
    directory = ["open", "fsync", "close"]
    assert calls == [
        *("write", "fsync"),  # the old one, to its last byte
        *("unlink", "open", "flock", "write", "fsync", *directory),  # the new one, aside
        *("link", *directory),
        *("replace", *directory),
        "close",
    ]


@pytest.mark.parametrize("step", range(1, 17))
def test_a_disk_that_is_full_at_any_step_loses_nothing(
    path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(path)
    run.tell("one", "two")

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    at_step(monkeypatch, step, full)
    with pytest.raises(Fault) as caught:
        run.rotate()
    monkeypatch.undo()
    assert caught.value.kind is FaultKind.JOURNAL
    assert "free space" in caught.value.hint
    with pytest.raises(Fault):
        run.writer.append(e.CheckPassed(check="c", detail="never"))
    run.writer.close()

    again = Run(path, "r2")
    assert again.writer.repairs == ()
    assert told(path) == ([] if step == 1 else ["one", "two"])
    again.tell("three")
    again.rotate()
    again.writer.close()
    assert told(path)[-1] == "three"
    assert not next_path(path).exists()


def test_the_lock_is_never_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(path)
    refused: list[int] = []
    monkeypatch.setattr(os, "link", _watched(os.link, path, refused))
    monkeypatch.setattr(os, "replace", _watched(os.replace, path, refused))
    run.tell("one")
    run.rotate()
    monkeypatch.undo()
    assert len(refused) == 4
    run.writer.close()
    JournalWriter.open(path).close()


def _watched(real: Callable[..., Any], path: Path, refused: list[int]) -> Callable[..., Any]:
    def look(*args: Any) -> None:
        _is_refused(path, refused)
        real(*args)
        _is_refused(path, refused)

    return look


def _is_refused(path: Path, refused: list[int]) -> None:
    with pytest.raises(Fault, match="another vsync writes"):
        JournalWriter.open(path)
    refused.append(1)


def test_a_file_that_was_closed_while_it_was_being_opened_is_not_taken_for_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(path)
    run.tell("one")
    real = fcntl.flock

    def late(fd: int, how: int) -> None:
        if how & fcntl.LOCK_NB and not closed_segments(path):
            monkeypatch.setattr(fcntl, "flock", real)
            run.rotate()  # the file that was opened is let go just before it is locked
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(Fault, match="another vsync writes"):
        JournalWriter.open(path)
    run.writer.close()


def test_readers_that_race_the_writer_miss_and_double_nothing(path: Path) -> None:
    run = Run(path)
    run.tell("0")
    run.writer.flush()
    over = threading.Event()
    seen: dict[int, list[int]] = {0: [], 1: []}
    troubles: list[Exception] = []

    def follow(which: int) -> None:
        try:
            with JournalReader(path) as reader:
                while True:
                    last = over.is_set()
                    records = reader.poll()
                    seen[which] += [record.seq for record in records]
                    if last and not records:
                        return
        except Exception as error:  # noqa: BLE001  the test's to tell
            troubles.append(error)

    threads = [threading.Thread(target=follow, args=[which]) for which in seen]
    for thread in threads:
        thread.start()
    for n in range(150):
        run.tell(*(f"{n}-{m}" for m in range(5)))
        run.rotate()
        if n % 3 == 0:
            pack(path, n + 1)
    over.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    run.writer.close()
    assert not troubles
    everything = list(range(1, run.memory.last_seq + 1))
    assert seen == {0: everything, 1: everything}


def test_another_journal_in_its_place_is_still_noticed(path: Path) -> None:
    run = Run(path)
    run.tell("one")
    run.rotate()
    path.unlink()
    path.write_bytes(b"")
    run.tell("two")
    with pytest.raises(Fault, match="another file has taken its place"):
        run.writer.sync()

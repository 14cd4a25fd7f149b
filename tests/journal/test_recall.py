"""What a new run recalls of its journal: all of it, or it does not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.told import COMMITTED, Told, read, run_started
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.view import View
from vsync_sm.journal.codec import encode
from vsync_sm.wiring import recall


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


@pytest.fixture
def lines() -> list[bytes]:
    """A run with two saves: the last without an answer, settled as failed by the next cycle."""
    told = Told()
    told(run_started())
    told.save(end=COMMITTED)
    told.save(end=e.SaveUncertain(message="no reply"), vanished=3)
    told.start(3)
    told(read(), e.SaveReconciled(saved_run="run-1", saved_cycle=2, outcome="failed", written=True))
    told.finish("aborted")
    return [encode(record) for record in told.records]


def fault_of(path: Path) -> Fault:
    with pytest.raises(Fault) as caught:
        recall(path)
    assert caught.value.kind is FaultKind.JOURNAL
    assert caught.value.fatal
    return caught.value


def test_a_missing_journal_is_an_empty_one(path: Path) -> None:
    past = recall(path)
    assert past.memory.last_seq == 0
    assert past.view == View()
    assert not path.exists()


def test_everything_is_folded(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(lines))
    past = recall(path)
    assert past.memory.last_seq == len(lines)
    assert past.memory.doubtful == {"vsync/origin/0", "vsync/origin/index"}
    assert past.memory.remembered("vsync/origin/") is not None
    assert past.view.seq == len(lines)


NEWER = [
    (b'"type":"save_started"', b'"type":"save_begun"', "save_begun (version 1)"),
    (b'"v":1', b'"v":2', "(version 2)"),
]


@pytest.mark.parametrize(("old", "new", "said"), NEWER, ids=["type", "version"])
@pytest.mark.parametrize("where", ["first", "save", "last"])
def test_a_line_of_a_newer_vsync_is_not_skipped(
    *, path: Path, lines: list[bytes], old: bytes, new: bytes, said: str, where: str
) -> None:
    # It may be a save, a refusal, a yes: a run that skips it would forget it.
    at = {
        "first": 0,
        "save": next(n for n, line in enumerate(lines) if b'"save_started"' in line),
        "last": len(lines) - 1,
    }[where]
    kind = lines[at].split(b'"type":"')[1].split(b'"')[0]
    old = old.replace(b"save_started", kind)
    assert old in lines[at]
    path.write_bytes(b"".join(lines[:at]) + lines[at].replace(old, new) + b"".join(lines[at + 1 :]))
    fault = fault_of(path)
    assert "newer vsync" in fault.message
    assert said in fault.message
    assert "--journal" in fault.hint
    assert fault.context == {"journal": str(path)}


def test_damage_is_told_with_its_place(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(lines[0] + b"garbage\n" + b"".join(lines[2:]))
    fault = fault_of(path)
    assert "damaged" in fault.message
    assert "line 2" in fault.message


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert "--journal" in fault_of(tmp_path).hint

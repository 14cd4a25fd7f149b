"""Journals in many files: made-up records, written as the engine's own ledger writes them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

from vsync_sm.core import events as e
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View
from vsync_sm.journal.segments import closed_segments
from vsync_sm.journal.writer import JournalWriter
from vsync_sm.origin.ledger import Ledger

TINY = 1500
"""Bytes: a file is full after a few lines."""


class Folded:
    """What a journal has come to, for who wrote it."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.view = View()
        self.records: list[e.Record] = []


def write_runs(
    path: Path,
    records: Iterable[e.Record],
    *,
    segment_bytes: int = TINY,
    changes_only: bool = False,
    between: Callable[[Folded], None] = lambda _: None,
    each: Callable[[Folded], None] = lambda _: None,
) -> Folded:
    """Write made-up records, run by run; `seq` is the writer's.

    `between` is called after each run, whose journal is closed then; `each` after each event.
    """
    folded = Folded()
    for run, told in groupby(records, key=lambda record: record.run):
        writer = JournalWriter.open(path, segment_bytes=segment_bytes)
        moment: list[tuple[str, int]] = [("", 0)]
        stamp = moment.__getitem__
        writer.begin(run=run, last_seq=folded.memory.last_seq, stamp=lambda: stamp(0))  # noqa: B023  used before the next round
        ledger = Ledger(
            writer,
            folded.memory,
            folded.view,
            [lambda one, _: folded.records.append(one)],
            changes_only=changes_only,
        )
        for _, batch in groupby(told, key=_batch):
            records = list(batch)
            moment[0] = (records[0].ts, records[0].mono)
            ledger.cycle = records[0].cycle
            ledger.tell(*(one.event for one in records if isinstance(one.event, e.Event)))
            folded.view = ledger.view
            each(folded)
        writer.close()
        between(folded)
    return folded


def _batch(record: e.Record) -> object:
    """Ends of paths come in batches, all else by itself."""
    return "paths" if isinstance(record.event, _ENDS) else record.seq


_ENDS = (e.InsightGenerated, e.InsightSkipped, e.PathFailed)


def pack(path: Path, *numbers: int) -> None:
    """Pack closed files of a journal as its writer does; without numbers, all of them."""
    for closed in closed_segments(path):
        if not closed.packed and (not numbers or closed.number in numbers):
            closed.path.with_name(f"{closed.path.name}.gz").write_bytes(
                gzip.compress(closed.path.read_bytes())
            )
            closed.path.unlink()

"""A flood of events through the engine's own ledger and journal: what the benchmark measures by.

It is the loop's share of cycle after cycle without the servers: each event is appended to the
journal, noted in the memory, folded into the view and handed to the sinks. As a program
(`python -m tests.benchmarks.flood JOURNAL …`) it writes a journal that others follow.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View
from vsync_sm.journal.keeping import Bounds
from vsync_sm.journal.writer import SEGMENT_BYTES, JournalWriter
from vsync_sm.origin.clock import SystemClock, stamp_from
from vsync_sm.origin.ledger import Ledger, Sink

PATHS = 10_000
"""A cycle reads so many."""

WORKERS = 16
SLOT_S = 0.01
OVER = "the flood is over"
"""Why the run ends, for those who wait for it on a screen."""

_MOUNT = "teams/"
_BUSY = tuple(
    e.BusyWorker(number, f"{_MOUNT}data/team-{number}/api/key", 0)
    for number in range(1, WORKERS + 1)
)


def flood() -> Iterator[e.Event]:
    """The events of a run without end."""
    yield e.RunStarted(version="0.1.0", pid=1, host="origin-1.example", once=False, config={})
    yield _move("checks_passed", "checking", "waiting")
    insights = [
        e.InsightGenerated(
            worker=1 + number % WORKERS,
            path=f"{_MOUNT}data/team-{number % 40:02}/service-{number % 7}/secret-{number:06}",
            insight=Insight(1 + number % 9, "2026-10-01T08:00:00.123456789Z"),
            change="updated" if number % 50 == 0 else "unchanged",
        )
        for number in range(PATHS)
    ]
    while True:
        yield from _cycle(insights)


def _cycle(insights: Sequence[e.InsightGenerated]) -> Iterator[e.Event]:
    updated = sum(each.change == "updated" for each in insights)
    yield e.CycleStarted(mounts=(_MOUNT,), workers=WORKERS, num_buckets=8, deadline_s=300.0)
    yield _move("tick", "waiting", "listing")
    yield e.MountChecked(mount=_MOUNT, version="2", accessor="kv_1")
    yield e.SyncInfoRead(
        prefix="vsync/origin/", insights=PATHS, buckets=8, index="0" * 64, num_buckets=8
    )
    yield e.PathsListed(paths=PATHS, mounts={_MOUNT: PATHS})
    yield _move("listed", "listing", "working")
    for worker in range(1, WORKERS + 1):
        yield e.WorkerStarted(worker=worker)
    for number, insight in enumerate(insights):
        yield insight
        if number % 2_000 == 0:
            yield e.WorkersObserved(busy=_BUSY)
    for worker in range(1, WORKERS + 1):
        yield e.WorkerStopped(worker=worker, paths=PATHS // WORKERS)
    yield _move("worked", "working", "reindexing")
    yield _move("reindexed", "reindexing", "saving")
    yield e.SaveSkipped(index="0" * 64)
    yield _move("saved", "saving", "waiting")
    yield e.CycleFinished(
        outcome="unchanged",
        listed=PATHS,
        generated=PATHS,
        updated=updated,
        unchanged=PATHS - updated,
    )


def _move(trigger: str, source: str, dest: str) -> e.Transitioned:
    return e.Transitioned(trigger=trigger, source=source, dest=dest)


class Measured(msgspec.Struct):
    """What a flood cost the thread that wrote it: events, and seconds of wall and CPU time in them.

    `late_s` is by how much it was behind its rate in the end.
    """

    events: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    late_s: float = 0.0


class Writer:
    """Writes a flood into a journal, by all that an engine's loop does with an event."""

    def __init__(
        self,
        journal: Path,
        sinks: Sequence[Sink] = (),
        *,
        segment_bytes: int = SEGMENT_BYTES,
        bounds: Bounds | None = None,
    ) -> None:
        self._clock = SystemClock()
        self._began = self._clock.mono()
        self._journal = JournalWriter.open(journal, segment_bytes=segment_bytes, bounds=bounds)
        self._journal.begin(run="run-1", last_seq=0, stamp=stamp_from(self._clock))
        self._ledger = Ledger(self._journal, Memory(), View(), sinks)
        self._events = flood()
        self._cycles = 0
        self.enough = threading.Event()

    def run(self, seconds: float, rate: int) -> Measured:
        """So many events a second, for so long; 0: as many as it can."""
        measured = Measured()
        batch = int(rate * SLOT_S) or 500
        began = due = time.perf_counter()
        while due - began < seconds and not self.enough.is_set():
            wall, cpu = time.perf_counter(), time.thread_time()
            self._tell(batch)
            measured.cpu_s += time.thread_time() - cpu
            measured.wall_s += time.perf_counter() - wall
            measured.events += batch
            due = due + SLOT_S if rate else time.perf_counter()
            time.sleep(max(0.0, due - time.perf_counter()))
        measured.late_s = max(0.0, time.perf_counter() - due)
        return measured

    def write(self, events: int) -> None:
        """So many events, at once."""
        for _ in range(0, events, 1_000):
            self._tell(1_000)

    def end(self) -> None:
        """The run ends; its journal with it."""
        source = self._ledger.view.state.name
        self._ledger.cycle = None
        self._ledger.tell(
            e.Transitioned(trigger="halt", source=source, dest="halted", reason="operator"),
            e.RunFinished(exit_code=0, why=OVER),
        )
        self._journal.close()

    def break_off(self) -> None:
        """The run ends without a word, wherever it is; its journal is closed."""
        self._journal.close()

    def _tell(self, batch: int) -> None:
        ledger = self._ledger
        for _ in range(batch):
            event = next(self._events)
            if isinstance(event, e.CycleStarted):
                self._cycles += 1
                ledger.cycle = self._cycles
            ledger.tell(event)
        ledger.breathe(self._clock.mono() - self._began, idle=False)


def _until_a_line(enough: threading.Event) -> None:
    sys.stdin.readline()
    enough.set()


def main() -> None:
    """Writes a journal: at once, or at a rate until a line comes on stdin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--events", type=int, default=0, help="so many at once, then its end")
    parser.add_argument("--rate", type=int, default=10_000, help="events a second")
    asked = parser.parse_args()
    writer = Writer(asked.journal)
    if asked.events:
        writer.write(asked.events)
        writer.end()
        return
    threading.Thread(target=_until_a_line, args=[writer.enough], daemon=True).start()
    writer.run(float("inf"), asked.rate)
    writer.end()


if __name__ == "__main__":
    main()

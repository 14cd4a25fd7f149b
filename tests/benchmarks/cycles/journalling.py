"""What the journal costs: in cycles (`live.py`), and without servers, a million events at once.

These are written, and replayed, in a process of their own each (`python -m
tests.benchmarks.cycles.journalling write|replay FILE N`): the loop's share of cycle after cycle,
journal, memory and view, told in rows as the workers hand them over.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.live import live
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict
from tests.benchmarks.flood import flood
from vsync_sm.core.events import CycleStarted, Event, InsightGenerated, Record
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View
from vsync_sm.journal.keeping import Bounds
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.segments import closed_segments, usage
from vsync_sm.journal.writer import SEGMENT_BYTES, JournalWriter
from vsync_sm.origin.clock import SystemClock, stamp_from
from vsync_sm.origin.ledger import Ledger
from vsync_sm.origin.scope import BATCH

MILLION = 1_000_000

PACKED_S = 0.05
"""How often to look whether all closed files are packed, seconds."""


class Took(msgspec.Struct, frozen=True):
    """What so many events took: seconds, CPU of the thread and of the process, and memory in bytes
    after a tenth of them and at the end; `bytes` is what lies on the disk.

    The seconds and the thread's CPU end with the last event written, all else when the closed
    files are packed, too.
    """

    events: int
    seconds: float
    thread_cpu_s: float
    process_cpu_s: float
    rss_tenth: int
    rss_bytes: int
    bytes: int = 0


def journal(asked: Asked) -> dict[str, Table]:
    """The tables `live`, `closing` and `journal`."""
    tables = live(asked)
    seen: dict[str, list[Took]] = {WRITTEN: [], REPLAYED: []}
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
            file = Path(scratch, "journal.jsonl")
            seen[WRITTEN].append(_process("write", file, asked.events))
            seen[REPLAYED].append(_process("replay", file, asked.events))
    return {**tables, "journal": table(seen)}


WRITTEN = "written, as a cycle does"
REPLAYED = "replayed, with all its checks"


def table(seen: dict[str, list[Took]]) -> Table:
    """What was measured, round by round."""
    best = {name: min(found, key=lambda each: each.thread_cpu_s) for name, found in seen.items()}
    rows: list[dict[str, Cell]] = [
        {
            "what": name,
            "events": took.events,
            "seconds": took.seconds,
            "each": took.thread_cpu_s / took.events * 1e6,
            "process_each": took.process_cpu_s / took.events * 1e6,
            "tenth": took.rss_tenth / 2**20,
            "mib": took.rss_bytes / 2**20,
            "bytes_each": took.bytes / took.events,
        }
        for name, took in best.items()
    ]
    written, replayed = best[WRITTEN], best[REPLAYED]
    million = replayed.process_cpu_s / replayed.events * MILLION
    return Table(
        title="the best round; without servers",
        command=f"just bench journal --events {written.events}",
        columns=(
            Column("what", ""),
            Column("events", "events"),
            Column("seconds", "s", ",.2f"),
            Column("each", "CPU µs an event", ",.2f"),
            Column("process_each", "packing too", ",.2f"),
            Column("tenth", "MiB after a tenth"),
            Column("mib", "MiB at the end"),
            Column("bytes_each", "bytes an event on the disk"),
        ),
        rows=tuple(rows),
        verdicts=(
            Verdict(
                "CPU of an event in a cycle",
                written.thread_cpu_s / written.events * 1e6,
                most=10,
                unit=" µs",
            ),
            Verdict("replay of a million events, CPU", million, most=5, unit=" s"),
            Verdict(
                "its memory at the end ÷ after a tenth",
                replayed.rss_bytes / replayed.rss_tenth,
                most=1.2,
            ),
        ),
    )


def _process(what: str, file: Path, events: int) -> Took:
    command = [sys.executable, "-m", "tests.benchmarks.cycles.journalling"]
    told = subprocess.run(
        [*command, what, str(file), str(events)], stdout=subprocess.PIPE, check=True
    )
    return msgspec.json.decode(told.stdout, type=Took)


class _Watch:
    """Looks at the clocks, and at the memory after a tenth."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._began = time.perf_counter(), time.thread_time(), time.process_time()
        self._tenth = 0

    def at(self, events: int) -> None:
        """So many are done."""
        if not self._tenth and events * 10 >= self._events:
            self._tenth = _rss()

    def took(self, *, of: int = 0) -> Took:
        """All are done; `of`: bytes on the disk."""
        wall, thread, process = self._began
        return Took(
            events=self._events,
            seconds=time.perf_counter() - wall,
            thread_cpu_s=time.thread_time() - thread,
            process_cpu_s=time.process_time() - process,
            rss_tenth=self._tenth,
            rss_bytes=_rss(),
            bytes=of,
        )


def _rss() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def rows(events: Iterator[Event]) -> Iterator[tuple[Event, ...]]:
    """The events in rows as they are told: insights together, up to a batch, all else by itself."""
    for of_insights, group in itertools.groupby(
        events, lambda each: type(each) is InsightGenerated
    ):
        size = BATCH if of_insights else 1
        while row := tuple(itertools.islice(group, size)):
            yield row


def _write(file: Path, events: int) -> Took:
    clock = SystemClock()
    writer = JournalWriter.open(file, segment_bytes=SEGMENT_BYTES, bounds=Bounds())
    writer.begin(run="run-1", last_seq=0, stamp=stamp_from(clock))
    ledger = Ledger(writer, Memory(), View(), ())
    began, cycle, done = clock.mono(), 0, 0
    watch = _Watch(events)
    for row in rows(itertools.islice(flood(), events)):
        if isinstance(row[0], CycleStarted):
            cycle += 1
            ledger.cycle = cycle
        ledger.tell(*row)
        ledger.breathe(clock.mono() - began, idle=False)
        done += len(row)
        watch.at(done)
    took = watch.took()
    while not all(each.packed for each in closed_segments(file)):
        time.sleep(PACKED_S)
    packed = watch.took(of=usage(file).bytes)
    writer.close()
    return msgspec.structs.replace(
        took, process_cpu_s=packed.process_cpu_s, rss_bytes=packed.rss_bytes, bytes=packed.bytes
    )


def _replay(file: Path, events: int) -> Took:
    watch = _Watch(events)

    def watched() -> Iterator[Record]:
        for number, record in enumerate(read_journal(file), start=1):
            yield record
            if number % 10_000 == 0:
                watch.at(number)

    story = replay(watched())
    for _ in story:
        pass
    if not story.ok:
        raise SystemExit("the journal contradicts itself")
    return watch.took(of=usage(file).bytes)


if __name__ == "__main__":
    _what, _file, _events = sys.argv[1:]
    _do = {"write": _write, "replay": _replay}[_what]
    sys.stdout.buffer.write(msgspec.json.encode(_do(Path(_file), int(_events))))

"""What a picture of one cycle shows: its phases, what its workers were at, and where it hurt.

It is bounded, however many paths the cycle had: of what workers read the longest is kept, of marks
the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.outcome import CRASHED, CUT_OFF, has_failed
from vsync_sm.core.present import clock, sentence

MARKS = 300
"""So many marks of a kind are kept; the others are counted."""

READS = 400
"""So many reads are kept: the longest."""

_KINDS: dict[type, str] = {
    e.FaultRaised: "fault",
    e.SaveRefused: "refusal",
    e.RetryScheduled: "retry",
    e.PathFailed: "failed path",
    e.SaveStarted: "save",
    e.SaveCommitted: "save",
    e.SaveFailed: "fault",
    e.SaveUncertain: "fault",
}


_TROUBLE = frozenset(("fault", "refusal", "crash"))


class Bar(msgspec.Struct):
    """From when to when (ns since the cycle began) something lasted; `end` None: it goes on.

    `stuck`: a read that was left behind.
    """

    name: str
    begin: int
    end: int | None = None
    stuck: bool = False


class DrawnMark(msgspec.Struct, frozen=True):
    """What happened at a moment (ns since the cycle began), in words."""

    at: int
    kind: str
    words: str


class Sketch:
    """One cycle, fed with its records.

    Attributes:
        phases: in order; `aborted` is the tearing down.
        workers: when each was at work, by number.
        reads: the longest reads, by worker.
        marks: what hurt, and the save; `counts` says how many of a kind there were.
        finished: its last line; None: it was cut short, or goes on.
        cut: how it was cut short (`CRASHED`, `CUT_OFF`); "": it was not, as far as one can read.
        lasted: ns from its first line to its last.
    """

    def __init__(self, first: e.Record, event: e.CycleStarted) -> None:
        self.number = first.cycle or 0
        self.ts = first.ts
        self.deadline_s = event.deadline_s
        self.host = ""
        self.phases: list[Bar] = []
        self.workers: dict[int, Bar] = {}
        self.reads: list[tuple[int, Bar]] = []
        self.marks: list[DrawnMark] = []
        self.counts: Counter[str] = Counter()
        self.finished: e.CycleFinished | None = None
        self.cut = ""
        self.lasted = 0
        self._begin = first.mono
        self._at: dict[int, Bar] = {}

    @property
    def outcome(self) -> str:
        """How it ended; "": it goes on, as far as one can read."""
        return self.cut if self.finished is None else self.finished.outcome

    @property
    def failed(self) -> bool:
        """Whether it is over, and neither complete nor asked to stop."""
        reason = "" if self.finished is None else self.finished.reason
        return bool(self.outcome) and has_failed(self.outcome, reason)

    @property
    def fault(self) -> str:
        """What went wrong first, in words; "" where nothing did."""
        return next((each.words for each in self.marks if each.kind in _TROUBLE), "")

    def reads_of(self, worker: int) -> Iterator[Bar]:
        """The longest reads of a worker, and the one that it is at where the journal ends."""
        yield from (read for number, read in self.reads if number == worker)
        if worker in self._at:
            read = self._at[worker]
            yield Bar(read.name, read.begin, self.lasted, stuck=True)

    def note(self, record: e.Record) -> None:
        """One more record of it."""
        event, at = record.event, record.mono - self._begin
        self.lasted = max(self.lasted, at)
        if isinstance(event, e.Transitioned):
            self._moved(event, at)
        elif isinstance(event, e.CycleFinished):
            self.finished = event
            self._over(at)
        elif isinstance(event, e.WorkersObserved):
            self._observed(event, at)
        elif isinstance(event, e.WorkerStarted):
            self.workers[event.worker] = Bar(f"worker {event.worker}", at)
        elif isinstance(event, e.WorkerStopped):
            self._stopped(event.worker, at)
        elif isinstance(event, e.InsightGenerated | e.InsightSkipped | e.PathFailed):
            self._read(event.worker, event.path, at)
        elif isinstance(event, e.PathAbandoned) and event.worker in self._at:
            self._at[event.worker].stuck = True
        if type(event) in _KINDS and not _tells_of_a_refusal(event):
            self._mark(_KINDS[type(event)], record, at)

    def cut_short(self, then: e.Record) -> None:
        """Its run began no other, and this record comes next: nothing is known of its end."""
        if self.outcome:
            return
        self.cut = CRASHED
        next_run = isinstance(then.event, e.RunStarted)
        what = "run began" if next_run else "cycle began, without a word of this one's end,"
        words = f"a crash: nothing came after this until the next {what} at {clock(then.ts)}"
        self.counts["crash"] += 1
        self.marks.append(DrawnMark(self.lasted, "crash", words))

    def cut_off(self) -> None:
        """Its run ended by itself, and did not wait for it."""
        if not self.outcome:
            self.cut = CUT_OFF

    def _moved(self, event: e.Transitioned, at: int) -> None:
        if self.phases and self.phases[-1].end is None:
            self.phases[-1].end = at
        if event.dest not in {"waiting", "halted"}:
            self.phases.append(Bar(event.dest, at))

    def _over(self, at: int) -> None:
        for bar in (*self.phases, *self.workers.values()):
            bar.end = at if bar.end is None else bar.end
        for worker in list(self._at):
            self._end_read(worker, at)

    def _observed(self, event: e.WorkersObserved, at: int) -> None:
        for busy in event.busy:
            read = self._at.get(busy.worker)
            if read is None or read.name != busy.path:
                self._at[busy.worker] = Bar(busy.path, max(0, busy.since - self._begin), at)
            else:
                read.end = at

    def _read(self, worker: int, path: str, at: int) -> None:
        read = self._at.get(worker)
        if read is not None:
            # Another path's end says that the one that was seen had ended before it.
            self._end_read(worker, at if read.name == path else read.end or at)

    def _end_read(self, worker: int, at: int) -> None:
        read = self._at.pop(worker)
        read.end = at
        self.reads.append((worker, read))
        if len(self.reads) >= 2 * READS:
            self.reads.sort(key=lambda each: each[1].begin - (each[1].end or 0))
            del self.reads[READS:]

    def _stopped(self, worker: int, at: int) -> None:
        bar = self.workers.get(worker)
        if bar is not None:
            bar.end = at
        if worker in self._at:
            self._end_read(worker, at)

    def _mark(self, kind: str, record: e.Record, at: int) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= MARKS:
            self.marks.append(DrawnMark(at, kind, sentence(record)))


def _tells_of_a_refusal(event: e.Event | e.Unknown) -> bool:
    """Whether a fault only passes on what a refusal has told."""
    return isinstance(event, e.FaultRaised) and "allowance" in event.context


def sketch_of(records: Iterable[e.Record], cycle: int | None = None) -> Sketch | None:
    """One cycle of a journal: this one, or the first that failed, or else the last one.

    Raises:
        JournalError: from `records`, if what was looked for stands behind the damage.
    """
    last: Sketch | None = None
    for sketch in _sketches(records, cycle):
        if cycle is not None or sketch.failed:
            return sketch
        last = sketch
    return last


def _sketches(records: Iterable[e.Record], cycle: int | None) -> Iterator[Sketch]:
    """Each cycle, when it is over; the last one as far as it goes."""
    sketch: Sketch | None = None
    host = ""
    for record in records:
        event = record.event
        if isinstance(event, e.CycleStarted | e.RunStarted) and sketch is not None:
            sketch.cut_short(record)
            yield sketch
            sketch = None
        elif isinstance(event, e.RunFinished) and sketch is not None:
            sketch.cut_off()
        if isinstance(event, e.RunStarted):
            host = event.host
        elif isinstance(event, e.SegmentOpened):
            run = event.checkpoint.get("view", {}).get("run") or {}
            host = str(run.get("host", host))
        elif isinstance(event, e.CycleStarted) and cycle in {None, record.cycle}:
            sketch = Sketch(record, event)
            sketch.host = host
        if sketch is not None and record.cycle == sketch.number and sketch.finished is None:
            sketch.note(record)
    if sketch is not None:
        yield sketch

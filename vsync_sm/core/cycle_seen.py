"""One cycle in numbers, as far as it had come: its phases, its workers, what went wrong in it.

The run view knows the same of the cycle that goes on; this is for looking at two side by side, and
knows of its workers how long their paths took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.folding import KEPT, KEPT_FAULTS
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import CYCLE, Trigger
from vsync_sm.core.outcome import CRASHED, CUT_OFF, has_failed

_PHASES = frozenset(map(str, CYCLE))
COUNTED = (
    *("generated", "skipped", "failed", "carried", "abandoned"),
    *("added", "updated", "unchanged", "vanished", "regressed"),
)
"""What is counted of its paths; the names are those of `cycle_finished`."""


_ONE_EACH: Mapping[type, str] = {
    e.InsightSkipped: "skipped",
    e.PathFailed: "failed",
    e.InsightCarriedForward: "carried",
    e.PathAbandoned: "abandoned",
    e.InsightVanished: "vanished",
    e.InsightRegressed: "regressed",
}
"""Events of one path each, and what they count."""


SEEN_S = 1.0
"""So often (seconds) busy workers are looked at: a path that took less may never be seen."""


class Ended(StrEnum):
    """How a phase stands: it is over, it was cut off (by an abort, by a crash), or it goes on."""

    over = "over"
    cut = "cut"
    goes_on = "goes_on"


class PhaseSeen(msgspec.Struct, frozen=True):
    """A phase, and its seconds so far."""

    name: str
    seconds: float
    ended: Ended


class WorkerSeen(msgspec.Struct, frozen=True):
    """A worker: the paths it ended, and how long they took it (seconds; None: it ended none).

    `slowest` is the path that held it longest, where one held it for `SEEN_S` ("": none did);
    `held`: it had not come back from it. `abandoned`: it was left behind.
    """

    number: int
    paths: int
    failures: int
    mean_s: float | None
    slowest: str = ""
    slowest_s: float = 0.0
    held: bool = False
    abandoned: bool = False


class CycleSeen(msgspec.Struct, frozen=True):
    """A cycle at a moment.

    `outcome` is that of `cycle_finished`, or says that its run ended before (`CRASHED`, `CUT_OFF`);
    it is "" while it goes on, or is torn down: then there is a `reason` already. `listed` is None
    until listing is complete. `faults` are the first few, `retries` count by kind, `late` the
    results that came after its end. `whole`: it was seen from its beginning.
    """

    number: int
    run: str
    asked: str
    started: str
    seconds: float
    outcome: str
    reason: str
    deadline_s: float
    num_buckets: int
    phases: tuple[PhaseSeen, ...]
    listed: int | None
    by_mount: dict[str, int]
    counts: dict[str, int]
    workers: tuple[WorkerSeen, ...]
    retries: dict[str, int]
    requests: e.Requests | None
    faults: tuple[e.FaultRaised, ...]
    refusal: e.SaveRefused | None
    late: int
    whole: bool = True

    @property
    def failed(self) -> bool:
        """Whether it is over, and was neither complete nor asked to stop."""
        return bool(self.outcome) and has_failed(self.outcome, self.reason)

    @property
    def paths_mean_s(self) -> float | None:
        """How long a path took on average (seconds), over all workers."""
        ended = sum(each.paths for each in self.workers if each.mean_s is not None)
        took = sum(each.paths * each.mean_s for each in self.workers if each.mean_s is not None)
        return took / ended if ended else None


class _Worker:
    def __init__(self, number: int, mono: int) -> None:
        self.number = number
        self.began = self.last = mono
        self.paths = self.failures = 0
        self.at: tuple[str, int] | None = None
        self.slowest = ("", 0)
        self.abandoned = False

    def ended(self, path: str, mono: int, count: int = 1) -> None:
        """So many paths have ended; the last one is `path` ("": nobody tells which)."""
        self.paths += count
        self.last = mono
        if self.at is not None:
            self._held(mono, path)
            self.at = None

    def stopped(self, mono: int) -> None:
        if self.at is not None:
            self._held(mono, self.at[0])

    def _held(self, mono: int, path: str) -> None:
        at, since = self.at or ("", 0)
        if path in {at, ""} and mono - since > self.slowest[1]:
            self.slowest = (at, mono - since)

    def seen(self, mono: int) -> WorkerSeen:
        slowest, held = self.slowest, self.abandoned and self.at is not None
        if self.at is not None and mono - self.at[1] > slowest[1]:
            slowest, held = (self.at[0], mono - self.at[1]), True
        if slowest[1] < SEEN_S * NS:
            slowest = ("", 0)
        return WorkerSeen(
            number=self.number,
            paths=self.paths,
            failures=self.failures,
            mean_s=(self.last - self.began) / NS / self.paths if self.paths else None,
            slowest=slowest[0],
            slowest_s=slowest[1] / NS,
            held=held,
            abandoned=self.abandoned,
        )


class CycleWatch:
    """Fed with every record from a cycle's beginning on; tells how it stands."""

    def __init__(self) -> None:
        self._record: e.Record | None = None
        self._begin(None, e.CycleStarted(mounts=(), workers=0, num_buckets=0, deadline_s=0.0))

    def _begin(self, record: e.Record | None, event: e.CycleStarted) -> None:
        self._started = record
        self._event = event
        self._whole = record is not None
        self._phases: list[tuple[str, int, int | None, Ended]] = []
        self._listed: e.PathsListed | None = None
        self._counts: Counter[str] = Counter()
        self._workers: dict[int, _Worker] = {}
        self._retries: Counter[str] = Counter()
        self._faults: list[e.FaultRaised] = []
        self._refusal: e.SaveRefused | None = None
        self._finished: e.CycleFinished | None = None
        self._ended = record
        self._cut = ""
        self._reason = ""
        self._late = 0

    @property
    def begun(self) -> bool:
        """Whether any cycle has been seen."""
        return self._started is not None

    def note(self, record: e.Record) -> None:
        """Take one more record in."""
        event = record.event
        if isinstance(event, e.CycleStarted):
            self._begin(record, event)
        elif isinstance(event, e.RunStarted | e.RunFinished):
            self._cut = self._cut_by(event)
        elif record.cycle is not None and self._finished is None and not self._cut:
            if self._started is None:
                self._started = record  # its beginning is gone
            self._ended = record
            if type(event) in _ONE_EACH:
                self._counts[_ONE_EACH[type(event)]] += 1
            fold = self._folds.get(type(event))
            if fold is not None:
                fold(self, record.mono, event)

    def _cut_by(self, event: e.Event | e.Unknown) -> str:
        """How the cycle was cut short, where this event comes next; "": it was not."""
        if self._cut or not self.begun or self._finished is not None:
            return self._cut
        if isinstance(event, e.RunFinished):
            return CUT_OFF
        return CRASHED if isinstance(event, e.RunStarted | e.CycleStarted) else ""

    def seen(self, then: e.Record | None = None) -> CycleSeen | None:
        """The newest cycle as it stands; None: none has been seen.

        `then` is the record behind it: it may tell that the cycle was cut short right here.
        """
        cut = self._cut if then is None else self._cut_by(then.event)
        started, last = self._started, self._ended
        if started is None or last is None:
            return None
        done = self._finished
        outcome = cut if done is None else done.outcome
        counts = {name: n for name in COUNTED if (n := self._count(name))}
        return CycleSeen(
            number=started.cycle or 0,
            run=started.run,
            asked=self._event.asked,
            started=started.ts,
            seconds=(last.mono - started.mono) / NS,
            outcome=outcome,
            reason=self._reason if done is None else done.reason,
            deadline_s=self._event.deadline_s,
            num_buckets=self._event.num_buckets,
            phases=tuple(self._phase(*each, last.mono, cut=bool(cut)) for each in self._phases),
            listed=None if self._listed is None else self._listed.paths,
            by_mount={} if self._listed is None else self._listed.mounts,
            counts=counts,
            workers=tuple(each.seen(last.mono) for _, each in sorted(self._workers.items())),
            retries=dict(sorted(self._retries.items())),
            requests=None if done is None else done.requests,
            faults=tuple(self._faults),
            refusal=self._refusal,
            late=self._late,
            whole=self._whole,
        )

    def _count(self, name: str) -> int:
        return self._counts[name] if self._finished is None else getattr(self._finished, name)

    def _phase(
        self, name: str, since: int, until: int | None, ended: Ended, now: int, *, cut: bool
    ) -> PhaseSeen:
        seconds = ((now if until is None else until) - since) / NS
        return PhaseSeen(name, seconds, Ended.cut if cut and until is None else ended)

    # --- folds ---

    def _transitioned(self, mono: int, event: e.Transitioned) -> None:
        if event.trigger == Trigger.abort:
            self._reason = event.reason
        if self._phases and self._phases[-1][2] is None:
            name, since, _, _ = self._phases[-1]
            ended = Ended.cut if event.trigger == Trigger.abort else Ended.over
            self._phases[-1] = (name, since, mono, ended)
        if event.dest in _PHASES and event.trigger != Trigger.abort:
            del self._phases[:-KEPT]  # of a journal that contradicts itself
            self._phases.append((event.dest, mono, None, Ended.goes_on))

    def _paths_listed(self, _: int, event: e.PathsListed) -> None:
        self._listed = event

    def _worker_started(self, mono: int, event: e.WorkerStarted) -> None:
        self._workers[event.worker] = _Worker(event.worker, mono)

    def _worker_stopped(self, mono: int, event: e.WorkerStopped) -> None:
        worker = self._workers.get(event.worker)
        if worker is not None:
            worker.stopped(mono)
            worker.abandoned = event.abandoned

    def _observed(self, _: int, event: e.WorkersObserved) -> None:
        for busy in event.busy:
            worker = self._workers.get(busy.worker)
            if worker is not None:
                worker.at = (busy.path, busy.since)

    def _end(self, worker: int, path: str, mono: int, count: int = 1) -> None:
        known = self._workers.get(worker)
        if known is not None:
            known.ended(path, mono, count)

    def _generated(self, mono: int, event: e.InsightGenerated) -> None:
        self._end(event.worker, event.path, mono)
        self._counts.update(("generated", event.change))

    def _unchanged(self, mono: int, event: e.InsightsUnchanged) -> None:
        self._end(event.worker, "", mono, event.count)
        self._counts["generated"] += event.count
        self._counts["unchanged"] += event.count

    def _skipped(self, mono: int, event: e.InsightSkipped) -> None:
        self._end(event.worker, event.path, mono)

    def _failed(self, mono: int, event: e.PathFailed) -> None:
        self._end(event.worker, event.path, mono)
        if event.worker in self._workers:
            self._workers[event.worker].failures += 1

    def _abandoned(self, mono: int, event: e.PathAbandoned) -> None:
        worker = self._workers.get(event.worker)
        if worker is not None and worker.at is not None and worker.at[0] == event.path:
            worker.stopped(mono)

    def _retried(self, _: int, event: e.RetryScheduled) -> None:
        self._retries[event.kind] += 1

    def _fault(self, _: int, event: e.FaultRaised) -> None:
        if len(self._faults) < KEPT_FAULTS:
            self._faults.append(event)

    def _refused(self, _: int, event: e.SaveRefused) -> None:
        self._refusal = event

    def _dropped(self, _: int, event: e.LateResultDropped) -> None:
        self._late += event.count

    def _done(self, _: int, event: e.CycleFinished) -> None:
        self._finished = event

    _folds: ClassVar[Mapping[type, Callable[[CycleWatch, int, Any], None]]] = {
        e.Transitioned: _transitioned,
        e.PathsListed: _paths_listed,
        e.WorkerStarted: _worker_started,
        e.WorkerStopped: _worker_stopped,
        e.WorkersObserved: _observed,
        e.InsightGenerated: _generated,
        e.InsightsUnchanged: _unchanged,
        e.InsightSkipped: _skipped,
        e.PathFailed: _failed,
        e.PathAbandoned: _abandoned,
        e.RetryScheduled: _retried,
        e.FaultRaised: _fault,
        e.SaveRefused: _refused,
        e.LateResultDropped: _dropped,
        e.CycleFinished: _done,
    }

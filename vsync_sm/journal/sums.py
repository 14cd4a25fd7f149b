"""What must add up within one cycle: its paths, its workers, its save, its last line.

Everything begun ends exactly once. A forger who renumbers the lines is caught here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, ClassVar, Final, Self

from vsync_sm.core import events as e
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import State
from vsync_sm.core.present import count, duration
from vsync_sm.core.shapes import Cycle
from vsync_sm.core.sync_info import INDEX

_TOLD = ("generated", "skipped", "failed", "abandoned", "carried", "vanished", "regressed")
_CHANGES = ("added", "updated", "unchanged")
_ENDS = ("generated", "skipped", "failed", "abandoned", "unsent")

_WORKING: Final = frozenset((State.working, State.aborted))
_STATES: Final[dict[type, frozenset[State]]] = {
    e.MountChecked: frozenset((State.listing,)),
    e.SyncInfoRead: frozenset((State.listing,)),
    e.SaveReconciled: frozenset((State.listing,)),
    e.FolderListed: frozenset((State.listing, State.working)),
    e.DetailedListFailed: frozenset((State.listing,)),
    e.PathsListed: frozenset((State.listing,)),
    e.WorkerStarted: frozenset((State.working,)),
    e.WorkersObserved: frozenset((State.working,)),
    e.WorkerStopped: _WORKING,
    e.InsightGenerated: _WORKING,
    e.InsightsUnchanged: _WORKING,
    e.InsightSkipped: _WORKING,
    e.PathFailed: _WORKING,
    e.PathAbandoned: frozenset((State.aborted,)),
    e.InsightCarriedForward: frozenset((State.working, State.reindexing)),
    e.InsightVanished: frozenset((State.reindexing,)),
    e.InsightRegressed: frozenset((State.reindexing,)),
    e.BucketReindexed: frozenset((State.reindexing,)),
    e.SaveRefused: frozenset((State.reindexing,)),
    e.SaveStarted: frozenset((State.saving,)),
    e.SaveSkipped: frozenset((State.saving,)),
    e.SaveCommitted: frozenset((State.saving,)),
    e.SaveFailed: frozenset((State.saving,)),
    e.SaveUncertain: frozenset((State.saving,)),
    e.CycleFinished: frozenset((State.waiting, State.aborted)),
}
"""In which states an event of a cycle may stand. None of them stands outside a cycle."""


def belongs_to_a_cycle(event: e.Event | e.Unknown) -> bool:
    """Whether such an event never stands outside a cycle."""
    return type(event) in _STATES


class CycleSums:
    """One cycle, as far as it has been told. The paths in it are those of this cycle alone.

    `save` is the save under way, `reason` that of the abort, `faults` whether one was raised.
    """

    def __init__(self, number: int, mono: int, event: e.CycleStarted) -> None:
        self.number = number
        self.save: e.SaveStarted | None = None
        self.index_key = ""
        self._prefix: str | None = None
        self.save_end = ""
        self.reason = ""
        self.faults = False
        self._started = mono
        self._deadline_s = event.deadline_s
        self._listed: int | None = None
        self._ended: set[str] = set()
        self._failed: set[str] = set()
        self._carried: set[str] = set()
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._working: dict[int, int] = {}
        self._stopped: set[int] = set()
        self._ended_untold = 0

    @classmethod
    def begun(cls, cycle: Cycle, failed: Set[str]) -> Self:
        """A cycle of which a checkpoint tells: its counts are known, most of its paths are not.

        Args:
            cycle: as the view has it, before its verdict.
            failed: the paths that failed and were not carried forward.
        """
        began = e.CycleStarted(
            mounts=cycle.mounts,
            workers=len(cycle.workers),
            num_buckets=cycle.num_buckets,
            deadline_s=cycle.deadline_s,
        )
        sums = cls(cycle.number, cycle.started.mono, began)
        sums.faults = bool(cycle.faults)
        sums._prefix = cycle.former.prefix if cycle.former is not None else None
        sums._listed = cycle.listed
        tally = cycle.tally
        sums._counts.update({name: getattr(tally, name) for name in (*_TOLD, *_CHANGES)})
        sums._ended_untold = tally.generated + tally.skipped + tally.failed + tally.abandoned
        sums._failed = set(failed)
        sums._working = {each.number: each.paths for each in cycle.workers if not each.stopped}
        sums._stopped = {each.number for each in cycle.workers if each.stopped}
        return sums

    def check(self, record: e.Record, state: State) -> list[str]:
        """What contradicts in one more event of this cycle."""
        event = record.event
        found: list[str] = []
        states = _STATES.get(type(event))
        if states is not None and state not in states:
            found.append(f"{event.type} while {state}")
        check = self._checks.get(type(event))
        if check is not None:
            found += check(self, event, record.mono)
        return found

    def plain(self, event: e.InsightGenerated) -> bool:
        """Counts an insight that `check` would say nothing about; else counts nothing."""
        worker = event.worker
        if self._listed is None or worker not in self._working or event.path in self._ended:
            return False
        self._ended.add(event.path)
        self._working[worker] += 1
        self._counts["generated"] += 1
        self._counts[event.change] += 1
        return True

    def leaves(self, trigger: str) -> Iterator[str]:
        """What is missing when this trigger ends a phase."""
        check = self._phases.get(trigger)
        if check is not None:
            yield from check(self)

    # --- paths and workers ---

    def _paths_listed(self, event: e.PathsListed, _: int) -> Iterator[str]:
        if self._listed is not None:
            yield "listing is completed twice"
        self._listed = event.paths
        total = sum(event.mounts.values())
        if total != event.paths:
            yield f"{count(event.paths, 'path')} listed, but {total} by mount"
        if event.detailed > event.paths:
            yield f"{count(event.paths, 'path')} listed, but {event.detailed} with metadata"

    def _worker_started(self, event: e.WorkerStarted, _: int) -> Iterator[str]:
        if event.worker in self._working or event.worker in self._stopped:
            yield f"worker {event.worker} starts twice"
        self._working.setdefault(event.worker, 0)

    def _worker_stopped(self, event: e.WorkerStopped, _: int) -> Iterator[str]:
        ended = self._working.pop(event.worker, None)
        if ended is None:
            yield f"worker {event.worker} stops, but is not at work"
        elif not self.reason and ended != event.paths:
            yield f"worker {event.worker} ended {event.paths} paths, but {ended} are told"
        if event.abandoned and not self.reason:
            yield f"worker {event.worker} is left behind, but the cycle is not aborted"
        self._stopped.add(event.worker)

    def _generated(self, event: e.InsightGenerated, _: int) -> list[str]:
        self._counts[event.change] += 1
        return self._end(event.path, event.worker, "generated")

    def _unchanged(self, event: e.InsightsUnchanged, _: int) -> Iterator[str]:
        # Which paths they are is not told: that none ends twice cannot be checked of them.
        self._counts["generated"] += event.count
        self._counts["unchanged"] += event.count
        self._ended_untold += event.count
        what = f"{count(event.count, 'path')} unchanged"
        if event.worker in self._working:
            self._working[event.worker] += event.count
        else:
            yield f"{what} by worker {event.worker}, who is not at work"
        if self._listed is None:
            yield f"{what} before listing is complete"

    def _skipped(self, event: e.InsightSkipped, _: int) -> list[str]:
        return self._end(event.path, event.worker, "skipped")

    def _path_failed(self, event: e.PathFailed, _: int) -> list[str]:
        self._failed.add(event.path)
        return self._end(event.path, event.worker, "failed")

    def _path_abandoned(self, event: e.PathAbandoned, _: int) -> list[str]:
        return self._end(event.path, event.worker, "abandoned")

    def _end(self, path: str, worker: int, how: str) -> list[str]:
        found: list[str] = []
        self._counts[how] += 1
        known = len(self._ended)
        self._ended.add(path)
        if len(self._ended) == known:
            found.append(f"{path} ends twice in this cycle")
        if worker in self._working:
            self._working[worker] += 1
        else:
            found.append(f"{path} is {how} by worker {worker}, who is not at work")
        if self._listed is None:
            found.append(f"{path} is {how} before listing is complete")
        return found

    def _carried_forward(self, event: e.InsightCarriedForward, _: int) -> Iterator[str]:
        self._counts["carried"] += 1
        if event.path not in self._failed:
            yield f"{event.path} is carried forward, but did not fail"
        if event.path in self._carried:
            yield f"{event.path} is carried forward twice"
        self._carried.add(event.path)

    def _vanished(self, event: e.InsightVanished, _: int) -> list[str]:
        self._counts["vanished"] += 1
        self._counts["unchosen"] += event.unchosen
        return []

    def _regressed(self, _: e.InsightRegressed, __: int) -> list[str]:
        self._counts["regressed"] += 1
        return []

    # --- the save ---

    def _sync_info_read(self, event: e.SyncInfoRead, _: int) -> list[str]:
        self._prefix = event.prefix
        return []

    def _save_started(self, event: e.SaveStarted, mono: int) -> Iterator[str]:
        if self.save is not None or self.save_end:
            yield "a second save begins in this cycle"
        passed = mono - self._started
        if passed > self._deadline_s * NS:
            took, limit = duration(passed / NS), duration(self._deadline_s)
            yield f"a save begins {took} into the cycle, after its deadline of {limit}"
        leaving, vanished = sum(event.vanished.values()), self._counts["vanished"]
        if leaving > vanished or (not event.allowance and leaving < vanished):
            yield f"{leaving} vanish unasked by this save, but {vanished} are told"
        yield from self._elsewhere(event)
        # Journals of before the first release do not tell how many there are.
        said, told = sum(event.insights.values()), self._counts["generated"]
        told += self._counts["carried"]
        if event.insights and said != told:
            yield f"{count(said, 'insight')} in this save, but {told} are told"
        self.save, self.index_key = event, event.index_key

    def _elsewhere(self, event: e.SaveStarted) -> Iterator[str]:
        prefix = self._prefix
        if prefix is None:
            yield "a save begins, but no sync info was read"
            return
        if event.index_key != f"{prefix}{INDEX}":
            yield f"a save begins with the index {event.index_key}, but {prefix} was read"
        keys = (*(saved.key for saved in event.keys), *event.stale)
        other = next((key for key in keys if not key.startswith(prefix)), None)
        if other is not None:
            yield f"a save begins with the key {other}, but {prefix} was read"

    def _save_ended(self, how: str) -> Iterator[str]:
        if self.save_end:
            yield f"a save that was {self.save_end} is {how} as well"
        elif self.save is None:
            yield f"a save is {how} that never began"
        self.save, self.save_end = None, how

    def _committed(self, event: e.SaveCommitted, _: int) -> Iterator[str]:
        if self.save is not None and self.save.index != event.index:
            yield "another index is committed than the one that the save began with"
        yield from self._save_ended("committed")

    def _save_failed(self, _: e.SaveFailed, __: int) -> Iterator[str]:
        return self._save_ended("failed")

    def _uncertain(self, _: e.SaveUncertain, __: int) -> Iterator[str]:
        return self._save_ended("uncertain")

    def _save_skipped(self, _: e.SaveSkipped, __: int) -> Iterator[str]:
        return self._not_begun("skipped")

    def _save_refused(self, event: e.SaveRefused, _: int) -> Iterator[str]:
        for name in ("vanished", "regressed", "unchosen"):
            total = sum(getattr(event, name).values())
            if total != self._counts[name]:
                yield f"{total} paths {name} by mount, but {self._counts[name]} are told"
        yield from self._not_begun("refused")

    def _not_begun(self, how: str) -> Iterator[str]:
        if self.save is not None or self.save_end:
            yield f"a save that was begun is {how}"
        self.save_end = how

    # --- the ends of phases, and of it all ---

    def _listing_done(self) -> Iterator[str]:
        if self._listed is None:
            yield "listing is left before the paths are listed"

    def _working_done(self) -> Iterator[str]:
        if self._working:
            yield f"working is left with {count(len(self._working), 'worker')} still at work"
        ended = self._ended_untold + len(self._ended)
        if self._listed is not None and ended != self._listed:
            yield f"{count(self._listed, 'path')} listed, but {ended} ended when working is left"

    def _reindexing_done(self) -> Iterator[str]:
        if self.save_end:
            yield f"saving is entered, though the save is {self.save_end}"

    def _saving_done(self) -> Iterator[str]:
        if self.save_end not in {"committed", "skipped"}:
            yield "saving is left as saved, but nothing was committed or skipped"

    def _finished(self, event: e.CycleFinished, _: int) -> Iterator[str]:
        for name in (*_TOLD, *_CHANGES):
            if getattr(event, name) != self._counts[name]:
                said, told = getattr(event, name), self._counts[name]
                yield f"the cycle ends with {said} {name}, but {told} are told"
        if self._listed is not None and event.listed != self._listed:
            yield f"the cycle ends with {event.listed} listed, but {self._listed} were"
        ends = sum(getattr(event, name) for name in _ENDS)
        if ends != event.listed:
            yield f"the ends of the cycle's paths are {ends}, but {event.listed} were listed"
        if self._working:
            yield f"the cycle ends with {count(len(self._working), 'worker')} still at work"
        yield from self._finished_as(event)

    def _finished_as(self, event: e.CycleFinished) -> Iterator[str]:
        if self.save is not None:
            yield "the cycle ends while its save has no end"
        if event.reason != self.reason:
            said, was = event.reason or "none", self.reason or "none"
            yield f"the cycle ends for the reason {said}, but was aborted for {was}"
        ended = _ENDED_AS.get(self.save_end, "aborted")
        if event.outcome != ended:
            yield f"the cycle ends as {event.outcome}, but what is told makes it {ended}"

    _checks: ClassVar[dict[type, Callable[[CycleSums, Any, int], Iterable[str]]]] = {
        e.PathsListed: _paths_listed,
        e.WorkerStarted: _worker_started,
        e.WorkerStopped: _worker_stopped,
        e.InsightGenerated: _generated,
        e.InsightsUnchanged: _unchanged,
        e.InsightSkipped: _skipped,
        e.PathFailed: _path_failed,
        e.PathAbandoned: _path_abandoned,
        e.InsightCarriedForward: _carried_forward,
        e.InsightVanished: _vanished,
        e.InsightRegressed: _regressed,
        e.SyncInfoRead: _sync_info_read,
        e.SaveStarted: _save_started,
        e.SaveCommitted: _committed,
        e.SaveFailed: _save_failed,
        e.SaveUncertain: _uncertain,
        e.SaveSkipped: _save_skipped,
        e.SaveRefused: _save_refused,
        e.CycleFinished: _finished,
    }
    _phases: ClassVar[dict[str, Callable[[CycleSums], Iterator[str]]]] = {
        "listed": _listing_done,
        "worked": _working_done,
        "reindexed": _reindexing_done,
        "saved": _saving_done,
    }


_ENDED_AS = {"committed": "saved", "skipped": "unchanged", "refused": "refused"}

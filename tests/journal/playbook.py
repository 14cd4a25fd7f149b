"""Legal journals, made up: runs, cycles, commands, crashes and saves in every allowed order.

A playbook draws from a `random.Random`; hypothesis gives one that it can shrink (`journals`).
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.journal.operator import Operator
from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight
from vsync_sm.core.safety import allowance_id, items

MOUNTS = ("secret/", "ops/")
DEADLINE_S = 300.0
CONFIG = {
    "numBuckets": 4,
    "origin": {"mounts": list(MOUNTS), "syncPath": "vsync/", "tick": 60.0, "numWorkers": 2},
}
_EPOCH = datetime(2026, 11, 2, 10, tzinfo=UTC)
_STOPS = (("SIGINT", 2), ("SIGTERM", 15), ("SIGHUP", 1))
_CHANGES = ("added", "updated", "unchanged")


class _Over(Exception):  # noqa: N818  it is no error
    """The run is over, by a crash or by a second signal."""


def insight(version: int = 1, second: int = 0) -> Insight:
    """An insight of that version."""
    return Insight(version, f"2026-10-01T00:00:{second:02d}.123456789Z")


class Playbook:
    """Writes records one by one, minding nothing but the envelope; the script below is legal."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.records: list[e.Record] = []
        self.run = ""
        self.mono = 0
        self.cycle: int | None = None
        self.open_cycle: int | None = None
        self.last_cycle = 0
        self.state = "checking"
        self.left = -1
        self.ended = True
        self.save: tuple[str, int, str] | None = None
        self.began: tuple[str, int, str] | None = None
        self.runs = 0
        self.operator = Operator(self)
        self.allowed = ""

    def add(self, event: e.Event | e.Unknown, *, step: int = 1_000_000) -> None:
        """One more record, `step` nanoseconds after the last; crashes when its time has come."""
        if self.left == 0:
            raise _Over
        self.left -= 1
        self.mono += step
        seq = len(self.records) + 1
        ts = (_EPOCH + timedelta(milliseconds=seq)).isoformat(timespec="microseconds")
        self.records.append(
            e.Record(
                seq=seq,
                ts=ts.replace("+00:00", "Z"),
                mono=self.mono,
                run=self.run,
                event=event,
                cycle=self.cycle,
            )
        )

    def move(self, trigger: str, dest: str, reason: str = "") -> None:
        """One transition."""
        self.add(e.Transitioned(trigger=trigger, source=self.state, dest=dest, reason=reason))
        self.state = dest

    def maybe(self, share: float) -> bool:
        """Whether it happens this time."""
        return self.rng.random() < share

    # --- runs ---

    def play_run(self, *, crash: bool | None = None, cycles: int | None = None) -> None:
        """One run, from its start to whatever ends it."""
        crashed = None if self.ended else (self.run, self.state, self.open_cycle)
        self.runs += 1
        self.run, self.mono, self.cycle, self.open_cycle = f"run-{self.runs}", 0, None, None
        self.state, self.ended = "checking", False
        self.operator.begin_run()
        crashes = self.maybe(0.3) if crash is None else crash
        self.left = self.rng.randint(1, 60) if crashes else -1
        try:
            self._run(crashed, self.rng.randint(0, 3) if cycles is None else cycles)
            self.ended = True
        except _Over:
            pass
        if self.began is not None:
            self.save, self.began = self.began, None

    def _run(self, crashed: tuple[str, str, int | None] | None, cycles: int) -> None:
        once = self.maybe(0.2)
        self.add(
            e.RunStarted(
                version="0.1.0",
                pid=4711,
                host="host-1",
                once=once,
                config=CONFIG,
            ),
            step=0,
        )
        if self.maybe(0.1):
            self.add(e.JournalRepaired(what="a torn last line", removed_bytes=17, aside="x.torn"))
        if crashed is not None:
            run, state, cycle = crashed
            self.add(
                e.RunRecovered(
                    crashed_run=run,
                    state=state,
                    open_cycle=cycle,
                    open_save=self.save is not None,
                )
            )
        self.add(e.CheckPassed(check="consul", detail="write, read, list, update, delete"))
        if self.maybe(0.1):
            self._fails_checks()
            return
        if self.maybe(0.1):
            self._stop("halted")
            return
        self.add(e.CheckPassed(check="mount secret/", detail="KV version 2", note="may do more"))
        self.move("checks_passed", "waiting")
        for _ in range(min(cycles, 1) if once else cycles):
            if not once:
                self.operator.wait()
            if not self._play_cycle():
                return
        self._halt_from_waiting(once=once)

    def _fails_checks(self) -> None:
        kind, message, hint = "check_failed", "no such mount", "make it"
        self.add(e.CheckFailed(check="mount ops/", kind=kind, message=message, hint=hint))
        self.add(e.FaultRaised(kind=kind, fatal=True, message=message, hint=hint))
        self.move("halt", "halted", "fatal")
        self._finish(1)

    def _halt_from_waiting(self, *, once: bool) -> None:
        if once:
            self.move("halt", "halted", "once")
            self._finish(0)
            return
        self._stop("halted")

    def _stop(self, dest: str) -> None:
        operator = self.maybe(0.3)
        if operator:
            self.operator.halt()
        else:
            self._signal()
        self.move("halt", dest, "operator" if operator else "signal")
        self._finish(0)

    def _signal(self) -> None:
        name, number = self.rng.choice(_STOPS)
        self.add(e.SignalReceived(signal=name, number=number))

    def _finish(self, code: int) -> None:
        self.add(e.RunFinished(exit_code=code, why="because the playbook says so"))

    # --- a cycle ---

    def _play_cycle(self) -> bool:
        """One cycle; whether the run goes on."""
        self.cycle = self.last_cycle + 1
        asked = self.operator.begin_cycle()
        self.add(
            e.CycleStarted(
                mounts=MOUNTS,
                workers=2,
                num_buckets=4,
                deadline_s=DEADLINE_S,
                asked=asked,
                next_tick=self.mono + 60_000_000_000,
            )
        )
        self.last_cycle = self.open_cycle = self.cycle
        self.move("tick", "listing")
        return _Cycle(self).play()


class _Cycle:
    """One cycle's script, from its first phase on."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self.rng = book.rng
        self.add = book.add
        self.abort_in = self.rng.choice(
            (None, None, None, None, "listing", "working", "reindexing", "saving", "refused")
        )
        self.counts: Counter[str] = Counter()
        self.listed = 0
        self.paths: list[str] = []
        self.working: dict[int, int] = {}
        self.index = f"{self.rng.getrandbits(64):064x}"

    def play(self) -> bool:
        for phase in (self._listing, self._working, self._reindexing, self._saving):
            name = phase.__name__.removeprefix("_")
            self.book.operator.intrude()
            outcome = phase()
            if outcome == "refused":
                return self._abort("refused")
            if outcome == "uncertain" or self.abort_in == name:
                return self._abort(self._cause())
            if outcome:
                self.book.move("saved", "waiting")
                self._finished(outcome)
                return self._goes_on()
        raise AssertionError("a cycle ends in saving")

    def _goes_on(self) -> bool:
        """Whether nobody asked for a halt while the save was under way."""
        if self.book.operator.halting:
            self.book.move("halt", "halted", "operator")
            self.book._finish(0)
            return False
        return True

    def _listing(self) -> str:
        book = self.book
        for mount in MOUNTS:
            self.add(e.MountChecked(mount=mount, version="2", accessor=f"kv_{mount}"))
        self.add(
            e.SyncInfoRead(
                prefix="vsync/origin/", insights=3, buckets=4, index="00" * 32, num_buckets=4
            )
        )
        if book.save is not None:
            run, cycle, _ = book.save
            outcome = self.rng.choice(("committed", "failed"))
            self.add(e.SaveReconciled(saved_run=run, saved_cycle=cycle, outcome=outcome))
            book.save = None
        if self.abort_in == "listing":
            return ""
        by_mount = {mount: self.rng.randint(0, 4) for mount in MOUNTS}
        for mount, n in by_mount.items():
            self.add(e.FolderListed(mount=mount, folder="", paths=n, folders=0))
            self.paths += [f"{mount}data/p{i}" for i in range(n)]
        self.listed = len(self.paths)
        self.add(e.PathsListed(paths=self.listed, mounts=by_mount))
        book.move("listed", "working")
        return ""

    def _working(self) -> str:
        for worker in (1, 2):
            self.add(e.WorkerStarted(worker=worker))
            self.working[worker] = 0
        failed = []
        self.book.operator.intrude()
        while self.paths and not (self.abort_in == "working" and self.book.maybe(0.3)):
            path, worker = self.paths.pop(0), self.rng.choice((1, 2))
            failed += [path] if self._end(path, worker) else []
        for path in failed:
            if self.book.maybe(0.7):
                self.counts["carried"] += 1
                self.add(e.InsightCarriedForward(path=path, insight=insight(), cycles=1))
        if self.abort_in == "working":
            return ""
        self._stop_workers()
        self.book.move("worked", "reindexing")
        return ""

    def _end(self, path: str, worker: int) -> bool:
        self.working[worker] += 1
        if self.book.maybe(0.1):
            busy = (e.BusyWorker(worker, path, self.book.mono),)
            self.add(e.WorkersObserved(busy=busy))
        if self.book.maybe(0.1):
            told = {"kind": "timeout", "message": "no answer"}
            self.add(e.RetryScheduled(what=f"reading {path}", attempt=1, delay_s=0.2, **told))
        how = self.rng.choice(("generated", "generated", "generated", "skipped", "failed"))
        self.counts[how] += 1
        if how == "generated":
            change = self.rng.choice(_CHANGES)
            self.counts[change] += 1
            self.add(e.InsightGenerated(worker=worker, path=path, insight=insight(), change=change))
        elif how == "skipped":
            self.add(e.InsightSkipped(worker=worker, path=path, why="deleted"))
        else:
            told = {"kind": "forbidden", "message": "not allowed"}
            self.add(e.PathFailed(worker=worker, path=path, **told))
        return how == "failed"

    def _stop_workers(self, *, abandoned: bool = False) -> None:
        for worker in sorted(self.working):
            ended = self.working.pop(worker)
            self.add(e.WorkerStopped(worker=worker, paths=ended, abandoned=abandoned))

    def _reindexing(self) -> str:
        if self.book.allowed and self.book.maybe(0.3):
            self.add(e.AllowanceSpent(allowance=self.book.allowed, why="expired"))
            self.book.allowed = ""
        self.vanish = self.rng.randint(0, 3)
        for i in range(self.vanish):
            self.add(e.InsightVanished(path=f"secret/data/gone{i}", insight=insight()))
        self.counts["vanished"] = self.vanish
        if self.book.maybe(0.2):
            back = e.InsightRegressed(path="ops/data/b", former=insight(2), insight=insight())
            self.add(back)
            self.counts["regressed"] = 1
        self.add(e.BucketReindexed(bucket=1, insights=2, size_bytes=180, digest="ab" * 32))
        if self.abort_in == "refused":
            self._refuse()
            return "refused"
        if self.abort_in == "reindexing":
            return ""
        self.book.move("reindexed", "saving")
        return ""

    def _refuse(self) -> None:
        refusals = (e.Refusal(rule="shrink", count=self.vanish, of=10),)
        regressed = {"ops/": 1} if self.counts["regressed"] else {}
        vanished = [f"secret/data/gone{i}" for i in range(self.vanish)]
        refused = allowance_id(items(vanished, ["ops/data/b"] * len(regressed), (), refusals))
        self.add(
            e.SaveRefused(
                refusals=refusals,
                vanished={"secret/": self.vanish},
                regressed=regressed,
                sample=("secret/data/gone0",),
                allowance=refused,
            )
        )
        if not self.book.allowed and self.book.maybe(0.8):
            self.book.operator.allow(refused)
            self.book.allowed = refused

    def _saving(self) -> str:
        if self.abort_in is None and self.book.maybe(0.4):
            self.add(e.SaveSkipped(index=self.index))
            return "unchanged"
        self._start_save()
        if self.abort_in != "saving":
            if self.book.maybe(0.1):
                self.book.operator.halt()
            self._commit()
            return "saved"
        if self.book.maybe(0.5):
            self.add(e.SaveFailed(kind="conflict", message="somebody was faster", written=False))
            self.book.began = None
            return "uncertain"
        self.add(e.SaveUncertain(message="no reply"))
        self.book.save, self.book.began = self.book.began, None
        return "uncertain"

    def _commit(self) -> None:
        self.add(e.SaveCommitted(index=self.index, keys=2))
        self.book.began = None
        if self.book.allowed:
            self.add(e.AllowanceSpent(allowance=self.book.allowed, why="saved"))
            self.book.allowed = ""

    def _start_save(self) -> None:
        keys = (e.SavedKey("vsync/origin/1", 7, "cd" * 32), e.SavedKey("vsync/origin/index", 8, ""))
        self.add(
            e.SaveStarted(
                index=self.index,
                index_key="vsync/origin/index",
                index_modify_index=8,
                keys=keys,
                vanished={"secret/": self.vanish} if self.vanish else {},
                insights={"secret/": self.counts["generated"] + self.counts["carried"]},
                allowance=self.book.allowed,
            )
        )
        assert self.book.cycle is not None
        self.book.began = (self.book.run, self.book.cycle, self.index)

    # --- how it ends ---

    def _cause(self) -> str:
        reason = self.rng.choice(("fault", "fatal", "signal", "operator", "timeout"))
        if reason == "operator":
            self.book.operator.abort()
        if reason == "timeout" and self.abort_in == "saving":
            reason = "fault"  # from save_started on, the deadline no longer aborts
        if reason in {"fault", "fatal"}:
            fatal = reason == "fatal"
            context = {"path": "secret/data/p0"}
            told = {"message": "sealed", "hint": "unseal it"}
            self.add(e.FaultRaised(kind="sealed", fatal=fatal, context=context, **told))
        if reason == "signal":
            self.book._signal()
            if self.book.maybe(0.2):
                self._second_signal()
        if reason == "timeout":
            self.book.mono += int(DEADLINE_S * 1e9)
        return reason

    def _second_signal(self) -> None:
        name, number = self.rng.choice(_STOPS)
        self.add(e.SignalReceived(signal=name, number=number, again=True))
        self.book.cycle = None
        self.book._finish(128 + number)
        self.book.ended = True
        raise _Over

    def _abort(self, reason: str) -> bool:
        book = self.book
        book.move("abort", "aborted", reason)
        if self.working and self.paths:
            path = self.paths.pop(0)
            self.counts["abandoned"] += 1
            self.add(e.PathAbandoned(worker=1, path=path))
        self._stop_workers(abandoned=True)
        self._finished("refused" if reason == "refused" else "aborted", reason)
        if reason in {"fatal", "signal"} or book.operator.halting:
            book.move("halt", "halted", reason)
            book._finish(1 if reason == "fatal" else 0)
            return False
        book.cycle = self.rng.choice((None, book.last_cycle))
        book.move("recovered", "waiting")
        book.cycle = None
        return True

    def _finished(self, outcome: str, reason: str = "") -> None:
        told = sum(self.counts[name] for name in ("generated", "skipped", "failed", "abandoned"))
        self.add(
            e.CycleFinished(
                outcome=outcome,
                reason=reason,
                listed=self.listed,
                unsent=self.listed - told,
                requests=e.Requests(vault=self.listed, consul=2),
                phases={"listing": 0.2},
                **self.counts,
            )
        )
        self.book.cycle = self.book.open_cycle = None


def legal_journal(rng: random.Random) -> list[e.Record]:
    """A journal of one to three runs that nothing contradicts."""
    book = Playbook(rng)
    for _ in range(rng.randint(1, 3)):
        book.play_run()
    return book.records


journals = st.randoms(use_true_random=False).map(legal_journal)
"""Journals that nothing contradicts, for hypothesis."""

relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""For properties over journals: a busy machine is no failure."""

"""Writes the journal of one night by hand, minute by minute: true to the last sum, and fixed.

A `Night` knows what lies in Vault and what in Consul, and folds its own view while it writes: so
that what it tells adds up as a real origin's does. Time passes only where a method says so.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import cycle as forever

from vsync_sm.core import events as e
from vsync_sm.core.answer import Now
from vsync_sm.core.insight import Insight, moment
from vsync_sm.core.lateness import deadline_passed
from vsync_sm.core.safety import allowance_id, items
from vsync_sm.core.sync_info import (
    change_of,
    digest,
    distribute,
    encode_bucket,
    encode_index,
    mount_of,
)
from vsync_sm.core.view import View, apply
from vsync_sm.journal.codec import encode
from vsync_sm.origin.accounts import SAMPLE, cycle_finished
from vsync_sm.origin.alarms import newly_refused

MOUNTS = ("platform/", "teams/")
PREFIX = "vsync/origin/"
SOCKET = "/var/lib/vsync-sm/journal.jsonl.sock"
NS = 1_000_000_000

Tree = dict[str, Insight | str]
"""What lies in Vault: absolute data path to insight, or to why it has none (`deleted`)."""


class Night:
    """The records of a journal, and the moment at which somebody looks at it."""

    def __init__(self, tree: Tree, began: datetime, *, workers: int = 4) -> None:
        self.vault: Tree = dict(tree)
        self.consul: dict[str, Insight] = {}
        self.records: list[e.Record] = []
        self.view = View()
        self.num_buckets = 8
        self.workers = workers
        self.run = ""
        self._epoch = began
        self._passed = 0  # ns since `began`
        self._mono = 0
        self._cycle: int | None = None
        self._new: dict[str, Insight] = {}
        self._failed: list[str] = []
        self._carried: Counter[str] = Counter()
        self._todo: list[str] = []
        self._at: dict[int, tuple[str, int]] = {}
        self._observed = 0
        self._requests = (0, 0)

    # --- what it comes to ---

    def text(self) -> bytes:
        """The journal's bytes."""
        return b"".join(map(encode, self.records))

    @property
    def now(self) -> Now:
        """The moment of looking."""
        return Now(moment(self._ts()), self._mono)

    # --- time and lines ---

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._passed += round(seconds * NS)
        self._mono += round(seconds * NS)

    def add(self, *events: e.Event, after: float = 0.001) -> None:
        """A record for each event, each so many seconds after the one before."""
        for event in events:
            self.wait(after)
            record = e.Record(
                seq=len(self.records) + 1,
                ts=self._ts(),
                mono=self._mono,
                run=self.run,
                event=event,
                cycle=self._cycle,
            )
            self.records.append(record)
            self.view = apply(self.view, record)

    def move(self, trigger: str, dest: str, reason: str = "") -> None:
        """One transition."""
        source = self.view.state.name
        self.add(e.Transitioned(trigger=trigger, source=source, dest=dest, reason=reason))

    def _ts(self) -> str:
        now = self._epoch + timedelta(microseconds=self._passed // 1000)
        return f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"

    # --- what users do in Vault ---

    def write(self, *paths: str) -> None:
        """A new version of each secret, the first one if it is new."""
        for path in paths:
            was = self.vault.get(path)
            version = was.version + 1 if isinstance(was, Insight) else 1
            self.vault[path] = Insight(version, f"{self._ts()[:-1]}123Z")

    def delete(self, *paths: str) -> None:
        """A soft delete: the path is still listed."""
        self.vault.update(dict.fromkeys(paths, "deleted"))

    def purge(self, *paths: str) -> None:
        """Removes secrets for good."""
        for path in paths:
            del self.vault[path]

    # --- a run ---

    def start(self, run: str, *, pid: int = 4711) -> None:
        """A run begins; its checks are still to come."""
        self.run, self._mono = run, 0
        self.add(
            e.RunStarted(
                version="0.1.0",
                pid=pid,
                host="origin-1.example",
                once=False,
                config=_CONFIG,
                control=SOCKET,
            )
        )

    def crash(self, *, again: str, after: float, pid: int) -> None:
        """The process is killed, and another run begins so many seconds later."""
        crashed, state = self.run, self.view.state.name
        open_cycle = self._cycle
        self._at.clear()
        self._cycle = None
        self.wait(after)
        self.start(again, pid=pid)
        self.add(e.RunRecovered(crashed_run=crashed, state=state, open_cycle=open_cycle))

    def check(self, upto: int | None = None) -> None:
        """The first so many start-up checks pass; all of them: the run waits for its first tick."""
        checks = [
            e.CheckPassed(
                check="Consul sync path",
                detail="wrote, read, listed, updated and deleted a probe key under "
                f"{PREFIX}vsyncChecks/",
            ),
            e.CheckPassed(check="Vault server", detail="active, version 1.21.4"),
            e.CheckPassed(check="Vault token", detail="accepted"),
        ]
        for mount in MOUNTS:
            checks += [
                e.CheckPassed(check=f"mount {mount}", detail=f"KV v2, accessor {_accessor(mount)}"),
                e.CheckPassed(
                    check=f"capabilities on {mount}",
                    detail=f"{mount}data/: deny; {mount}metadata/: list, read",
                ),
            ]
        for check in checks[:upto]:
            self.add(check, after=0.013)
        if upto is None:
            for server in ("Consul", "Vault"):
                self.seen(server)
            self.move("checks_passed", "waiting")

    def seen(self, server: str, condition: str = "answering", message: str = "") -> None:
        """A server is in another condition than before."""
        self.add(e.ServerConditionChanged(server=server, condition=condition, message=message))

    def end(self, exit_code: int, why: str, reason: str) -> None:
        """The run halts and ends."""
        self.move("halt", "halted", reason)
        self.add(e.RunFinished(exit_code=exit_code, why=why))

    # --- a cycle ---

    def cycle(self, *, asked: str = "tick", failing: Mapping[str, tuple[str, str]] = {}) -> None:
        """A whole cycle that saves, or finds nothing to."""
        self.begin(asked)
        self.list_all()
        self.work(failing=failing)
        self.reindex()
        self.save()
        self.finish()

    def until_tick(self) -> None:
        """Waits for the next tick."""
        self.wait(max(0.0, (self.view.next_tick - self._mono) / NS))

    def begin(self, asked: str = "tick", *, consul: bool = True) -> None:
        """A cycle begins to list, once `consul` has told the former sync info."""
        self._cycle = self.view.last_cycle + 1
        self._new, self._failed, self._requests = {}, [], (len(MOUNTS), 1)
        self.add(
            e.CycleStarted(
                mounts=MOUNTS,
                workers=self.workers,
                num_buckets=self.num_buckets,
                deadline_s=300.0,
                asked=asked,
                next_tick=self._mono + 60 * NS,
            )
        )
        self.move("tick", "listing")
        for mount in MOUNTS:
            self.add(e.MountChecked(mount=mount, version="2", accessor=_accessor(mount)))
        if not consul:
            return
        self.add(
            e.SyncInfoRead(
                prefix=PREFIX,
                insights=len(self.consul),
                buckets=self.num_buckets if self.consul else 0,
                index=self._index(self.consul) if self.consul else "",
                num_buckets=self.num_buckets if self.consul else None,
            ),
            after=0.012,
        )

    def list_folders(self, upto: int | None = None) -> None:
        """The first so many folders are listed (None: all)."""
        for event in _folders(self.vault)[:upto]:
            self._requests = (self._requests[0] + 1, self._requests[1])
            self.add(event, after=0.004)

    def list_all(self) -> None:
        """All is listed; the workers begin."""
        self.list_folders()
        by_mount = Counter(mount_of(path, MOUNTS) for path in self.vault)
        self.add(e.PathsListed(paths=len(self.vault), mounts=dict(sorted(by_mount.items()))))
        self.move("listed", "working")
        self._todo = sorted(self.vault)
        self._observed = self._mono
        for worker in range(1, self.workers + 1):
            self.add(e.WorkerStarted(worker=worker))
            self._take(worker)

    def work(
        self,
        *,
        most: int | None = None,
        each_s: float = 0.004,
        failing: Mapping[str, tuple[str, str]] = {},
        stuck: int = 0,
    ) -> None:
        """The workers end so many paths (None: all, and go on to reindexing).

        `failing` gives kind and message of paths that cannot be read; the worker `stuck` does
        not come back from its path.
        """
        ended = 0
        hands = [worker for worker in self._at if worker != stuck]
        for worker in forever(hands):
            if ended == most or not any(each in self._at for each in hands):
                break
            if worker in self._at:
                self.wait(each_s)
                self._observe()
                self._end_path(worker, failing)
                ended += 1
        if most is None:
            self._stop_workers()

    def reindex(self) -> None:
        """The new sync info is compared with the one in Consul."""
        self.vanish()
        for number in self._differing():
            bucket = distribute(self._new, self.num_buckets)[number]
            self.add(
                e.BucketReindexed(
                    bucket=number,
                    insights=len(bucket),
                    size_bytes=len(encode_bucket(bucket)),
                    digest=digest(bucket),
                )
            )

    def vanish(self) -> list[str]:
        """What Consul has and the new sync info lacks is told, and given."""
        gone = sorted(self.consul.keys() - self._new.keys())
        for path in gone:
            self.add(e.InsightVanished(path=path, insight=self.consul[path]), after=0.00002)
        return gone

    def save(self, *, answered: bool = True) -> None:
        """Consul gets what differs; without an answer, the save goes on."""
        self.move("reindexed", "saving")
        index = self._index(self._new)
        differing = self._differing()
        if not differing:
            self.add(e.SaveSkipped(index=index))
        else:
            buckets = distribute(self._new, self.num_buckets)
            gone = Counter(mount_of(path, MOUNTS) for path in self.consul.keys() - self._new.keys())
            self.add(
                e.SaveStarted(
                    index=index,
                    index_key=f"{PREFIX}index",
                    index_modify_index=len(self.records),
                    keys=tuple(
                        e.SavedKey(f"{PREFIX}{number}", len(self.records), digest(buckets[number]))
                        for number in differing
                    ),
                    vanished=dict(gone),
                    insights=dict(Counter(mount_of(path, MOUNTS) for path in self._new)),
                ),
                after=0.006,
            )
            self._requests = (self._requests[0], self._requests[1] + 1)
        if not answered:
            return
        if differing:
            self.add(e.SaveCommitted(index=index, keys=len(differing) + 1), after=0.021)
        self.consul = dict(self._new)
        self.move("saved", "waiting")

    def finish(self, outcome: str = "", reason: str = "") -> None:
        """The cycle ends; without an outcome, as what was told makes it."""
        if not outcome:
            last = self.view.last_save
            outcome = "saved" if last is not None and last.cycle == self._cycle else "unchanged"
        requests = e.Requests(*self._requests)
        self.add(cycle_finished(self.view, outcome, reason, requests))
        self._cycle = None

    # --- how a cycle ends otherwise ---

    def fault(
        self, kind: str, message: str, *, hint: str, fatal: bool = False, **context: str
    ) -> None:
        """A fault is raised."""
        self.add(e.FaultRaised(kind=kind, fatal=fatal, message=message, hint=hint, context=context))

    def late(self) -> None:
        """The deadline has passed: the fault that an origin raises of it."""
        fault = deadline_passed(self.view, self._mono)
        told = {"message": fault.message, "hint": fault.hint}
        self.add(
            e.FaultRaised(kind=fault.kind.word, fatal=False, context=dict(fault.context), **told)
        )

    def retry(self, what: str, kind: str, message: str, *, times: int = 1) -> None:
        """A request fails and is tried again, with growing pauses."""
        for attempt in range(1, times + 1):
            delay_s = 0.2 * 2**attempt
            told = {"kind": kind, "message": message}
            self.add(e.RetryScheduled(what=what, attempt=attempt, delay_s=delay_s, **told))
            self.wait(delay_s)

    def leave(self, reason: str) -> None:
        """The cycle is aborted; it is not torn down yet."""
        self.move("abort", "aborted", reason)
        for worker, (path, _) in sorted(self._at.items()):
            self.add(e.PathAbandoned(worker=worker, path=path))
        self._at.clear()

    def abort(self, reason: str, outcome: str = "aborted", *, back: bool = True) -> None:
        """The cycle is aborted and torn down; then the run waits again, or is about to halt."""
        self.leave(reason)
        self._stopped(self.view)
        number = self._cycle
        self.finish(outcome, reason)
        if back:
            self._cycle = number
            self.move("recovered", "waiting")
            self._cycle = None

    def refuse(self, *, rule: str = "shrink", limit: float = 0.2) -> str:
        """A safety rule refuses the save; the allowance's id."""
        gone = self.vanish()
        by_mount = dict(sorted(Counter(mount_of(path, MOUNTS) for path in gone).items()))
        refusals = [e.Refusal(rule=rule, count=len(gone), of=len(self.consul), limit=limit)]
        for mount, lost in by_mount.items():
            of = sum(mount_of(path, MOUNTS) == mount for path in self.consul)
            refusals.append(
                e.Refusal(rule=f"{rule}_mount", mount=mount, count=lost, of=of, limit=limit)
            )
        allowance = allowance_id(items(gone, (), (), refusals))
        refused = e.SaveRefused(
            refusals=tuple(refusals),
            vanished=by_mount,
            regressed={},
            sample=tuple(gone[:SAMPLE]),
            allowance=allowance,
            insights=dict(Counter(mount_of(path, MOUNTS) for path in self._new)),
        )
        told = newly_refused(refused, live=True)
        self.add(refused)
        context = dict(told.context)
        self.fault(told.kind.word, told.message, hint=told.hint, fatal=False, **context)
        self.abort("refused", "refused")
        return allowance

    # --- within ---

    def _take(self, worker: int) -> None:
        if self._todo:
            self._at[worker] = (self._todo.pop(0), self._mono)
        else:
            self._at.pop(worker, None)

    def _observe(self) -> None:
        if self._mono - self._observed >= NS:
            self._observed = self._mono
            busy = (e.BusyWorker(n, path, since) for n, (path, since) in sorted(self._at.items()))
            self.add(e.WorkersObserved(busy=tuple(busy)), after=0)

    def _end_path(self, worker: int, failing: Mapping[str, tuple[str, str]]) -> None:
        path, _ = self._at[worker]
        self._requests = (self._requests[0] + 1, self._requests[1])
        found = self.vault[path]
        if path in failing:
            kind, message = failing[path]
            self._failed.append(path)
            self.add(e.PathFailed(worker=worker, path=path, kind=kind, message=message), after=0)
        elif isinstance(found, str):
            self.add(e.InsightSkipped(worker=worker, path=path, why=found), after=0)
        else:
            self._new[path] = found
            change = change_of(self.consul.get(path), found)
            self.add(
                e.InsightGenerated(worker=worker, path=path, insight=found, change=change), after=0
            )
        self._take(worker)

    def _stop_workers(self) -> None:
        self._stopped(self.view)
        for path in [path for path in self._carried if path not in self._failed]:
            del self._carried[path]
        for path in self._failed:
            if path in self.consul:
                self._carried[path] += 1
                self._new[path] = kept = self.consul[path]
                cycles = self._carried[path]
                self.add(e.InsightCarriedForward(path=path, insight=kept, cycles=cycles))
        self.move("worked", "reindexing")

    def _stopped(self, view: View) -> None:
        for worker in view.cycle.workers if view.cycle else ():
            if not worker.stopped:
                self.add(e.WorkerStopped(worker=worker.number, paths=worker.paths))

    def _differing(self) -> list[int]:
        former = distribute(self.consul, self.num_buckets)
        new = distribute(self._new, self.num_buckets)
        return [n for n in range(self.num_buckets) if not self.consul or former[n] != new[n]]

    def _index(self, insights: Mapping[str, Insight]) -> str:
        buckets = distribute(insights, self.num_buckets)
        return hashlib.sha256(encode_index([digest(each) for each in buckets])).hexdigest()


def _folders(paths: Iterable[str]) -> list[e.FolderListed]:
    found: dict[tuple[str, str], tuple[int, set[str]]] = {
        (mount, ""): (0, set()) for mount in MOUNTS
    }
    for path in paths:
        mount = mount_of(path, MOUNTS)
        *folders, _ = path.removeprefix(f"{mount}data/").split("/")
        at = ""
        for name in folders:
            found[mount, at][1].add(name)
            at += f"{name}/"
            found.setdefault((mount, at), (0, set()))
        secrets, below = found[mount, at]
        found[mount, at] = (secrets + 1, below)
    return [
        e.FolderListed(mount=mount, folder=folder, paths=secrets, folders=len(below))
        for (mount, folder), (secrets, below) in sorted(found.items())
    ]


def _accessor(mount: str) -> str:
    return f"kv_{hashlib.sha256(mount.encode()).hexdigest()[:8]}"


_CONFIG = {
    "name": "origin",
    "numBuckets": 8,
    "origin": {
        "vault": {"address": "https://vault.example:8200", "tokenFile": "/run/vsync/token"},
        "consul": {"address": "https://consul.example:8501", "kvMaxValueSize": 524288},
        "mounts": list(MOUNTS),
        "syncPath": "vsync/",
        "numWorkers": 4,
        "tick": 60.0,
        "timeout": 300.0,
    },
}

"""The second phase: N workers, one path at a time each, turn metadata into insights.

A path's metadata is read (`workers.py`), unless a detailed list has given it already.

Each path that was taken ends exactly once: its worker notes its end, the coordinator tells the loop
in batches, and what was taken but not told when the cycle is closed is abandoned.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

import msgspec

from vsync_sm.core.choice import Choice
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import (
    BusyWorker,
    Event,
    InsightCarriedForward,
    InsightGenerated,
    InsightSkipped,
    PathAbandoned,
    PathFailed,
    WorkerStarted,
    WorkerStopped,
)
from vsync_sm.core.insight import NS, Insight, skip_reason
from vsync_sm.core.safety import Limits, failing_in_a_row, too_many_failed
from vsync_sm.core.sync_info import bucket_of, change_of, data_path
from vsync_sm.origin.access import Access
from vsync_sm.origin.listing import Listed, Lister, SecretPath
from vsync_sm.origin.patience import Cancelled
from vsync_sm.origin.scope import BATCH, Scope
from vsync_sm.origin.workers import Driver, First, Task, Worker
from vsync_sm.servers.vault import Metadata, Vault

FLUSH_S = 0.1
"""How often the coordinator tells the loop what the workers did, seconds.

The loop works by the batch as well as by the event: a turn, a look at the view. In shorter pauses
a slow server's cycle would cost it twice as much, and nobody sees the difference.
"""

_ONE_PATHS_OWN = frozenset({FaultKind.FORBIDDEN, FaultKind.NOT_FOUND})
_SERVERS_DOING = frozenset(
    {
        FaultKind.TIMEOUT,
        FaultKind.SERVER_ERROR,
        FaultKind.RATE_LIMITED,
        FaultKind.NOT_VAULT,
        FaultKind.BAD_REQUEST,
    }
)


class SyncInfo:
    """The insights of a cycle in N hashed buckets; many workers may put at once."""

    def __init__(self, num_buckets: int) -> None:
        self._buckets: tuple[dict[str, Insight], ...] = tuple({} for _ in range(num_buckets))
        self._locks = tuple(threading.Lock() for _ in range(num_buckets))

    def put(self, path: str, insight: Insight) -> None:
        """Keep the insight of an absolute data path in the path's bucket."""
        number = bucket_of(path, len(self._buckets))
        with self._locks[number]:
            self._buckets[number][path] = insight

    def __len__(self) -> int:
        """How many insights it holds, once every worker has ended."""
        return sum(map(len, self._buckets))

    def buckets(self) -> tuple[dict[str, Insight], ...]:
        """The buckets, once every worker has ended."""
        return self._buckets

    def insights(self) -> dict[str, Insight]:
        """All insights, once every worker has ended."""
        return {path: insight for bucket in self._buckets for path, insight in bucket.items()}


class Worked(msgspec.Struct, frozen=True):
    """What working found: `failed` are the paths that failed and had nothing to carry."""

    sync_info: SyncInfo
    failed: frozenset[str]


class Crew:
    """All workers of a cycle, and what they share."""

    def __init__(
        self,
        scope: Scope,
        vault: Vault,
        access: Access,
        lister: Lister,
        listed: Listed,
        *,
        workers: int,
        num_buckets: int,
        limits: Limits,
    ) -> None:
        self._scope = scope
        self._vault = vault
        self._access = access
        self._lister = lister
        self._listed = listed
        self._limits = limits
        self._sync_info = SyncInfo(num_buckets)
        self._workers = tuple(Worker(number) for number in range(1, workers + 1))
        self._telling = threading.Lock()
        self._closed = False
        self._counting = threading.Lock()
        self._failed: list[str] = []
        self._row = 0
        self._driver = Driver(
            scope,
            vault,
            access,
            self._workers,
            listed=listed.paths,
            suspects=unlisted(listed, lister.choice),
            ends=self,
        )
        self.threads = self._driver.threads

    def run(self, carried: Mapping[str, int]) -> Worked:
        """Start the workers, tell what they do, and carry forward what failed.

        Args:
            carried: by path, for how many cycles in a row it was carried before.
        """
        self._scope.tell(WorkerStarted(worker=worker.number) for worker in self._workers)
        self._driver.start()
        for thread in self.threads:
            while thread.is_alive():
                thread.join(FLUSH_S)
                self._tell()
                self._scope.check()
        self._tell()
        self._sign_off()
        try:
            for mount, accessor in self._listed.accessors.items():
                self._refuse_new_accessor(mount, accessor)
            self._driver.expect_silence()
            self._vault.expect_silence()
        finally:
            self._driver.close()
        return Worked(self._sync_info, self._carry(carried))

    def busy(self) -> tuple[BusyWorker, ...]:
        """What each busy worker is at."""
        found = (worker.busy() for worker in self._workers)
        return tuple(each for each in found if each is not None)

    def close(self) -> tuple[Event, ...]:
        """The ends of what was begun and not told, once nothing more will be told."""
        with self._telling:
            self._closed = True
            ends: list[Event] = []
            for worker in self._workers:
                ends += (
                    PathAbandoned(worker=worker.number, path=path) for path, _ in worker.open.copy()
                )
            return tuple(ends)

    def stopped(self) -> tuple[WorkerStopped, ...]:
        """How each worker that has not said so itself did end."""
        return tuple(
            WorkerStopped(
                worker=worker.number, paths=worker.paths, abandoned=self._driver.holds(worker)
            )
            for worker in self._workers
            if not worker.stopped
        )

    # --- what becomes of a path ---

    def given(self, task: Task, metadata: Metadata) -> None:
        """End a path whose metadata were there already: no request shows that Vault answers."""
        task.worker.ended.append(self._found(task, metadata))

    def plain(self, task: Task, metadata: Metadata | None) -> bool:
        """End a path if its reply is all that is needed. Whether it did."""
        if task.suspect:
            return metadata is None or self._why_skipped(metadata) is not None
        if metadata is None:
            return False
        task.worker.ended.append(self._found(task, metadata))
        self._answered()
        return True

    def careful(self, task: Task, first: First) -> None:
        """End a path for which there is more to be done, on its worker's own thread."""
        if task.suspect:
            self._expect_gone(task, first)
        else:
            task.worker.ended.append(self._end(task, first))

    def _expect_gone(self, task: Task, first: First) -> None:
        # A policy may hide names from a list, and so may a server in trouble: a path of the former
        # sync info vanishes only when Vault says so of the path itself.
        metadata = self._metadata(task, first)
        if isinstance(metadata, Fault):
            raise _unreadable(task) if metadata.kind is FaultKind.FORBIDDEN else metadata
        if metadata is not None and self._why_skipped(metadata) is None:
            raise _hidden(task.path)

    def _end(self, task: Task, first: First) -> Event:
        number, path = task.worker.number, task.path
        answer = self._metadata(task, first)
        if answer is None and self._still_named(task.taken):
            answer = _but_named(path)
        if isinstance(answer, Fault):
            self._count_failure(answer, path)
            return PathFailed(
                worker=number,
                path=path,
                kind=answer.kind.word,
                message=answer.message,
                server=answer.context.get("server", ""),
            )
        self._answered()
        if answer is None:
            return InsightSkipped(worker=number, path=path, why="gone")
        return self._found(task, answer)

    def _found(self, task: Task, metadata: Metadata) -> Event:
        number, path = task.worker.number, task.path
        why = self._why_skipped(metadata)
        if why is not None:
            return InsightSkipped(worker=number, path=path, why=why)
        insight = Insight(metadata.state.current_version, metadata.state.update_time)
        self._sync_info.put(path, insight)
        change = change_of(self._listed.former.insights.get(path), insight)
        return InsightGenerated(worker=number, path=path, insight=insight, change=change)

    def _metadata(self, task: Task, first: First) -> Metadata | Fault | None:
        """What comes of the first try, and of those that follow it; a fault of the read itself.

        Raises:
            Fault: what came of the token (nobody knows whether it lives, there is no other): that
                is no path's own.
        """
        limit, taken = self._scope.budget.vault, task.taken
        known: First | None = first
        own: Fault | None = None

        def read() -> Metadata | None:
            nonlocal known, own
            told, known = known, None
            try:
                if told is None:
                    return self._vault.read_metadata(taken.mount, taken.path, limit)
                if isinstance(told.end, Fault):
                    raise told.end
            except Fault as fault:
                own = fault
                raise
            return told.end

        def ask() -> Metadata | None:
            return self._access.call(read, limit, used=known.token if known else None)

        try:
            return self._scope.patience.call(f"read {task.path}", ask, sent=first.sent)
        except Fault as fault:
            if fault is not own:
                raise
            return fault

    def _answered(self) -> None:
        if self._row:
            with self._counting:
                self._row = 0

    def _why_skipped(self, metadata: Metadata) -> str | None:
        # `Date` tells whole seconds: what is deleted within the running one is deleted.
        return skip_reason(metadata.state, metadata.server_now + NS - 1)

    def _still_named(self, taken: SecretPath) -> bool:
        folder, separator, name = taken.path.rpartition("/")
        return not self._lister.gone(taken.mount, folder + separator, name)

    def _count_failure(self, fault: Fault, path: str) -> None:
        # What is not one path's fault goes up to the loop, and the path ends as abandoned.
        if fault.kind not in _ONE_PATHS_OWN | _SERVERS_DOING:
            raise fault
        with self._counting:
            if fault.kind in _SERVERS_DOING:
                self._row += 1
            self._failed.append(path)
            row, failed = self._row, len(self._failed)
        if failing_in_a_row(row):
            raise fault
        if too_many_failed(failed, len(self._listed.paths), self._limits):
            raise Fault(
                FaultKind.TOO_MANY_FAILED,
                f"{failed} of {len(self._listed.paths)} paths could not be read",
                hint=f"The last one: {fault.message}. {fault.hint}".strip(),
                context={**fault.context, "last_path": path},
            )

    # --- on the coordinator's thread ---

    def _tell(self) -> None:
        while self._tell_batch():
            pass

    def _tell_batch(self) -> bool:
        with self._telling:
            if self._closed:
                raise Cancelled
            share = max(BATCH // len(self._workers), 1)
            counts = [(worker, min(len(worker.ended), share)) for worker in self._workers]
            batch = [worker.ended[at] for worker, count in counts for at in range(count)]
            self._scope.tell_batch(batch)
            # Told: only now are they off the workers' hands, so that none is lost or told twice.
            for worker, count in counts:
                worker.paths += count
                for _ in range(count):
                    worker.ended.popleft()
                    worker.open.popleft()
            return bool(batch)

    def _sign_off(self) -> None:
        if self._driver.broken:
            raise Cancelled
        for worker in self._workers:
            worker.stopped = True
        self._scope.tell(
            WorkerStopped(worker=worker.number, paths=worker.paths) for worker in self._workers
        )

    def _refuse_new_accessor(self, mount: str, accessor: str) -> None:
        # A mount that was made anew while it was read may have listed empty half way through.
        if self._lister.check_mount(mount).accessor != accessor:
            raise Fault(
                FaultKind.MOUNT_CHANGED,
                f"the mount {mount} was disabled and made anew during the cycle",
                hint="The next cycle looks at the new one.",
                context={"mount": mount},
            )

    def _carry(self, carried: Mapping[str, int]) -> frozenset[str]:
        nothing_to_carry = []
        for path in self._failed:
            insight = self._listed.former.insights.get(path)
            if insight is None:
                nothing_to_carry.append(path)
                continue
            self._sync_info.put(path, insight)
            cycles = carried.get(path, 0) + 1
            self._scope.tell((InsightCarriedForward(path=path, insight=insight, cycles=cycles),))
        return frozenset(nothing_to_carry)


def unlisted(listed: Listed, choice: Choice) -> Iterator[SecretPath]:
    """The paths of the former sync info that are still chosen, and that no list named.

    What is no longer chosen vanishes by configuration: Vault is not asked, and the token need not
    be allowed to.
    """
    unnamed = set(listed.former.insights)  # no second million of paths is made: all are named
    for each in listed.paths:
        unnamed.discard(data_path(each.mount, each.path))
    for path in unnamed:
        for mount in listed.accessors:
            below = path.removeprefix(f"{mount}data/")
            if below != path and choice.belongs(mount, below):
                yield SecretPath(mount, below)


def _but_named(path: str) -> Fault:
    return Fault(
        FaultKind.NOT_FOUND,
        f"{path} answers that nothing is there, but its folder still names it",
        hint="A lagging standby answers so; the next cycle looks again.",
        context={"path": path},
    )


def _hidden(path: str) -> Fault:
    return Fault(
        FaultKind.LIST_INCOMPLETE,
        f"{path} is alive, but no list names it any more",
        hint="A policy that filters lists hides names from vsync: let it see all. A secret that "
        "was written anew this very moment looks so too, and the next cycle finds it.",
        context={"path": path},
    )


def _unreadable(task: Task) -> Fault:
    """It may be deleted, or hidden from the list: only a read can tell, which is refused."""
    metadata = f"{task.taken.mount}metadata/{task.taken.path}"
    return Fault(
        FaultKind.LIST_INCOMPLETE,
        f"{task.path} may not be read, and no list names it any more",
        hint=f"It may have been deleted: give the token read on {metadata}, "
        "and the next cycle sees whether it is gone; or exclude it in origin.paths. If it is not "
        "deleted, a policy that filters lists hides it: let vsync see all.",
        context={"path": task.path},
    )

"""The workers of a cycle: who has which path, and the one thread that reads for all of them.

A worker has one path at a time. Its read is sent by the driver, which has as many under way as
there are workers: one thread costs half of what a thread each does. What comes back plain ends the
path there and then. Whatever else comes back (a fault, a path that is gone) is the worker's own
thread's, where there is time to wait, to log in, to list a folder again: the rules for it are those
of every other request (`Patience`, `Access`), and the driver's try is the first that they hear of.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

import msgspec

from vsync_sm.core.errors import Fault
from vsync_sm.core.events import BusyWorker, Event
from vsync_sm.core.sync_info import data_path
from vsync_sm.origin.access import Access
from vsync_sm.origin.listing import SecretPath
from vsync_sm.origin.patience import Cancelled
from vsync_sm.origin.scope import Scope
from vsync_sm.servers.vault import Metadata, MetadataReads, Vault

BREATH_S = 0.02
"""How long the driver waits at a stretch, at the most: so soon it hears of an end, seconds."""

BACKLOG = 2_000
"""A worker that has so many ends to tell gets no more paths."""

_GIVEN = 64  # so many paths that need no read a worker ends before the others have their turn


class Sender:
    """Hands out the listed paths, one at a time, until they end or the cycle does."""

    def __init__(self, paths: Iterable[SecretPath], cancelled: threading.Event) -> None:
        self._paths = iter(paths)
        self._cancelled = cancelled

    def take(self) -> SecretPath | None:
        """The next path, or None when there is none to be sent."""
        return None if self._cancelled.is_set() else next(self._paths, None)


class Worker:
    """What one worker has taken and not yet told, and the ends it waits to tell.

    `careful` is what its own thread is given; None ends it.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.open: deque[tuple[str, int]] = deque()
        self.ended: deque[Event] = deque()
        self.paths = 0
        self.stopped = False
        self.careful: SimpleQueue[tuple[Task, First] | None] = SimpleQueue()
        self.thread: threading.Thread

    def busy(self) -> BusyWorker | None:
        """What it is at, with the clock's monotonic time at which it began."""
        if self.stopped or len(self.open) <= len(self.ended):
            return None
        try:
            path, since = self.open[-1]
        except IndexError:  # it ended between the two looks
            return None
        return BusyWorker(self.number, path, since)


class Task(msgspec.Struct):
    """A path in a worker's hands; `path` is its data path.

    A `suspect` is one that no list named and that was saved before.
    """

    worker: Worker
    taken: SecretPath
    path: str
    suspect: bool


class First(msgspec.Struct):
    """The first try to read a path: its end, when it was sent, and with which token.

    `sent` is the clock's monotonic time.
    """

    end: Metadata | Fault | None
    sent: int
    token: str


class Ends(Protocol):
    """What becomes of a path that was read."""

    def given(self, task: Task, metadata: Metadata) -> None:
        """End a path whose metadata were there already."""

    def plain(self, task: Task, metadata: Metadata | None) -> bool:
        """End a path if its reply is all that is needed; never waits. Whether it did."""

    def careful(self, task: Task, first: First) -> None:
        """End any other path, on its worker's own thread."""


class Driver:
    """Has the workers read the paths; its threads are daemons.

    Attributes:
        broken: whether a thread ended by what it raised: that was told, and the cycle is over.
        threads: all of them; those of workers start when they are needed.
    """

    def __init__(
        self,
        scope: Scope,
        vault: Vault,
        access: Access,
        workers: tuple[Worker, ...],
        *,
        listed: Iterable[SecretPath],
        suspects: Iterable[SecretPath],
        ends: Ends,
    ) -> None:
        """The suspects come once the listed paths are handed out."""
        self.broken = False
        self._scope = scope
        self._vault = vault
        self._access = access
        self._workers = workers
        self._listed = Sender(listed, scope.cancelled)
        self._suspects = Sender(suspects, scope.cancelled)
        self._ends = ends
        self._idle = deque(workers)
        self._back: SimpleQueue[Worker] = SimpleQueue()
        self._unsent: deque[Task] = deque()
        self._turn: int | None = None
        self._out = False
        self._reads: MetadataReads[tuple[Task, int, str]] | None = None
        for worker in workers:
            worker.thread = self._thread(f"worker-{worker.number}", self._care, worker)
        self.threads = [self._thread("reader", self._drive), *(each.thread for each in workers)]

    def start(self) -> None:
        """Begin."""
        self.threads[0].start()

    def expect_silence(self) -> None:
        """As `Vault.expect_silence`, when all paths have ended. Raises the same."""
        if self._reads is not None:
            self._reads.expect_silence()

    def close(self) -> None:
        """Let go of the connections, when all threads have ended."""
        if self._reads is not None:
            self._reads.close()

    def holds(self, worker: Worker) -> bool:
        """Whether a thread that has not come back is the worker's, or reads what it is at."""
        if worker.thread.ident is not None:  # what it was at last was its own
            return worker.thread.is_alive()
        return len(worker.open) > len(worker.ended) and self.threads[0].is_alive()

    def _thread(self, name: str, target: Callable[..., None], *given: Worker) -> threading.Thread:
        def run() -> None:
            with self._scope.guarded():
                try:
                    target(*given)
                except BaseException:
                    self.broken = True
                    raise

        return threading.Thread(target=run, name=name, daemon=True)

    # --- on the driver's thread ---

    def _drive(self) -> None:
        reads: MetadataReads[tuple[Task, int, str]] = self._vault.reads(len(self._workers))
        try:
            while self._go_on(reads):
                self._scope.check()
            self._reads = reads
        finally:
            for worker in self._workers:
                worker.careful.put(None)
            if self._reads is None:
                reads.close()

    def _go_on(self, reads: MetadataReads[tuple[Task, int, str]]) -> bool:
        """One round; False when all paths have ended."""
        if self.broken:
            raise Cancelled
        while not self._back.empty():
            self._idle.append(self._back.get())
        pause = BREATH_S if self._out else self._hand_out()
        if self._out and len(self._idle) == len(self._workers):
            self._scope.check()  # the cycle's end looks like the end of the paths
            return False
        pause = min(pause, self._send(reads))
        if len(reads):
            for (task, sent, token), end in reads.receive(pause):
                self._received(task, First(end, sent, token))
        else:
            with suppress(Empty):
                self._idle.append(self._back.get(timeout=pause))
        return True

    def _hand_out(self) -> float:
        """Give each idle worker a path. Returns for how long there is nothing more to do."""
        pause = BREATH_S
        for _ in range(len(self._idle)):
            worker = self._idle.popleft()
            task = self._next(worker)
            if task is not None:
                self._unsent.append(task)
                continue
            self._idle.append(worker)
            if len(worker.ended) <= BACKLOG:
                pause = 0.0
        return pause

    def _next(self, worker: Worker) -> Task | None:
        """What has to be read next; ends paths that need no read on the way, a few at a time."""
        for _ in range(_GIVEN):
            if len(worker.ended) > BACKLOG:
                return None
            taken = self._listed.take()
            if taken is None:
                break
            path = data_path(taken.mount, taken.path)
            worker.open.append((path, self._scope.clock.mono()))
            task = Task(worker, taken, path, suspect=False)
            if taken.metadata is None:
                return task
            self._ends.given(task, taken.metadata)
        else:
            return None
        suspect = self._suspects.take()
        if suspect is None:
            self._out = True
            return None
        return Task(worker, suspect, data_path(suspect.mount, suspect.path), suspect=True)

    def _send(self, reads: MetadataReads[tuple[Task, int, str]]) -> float:
        """Send what may be sent by now. Returns the seconds until more may be."""
        budget, patience = self._scope.budget, self._scope.patience
        while self._unsent:
            if (pause := patience.pause()) > 0:
                return pause
            if self._turn is None:
                self._turn = budget.turn()
            if (pause := budget.pause(self._turn)) > 0:
                return pause
            self._turn = None
            task = self._unsent.popleft()
            token, sent = self._access.token, self._scope.clock.mono()
            try:
                reads.send((task, sent, token), task.taken.mount, task.taken.path, budget.vault_now)
            except Fault as fault:
                self._received(task, First(fault, sent, token))
        return BREATH_S

    def _received(self, task: Task, first: First) -> None:
        worker = task.worker
        if not isinstance(first.end, Fault):
            self._scope.patience.went_well()
            if self._ends.plain(task, first.end):
                self._idle.append(worker)
                return
        worker.careful.put((task, first))
        if worker.thread.ident is None:
            worker.thread.start()

    # --- on a worker's own thread ---

    def _care(self, worker: Worker) -> None:
        while (given := worker.careful.get()) is not None:
            self._ends.careful(*given)
            self._back.put(worker)

"""One thread reads for all workers; what is not plain is a worker's own, by everybody's rules."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.misbehave import Answer
from tests.origin.bench import Bench
from tests.origin.scenes import Scene, came, until
from tests.workshop import PATIENCE_S
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import NS, VersionState
from vsync_sm.origin import workers
from vsync_sm.origin.access import Access, Way
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.inbox import FaultCame, Inbox
from vsync_sm.origin.listing import SecretPath
from vsync_sm.origin.orders import Mode
from vsync_sm.origin.scope import Scope
from vsync_sm.origin.workers import Driver, First, Task, Worker
from vsync_sm.servers.vault import Metadata

THERE = Metadata(VersionState(1, "2026-11-02T08:00:00Z", "", destroyed=False), 0)
TROUBLE = Fault(FaultKind.SERVER_ERROR, "a moment")

End = Metadata | Fault | None


class Reads:
    """A Vault that answers at once, out of order, with what `ends` has; else the secret is there.

    What is asked for in `ends` with "hangs" is never answered.
    """

    def __init__(self, ends: dict[str, Any] | None = None) -> None:
        self.ends = ends or {}
        self.sent: list[str] = []
        self.most = 0
        self.closed = False
        self.looks = 0
        self._under: list[tuple[Any, str]] = []

    def reads(self, most: int) -> Reads:
        """Itself: as a `Vault` makes them."""
        self._allowed = most
        return self

    def __len__(self) -> int:
        return len(self._under)

    def send(self, key: object, mount: str, path: str, limit: Callable[[], float]) -> None:
        """Notes it."""
        assert limit() > 0
        assert mount == "m/"
        self.sent.append(path)
        self._under.append((key, path))
        self.most = max(self.most, len(self._under))
        assert self.most <= self._allowed

    def receive(self, wait_s: float) -> list[tuple[Any, End]]:
        """All that does not hang, the last one first."""
        over = [each for each in reversed(self._under) if self.ends.get(each[1]) != "hangs"]
        self._under = [each for each in self._under if each not in over]
        if not over:
            time.sleep(min(wait_s, 0.001))
        return [(key, self.ends.get(path, THERE)) for key, path in over]

    def expect_silence(self) -> None:
        """Notes it."""
        self.looks += 1

    def close(self) -> None:
        """Notes it."""
        self.closed = True


class Ends:
    """Notes what becomes of each path, and on which thread; `care` is done for what is not plain.

    A worker's ends are told at once, if `tells`; `most` of one waited at a time.
    """

    def __init__(
        self, care: Callable[[str], object] = lambda _: None, *, tells: bool = True
    ) -> None:
        self.most = 0
        self.over: deque[tuple[str, str, str]] = deque()
        self.firsts: list[First] = []
        self._care = care
        self._tells = tells

    def given(self, task: Task, metadata: Metadata) -> None:
        """Notes it."""
        assert metadata is task.taken.metadata
        self._end(task, "given")

    def plain(self, task: Task, metadata: Metadata | None) -> bool:
        """What is there is plain; of a suspect, what is not."""
        if (metadata is None) is not task.suspect:
            return False
        self._end(task, "plain")
        return True

    def careful(self, task: Task, first: First) -> None:
        """Notes it, once it was taken care of."""
        self.firsts.append(first)
        self._care(task.path)
        self._end(task, "careful")

    def _end(self, task: Task, how: str) -> None:
        self.over.append((task.path, how, threading.current_thread().name))
        if not task.suspect:
            task.worker.ended.append(e.InsightSkipped(task.worker.number, task.path, "gone"))
            self.most = max(self.most, len(task.worker.ended))
            if self._tells:
                task.worker.open.popleft()
                task.worker.ended.popleft()


class Known:
    """As much of an `Access` as the driver looks at."""

    token = "one"


class Stage:
    """A driver and all that is around it; on leaving, its threads must come to their end."""

    def __init__(
        self,
        reads: Reads,
        ends: Ends,
        *,
        listed: Iterable[SecretPath],
        suspects: Iterable[SecretPath] = (),
        crew: int = 2,
    ) -> None:
        clock = SystemClock()
        self.inbox = Inbox()
        budget = Budget(clock, deadline=clock.mono() + 3600 * NS, request_timeout_s=60.0)
        self.scope = Scope(1, self.inbox, budget, clock, lambda: 0.0)
        self.workers = tuple(Worker(number) for number in range(1, crew + 1))
        made: Any = Driver
        self.driver: Driver = made(
            self.scope,
            reads,
            Known(),
            self.workers,
            listed=listed,
            suspects=suspects,
            ends=ends,
        )

    def __enter__(self) -> Stage:
        self.driver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.join()
        assert not any(thread.is_alive() for thread in self.driver.threads)

    def join(self) -> None:
        """Wait for all threads that have begun."""
        for thread in self.driver.threads:
            if thread.ident is not None:
                thread.join(PATIENCE_S)


def paths(*names: str, metadata: Metadata | None = None) -> list[SecretPath]:
    return [SecretPath("m/", name, metadata) for name in names]


MANY = [f"s-{number}" for number in range(200)]


def test_each_path_ends_once_and_suspects_come_last() -> None:
    reads, ends = Reads({"gone": None, "old": None, "older": THERE, "bad": TROUBLE}), Ends()
    listed = [*paths(*MANY, "gone", "bad"), *paths("known", metadata=THERE), *paths("last")]
    with Stage(reads, ends, listed=listed, suspects=paths("old", "older"), crew=3) as stage:
        stage.join()
    found = {path: (how, thread) for path, how, thread in ends.over}
    assert len(found) == len(ends.over) == len(MANY) + 6
    careful = {path for path, (how, _) in found.items() if how == "careful"}
    assert careful == {"m/data/gone", "m/data/bad", "m/data/older"}
    assert all(thread.startswith("worker-") is (how == "careful") for how, thread in found.values())
    assert found["m/data/known"][0] == "given"
    assert found["m/data/old"][0] == "plain"
    assert reads.sent == [*MANY, "gone", "bad", "last", "old", "older"]
    assert reads.most == 3
    assert not reads.closed, "what comes late would not be seen"
    stage.driver.expect_silence()
    stage.driver.close()
    assert (reads.looks, reads.closed) == (1, True)
    assert not any(worker.open for worker in stage.workers)


def test_the_rules_hear_of_the_first_try_as_it_was() -> None:
    ends = Ends()
    began = SystemClock().mono()
    with Stage(Reads({"bad": TROUBLE}), ends, listed=paths("bad")) as stage:
        stage.join()
    (first,) = ends.firsts
    assert (first.end, first.token) == (TROUBLE, "one")
    assert began < first.sent < SystemClock().mono()


def test_while_one_worker_takes_its_time_the_others_go_on() -> None:
    held = threading.Event()
    ends = Ends(care=lambda _: held.wait(PATIENCE_S))
    with Stage(Reads({"bad": TROUBLE}), ends, listed=paths("bad", *MANY)) as stage:
        until(lambda: len(ends.over) == len(MANY))
        assert [len(worker.open) for worker in stage.workers] == [1, 0]
        busy = stage.workers[0].busy()
        assert busy is not None
        assert busy.path == "m/data/bad"
        held.set()
    assert ends.over[-1] == ("m/data/bad", "careful", "worker-1")


def test_a_worker_that_came_back_gets_more() -> None:
    ends = Ends()
    bad = {f"bad-{number}": TROUBLE for number in range(20)}
    with Stage(Reads(bad), ends, listed=paths(*bad), crew=1) as stage:
        stage.join()
    assert {thread for _, _, thread in ends.over} == {"worker-1"}
    assert len(ends.over) == 20


def test_what_a_worker_raises_is_told() -> None:
    def fail(path: str) -> None:
        raise Fault(FaultKind.SEALED, path)

    reads = Reads({"bad": TROUBLE, "stuck": "hangs"})
    with Stage(reads, Ends(fail), listed=paths("bad", "stuck")) as stage:
        stage.join()
    assert stage.driver.broken
    (told,) = stage.inbox.take(0.0)
    assert isinstance(told, FaultCame)
    assert (told.fault.kind, told.cycle) == (FaultKind.SEALED, 1)


def test_what_the_driver_raises_is_told() -> None:
    def listed() -> Iterator[SecretPath]:
        yield from paths("a")
        raise ValueError

    with Stage(Reads(), Ends(), listed=listed()) as stage:
        stage.join()
    assert stage.driver.broken
    (told,) = stage.inbox.take(0.0)
    assert isinstance(told, FaultCame)
    assert told.fault.kind is FaultKind.INVARIANT


def test_it_ends_with_the_cycle() -> None:
    reads = Reads({"stuck": "hangs", "bad": TROUBLE})
    with Stage(reads, Ends(), listed=paths("stuck", "bad", *MANY)) as stage:
        until(lambda: len(reads.sent) == len(MANY) + 2)
        stage.scope.close()
    assert reads.closed
    assert not stage.inbox.take(0.0)


def test_who_is_left_behind_where_the_reading_itself_hangs() -> None:
    held = threading.Event()

    class Hanging(Reads):
        def receive(self, wait_s: float) -> list[tuple[Any, End]]:
            assert held.wait(PATIENCE_S)
            return super().receive(wait_s)

    reads = Hanging()
    with Stage(reads, Ends(), listed=paths("a")) as stage:
        until(lambda: reads.sent == ["a"])
        stage.scope.close()
        assert [stage.driver.holds(worker) for worker in stage.workers] == [True, False]
        held.set()
    assert not any(stage.driver.holds(worker) for worker in stage.workers)


def test_who_does_not_get_rid_of_ends_gets_no_more_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "BACKLOG", 10)
    ends = Ends(tells=False)
    listed = [*paths(*MANY), *paths(*(f"g-{n}" for n in range(100)), metadata=THERE)]
    with Stage(Reads(), ends, listed=listed) as stage:
        until(lambda: all(len(each.ended) == 11 for each in stage.workers))
        while stage.driver.threads[0].is_alive():
            for each in stage.workers:
                for _ in range(len(each.ended)):
                    each.ended.popleft()
                    each.open.popleft()
            time.sleep(0.001)
    assert len(ends.over) == len(listed)
    assert ends.most == 11


# --- the rules of every other request ----------------------------------------------------------


def test_a_403_of_a_token_that_is_gone_is_asked_again_with_the_present_one() -> None:
    """Two had the dead token: one of them has logged in when the other's 403 is looked at."""

    class Asked:
        alive = 0

        def use_token(self, _: str) -> None:
            """There is nothing to it."""

        def token_alive(self, _: object) -> bool:
            Asked.alive += 1
            return True

    made: Any = Access
    access: Access = made(
        Asked(),
        Way("token", read=lambda: "new"),
        clock=SystemClock(),
        random=lambda: 0.0,
        tell=lambda _: None,
    )
    access._use("new")

    def forbidden_once() -> str:
        if not tries.popleft():
            return "there"
        raise Fault(FaultKind.FORBIDDEN, "no")

    for used, ends in (("old", "there"), ("new", "forbidden")):
        tries = deque([True, False])
        try:
            end = access.call(forbidden_once, lambda: 1.0, used=used)
        except Fault as fault:
            end = fault.kind.word
        assert end == ends
    assert Asked.alive == 1


def test_a_server_that_asks_for_a_rest_gets_it_from_all_workers(bench: Bench) -> None:
    """While the worker of `a` waits as it was told, the one of `b` comes back and is given `c`."""
    bench.fill(("a", "b", "c"))
    refused, asked = [], []
    scheduled = threading.Event()

    def refuse(answer: Answer) -> Answer:
        refused.append(time.monotonic())
        return replace(answer, status=429, headers={**answer.headers, "Retry-After": "1"})

    bench.on_read("a", times=1).alter(refuse)
    bench.on_read("b").delay_until(scheduled)
    bench.on_read("c").call(lambda: asked.append(time.monotonic()))
    scene = Scene(bench.shop)
    scene.on(came(e.RetryScheduled), scheduled.set)
    run = scene.run(Mode.once, numWorkers=2)
    assert run.outcome == "saved"
    assert run.one(e.RetryScheduled).what == f"read {bench.path('a')}"
    assert asked[0] - refused[0] >= 1.0


def test_the_first_try_is_one_of_four(bench: Bench) -> None:
    bench.begin(("a", *(f"s-{number}" for number in range(20))))
    rule = bench.on_read("a").answer(500, {"errors": ["a moment"]})
    run = bench.once(numWorkers=2)
    assert [retry.attempt for retry in run.all(e.RetryScheduled)] == [1, 2, 3]
    assert rule.hits == 4
    assert run.one(e.PathFailed).path == bench.path("a")

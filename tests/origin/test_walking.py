"""Folders are listed by as many threads as there are workers, and what is found is the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.misbehave import Answer, Request
from tests.origin.bench import Bench
from tests.origin.scenes import Scene, leave_behind
from tests.workshop import PATIENCE_S
from vsync_sm.core import events as e
from vsync_sm.core.choice import Choice, whole
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.origin.listing import Folder, SecretPath
from vsync_sm.origin.orders import Mode
from vsync_sm.origin.patience import Cancelled
from vsync_sm.origin.walking import Walk

DEEP = {
    "": ("a/", "b/", "c/"),
    "a/": ("a/x/", "a/y/"),
    "a/x/": (),
    "a/y/": ("a/y/z/",),
    "a/y/z/": (),
    "b/": (),
    "c/": tuple(f"c/{number}/" for number in range(30)),
    **{f"c/{number}/": () for number in range(30)},
}


class Scope:
    """As much of a cycle as a walk looks at."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()
        self.told: list[e.Event] = []

    def tell(self, facts: Iterable[e.Event]) -> None:
        """Gathers them."""
        self.told += facts

    def check(self) -> None:
        """Raises Cancelled once it is."""
        if self.cancelled.is_set():
            raise Cancelled


class Lister:
    """Lists a tree that it knows by heart."""

    def __init__(self, enter: Callable[[str], object] = lambda _: None) -> None:
        self.choice = Choice(whole(("m/",)))
        self.entered: list[str] = []
        self._enter = enter

    def enter(self, mount: str, folder: str) -> Folder:
        """One folder, with one secret in it."""
        self._enter(folder)
        self.entered.append(folder)
        path = SecretPath(mount, f"{folder}secret")
        return Folder(
            listed=listed(mount, folder), paths=(path,), folders=DEEP[folder], unchosen=1, pruned=2
        )


class Leaf(Lister):
    """Lists a mount without folders."""

    def enter(self, mount: str, folder: str) -> Folder:
        """Nothing but a secret."""
        return Folder(listed=listed(mount, folder), paths=(SecretPath(mount, f"{folder}secret"),))


def listed(mount: str, folder: str) -> e.FolderListed:
    """What is told of a folder; nobody looks at its counts."""
    return e.FolderListed(mount=mount, folder=folder, paths=1, folders=0)


def walk(lister: Lister, workers: int, scope: Scope | None = None) -> Walk:
    """A walk that has not begun."""
    made: Any = Walk
    found: Walk = made(scope or Scope(), lister, workers=workers)
    return found


def told(scope: Scope) -> list[str]:
    """The folders of which the loop was told."""
    return [fact.folder for fact in scope.told if isinstance(fact, e.FolderListed)]


def ended(walked: Walk) -> bool:
    """Whether all of its threads end, given time."""
    for thread in walked.threads:
        if thread.ident is not None:
            thread.join(PATIENCE_S)
    return not any(thread.is_alive() for thread in walked.threads)


@pytest.mark.parametrize("workers", [1, 2, 16, 64])
def test_what_is_found_does_not_depend_on_how_many_walk(workers: int) -> None:
    alone = Lister()
    expected = walk(alone, 1).run()
    lister = Lister()
    scope = Scope()
    made = walk(lister, workers, scope)
    walked = made.run()
    assert walked == expected
    assert [path.path for path in walked.paths["m/"]] == [f"{each}secret" for each in alone.entered]
    assert (walked.unchosen, walked.pruned) == ({"m/": len(DEEP)}, {"m/": 2 * len(DEEP)})
    assert sorted(lister.entered) == sorted(told(scope)) == sorted(DEEP)
    assert ended(made)


def test_one_alone_tells_of_each_folder_before_it_lists_the_next() -> None:
    """`check` takes the times between them for a request's."""
    scope = Scope()
    before: list[int] = []
    made = walk(Lister(lambda _: before.append(len(scope.told))), 1, scope)
    made.run()
    assert before == list(range(len(DEEP)))
    assert ended(made)


def test_no_more_threads_begin_than_there_are_folders() -> None:
    made = walk(Leaf(), 16)
    made.run()
    assert sum(thread.ident is not None for thread in made.threads) == 1
    assert ended(made)


def test_the_first_failure_ends_the_walk_and_the_others_stop() -> None:
    released = threading.Event()

    def enter(folder: str) -> None:
        if folder == "b/":
            raise Fault(FaultKind.FORBIDDEN, "no")
        if folder == "c/":
            assert released.wait(PATIENCE_S)

    lister, scope = Lister(enter), Scope()
    made = walk(lister, 3, scope)
    with pytest.raises(Fault, match="no"):
        made.run()
    # What was listed before is told before: the fault ends the cycle.
    assert told(scope)[0] == ""
    assert {"b/", "c/"}.isdisjoint(told(scope))
    released.set()
    assert ended(made)
    assert not [folder for folder in lister.entered if folder.startswith("c/0")]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_walk_does_not_outlive_its_cycle_whatever_its_threads_do(workers: int) -> None:
    scope, released = Scope(), threading.Event()

    def enter(folder: str) -> None:
        if folder == "a/":
            scope.cancelled.set()
            assert released.wait(PATIENCE_S)

    made = walk(Lister(enter), workers, scope)
    with pytest.raises(Cancelled):
        made.run()
    assert sum(thread.is_alive() for thread in made.threads) >= 1  # the one that is held
    released.set()
    assert ended(made)


# --- on the real server ------------------------------------------------------------------------


class Gauge:
    """How many of some requests are under way at once, at the most."""

    def __init__(self) -> None:
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[None]:
        """One of them, from its coming to its answer."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        yield
        with self._lock:
            self._now -= 1


def test_as_many_folders_at_once_as_there_are_workers(bench: Bench) -> None:
    bench.fill([f"{number}/x" for number in range(9)])
    gauge, together = Gauge(), threading.Barrier(3)
    rule = bench.on_list("[0-9]/").call(lambda: together.wait(PATIENCE_S))
    handle = rule.handle

    def gauged(request: Request) -> Answer:
        with gauge.one():
            return handle(request)

    rule.handle = gauged
    run = bench.saved(numWorkers=3)
    assert gauge.most == 3
    assert not together.broken
    assert len(run.all(e.FolderListed)) == 10


def test_check_lists_one_folder_after_the_other_to_measure_a_request(bench: Bench) -> None:
    bench.fill([f"{number}/x" for number in range(3)])
    run = bench.once(mode=Mode.check, numWorkers=4)
    assert run.one(e.CycleStarted).workers == 1


def test_one_folder_that_fails_aborts_while_others_are_stuck(bench: Bench) -> None:
    before = bench.begin([f"{number}/x" for number in range(4)] + ["a"])
    stuck = bench.on_list("[012]/").hang()
    failing = bench.on_list("3/")
    failing.call(lambda: stuck.wait_for_hit(hits=3))
    answer = failing.handle

    def refuse(request: Request) -> Answer:
        answer(request)
        return Answer(403, b'{"errors":["no"]}', {})

    failing.handle = refuse
    run = bench.once(numWorkers=4)
    assert (run.outcome, run.faults) == ("aborted fault", ["forbidden"])
    assert bench.raw() == before


def test_threads_that_a_list_holds_are_counted_as_abandoned(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each cycle leaves two of three in lists that hang: of twelve that may, the seventh's are two
    too many.
    """
    leave_behind(2, monkeypatch)
    bench.begin(["a", "0/x", "1/x", "2/x"])
    stuck = bench.on_list("[01]/").hang()
    sealed = bench.on_list("2/").answer(503, {"errors": ["Vault is sealed"]})
    answer, cycles = sealed.handle, iter(range(1, 100))

    def once_both_are_held(request: Request) -> Answer:
        stuck.wait_for_hit(hits=2 * next(cycles))
        return answer(request)

    sealed.handle = once_both_are_held
    run = Scene(bench.shop).run(tick="10ms", requestTimeout="60s", timeout="120s", numWorkers=3)
    assert run.code == 1
    fatal = [fault for fault in run.all(e.FaultRaised) if fault.fatal]
    assert [fault.kind for fault in fatal] == ["too_many_threads"]
    assert len(run.all(e.CycleFinished)) == 7

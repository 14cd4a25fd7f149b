"""A reply too many shifts all that follow it on its connection: such a cycle saves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from tests.misbehave import Rule
from tests.origin.bench import Bench
from tests.workshop import PATIENCE_S
from vsync_sm.core import events as e

ON: dict[str, Callable[[Bench], Rule]] = {
    "a list": lambda bench: bench.on_list("c/"),
    "a read": lambda bench: bench.on_read("n/00"),
    "every read": lambda bench: bench.on_read(".*"),
    "the last list": lambda bench: bench.on_list("n/"),
    "the last read": lambda bench: bench.on_read("n/14"),
}


@pytest.mark.parametrize("on", ["a list", "a read", "every read", "the last read"])
def test_a_reply_too_many_aborts(bench: Bench, on: str) -> None:
    before = bench.begin()
    bench.api.put(bench.mount, "b")
    rule = ON[on](bench).say_twice()
    run = bench.once(numWorkers=4)
    assert rule.hits
    assert (run.code, run.outcome, {*run.faults}) == (3, "aborted fault", {"surplus_reply"})
    assert "proxy" in run.all(e.FaultRaised)[0].hint
    assert bench.raw() == before
    rule.remove()
    bench.saved()


@pytest.mark.parametrize(
    ("on", "behind"),
    [("the last list", "/v1/.*/metadata/n/14$"), ("the last read", "/v1/sys/internal/ui/mounts/")],
)
def test_one_that_comes_when_nothing_more_is_asked_there_aborts(
    bench: Bench, on: str, behind: str
) -> None:
    """A stray reply was taken for the last one asked for, and the true one comes behind it."""
    before = bench.begin()
    bench.api.put(bench.mount, "b")
    cue, said = threading.Event(), threading.Event()
    rule = ON[on](bench).say_again(cue, said)

    def again() -> None:
        if rule.hits:
            cue.set()
            assert said.wait(PATIENCE_S)

    bench.vault.when(path=behind).call(again)
    run = bench.once(numWorkers=4)
    assert said.is_set()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["surplus_reply"])
    assert bench.raw() == before

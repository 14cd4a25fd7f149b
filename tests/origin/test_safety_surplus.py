"""A reply too many shifts all that follow it on its connection: such a cycle saves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.misbehave import Rule
from tests.origin.bench import Bench
from vsync_sm.core import events as e

ON: dict[str, Callable[[Bench], Rule]] = {
    "a list": lambda bench: bench.on_list("c/"),
    "a read": lambda bench: bench.on_read("n/00"),
    "every read": lambda bench: bench.on_read(".*"),
    "the last read": lambda bench: bench.on_read("n/14"),
}
"""c/ is listed before f/ and n/, and n/00 is read before n/01, on the same connection."""


@pytest.mark.parametrize(
    ("on", "workers"), [("a list", 1), ("a read", 1), ("every read", 4), ("the last read", 1)]
)
def test_a_reply_too_many_aborts(bench: Bench, on: str, workers: int) -> None:
    before = bench.begin()
    bench.api.put(bench.mount, "b")
    rule = ON[on](bench).say_twice()
    run = bench.once(numWorkers=workers)
    assert rule.hits
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["surplus_reply"])
    assert "proxy" in run.one(e.FaultRaised).hint
    assert bench.raw() == before
    rule.remove()
    bench.saved()

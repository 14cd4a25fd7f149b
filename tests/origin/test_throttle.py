"""`origin.vault.maxRequestsPerSecond`: a ceiling that lister, workers and cycles share."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest

from tests.origin.bench import Bench
from tests.origin.test_patience import Time
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import CycleFinished, RetryScheduled
from vsync_sm.core.insight import NS
from vsync_sm.origin import clock
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.patience import Cancelled
from vsync_sm.origin.throttle import Throttle


def budget(at: Time, throttle: Throttle, deadline_s: float = 60.0) -> Budget:
    """A cycle's, on a clock that only waiting moves on."""
    return Budget(
        at,
        deadline=at.mono() + int(deadline_s * NS),
        request_timeout_s=10.0,
        throttle=throttle,
        cancelled=at,
    )


def test_requests_are_spaced_evenly_over_the_cycles_and_nothing_is_saved_up() -> None:
    at, throttle, sent = Time(), Throttle(4.0), []
    for cycle in (budget(at, throttle), budget(at, throttle)):
        for _ in range(3):
            cycle.vault()
            sent.append(at.mono() / NS)
    assert sent == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0, 1.25], abs=0.001)
    at.wait(10.0)
    after_a_rest = budget(at, throttle)
    rested = at.mono()
    after_a_rest.vault()
    after_a_rest.vault()
    assert (at.mono() - rested) / NS == pytest.approx(0.25, abs=0.001)


def test_no_ceiling_makes_nobody_wait() -> None:
    at = Time()
    free = budget(at, Throttle(0.0))
    for _ in range(1000):
        free.vault()
    assert at.mono() == 0


def test_consul_is_not_meant() -> None:
    at = Time()
    held = budget(at, Throttle(0.1))
    for _ in range(10):
        held.consul()
        held.saving()
    assert at.mono() == 0


def test_no_turn_is_waited_for_past_the_deadline() -> None:
    at, throttle = Time(), Throttle(0.1)
    held = budget(at, throttle, deadline_s=3.0)
    held.vault()
    with pytest.raises(Fault) as caught:
        held.vault()
    assert caught.value.kind is FaultKind.DEADLINE
    assert at.mono() / NS == pytest.approx(3.0, abs=0.001)
    assert held.requests().vault == 1


def test_who_waits_for_a_turn_ends_when_the_cycle_does() -> None:
    system = SystemClock()
    held = Budget(
        system,
        deadline=system.mono() + 3600 * NS,
        request_timeout_s=10.0,
        throttle=Throttle(0.001),
    )
    held.vault()
    ended: list[type[BaseException]] = []

    def wait() -> None:
        try:
            held.vault()
        except Cancelled:
            ended.append(Cancelled)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    held.cancelled.set()
    waiting.join(60.0)
    assert ended == [Cancelled]
    assert held.requests().vault == 1


@pytest.mark.parametrize("wanted", ["off", "auto"])
def test_every_request_that_the_server_gets_has_had_its_turn(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    bench.fill(map(str, range(6)))
    turns: list[int] = []
    real = Throttle.turn

    def turn(throttle: Throttle, now: int) -> int:
        turns.append(real(throttle, now))
        return turns[-1]

    monkeypatch.setattr(Throttle, "turn", turn)
    arrived: list[int] = []
    bench.vault.when().call(lambda: arrived.append(time.clock_gettime_ns(clock._MONOTONIC)))
    run = bench.saved(numWorkers=4, vault={"maxRequestsPerSecond": 100, "detailedMetadata": wanted})
    assert run.one(CycleFinished).requests.vault >= 6
    detailed = [path for _, path in bench.vault.requests if "detailed-metadata" in path]
    assert bool(detailed) == (wanted == "auto")
    assert len(turns) == len(arrived) == len(bench.vault.requests)
    assert all(two - one >= 0.01 * NS for one, two in pairwise(sorted(turns)))
    # In whatever order the threads came: none arrived before its turn, so none of the first n did.
    pairs = zip(sorted(turns), sorted(arrived), strict=True)
    assert all(arrival >= turn for turn, arrival in pairs)


def test_a_ceiling_below_the_servers_own_quota_never_meets_it(bench: Bench) -> None:
    bench.fill(map(str, range(12)))
    quota = f"/v1/sys/quotas/rate-limit/{bench.mount.strip('/')}"
    bench.api.server.json("POST", quota, {"rate": 10, "interval": "1s", "path": bench.mount})
    # Of a busy machine each worker may be late once: eight a second and two from before are ten.
    run = bench.once(numWorkers=2, vault={"maxRequestsPerSecond": 8})
    bench.api.server.json("DELETE", quota)
    assert (run.outcome, run.all(RetryScheduled)) == ("saved", [])

"""The back-off that all workers share: bounded, with a floor, one failure counted once."""

from __future__ import annotations

import threading

import pytest

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import RetryScheduled
from vsync_sm.origin.patience import ATTEMPTS, FLOOR_S, JITTER, RETRIES, Cancelled, Patience


class Time(threading.Event):
    """A clock that only waiting moves on; waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return self.at

    def mono(self) -> int:
        """Monotonic nanoseconds."""
        return self.at

    def wait(self, timeout: float | None = None) -> bool:
        """Moves the clock on."""
        self.at += int((timeout or 0) * 1e9) + 1
        return self.is_set()


class Asked:
    """A patience whose jitter is always `drawn`, and what it reported."""

    def __init__(self, drawn: float = 0.0) -> None:
        self.time = Time()
        self.reported: list[RetryScheduled] = []
        self.patience = Patience(self.time, lambda: drawn, self.time, self.reported.append)

    def call(self, *, fails: int, retry_after: float | None = None) -> int:
        """How often a request is sent that fails so often."""
        tries = 0

        def request() -> int:
            nonlocal tries
            tries += 1
            if tries <= fails:
                raise Fault(FaultKind.RATE_LIMITED, "wait", retry_after=retry_after)
            return tries

        return self.patience.call("it", request)

    @property
    def delays(self) -> list[float]:
        """The delays so far, seconds."""
        return [fact.delay_s for fact in self.reported]


def test_delays_double_and_begin_anew_after_a_success() -> None:
    asked = Asked()
    assert asked.call(fails=3) == 4
    assert asked.delays == pytest.approx([0.1, 0.2, 0.4], abs=0.001)
    assert asked.call(fails=1) == 2
    assert asked.delays[-1] == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize(("retry_after", "least"), [(None, FLOOR_S), (0.0, FLOOR_S), (2.0, 2.0)])
def test_jitter_only_ever_adds(retry_after: float | None, least: float) -> None:
    for drawn in (0.0, 0.5, 0.999_999):
        asked = Asked(drawn)
        asked.call(fails=1, retry_after=retry_after)
        assert asked.delays == pytest.approx([least * (1 + JITTER * drawn)], abs=0.001)


def test_a_request_is_sent_four_times_at_the_most() -> None:
    asked = Asked()
    with pytest.raises(Fault):
        asked.call(fails=ATTEMPTS)
    assert [fact.attempt for fact in asked.reported] == [1, 2, 3]


@pytest.mark.parametrize(
    ("retry_after", "delay"), [(None, FLOOR_S), (0.0, FLOOR_S), (2.5, 2.5), (9_999.0, 30.0)]
)
def test_what_a_server_asks_for_has_a_floor_and_a_ceiling(
    retry_after: float | None, delay: float
) -> None:
    asked = Asked()
    asked.call(fails=1, retry_after=retry_after)
    assert asked.delays == pytest.approx([delay], abs=0.001)


def test_a_cycle_tries_again_a_hundred_times_at_the_most() -> None:
    asked = Asked()
    for _ in range(RETRIES):
        asked.call(fails=1)
    with pytest.raises(Fault):
        asked.call(fails=1)
    assert len(asked.reported) == RETRIES


def test_requests_that_were_out_together_and_fail_together_are_one_failure() -> None:
    asked = Asked()
    together = [Fault(FaultKind.SERVER_ERROR, "no")] * 8
    sent = asked.time.mono()
    delays = [asked.patience._failed(fault, sent) for fault in together]
    assert delays == pytest.approx([0.1] * 8, abs=0.001)
    asked.time.wait(1)
    assert asked.patience._failed(together[0], asked.time.mono()) == pytest.approx(0.2, abs=0.001)


def test_while_one_waits_the_others_ask_nothing() -> None:
    asked = Asked()
    asked.patience._failed(Fault(FaultKind.RATE_LIMITED, "no", retry_after=3.0), 0)
    asked.call(fails=0)  # another worker's request, which nobody has refused
    assert asked.time.mono() / 1e9 == pytest.approx(3.0, abs=0.001)


def test_who_waits_ends_when_the_cycle_does() -> None:
    asked = Asked()
    asked.patience._failed(Fault(FaultKind.SERVER_ERROR, "no"), 0)
    asked.time.set()
    with pytest.raises(Cancelled):
        asked.call(fails=0)

"""So many a second, and a few more in a burst."""

from __future__ import annotations

import threading

from vsync_sm.operate.rate import Rate


def test_a_burst_then_so_many_a_second() -> None:
    now = [100.0]
    rate = Rate(10, 20, lambda: now[0])
    assert [rate.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] += 0.25
    assert [rate.take() for _ in range(3)] == [True, True, False]
    now[0] += 3600  # what was not used is not saved up
    assert [rate.take() for _ in range(21)] == [True] * 20 + [False]


def test_waiting_ends_when_it_is_enough() -> None:
    rate, enough = Rate(0.001, 1), threading.Event()
    assert rate.wait(enough)
    enough.set()
    assert not rate.wait(enough)

"""The inbox and a cycle's scope: two lanes, bounded where it must be, deaf when it is over."""

from __future__ import annotations

import signal
import threading

import pytest

from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import NS
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.inbox import (
    EffectDone,
    Facts,
    FaultCame,
    Inbox,
    LateFacts,
    SignalCame,
)
from vsync_sm.origin.patience import Cancelled
from vsync_sm.origin.scope import BATCH, Scope, broken_invariant


def fact(number: int) -> e.WorkerStarted:
    """One of many facts."""
    return e.WorkerStarted(worker=number)


def scope_on(inbox: Inbox) -> Scope:
    """The scope of cycle 7."""
    clock = SystemClock()
    budget = Budget(clock, deadline=clock.mono() + 60 * NS, request_timeout_s=1.0)
    return Scope(7, inbox, budget, clock, lambda: 0.5)


def give(inbox: Inbox, number: int) -> None:
    """A result, for which there is room."""
    assert inbox.reserve(threading.Event())
    inbox.deliver(Facts((fact(number),), 7))


def test_nothing_comes_of_nothing() -> None:
    assert Inbox().take(0.0) == []
    assert Inbox().take(0.01) == []
    assert Inbox().take(-1.0) == []


def test_control_is_taken_first_and_results_in_their_order() -> None:
    inbox = Inbox()
    for number in range(3):
        give(inbox, number)
    inbox.post(SignalCame(15))
    inbox.post(SignalCame(2))
    assert inbox.take(0.0) == [SignalCame(15), SignalCame(2)]
    assert inbox.take(0.0) == [Facts((fact(number),), 7) for number in range(3)]
    assert inbox.take(0.0) == []


def test_results_wake_the_loop() -> None:
    inbox = Inbox()
    timer = threading.Timer(0.02, give, (inbox, 1))
    timer.start()
    assert inbox.take(20.0) == [Facts((fact(1),), 7)]


def test_many_results_come_in_portions_and_none_is_forgotten() -> None:
    inbox = Inbox(capacity=100)
    for number in range(100):
        give(inbox, number)
    portions = [inbox.take(0.0) for _ in range(8)]
    assert [len(portion) for portion in portions] == [16] * 6 + [4, 0]
    assert [message for portion in portions for message in portion] == [
        Facts((fact(number),), 7) for number in range(100)
    ]


def test_there_is_room_for_so_many_results_and_always_for_control() -> None:
    inbox = Inbox(capacity=2)
    gone = threading.Event()
    give(inbox, 1)
    give(inbox, 2)
    won: list[bool] = []
    waiting = threading.Thread(target=lambda: won.append(inbox.reserve(gone)))
    waiting.start()
    inbox.post(SignalCame(15))
    assert inbox.take(0.0) == [SignalCame(15)]
    assert not won
    assert len(inbox.take(0.0)) == 2
    waiting.join()
    assert won == [True]


def test_who_waits_for_room_ends_when_the_cycle_does() -> None:
    inbox = Inbox(capacity=1)
    give(inbox, 1)
    gone = threading.Event()
    won: list[bool] = []
    waiting = threading.Thread(target=lambda: won.append(inbox.reserve(gone)))
    waiting.start()
    gone.set()
    waiting.join()
    assert won == [False]


def test_a_place_given_back_is_free() -> None:
    inbox = Inbox(capacity=1)
    assert inbox.reserve(threading.Event())
    inbox.give_back()
    give(inbox, 1)
    assert len(inbox.take(0.0)) == 1


def test_posting_from_a_signal_handler_never_deadlocks() -> None:
    """Thousands of signals interrupt the very thread that takes and posts."""
    inbox = Inbox()
    posted = 0

    def handler(*_: object) -> None:
        nonlocal posted
        posted += 1
        inbox.post(SignalCame(signal.SIGUSR1))

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    taken = 0
    try:
        while posted < 2_000:
            inbox.post(FaultCame(Fault(FaultKind.TIMEOUT, "made up"), 7))
            taken += sum(isinstance(each, SignalCame) for each in inbox.take(0.001))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    taken += sum(isinstance(each, SignalCame) for each in inbox.take(0.0))
    assert taken == posted


# --- the scope -------------------------------------------------------------------------------


def test_facts_come_in_batches_and_in_order() -> None:
    inbox = Inbox()
    scope = scope_on(inbox)
    scope.tell(fact(number) for number in range(2 * BATCH + 1))
    scope.done("listed")
    *batches, done = inbox.take(0.0)
    assert [len(batch.events) for batch in batches if isinstance(batch, Facts)] == [BATCH, BATCH, 1]
    assert [each for batch in batches if isinstance(batch, Facts) for each in batch.events] == [
        fact(number) for number in range(2 * BATCH + 1)
    ]
    assert done == EffectDone("listed", 7)


def test_a_closed_scope_is_deaf_and_dumb() -> None:
    inbox = Inbox(capacity=1)
    scope = scope_on(inbox)
    scope.close()
    for _ in range(3):  # and it keeps no place in the inbox
        with pytest.raises(Cancelled):
            scope.tell([fact(1), fact(2)])
    with pytest.raises(Cancelled):
        scope.done("listed")
    with pytest.raises(Cancelled):
        scope.check()
    assert inbox.take(0.0) == [LateFacts(7, 2)] * 3 + [LateFacts(7, 1)]
    give(inbox, 1)


def test_who_waits_to_tell_is_let_go_when_the_scope_closes() -> None:
    inbox = Inbox(capacity=1)
    give(inbox, 1)
    scope = scope_on(inbox)

    def tell() -> None:
        with scope.guarded():
            scope.tell([fact(2)])

    waiting = threading.Thread(target=tell)
    waiting.start()
    scope.close()
    waiting.join()
    assert inbox.take(0.0) == [LateFacts(7, 1)]
    assert inbox.take(0.0) == [Facts((fact(1),), 7)]


def guarded(scope: Scope, error: Exception) -> None:
    """Raises what must not come out."""
    with scope.guarded():
        raise error


def test_guarded_turns_what_goes_wrong_into_faults() -> None:
    inbox = Inbox()
    scope = scope_on(inbox)
    expected = Fault(FaultKind.SEALED, "sealed")
    for error in (expected, Cancelled(), KeyError("s.a-token-that-nobody-may-see")):
        guarded(scope, error)
    first, second = inbox.take(0.0)
    assert first == FaultCame(expected, 7)
    assert isinstance(second, FaultCame)
    assert second.fault.kind is FaultKind.INVARIANT
    assert second.fault.context["error"] == "KeyError"
    assert "nobody-may-see" not in f"{second.fault.message}{second.fault.hint}"
    assert "nobody-may-see" not in str(dict(second.fault.context))


def test_an_invariant_says_where_it_broke() -> None:
    assert broken_invariant(ValueError()).context["where"] == "unknown place"
    nothing: dict[str, int] = {}
    with pytest.raises(KeyError) as caught:
        nothing["at all"]
    assert "test_an_invariant_says_where_it_broke" in broken_invariant(caught.value).message

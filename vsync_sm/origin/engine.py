"""The loop: hears the inbox, judges, pulls one trigger, and writes every decision down.

It owns the machine, the view, the memory and the journal; nobody else touches them. Effects run
on threads of their own and only post messages. An effect begins only when the event that orders
it is written; a save only when it lies on the disk.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.machine import CYCLE, IllegalTrigger, Machine, Reason, State, Trigger
from vsync_sm.core.memory import Memory
from vsync_sm.core.safety import ALLOWANCE_S, obstacle
from vsync_sm.core.view import View
from vsync_sm.origin.accounts import (
    cycle_finished,
    recovered,
    save_refused,
    save_started,
    workers_stopped,
)
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.checks import Passed, StartupChecks
from vsync_sm.origin.clock import NS
from vsync_sm.origin.cycle import Cycle
from vsync_sm.origin.inbox import (
    EffectDone,
    Facts,
    FaultCame,
    Informed,
    LateFacts,
    Message,
    SignalCame,
)
from vsync_sm.origin.ledger import Ledger
from vsync_sm.origin.listing import Listed
from vsync_sm.origin.orders import Hands, Mode, Orders
from vsync_sm.origin.saving import Recalled, Reindexed, Saved
from vsync_sm.origin.scope import Scope
from vsync_sm.origin.working import Worked

SAVE_GRACE_S = 3.0
"""A save under way gets so much of a clean stop's 5 s, then it ends as uncertain."""

CHECKS_GRACE_S = 2.0
"""A stop in the start-up checks waits so long for the probe key to be cleaned up."""

TEARDOWN_S = 0.5
"""An aborted cycle waits so long for its threads before it abandons them."""

THREADS_PER_WORKER = 4
"""So many abandoned threads a worker, over all dead cycles, and the run halts."""

OBSERVE_S = 1.0
BREATH_S = 0.1

_T = TypeVar("_T")

HALTING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


class Engine:
    """One run, from the checks to the exit code."""

    def __init__(self, orders: Orders, hands: Hands, memory: Memory, view: View) -> None:
        """`memory` and `view` have folded the journal so far."""
        self.reindexed: Reindexed | None = None
        self._orders = orders
        self._hands = hands
        self._ledger = Ledger(hands.journal, memory, view, hands.sinks)
        self._machine = Machine()
        self._began = self._next_tick = hands.clock.mono()
        self._checks: Scope | None = None
        self._checks_thread: threading.Thread | None = None
        self._cycle: Cycle | None = None
        self._dead: list[Cycle] = []
        self._done: EffectDone | None = None
        self._listed: Listed | None = None
        self._outcome = ""
        # What came in, tested whenever the loop decides.
        self._stop: tuple[int, int] | None = None  # the signal's number, and when it was heard
        self._fatal: Fault | None = None
        self._fault: Fault | None = None
        self._deadline_noticed = False
        self._aborted: tuple[Reason, int] | None = None  # why, and when
        self._asked = "tick"
        self._observed = 0
        self._informing = 0
        self._moved = False  # the last decision moved the machine: decide again at once
        self._exit: int | None = None

    @property
    def view(self) -> View:
        """The run view after the last record."""
        return self._ledger.view

    def run(self) -> int:
        """Run to the end and return the exit code. Raises Fault(JOURNAL) when it cannot write."""
        try:
            self._begin()
            while self._exit is None:
                self._turn()
            return self._exit
        except Fault as fault:
            self._inform_unwritten(fault)
            raise
        finally:
            self._close()

    def _turn(self) -> None:
        for message in self._hands.inbox.take(self._breath()):
            self._hear(message)
            if self._exit is not None:  # nothing follows run_finished
                return
        self._observe()
        self._decide()
        self._ledger.breathe(
            self._hands.clock.mono() - self._began,
            idle=self._machine.state is State.waiting,
        )

    def _inform_unwritten(self, fault: Fault) -> None:
        # The journal takes no more lines. What is left is to end the effects and to tell a human.
        self._close()
        self._inform(fault)
        stopped = self._stop is not None
        while self._informing and not stopped:
            for message in self._hands.inbox.take(BREATH_S):
                self._informing -= isinstance(message, Informed)
                stopped |= isinstance(message, SignalCame) and message.number in HALTING

    def _close(self) -> None:
        for scope in (self._checks, self._cycle):
            if scope is not None:
                scope.close()

    # --- telling ---

    def _pull(self, trigger: Trigger, reason: str = "") -> None:
        try:
            row = self._machine.pull(trigger)
        except IllegalTrigger as illegal:
            self._ledger.tell(e.TriggerIgnored(trigger=illegal.trigger, state=str(illegal.state)))
            return
        self._moved = True
        self._ledger.tell_synced(
            e.Transitioned(
                trigger=str(row.trigger), source=str(row.source), dest=str(row.dest), reason=reason
            )
        )

    def _raise(self, fault: Fault) -> None:
        self._ledger.tell(
            e.FaultRaised(
                kind=fault.kind.word,
                fatal=fault.fatal,
                message=fault.message,
                hint=fault.hint,
                context=dict(fault.context),
            )
        )
        if fault.fatal and self._fatal is None:
            self._fatal = fault
            self._inform(fault)

    def _inform(self, fault: Fault) -> None:
        if self._hands.inform(fault):
            self._informing += 1

    # --- hearing ---

    def _hear(self, message: Message) -> None:
        match message:
            case Facts(events=events, cycle=cycle):
                self._hear_facts(events, cycle)
            case EffectDone(cycle=cycle) if cycle == self._ledger.cycle:
                self._done = message
            case FaultCame(fault=fault, cycle=cycle):
                self._hear_fault(fault, cycle)
            case SignalCame(number=number):
                self._hear_signal(number)
            case Informed(notified=notified):
                self._informing -= 1
                self._ledger.tell(notified)
            case LateFacts(cycle=cycle, count=count):
                self._ledger.tell(e.LateResultDropped(late_cycle=cycle or 0, count=count))
            case EffectDone():
                self._ledger.tell(e.LateResultDropped(late_cycle=message.cycle or 0, count=1))

    def _hear_facts(self, events: Sequence[e.Event], cycle: int | None) -> None:
        if cycle == self._ledger.cycle:
            self._ledger.tell(*events)
        else:
            self._ledger.tell(e.LateResultDropped(late_cycle=cycle or 0, count=len(events)))

    def _hear_fault(self, fault: Fault, cycle: int | None) -> None:
        over = self._aborted or self._machine.state is State.halted
        if cycle != self._ledger.cycle or over:
            self._ledger.tell(e.LateResultDropped(late_cycle=cycle or 0, count=1))
        elif fault.kind is FaultKind.DEADLINE:
            self._deadline_noticed = True
        else:
            self._raise(fault)
            self._fault = self._fault or fault

    def _hear_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        again = number in HALTING and self._stop is not None
        self._ledger.tell(e.SignalReceived(signal=name, number=number, again=again))
        if again:
            self._finish(128 + number, f"a second signal ({name})")
        elif number in HALTING:
            self._stop = (number, self._hands.clock.mono())
        else:
            self._asked = "signal"

    # --- deciding ---

    def _begin(self) -> None:
        orders, ledger = self._orders, self._ledger
        crash = recovered(ledger.memory)
        ledger.tell(orders.started, *self._hands.journal.repairs)
        if crash is not None:
            ledger.tell(crash)
        if orders.allow:
            through = "command line"
            ledger.tell(
                e.CommandReceived(command=f"allow {orders.allow}", by=orders.by, through=through),
                e.AllowanceGranted(allowance=orders.allow, by=orders.by, through=through),
            )
        self._hands.journal.sync()
        self._start_checks()

    def _decide(self) -> None:
        state = self._machine.state
        if state is State.checking:
            self._decide_checking()
        elif state is State.waiting:
            self._decide_waiting()
        elif state is State.saving:
            self._decide_saving()
        elif state in CYCLE:
            self._decide_phase()
        elif state is State.aborted:
            self._decide_aborted()
        elif not self._informing or self._stop_heard(0):
            self._finish(*self._end())

    def _decide_checking(self) -> None:
        if self._fatal is not None:
            self._pull(Trigger.halt, Reason.fatal)
        elif self._stop is not None:
            if self._checks_ended() or self._stop_heard(CHECKS_GRACE_S):
                self._pull(Trigger.halt, Reason.signal)
        elif self._take_done(Passed) is not None:
            self._pull(Trigger.checks_passed)

    def _checks_ended(self) -> bool:
        # The probe key may have to be cleaned up: no new check begins, but this one ends.
        if self._checks is not None:
            self._checks.cancelled.set()
        return self._checks_thread is None or not self._checks_thread.is_alive()

    def _decide_waiting(self) -> None:
        if self._fatal is not None:
            self._pull(Trigger.halt, Reason.fatal)
        elif self._stop is not None:
            self._pull(Trigger.halt, Reason.signal)
        elif self._is_over():
            self._pull(Trigger.halt, Reason.once)
        elif self._asked != "tick" or self._hands.clock.mono() >= self._next_tick:
            self._start_cycle()

    def _decide_phase(self) -> None:
        reason = self._obstacle()
        if reason is not None:
            self._abort(reason)
            return
        if listed := self._take_done(Listed):
            self._start_working(listed)
        elif worked := self._take_done(Worked):
            self._start_reindexing(worked)
        elif reindexed := self._take_done(Reindexed):
            self._judged(reindexed)

    def _decide_saving(self) -> None:
        if saved := self._take_done(Saved):
            self._saved(saved)
        elif self._fatal is not None or self._fault is not None:
            self._uncertain("the save broke off", Reason.fatal if self._fatal else Reason.fault)
        elif self._stop_heard(SAVE_GRACE_S):
            self._uncertain("stopped while Consul had not answered", Reason.signal)

    def _decide_aborted(self) -> None:
        cycle, aborted = self._cycle, self._aborted
        if cycle is not None and aborted is not None:
            reason, since = aborted
            if cycle.alive() and self._seconds_since(since) < TEARDOWN_S:
                return
            self._ledger.tell(*workers_stopped(self.view, cycle.stopped()))
            self._finish_cycle("refused" if reason is Reason.refused else "aborted", reason)
        if self._fatal is not None:
            self._pull(Trigger.halt, Reason.fatal)
        elif self._stop is not None:
            self._pull(Trigger.halt, Reason.signal)
        elif self._is_over():
            self._pull(Trigger.halt, Reason.once)
        else:
            self._pull(Trigger.recovered)

    def _obstacle(self) -> Reason | None:
        cycle = self._cycle
        late = cycle is not None and self._hands.clock.mono() >= cycle.deadline
        return obstacle(
            fatal=self._fatal is not None,
            stop=self._stop is not None,
            operator=False,
            deadline_passed=late or self._deadline_noticed,
            fault=self._fault is not None,
        )

    # --- the phases ---

    def _start_checks(self) -> None:
        orders, hands = self._orders, self._hands
        order, clock = orders.order, hands.clock
        budget = Budget(
            clock,
            deadline=clock.mono() + int(order.timeout_s * NS),
            request_timeout_s=order.request_timeout_s,
        )
        scope = Scope(None, hands.inbox, budget, clock, hands.random)
        checks = StartupChecks(scope, hands.servers, order, orders.required, probe=orders.probe)
        self._checks = scope
        self._checks_thread = threading.Thread(target=checks.run, name="checks", daemon=True)
        self._checks_thread.start()

    def _start_cycle(self) -> None:
        orders, hands, memory = self._orders, self._hands, self._ledger.memory
        self._expire_allowance()
        asked, self._asked = self._asked, "tick"
        self._fault, self._deadline_noticed = None, False
        self._next_tick = hands.clock.mono() + int(orders.tick_s * NS)
        number = self._ledger.cycle = memory.last_cycle + 1
        order = orders.order
        # Its time runs from before it is told: no save begins after the deadline that is told.
        self._cycle = Cycle(
            number,
            order=order,
            servers=hands.servers,
            inbox=hands.inbox,
            clock=hands.clock,
            random=hands.random,
        )
        self._ledger.tell(
            e.CycleStarted(
                mounts=order.mounts,
                workers=order.workers,
                num_buckets=order.num_buckets,
                deadline_s=order.timeout_s,
                asked=asked,
            )
        )
        self._pull(Trigger.tick)
        self._cycle.start_listing(memory.open_save)

    def _start_working(self, listed: Listed) -> None:
        if self._orders.mode is Mode.check:
            self._outcome = "listed"
            self._abort(Reason.operator)
            return
        self._listed = listed
        self._pull(Trigger.listed)
        self._observed = self._hands.clock.mono()
        if self._cycle is not None:
            self._cycle.start_working(listed, dict(self._ledger.memory.carried))

    def _start_reindexing(self, worked: Worked) -> None:
        self._warn_of_carried()
        self._pull(Trigger.worked)
        memory, now = self._ledger.memory, self._hands.clock.now()
        allowance = memory.allowance
        recalled = Recalled(
            known=memory.knows(self._orders.order.prefix),
            accessors=dict(memory.accessors),
            recent=memory.vanished_since(now - int(ALLOWANCE_S * NS)),
            allowed=allowance.covers if allowance else frozenset(),
        )
        if self._cycle is not None and self._listed is not None:
            self._cycle.start_reindexing(self._listed, worked, recalled)

    def _judged(self, reindexed: Reindexed) -> None:
        self.reindexed = reindexed
        verdict, plan = reindexed.verdict, reindexed.plan
        if verdict.refusals:
            self._ledger.tell(save_refused(reindexed, self._orders.order.mounts))
            self._abort(Reason.refused)
        elif self._orders.mode is Mode.plan:
            self._outcome = "unchanged" if plan.nothing_to_write else "saved"
            self._abort(Reason.operator)
        elif plan.nothing_to_write:
            self._pull(Trigger.reindexed)
            self._ledger.tell(e.SaveSkipped(index=plan.index_digest))
            self._pull(Trigger.saved)
            self._finish_cycle("unchanged")
        else:
            self._start_saving(reindexed)

    def _start_saving(self, reindexed: Reindexed) -> None:
        allowance = self._ledger.memory.allowance
        self._pull(Trigger.reindexed)
        reason = self._obstacle()
        if reason is not None:
            self._abort(reason)
            return
        self._ledger.tell_synced(save_started(reindexed, allowance.id if allowance else ""))
        if self._cycle is not None:
            self._cycle.start_saving(reindexed.plan)

    def _saved(self, saved: Saved) -> None:
        allowance = self._ledger.memory.allowance
        self._ledger.tell(saved.end)
        if saved.warning is not None:
            self._raise(saved.warning)
        if isinstance(saved.end, e.SaveCommitted):
            if allowance is not None:
                self._ledger.tell(e.AllowanceSpent(allowance=allowance.id, why="saved"))
            self._pull(Trigger.saved)
            self._finish_cycle("saved")
            return
        if saved.fault is not None:
            self._raise(saved.fault)
        self._abort(Reason.fatal if self._fatal else Reason.fault)

    def _uncertain(self, message: str, reason: Reason) -> None:
        self._ledger.tell(e.SaveUncertain(message=message))
        self._abort(reason)

    def _abort(self, reason: Reason) -> None:
        cycle = self._cycle
        if cycle is None:
            return
        # Nothing of this cycle is delivered after this; what was delivered before still counts.
        ends = cycle.close()
        for message in self._hands.inbox.take_results(limit=1_000_000):
            if isinstance(message, Facts):
                self._hear_facts(message.events, message.cycle)
        self._done = None
        self._aborted = (reason, self._hands.clock.mono())
        self._pull(Trigger.abort, reason)
        self._ledger.tell(*ends)

    # --- ends ---

    def _finish_cycle(self, outcome: str, reason: str = "") -> None:
        cycle = self._cycle
        if cycle is None:
            return
        self._ledger.tell(cycle_finished(self.view, outcome, reason, cycle.requests()))
        self._outcome = self._outcome or outcome
        cycle.close()
        self._cycle = self._listed = self._done = self._aborted = None
        self._count_dead(cycle)
        self._warn_of_failures()

    def _count_dead(self, cycle: Cycle) -> None:
        self._dead = [dead for dead in (*self._dead, cycle) if dead.alive()]
        threads = sum(dead.alive() for dead in self._dead)
        limit = THREADS_PER_WORKER * self._orders.order.workers
        if threads > limit:
            self._raise(
                Fault(
                    FaultKind.TOO_MANY_THREADS,
                    f"{threads} threads of dead cycles have not come back (limit {limit})",
                    hint="A server swallows requests; the supervisor should start vsync anew.",
                )
            )

    def _end(self) -> tuple[int, str]:
        if self._fatal is not None:
            return 1, f"a fatal fault: {self._fatal.message}"
        if self._stop is not None:
            return 0, f"asked to stop by {signal.Signals(self._stop[0]).name}"
        if self._outcome in {"aborted", "refused"}:
            return 3, f"the one cycle was {self._outcome}"
        return 0, f"the one cycle ended {self._outcome}" if self._outcome else "checked"

    def _finish(self, exit_code: int, why: str) -> None:
        self._ledger.cycle = None
        self._ledger.tell_synced(e.RunFinished(exit_code=exit_code, why=why))
        self._exit = exit_code

    # --- small things ---

    def _take_done(self, cls: type[_T]) -> _T | None:
        done = self._done
        if done is None or not isinstance(done.result, cls):
            return None
        self._done = None
        return done.result

    def _is_over(self) -> bool:
        return self._orders.mode is not Mode.daemon and bool(self._outcome)

    def _stop_heard(self, seconds: float) -> bool:
        return self._stop is not None and self._seconds_since(self._stop[1]) >= seconds

    def _seconds_since(self, mono: int) -> float:
        return (self._hands.clock.mono() - mono) / NS

    def _breath(self) -> float:
        moved, self._moved = self._moved, False
        if moved:
            return 0.0
        if self._machine.state is not State.waiting:
            return BREATH_S
        return max(0.0, (self._next_tick - self._hands.clock.mono()) / NS)

    def _observe(self) -> None:
        if self._machine.state is not State.working or self._cycle is None:
            return
        if self._seconds_since(self._observed) < OBSERVE_S:
            return
        self._observed = self._hands.clock.mono()
        busy = (
            msgspec.structs.replace(each, since=max(0, each.since - self._began))
            for each in self._cycle.busy()
        )
        self._ledger.tell(e.WorkersObserved(busy=tuple(busy)))

    def _expire_allowance(self) -> None:
        allowance = self._ledger.memory.allowance
        if allowance is not None and allowance.expired(self._hands.clock.now()):
            self._ledger.tell(e.AllowanceSpent(allowance=allowance.id, why="expired"))

    def _warn_of_failures(self) -> None:
        row = self.view.failed_in_row
        if row != self._orders.notify_after:
            return
        fault = Fault(
            FaultKind.KEEPS_FAILING,
            f"{row} cycles in a row were not complete",
            hint="Destinations keep what was last saved, which grows old. See the faults before.",
            context={"cycles": str(row)},
        )
        self._raise(fault)
        self._inform(fault)

    def _warn_of_carried(self) -> None:
        after = self._orders.order.limits.carry_warn_after
        late = sorted(path for path, n in self._ledger.memory.carried.items() if n == after + 1)
        if not late:
            return
        fault = Fault(
            FaultKind.CARRIED_TOO_LONG,
            f"{len(late)} paths could not be read for more than {after} cycles in a row",
            hint="Destinations keep what was last saved; look at why Vault refuses to read them.",
            context={"paths": ", ".join(late[:10])},
        )
        self._raise(fault)
        self._inform(fault)

"""The loop: hears the inbox, judges, pulls one trigger, and writes every decision down.

It owns the machine, the view, the memory and the journal; nobody else touches them. Effects run
on threads of their own and only post messages. An effect begins only when the event that orders
it is written; a save only when it lies on the disk.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault
from vsync_sm.core.insight import NS
from vsync_sm.core.lateness import deadline_passed
from vsync_sm.core.machine import CYCLE, IllegalTrigger, Machine, Reason, State, Trigger
from vsync_sm.core.memory import Allowance, Memory
from vsync_sm.core.outcome import asked_to_stop
from vsync_sm.core.view import View
from vsync_sm.origin.accounts import (
    cycle_finished,
    recalled,
    recovered,
    save_refused,
    save_started,
    workers_stopped,
)
from vsync_sm.origin.alarms import (
    carried_too_long,
    healed,
    journal_untidy,
    keeps_failing,
    newly_refused,
    not_accounted_for,
    too_many_threads,
    waits_long,
)
from vsync_sm.origin.checks import NotYet, Passed
from vsync_sm.origin.cycle import Cycle
from vsync_sm.origin.demands import TICK, Demands
from vsync_sm.origin.hearing import Hearing
from vsync_sm.origin.herald import Herald
from vsync_sm.origin.inbox import Informed, Message, SignalCame
from vsync_sm.origin.ledger import Ledger
from vsync_sm.origin.listing import Listed
from vsync_sm.origin.orders import Hands, Mode, Orders
from vsync_sm.origin.saving import Reindexed, Saved
from vsync_sm.origin.scope import broken_invariant
from vsync_sm.origin.startup import Startup
from vsync_sm.origin.working import Worked

SAVE_GRACE_S = 3.0
"""A save under way gets so much of a clean stop's 5 s, then it ends as uncertain."""

CHECKS_GRACE_S = 2.0
"""A stop in the start-up checks waits so long for the probe key to be cleaned up."""

TEARDOWN_S = 0.5
"""An aborted cycle waits so long for its threads before it abandons them."""

OBSERVE_S = 1.0
BREATH_S = 0.1


class Engine:
    """One run, from the checks to the exit code."""

    def __init__(self, orders: Orders, hands: Hands, memory: Memory, view: View) -> None:
        """`memory` and `view` have folded the journal so far."""
        self.reindexed: Reindexed | None = None  # the last verdict, for a plan
        self.allowable = memory.refusal_ids  # what could be allowed when the run began
        self._orders = orders
        self._hands = hands
        self._ledger = Ledger(
            hands.journal, memory, view, hands.sinks, changes_only=orders.changes_only
        )
        self._machine = Machine()
        self._began = hands.clock.mono()
        self._demands = Demands(hands.clock)
        self._herald = Herald(self._ledger, self._demands, hands.inform)
        self._hearing = Hearing(
            hands.inbox,
            self._ledger,
            self._demands,
            self._herald,
            clock=hands.clock,
            prefix=orders.terms.prefix,
            state=lambda: self._machine.state,
        )
        self._startup = Startup(orders, hands)
        self._cycle: Cycle | None = None
        self._dead: list[Cycle] = []
        self._listed: Listed | None = None
        self._yes: Allowance | None = None  # the one that the running cycle is judged with
        self._outcome = ""
        self._aborted: int | None = None  # when
        self._observed = 0
        self._moved = False  # the last decision moved the machine: decide again at once
        self._untidy = False  # a human was told of the journal's trouble, which lasts
        self._exit: int | None = None

    @property
    def view(self) -> View:
        """The run view after the last record."""
        return self._ledger.view

    def run(self) -> int:
        """Run to the end and return the exit code.

        Raises:
            Fault: it could not: the journal takes no more lines (JOURNAL), or vsync itself is at
                fault (INVARIANT). A human was informed.
        """
        try:
            self._begin()
            while self._exit is None:
                self._turn()
                for pulse in self._hands.pulses:
                    pulse(self.view)
            if self._hearing.second_signal is None:
                self._hands.keeper.leave()
            return self._exit
        except Fault as fault:
            self._break_off(fault)
            raise
        except Exception as error:
            broken = broken_invariant(error)
            with suppress(Exception):  # the journal may be what is broken
                self._herald.fault(broken)
                self._hands.journal.sync()
            self._break_off(broken)
            raise broken from error
        finally:
            self._close()

    def _turn(self) -> None:
        self._hear(self._hands.inbox.take(self._breath()))
        if self._exit is not None:
            return
        self._observe()
        self._decide()
        idle = self._machine.state is State.waiting or self._startup.rest_s is not None
        self._ledger.breathe(self._mono(), idle=idle)

    def _hear(self, messages: Sequence[Message]) -> None:
        self._hearing.hear(messages)
        number = self._hearing.second_signal
        if number is not None:
            self._finish(128 + number, f"a second signal ({signal.Signals(number).name})")

    def _mono(self) -> int:
        """The moment of the run, as the journal has it."""
        return self._hands.clock.mono() - self._began

    def _break_off(self, fault: Fault) -> None:
        # Nothing more can be written. What is left is to end the effects and to tell a human.
        self._close()
        self._herald.inform(fault)
        while self._herald.informing and not self._demands.stopping:
            for message in self._hands.inbox.take(BREATH_S):
                if isinstance(message, Informed):
                    self._herald.informing -= 1
                elif isinstance(message, SignalCame):
                    self._demands.hear_signal(message.number)

    def _close(self) -> None:
        self._startup.close()
        self._hands.keeper.close()
        if self._cycle is not None:
            self._cycle.close()
        self._hands.inbox.end()

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

    # --- deciding ---

    def _begin(self) -> None:
        orders, ledger = self._orders, self._ledger
        crash = recovered(ledger.memory)
        ledger.tell(orders.started)
        self._began = self._hands.clock.mono() - ledger.view.now.mono
        ledger.tell(*self._hands.journal.repairs)
        if crash is not None:
            ledger.tell(crash)
            self._warn_of_failures()
        if orders.allow:
            through = "command line"
            ledger.tell(
                e.CommandReceived(command=f"allow {orders.allow}", by=orders.by, through=through),
                e.AllowanceGranted(allowance=orders.allow, by=orders.by, through=through),
            )
        self._hands.journal.sync()
        self._startup.start()
        self._hands.keeper.start()

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
        elif not self._herald.informing or self._demands.stopping:
            self._finish(*self._demands.end(self._outcome))

    def _decide_checking(self) -> None:
        reason = self._demands.halt(over=False)
        if reason is not None and asked_to_stop(reason):
            # The probe key may have to be cleaned up: no new check begins, but this one ends.
            if self._startup.ended() or self._demands.stopped_for(CHECKS_GRACE_S):
                self._pull(Trigger.halt, reason)
        elif reason is not None:
            self._pull(Trigger.halt, reason)
        elif self._hearing.take_done(Passed) is not None:
            self._pull(Trigger.checks_passed)
        elif not_yet := self._hearing.take_done(NotYet):
            self._put_off(not_yet)
        elif self._startup.due(self._demands):
            self._startup.start()

    def _put_off(self, not_yet: NotYet) -> None:
        try:
            postponed = self._startup.put_off(not_yet)
        except Fault as given_up:
            self._herald.fault(given_up)
            self._moved = True  # what follows from it is decided at once
            return
        self._ledger.tell(postponed)
        orders, told = self._orders, self._ledger.memory.told_failing
        after = orders.notify_after
        self._herald.alarm(waits_long(postponed, orders.tick_s, after, told=told))

    def _decide_waiting(self) -> None:
        reason = self._demands.halt(over=self._is_over())
        if reason is not None:
            self._pull(Trigger.halt, reason)
        elif self._demands.asked != TICK or self._tick_in() <= 0:
            self._start_cycle()

    def _decide_phase(self) -> None:
        reason = self._demands.obstacle()
        if reason is not None:
            self._abort(reason)
            return
        if listed := self._hearing.take_done(Listed):
            self._start_working(listed)
        elif worked := self._hearing.take_done(Worked):
            self._start_reindexing(worked)
        elif reindexed := self._hearing.take_done(Reindexed):
            self._judged(reindexed)

    def _decide_saving(self) -> None:
        if saved := self._hearing.take_done(Saved):
            self._saved(saved)
        elif self._demands.faulted:
            self._uncertain("the save broke off", self._fault_reason())
        elif self._demands.stopped_for(SAVE_GRACE_S):
            reason = self._demands.stopping or Reason.signal
            self._uncertain("stopped while Consul had not answered", reason)

    def _decide_aborted(self) -> None:
        if self._cycle is not None:
            if self._cycle.alive() and not self._torn_down():
                return
            self._ledger.tell(*workers_stopped(self.view, self._cycle.stopped()))
            reason = self.view.state.reason
            self._finish_cycle("refused" if reason == Reason.refused else "aborted", reason)
        halt = self._demands.halt(over=self._is_over())
        if halt is not None:
            self._pull(Trigger.halt, halt)
        else:
            self._pull(Trigger.recovered)

    def _torn_down(self) -> bool:
        since = self._aborted or 0
        return (self._hands.clock.mono() - since) / NS >= TEARDOWN_S

    def _fault_reason(self) -> Reason:
        return Reason.fatal if self._demands.fatal else Reason.fault

    # --- the phases ---

    def _start_cycle(self) -> None:
        orders, hands, memory = self._orders, self._hands, self._ledger.memory
        number = self._ledger.cycle = memory.last_cycle + 1
        terms = orders.terms
        # Its time runs from before it is told: no save begins after the deadline that is told.
        self._cycle = Cycle(
            number,
            terms=terms,
            servers=hands.servers,
            inbox=hands.inbox,
            clock=hands.clock,
            random=hands.random,
        )
        self._ledger.tell(
            e.CycleStarted(
                mounts=terms.mounts,
                workers=terms.workers,
                num_buckets=terms.num_buckets,
                deadline_s=terms.timeout_s,
                asked=self._demands.begin_cycle(self._cycle.deadline),
                next_tick=self._mono() + orders.next_tick_in(hands.random),
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
        lost = not_accounted_for(self.view.cycle, len(worked.sync_info))
        if lost is not None:
            self._herald.fault(lost)
            self._moved = True  # what follows from it is decided at once
            return
        carried, after = self._ledger.memory.carried, self._orders.terms.limits.carry_warn_after
        self._herald.alarm(carried_too_long(carried, after))
        self._pull(Trigger.worked)
        memory, now = self._ledger.memory, self._hands.clock.now()
        allowance, prefix = memory.allowance, self._orders.terms.prefix
        if allowance is not None and allowance.expired(now):
            self._ledger.tell(e.AllowanceSpent(allowance=allowance.id, why="expired"))
            allowance = None
        # A yes holds for the sync path that it was given for, and for no other; one that is given
        # from now on is for the next save.
        self._yes = allowance if allowance and allowance.refused.prefix == prefix else None
        self._demands.judged_with = self._yes.id if self._yes else ""
        if self._cycle is not None and self._listed is not None:
            known = recalled(memory, prefix, now, self._yes)
            self._cycle.start_reindexing(self._listed, worked, known)

    def _judged(self, reindexed: Reindexed) -> None:
        self.reindexed = reindexed
        verdict, plan = reindexed.verdict, reindexed.plan
        if verdict.refusals:
            known = self._ledger.memory.refusal_ids
            event = save_refused(reindexed, self._orders.terms.mounts)
            self._ledger.tell(event)
            if event.allowance not in known:
                live = bool(self._orders.started.control)
                self._herald.inform(newly_refused(event, live=live))
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
        self._pull(Trigger.reindexed)
        started = save_started(reindexed, self._yes.id if self._yes else "")
        self._hear(self._hands.inbox.take_control())
        if self._exit is not None:
            return
        reason = self._demands.obstacle()
        if reason is not None:
            self._abort(reason)
            return
        self._ledger.tell_synced(started)
        if self._cycle is not None:
            self._cycle.start_saving(reindexed.plan)

    def _saved(self, saved: Saved) -> None:
        self._herald.tell(saved.end)
        if saved.warning is not None:
            self._herald.fault(saved.warning)
        if isinstance(saved.end, e.SaveCommitted):
            self._pull(Trigger.saved)
            self._finish_cycle("saved")
            return
        if saved.fault is not None:
            self._herald.fault(saved.fault)
        self._abort(self._fault_reason())

    def _uncertain(self, message: str, reason: Reason) -> None:
        self._ledger.tell(e.SaveUncertain(message=message))
        self._abort(reason)

    def _abort(self, reason: Reason) -> None:
        cycle = self._cycle
        if cycle is None:
            return
        # Nothing of this cycle is delivered after this; what was delivered before still counts.
        ends = cycle.close()
        self._hearing.hear_what_was_delivered()
        if reason is Reason.timeout:
            # Whoever noticed, the loop or some sockets: it is told here, and only once.
            self._herald.fault(deadline_passed(self.view, self._mono()))
        self._aborted = self._hands.clock.mono()
        self._pull(Trigger.abort, reason)
        self._ledger.tell(*ends)

    # --- ends ---

    def _finish_cycle(self, outcome: str, reason: str = "") -> None:
        cycle = self._cycle
        if cycle is None:
            return
        told, before = self._ledger.memory.told_failing, self.view
        self._ledger.tell(cycle_finished(self.view, outcome, reason, cycle.requests()))
        self._outcome = self._outcome or outcome
        cycle.close()
        self._hearing.forget_done()
        self._demands.judged_with = ""
        self._cycle = self._listed = self._aborted = None
        self._dead = [dead for dead in (*self._dead, cycle) if dead.alive()]
        threads = sum(dead.alive() for dead in self._dead)
        self._herald.alarm(too_many_threads(threads, self._orders.terms.workers))
        if told and not self._ledger.memory.told_failing:
            self._herald.healed(*healed(outcome, before.failed_in_row, before.last_complete))
        self._warn_of_failures()
        self._warn_of_the_journal()

    def _warn_of_the_journal(self) -> None:
        trouble, told = self._hands.journal.trouble, self._untidy
        self._untidy = bool(trouble)
        if trouble and not told:
            self._herald.alarm(journal_untidy(trouble))

    def _warn_of_failures(self) -> None:
        row, told = self.view.failed_in_row, self._ledger.memory.told_failing
        self._herald.alarm(keeps_failing(row, self._orders.notify_after, told=told))

    def _finish(self, exit_code: int, why: str) -> None:
        self._ledger.cycle = None
        self._ledger.tell_synced(e.RunFinished(exit_code=exit_code, why=why))
        self._exit = exit_code

    # --- small things ---

    def _is_over(self) -> bool:
        return self._orders.mode is not Mode.daemon and bool(self._outcome)

    def _breath(self) -> float:
        moved, self._moved = self._moved, False
        if moved:
            return 0.0
        if self._machine.state is State.checking and not self._demands.stopping:
            # Who stops looks often: the thread of the last try may be about to end.
            rest = self._startup.rest_s
            return BREATH_S if rest is None else min(rest, self._hands.rest_s)
        if self._machine.state is not State.waiting:
            return BREATH_S
        return min(max(0.0, self._tick_in()), self._hands.rest_s)

    def _tick_in(self) -> float:
        """Seconds until a cycle begins by itself; a pause holds only what runs for ever."""
        if self._orders.mode is Mode.daemon and self.view.pause is not None:
            return math.inf
        return (self.view.next_tick - self._mono()) / NS

    def _observe(self) -> None:
        if self._machine.state is not State.working or self._cycle is None:
            return
        now = self._hands.clock.mono()
        if now - self._observed < OBSERVE_S * NS:
            return
        self._observed = now
        busy = (
            msgspec.structs.replace(each, since=max(0, each.since - self._began))
            for each in self._cycle.busy()
        )
        self._ledger.tell(e.WorkersObserved(busy=tuple(busy)))

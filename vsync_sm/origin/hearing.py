"""What the loop hears: each message written down, and turned into a demand, an end or an answer.

It decides nothing and moves nothing; what it hears, the loop tests afterwards.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import TypeVar

from vsync_sm.core import events as e
from vsync_sm.core.commands import Done
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.machine import State
from vsync_sm.origin.clock import Clock
from vsync_sm.origin.commands import Commands
from vsync_sm.origin.demands import Demands
from vsync_sm.origin.herald import Herald
from vsync_sm.origin.inbox import (
    UNSURE,
    CommandCame,
    ConsoleFailed,
    EffectDone,
    Facts,
    FaultCame,
    Inbox,
    Informed,
    LateFacts,
    Message,
    Question,
    SignalCame,
    StatusTold,
    TokenTold,
)
from vsync_sm.origin.ledger import Ledger

_T = TypeVar("_T")


class Hearing:
    """Hears for the loop, on the loop's own thread.

    Attributes:
        second_signal: the number of the second signal that asks for a halt: the last word.
    """

    def __init__(
        self,
        inbox: Inbox,
        ledger: Ledger,
        demands: Demands,
        herald: Herald,
        *,
        clock: Clock,
        prefix: str,
        state: Callable[[], State],
    ) -> None:
        """`state` tells the machine's; `prefix` is what this run saves under."""
        self.second_signal: int | None = None
        self._inbox = inbox
        self._ledger = ledger
        self._demands = demands
        self._herald = herald
        self._commands = Commands(ledger, demands, clock, prefix)
        self._prefix = prefix
        self._state = state
        self._done: EffectDone | None = None

    def hear(self, messages: Sequence[Message]) -> None:
        """Hear these, in order, up to the last word."""
        for message in messages:
            if self.second_signal is None:  # nothing follows run_finished
                self._hear(message)

    def hear_what_was_delivered(self) -> None:
        """Hear the facts that lie in the inbox already; no effect's end counts any more."""
        for message in self._inbox.take_results(limit=1_000_000):
            if isinstance(message, Facts):
                self._hear_facts(message.events, message.cycle)
        self._done = None

    def take_done(self, cls: type[_T]) -> _T | None:
        """The result of the effect that has come to its end, if it is such a one; only once."""
        done = self._done
        if done is None or not isinstance(done.result, cls):
            return None
        self._done = None
        return done.result

    def forget_done(self) -> None:
        """The cycle is over: its effects' ends do not count any more."""
        self._done = None

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
                self._herald.informed(notified)
            case StatusTold(event=event):
                self._ledger.tell(event)
            case TokenTold(told=told) | ConsoleFailed(fault=told):
                self._hear_beside(told)
            case LateFacts(cycle=cycle, count=count):
                self._dropped(cycle, count)
            case EffectDone():
                self._dropped(message.cycle, 1)
            case _:
                self._hear_question(message)

    def _hear_facts(self, events: Sequence[e.Event], cycle: int | None) -> None:
        if cycle == self._ledger.cycle:
            self._herald.tell(*events)
        else:
            self._dropped(cycle, len(events))

    def _hear_fault(self, fault: Fault, cycle: int | None) -> None:
        if cycle != self._ledger.cycle or self._state() in {State.aborted, State.halted}:
            self._dropped(cycle, 1)
        elif self._demands.hear_fault(fault):
            if cycle is None:  # the checks: their facts come before their fault
                self.hear_what_was_delivered()
            self._herald.fault(fault)

    def _hear_beside(self, told: e.TokenRenewed | Fault) -> None:
        """It is no cycle's: whichever runs goes on, unless the fault is fatal."""
        if not isinstance(told, Fault):
            self._herald.tell(told)
        elif self._state() is State.halted:
            pass  # what it is a fault of is over
        elif told.kind is FaultKind.TOKEN_ENDING:
            self._herald.alarm(told)
        else:
            self._herald.fault(told)

    def _hear_signal(self, number: int) -> None:
        name = signal.Signals(number).name
        again = self._demands.hear_signal(number)
        self._ledger.tell(e.SignalReceived(signal=name, number=number, again=again))
        if again:
            self.second_signal = number

    def _hear_question(self, question: Question) -> None:
        if isinstance(question, CommandCame):
            self._hear_command(question)
            return
        refused = self._ledger.memory.refused(question.allowance)
        here = refused is not None and refused.prefix == self._prefix
        if self._inbox.answered(question):
            question.reply(refused.covers if refused is not None and here else None)

    def _hear_command(self, came: CommandCame) -> None:
        try:
            done = self._commands.hear(came, self._state())
        except Fault:  # nobody knows what the disk holds of it
            if self._inbox.answered(came):
                came.reply(Done(False, UNSURE))
            raise
        if self._inbox.answered(came):
            came.reply(done)

    def _dropped(self, cycle: int | None, count: int) -> None:
        self._ledger.tell(e.LateResultDropped(late_cycle=cycle or 0, count=count))

"""What is told beside the machine's moves: facts, faults and alarms, to journal and human."""

from __future__ import annotations

from collections.abc import Callable

from vsync_sm.core.errors import Fault
from vsync_sm.core.events import AllowanceSpent, Event, FaultRaised, Notified, OriginHealed
from vsync_sm.core.notice import Notice, notice_of
from vsync_sm.origin.conditions import Conditions
from vsync_sm.origin.demands import Demands
from vsync_sm.origin.ledger import Ledger


class Herald:
    """Tells each fault once, what it shows of a server, and a human of what is grave.

    Attributes:
        informing: in how many ways a human is being informed right now.
    """

    def __init__(self, ledger: Ledger, demands: Demands, inform: Callable[[Notice], int]) -> None:
        """`inform` starts to inform a human: by how many ways."""
        self.informing = 0
        self._ledger = ledger
        self._demands = demands
        self._inform = inform
        self._told: Fault | None = None
        self._conditions = Conditions()

    def fault(self, fault: Fault) -> None:
        """Write a fault down; the first fatal one is a demand to halt, and a human hears of it."""
        self._write(
            FaultRaised(
                kind=fault.kind.word,
                fatal=fault.fatal,
                message=fault.message,
                hint=fault.hint,
                context=dict(fault.context),
            )
        )
        if fault.fatal and self._demands.fatal is None:
            self._demands.fatal = fault
            self.inform(fault)

    def alarm(self, fault: Fault | None) -> None:
        """Write an alarm down, if there is one, and inform a human though nothing is fatal."""
        if fault is None:
            return
        self.fault(fault)
        if not fault.fatal:  # of a fatal one a human hears anyway
            self.inform(fault)

    def healed(self, healed: OriginHealed, notice: Notice) -> None:
        """Write down that what a human was told of is over, and inform them."""
        self._write(healed)
        self.informing += self._inform(notice)

    def inform(self, fault: Fault) -> None:
        """Begin to inform a human, once of each fault."""
        if fault is self._told:
            return
        self._told = fault
        self.informing += self._inform(notice_of(fault))

    def informed(self, notified: Notified) -> None:
        """It came to an end."""
        self.informing -= 1
        self._ledger.tell(notified)

    def tell(self, *events: Event) -> None:
        """Write facts down, and that a yes is spent when one of them tells of its save.

        A save may be found committed only by a later reading back, in another run.
        """
        before = self._ledger.memory.allowance
        self._write(*events)
        if before is not None and self._ledger.memory.allowance is None:
            self._ledger.tell(AllowanceSpent(allowance=before.id, why="saved"))

    def _write(self, *events: Event) -> None:
        self._ledger.tell(*self._conditions.told_with(events))

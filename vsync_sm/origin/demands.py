"""What came in that bears on the run: tested, by flags and the clock, whenever the loop decides."""

from __future__ import annotations

import signal

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import Reason
from vsync_sm.core.safety import obstacle
from vsync_sm.origin.clock import Clock

HALTING = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""The signals that ask for a clean halt; a second one ends the run at once, unless it is SIGHUP."""

TICK = "tick"


class Demands:
    """Filled by what the loop hears, never by the order in which it hears it.

    Attributes:
        stop: the number of the signal that asked for a halt, None so far.
        halted_by: who asked for a halt by command, "" so far.
        fatal: the first fatal fault.
        judged_with: the id of the yes that the running cycle is judged with, "" for none.
        asked: what asks for the next cycle: `tick`, or `signal` or `command` for one at once. It is
            also what lets the start-up checks be tried again at once.
    """

    def __init__(self, clock: Clock) -> None:
        self.stop: int | None = None
        self.halted_by = ""
        self.fatal: Fault | None = None
        self.judged_with = ""
        self.asked = TICK
        self._clock = clock
        self._stop_heard: int | None = None
        self._hurry = False
        self._abort = False
        self._fault = False
        self._deadline: int | None = None
        self._deadline_noticed = False

    def hear_signal(self, number: int) -> bool:
        """Take a signal in; whether it is a second one that asks for a halt."""
        if number not in HALTING:
            self.hear_sync("signal")
        elif self.stop is not None:
            # A terminal that closes sends two, by the kernel and by the shell: nobody insists.
            return number != signal.SIGHUP
        else:
            self.stop = number
            self._hear_stop()
        return False

    def hear_sync(self, by: str) -> None:
        """A `signal` or a `command` asks for a cycle at once."""
        self.asked = by
        self._hurry = True

    def take_hurry(self) -> bool:
        """Whether that was asked for since the last call: for who waits before a cycle can be."""
        hurry, self._hurry = self._hurry, False
        return hurry

    def hear_halt(self, by: str) -> None:
        """Somebody asks for a halt by command."""
        self.halted_by = by
        self._hear_stop()

    def hear_abort(self) -> None:
        """Somebody asks that the running cycle be aborted; a cycle asked for before is not due."""
        self._abort = True
        self.asked = TICK

    def hear_fault(self, fault: Fault) -> bool:
        """Take a cycle's fault in; False when it only says that the deadline has passed.

        That is told once, with what it was waiting for, when the loop aborts the cycle.
        """
        if fault.kind is FaultKind.DEADLINE:
            self._deadline_noticed = True
            return False
        self._fault = True
        return True

    def begin_cycle(self, deadline: int) -> str:
        """A cycle begins, with this deadline (the clock's ns); returns what asked for it."""
        asked, self.asked = self.asked, TICK
        self._deadline, self._deadline_noticed, self._fault = deadline, False, False
        self._abort = False
        self.judged_with = ""
        return asked

    @property
    def faulted(self) -> bool:
        """Whether the running cycle has raised a fault."""
        return self._fault

    def obstacle(self) -> Reason | None:
        """Why the running cycle must not go on to a save (safety rule 1)."""
        late = self._deadline is not None and self._clock.mono() >= self._deadline
        return obstacle(
            fatal=self.fatal is not None,
            stop=self.stop is not None,
            operator=self._abort or bool(self.halted_by),
            deadline_passed=late or self._deadline_noticed,
            fault=self._fault,
        )

    def stopped_for(self, seconds: float) -> bool:
        """Whether a halt was asked for at least so long ago."""
        heard = self._stop_heard
        return heard is not None and self._clock.mono() - heard >= seconds * NS

    @property
    def stopping(self) -> Reason | None:
        """Whether a halt was asked for: by a signal or by an operator's command."""
        if self.stop is not None:
            return Reason.signal
        return Reason.operator if self.halted_by else None

    @property
    def aborting(self) -> bool:
        """Whether an operator has asked that the running cycle be aborted."""
        return self._abort

    def halt(self, *, over: bool) -> Reason | None:
        """Why the run must halt as soon as no cycle runs; `over`: it has done what it was to do."""
        if self.fatal is not None:
            return Reason.fatal
        return self.stopping or (Reason.once if over else None)

    def end(self, outcome: str) -> tuple[int, str]:
        """The run's exit code, and why; `outcome` is that of the one cycle, where there was one."""
        if self.fatal is not None:
            return 1, f"a fatal fault: {self.fatal.message}"
        if self.stop is not None:
            return 0, f"asked to stop by {signal.Signals(self.stop).name}"
        if self.halted_by:
            return 0, f"asked to halt by {self.halted_by}"
        if outcome in {"aborted", "refused"}:
            return 3, f"the one cycle was {outcome}"
        return 0, f"the one cycle ended {outcome}"

    def _hear_stop(self) -> None:
        if self._stop_heard is None:  # the graces of a clean stop run from the first word on
            self._stop_heard = self._clock.mono()

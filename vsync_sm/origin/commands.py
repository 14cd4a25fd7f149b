"""What an operator asks of the run: judged, written down, and only then done.

Each command that is heard is one `command_received`; it is on the disk, with the fact that it
brings about, before anybody is answered. What it asks of a cycle becomes a demand, which the loop
tests whenever it decides.
"""

from __future__ import annotations

from vsync_sm.core import events as e
from vsync_sm.core.commands import Done, misasked, paused
from vsync_sm.core.machine import CYCLE, State
from vsync_sm.core.words import printable
from vsync_sm.origin.clock import Clock
from vsync_sm.origin.demands import Demands
from vsync_sm.origin.inbox import Asker, CommandCame
from vsync_sm.origin.ledger import Ledger

_HALTING = "it is halting already"


class Commands:
    """Hears commands for the loop, on the loop's own thread."""

    def __init__(self, ledger: Ledger, demands: Demands, clock: Clock, prefix: str) -> None:
        """`prefix` is what this run saves under."""
        self._ledger = ledger
        self._demands = demands
        self._clock = clock
        self._prefix = prefix

    def hear(self, came: CommandCame, state: State) -> Done:
        """Do what is asked, if it can be done in this state. Raises Fault(JOURNAL)."""
        command, argument, asker = came.command, came.argument, came.asker
        wrong = misasked(command, argument)
        if wrong:
            return Done(False, wrong)
        refused = self._why_not(command, argument, state)
        received = e.CommandReceived(
            command=f"{command} {argument}" if command == "allow" else command,
            by=asker.by,
            through=asker.through,
            uid=asker.uid,
            pid=asker.pid,
            refused=refused,
        )
        if refused:
            self._ledger.tell_synced(received)
            return Done(False, refused)
        self._ledger.tell_synced(received, *_facts(command, argument, asker))
        return Done(True, self._do(command, argument, asker, state))

    # --- why something is not done ("": it can be) ---

    def _why_not(self, command: str, argument: str, state: State) -> str:
        pause = self._ledger.view.pause
        match command:
            case "pause":
                return f"it is paused already: {paused(pause)}" if pause is not None else ""
            case "resume":
                return "it is not paused" if pause is None else ""
            case "abort":
                return self._why_no_abort(state)
            case "allow":
                return self._why_no_allow(argument)
            case "halt":  # after a fatal fault, too: it need not wait until a human is informed
                return _HALTING if self._demands.stopping else ""
            case _:  # sync
                return _HALTING if self._ending else ""

    def _why_no_abort(self, state: State) -> str:
        if self._ledger.cycle is None:
            return "no cycle is running"
        if state not in CYCLE or self._demands.aborting or self._ending:
            return "the cycle is being aborted already"
        return "the save has begun; it is not cut short" if self._saving else ""

    def _why_no_allow(self, argument: str) -> str:
        memory = self._ledger.memory
        refused = memory.refused(argument)
        if refused is None:
            return f"no refusal is known under {printable(argument)}"
        if refused.prefix != self._prefix:
            there, here = printable(refused.prefix), printable(self._prefix)
            return f"{argument} was refused under {there}, and this run saves under {here}"
        given, save = memory.allowance, memory.open_save
        if given is None:
            return ""
        if given.id != argument:  # it is replaced, unless a save is at it
            used = save is not None and save.started.allowance == given.id
            used = used or self._demands.judged_with == given.id
            return f"the save that {given.id} was given for has no known end yet" if used else ""
        allowed = not given.expired(self._clock.now())
        return f"{argument} is allowed already, for the next save" if allowed else ""

    @property
    def _ending(self) -> bool:
        return self._demands.halt(over=False) is not None

    @property
    def _saving(self) -> bool:
        """Whether `save_started` of the running cycle is written, and nothing of its end."""
        save, run = self._ledger.view.open_save, self._ledger.view.run
        if save is None or run is None:
            return False
        return (save.run, save.cycle) == (run.id, self._ledger.cycle)

    # --- what is done, and how that is answered ---

    def _do(self, command: str, argument: str, asker: Asker, state: State) -> str:
        match command:
            case "sync":
                return self._sync(state)
            case "pause":
                runs = self._ledger.cycle is not None
                running = "; the cycle that is running goes on" if runs else ""
                return f"paused: no cycle begins by itself until it is resumed{running}"
            case "resume":
                return "resumed: cycles begin by themselves again"
            case "abort":
                self._demands.hear_abort()
                return f"cycle {self._ledger.cycle} is aborted; nothing of it is saved"
            case "allow":
                return f"{argument} is allowed for the next save, within an hour"
            case _:  # halt
                self._demands.hear_halt(asker.by)
                grace = "; the save that has begun gets 3 s for its end" if self._saving else ""
                return f"it halts{grace}"

    def _sync(self, state: State) -> str:
        self._demands.hear_sync("command")
        if state is State.checking:
            again = "they are tried again at once; " if self._ledger.view.postponed else ""
            return f"{again}a cycle begins as soon as the start-up checks have passed"
        if self._ledger.cycle is not None:
            return "another cycle begins after the one that is running"
        return "a cycle begins now"


def _facts(command: str, argument: str, asker: Asker) -> tuple[e.Event, ...]:
    """The fact that a command brings about at once, if any."""
    by, through = asker.by, asker.through
    if command == "pause":
        return (e.TickerPaused(by=by, through=through, why=argument),)
    if command == "resume":
        return (e.TickerResumed(by=by, through=through),)
    if command == "allow":
        return (e.AllowanceGranted(allowance=argument, by=by, through=through),)
    return ()

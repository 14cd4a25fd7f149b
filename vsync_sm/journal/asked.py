"""What somebody asked of a run, held against what then happened.

Nothing that an operator brings about stands in a journal without the command that asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from vsync_sm.core import events as e
from vsync_sm.core.commands import COMMANDS
from vsync_sm.core.machine import Trigger

_BY_COMMAND = frozenset(("control socket", "console"))
_THROUGH = _BY_COMMAND | {"command line"}


class Asked:
    """Fed by the audit: what a run was asked for by commands and signals, and the pause.

    Attributes:
        halt: a command asked the run to halt.
    """

    def __init__(self) -> None:
        self.halt = False
        self._paused = False  # outlives the runs
        self._asked: set[str] = set()

    def begin_run(self) -> None:
        """Another run begins: nobody has asked it for anything yet."""
        self.halt = False
        self._asked = set()

    def command(self, event: e.CommandReceived, *, in_cycle: bool) -> Iterator[str]:
        """A command came; one that was refused asks for nothing."""
        command, _, argument = event.command.partition(" ")
        if command not in COMMANDS or bool(argument) != (command == "allow"):
            yield f"there is no command {event.command}"
        if event.through not in _THROUGH:
            yield f"a command came through {event.through}"
        if event.refused:
            return
        if command == "abort" and not in_cycle:
            yield "abort is done, but no cycle goes on"
        self.halt = self.halt or command == "halt"
        self._asked.add(event.command)

    def signal(self, event: e.SignalReceived) -> None:
        """A signal came."""
        if event.signal == "SIGUSR1":
            self._asked.add("signal")

    def paused(self, _: e.TickerPaused) -> Iterator[str]:
        """The ticker is paused."""
        if self._paused:
            yield "the ticker is paused, but it was paused already"
        yield from self._done("pause", "the ticker is paused")
        self._paused = True

    def resumed(self, _: e.TickerResumed) -> Iterator[str]:
        """The ticker is resumed."""
        if not self._paused:
            yield "the ticker is resumed, but it was not paused"
        yield from self._done("resume", "the ticker is resumed")
        self._paused = False

    def granted(self, event: e.AllowanceGranted) -> Iterator[str]:
        """Somebody said yes."""
        if event.through in _BY_COMMAND:
            yield from self._done(f"allow {event.allowance}", f"{event.allowance} is allowed")

    def _done(self, command: str, what: str) -> Iterator[str]:
        if command not in self._asked:
            yield f"{what}, but no command asked for it"
        self._asked.discard(command)

    def cycle_started(self, event: e.CycleStarted, *, once: bool) -> Iterator[str]:
        """A cycle begins; `once`: the run is there for this one cycle."""
        asked = event.asked
        if asked == "tick":
            if self._paused and not once:
                yield "a cycle begins by itself while the ticker is paused"
        elif asked not in {"command", "signal"}:
            yield f"a cycle is asked for by a {asked}"
        elif {"command": "sync", "signal": "signal"}[asked] not in self._asked:
            yield f"a cycle is asked for by a {asked}, of which nothing is told before"
        self._asked -= {"sync", "signal", "abort"}

    def forbids(self, what: str) -> Iterator[str]:
        """Why a cycle or a save must not begin any more (safety rule 1)."""
        if self.halt:
            yield f"{what} after a command to halt"
        if "abort" in self._asked:
            yield f"{what} after a command to abort the cycle"

    def operator(self, trigger: str) -> bool:
        """Whether an operator has asked for this abort or halt."""
        return self.halt or (trigger == Trigger.abort and "abort" in self._asked)

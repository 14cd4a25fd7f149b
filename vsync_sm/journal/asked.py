"""What somebody asked of a run, held against what then happened.

Nothing that an operator brings about stands in a journal without the command that asked for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vsync_sm.core import events as e
from vsync_sm.core.commands import COMMANDS
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.machine import Reason, Trigger
from vsync_sm.core.memory import Allowance, Memory
from vsync_sm.core.safety import ALLOWANCE_S, Limits, too_many_vanish
from vsync_sm.core.view import View

_COMMAND_LINE = "command line"
_THROUGH = frozenset(("control socket", "console", _COMMAND_LINE))
_ABORTED_FOR = frozenset((Reason.operator, Reason.signal, Reason.fatal, Reason.fault))


class Asked:
    """Fed by the audit: what a run was asked for by commands and signals, and the pause.

    Attributes:
        halt: a command asked the run to halt.
    """

    def __init__(self) -> None:
        self.halt = False
        self._paused = False  # outlives the runs
        self._asked: dict[str, tuple[str, str]] = {}  # by whom, and through what

    def begin_at(self, view: View) -> None:
        """Go on from a checkpoint: what this run was asked for may still be to come."""
        self._paused = view.pause is not None
        since = view.cycle.started.ts if view.cycle is not None else ""
        done = [seen for seen in view.commands if not seen.event.refused]
        self.halt = any(seen.event.command == "halt" for seen in done)
        for seen in done:
            event = seen.event
            if event.command != "abort" or (since and seen.ts >= since):
                self._asked[event.command] = (event.by, event.through)
        for signal in view.signals:
            self.signal(signal.event)

    def begin_run(self) -> None:
        """Another run begins: nobody has asked it for anything yet."""
        self.halt = False
        self._asked = {}

    def command(
        self, event: e.CommandReceived, *, in_cycle: bool, saving: bool, halted: bool, begun: bool
    ) -> Iterator[str]:
        """A command came; one that was refused asks for nothing.

        `saving`: a save is under way. `halted`: the run has halted. `begun`: the run has told
        more than how it begins.
        """
        command, _, argument = event.command.partition(" ")
        if command not in COMMANDS or bool(argument) != (command == "allow"):
            yield f"there is no command {event.command}"
        if event.through not in _THROUGH:
            yield f"a command came through {event.through}"
        if event.through == _COMMAND_LINE and begun:
            yield "a command came through the command line of a run that had begun"
        if event.refused:
            return
        if command == "abort" and not in_cycle:
            yield "abort is done, but no cycle goes on"
        if command == "abort" and saving:
            yield "abort is done, but the save had begun"
        if command == "sync" and halted:
            yield "sync is done, but the run had halted"
        self.halt = self.halt or command == "halt"
        self._asked[event.command] = (event.by, event.through)

    def signal(self, event: e.SignalReceived) -> None:
        """A signal came."""
        if event.signal == "SIGUSR1":
            self._asked["signal"] = ("", "")

    def paused(self, event: e.TickerPaused) -> Iterator[str]:
        """The ticker is paused."""
        if self._paused:
            yield "the ticker is paused, but it was paused already"
        yield from self._done("pause", "the ticker is paused", event.by, event.through)
        self._paused = True

    def resumed(self, event: e.TickerResumed) -> Iterator[str]:
        """The ticker is resumed."""
        if not self._paused:
            yield "the ticker is resumed, but it was not paused"
        yield from self._done("resume", "the ticker is resumed", event.by, event.through)
        self._paused = False

    def granted(self, event: e.AllowanceGranted) -> Iterator[str]:
        """Somebody said yes."""
        command, what = f"allow {event.allowance}", f"{event.allowance} is allowed"
        yield from self._done(command, what, event.by, event.through)

    def _done(self, command: str, what: str, by: str, through: str) -> Iterator[str]:
        asked = self._asked.pop(command, None)
        if asked is None:
            yield f"{what}, but no command asked for it"
        elif asked != (by, through):
            yield f"{what} by {by} ({through}), but {asked[0]} ({asked[1]}) asked for it"

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
        for command in ("sync", "signal", "abort"):
            self._asked.pop(command, None)

    def cycle_finished(self, event: e.CycleFinished) -> Iterator[str]:
        """A cycle ends."""
        if "abort" in self._asked and event.reason not in _ABORTED_FOR:
            ended = event.reason or event.outcome
            yield f"a command to abort the cycle was done, but the cycle ends as {ended}"

    def forbids(self, what: str) -> Iterator[str]:
        """Why a cycle or a save must not begin any more (safety rule 1)."""
        if self.halt:
            yield f"{what} after a command to halt"
        if "abort" in self._asked:
            yield f"{what} after a command to abort the cycle"

    def operator(self, trigger: str) -> bool:
        """Whether an operator has asked for this abort or halt."""
        return self.halt or (trigger == Trigger.abort and "abort" in self._asked)


class Allowed:
    """What was refused and allowed, as the engine's own memory has it.

    It is fed with every record, but insights may be left out while `heeds_insights` is false.
    """

    def __init__(self) -> None:
        self._memory = Memory()
        self._yes: Allowance | None = None
        self._late = False
        self._limits = Limits()
        self._former = 0
        self._recent = 0

    def begin_at(self, view: View, memory: Memory) -> None:
        """Go on from a checkpoint."""
        self._memory = memory
        self._former = view.cycle.former.insights if view.cycle and view.cycle.former else 0
        self._limits = _limits(view.run.config) if view.run is not None else Limits()

    @property
    def heeds_insights(self) -> bool:
        """Whether an insight that was generated changes what is remembered."""
        return bool(self._memory.carried)

    def note(self, record: e.Record) -> Iterator[str]:
        """What contradicts what was refused and allowed before."""
        event = record.event
        try:
            if isinstance(event, e.AllowanceGranted):
                yield from self._granted(event)
            elif isinstance(event, e.SaveStarted):
                yield from self._save_started(record, event)
                yield from self._shrink()
            elif isinstance(event, e.SyncInfoRead):
                self._former = event.insights
            elif isinstance(event, e.RunStarted):
                self._limits = _limits(event.config)
            self._memory.note(record)
            if isinstance(event, e.Transitioned) and event.trigger == Trigger.worked:
                self._judge(record)
        except ValueError as error:  # the codec takes more forms of a time than the engine writes
            yield f"{error}"
        if isinstance(event, e.SaveRefused) and self._memory.refused(event.allowance) is None:
            yield f"{event.allowance} is not the id of what is refused here"

    def _granted(self, event: e.AllowanceGranted) -> Iterator[str]:
        if self._memory.refused(event.allowance) is None:
            yield f"{event.allowance} is allowed, but nothing was refused under it"

    def _judge(self, record: e.Record) -> None:
        # A cycle is judged with the yes that is in force when its workers have ended. It may be
        # over before the save begins, and one that is given later is for the next save.
        self._yes = self._memory.allowance
        now = moment(record.ts)
        self._late = self._yes is not None and self._yes.expired(now)
        since = now - int(ALLOWANCE_S * NS)
        self._recent = self._memory.vanished_since(since, self._memory.prefix).total()

    def _shrink(self) -> Iterator[str]:
        # Of one mount alone it cannot be told here: what there was before is told in one sum.
        covers = self._yes.refused.covers if self._yes is not None else frozenset()
        unasked = sum(f"vanished {path}" not in covers for path in self._memory.vanishing)
        vanished, former = unasked + self._recent, self._former + self._recent
        if unasked and too_many_vanish(vanished, former, self._limits):
            share = f"maxShrink is {self._limits.max_shrink:g}"
            yield f"{vanished} of {former} paths vanish unasked by this save, but {share}"

    def _save_started(self, record: e.Record, event: e.SaveStarted) -> Iterator[str]:
        yes, held = self._yes, self._memory.allowance
        if not event.allowance:
            return
        what = f"the save names the allowance {event.allowance}"
        if yes is None or held is None or not event.allowance == yes.id == held.id:
            yield f"{what}, which is not in force"
            return
        # At both moments: a clock that is set back between two lines makes nobody a forger.
        if self._late and yes.expired(moment(record.ts)):
            yield f"{what}, whose hour is over"
        if not event.index_key.startswith(yes.refused.prefix):
            yield f"{what}, which was given for {yes.refused.prefix}"


def _limits(config: Mapping[str, object]) -> Limits:
    """The limits of a run as it told them; what it did not tell is as ever."""
    origin = config.get("origin")
    share = origin.get("maxShrink") if isinstance(origin, dict) else None
    if isinstance(share, (int, float)) and not isinstance(share, bool):
        return Limits(max_shrink=share)
    return Limits()

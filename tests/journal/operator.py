"""The operator of a playbook: commands, pauses and the servers' conditions, where they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vsync_sm.core import events as e

if TYPE_CHECKING:
    from tests.journal.playbook import Playbook

BY = "ada"
_SERVERS = ("Vault", "Consul")
_CONDITIONS = ("answering", "sealed", "unreachable")


class Operator:
    """Asks a playbook's runs for this and that. A pause outlives the run in which it was asked."""

    def __init__(self, book: Playbook) -> None:
        self.book = book
        self.paused = False
        self.asked = "tick"
        self.halting = False
        self.through = "control socket"

    def begin_run(self) -> None:
        """Another run begins."""
        self.asked, self.halting = "tick", False
        self.through = self.book.rng.choice(("control socket", "console"))

    def command(self, command: str, refused: str = "") -> None:
        """One command, done or refused."""
        peer = (1000, 4712) if self.through == "control socket" else (None, None)
        self.book.add(
            e.CommandReceived(
                command=command,
                by=BY,
                through=self.through,
                uid=peer[0],
                pid=peer[1],
                refused=refused,
            )
        )

    def wait(self) -> None:
        """What may come in while the run waits for the next cycle."""
        if self.book.maybe(0.2):
            self._pause_or_resume()
        if self.book.maybe(0.1):
            self.command("abort", "no cycle is running")
        self._note_condition()
        if self.paused or self.book.maybe(0.2):
            self._ask_for_a_cycle()

    def intrude(self) -> None:
        """What may come in at any moment of a cycle."""
        if self.book.maybe(0.1):
            self._pause_or_resume()
        if self.book.maybe(0.05):
            self._ask_for_a_cycle()
        if self.book.maybe(0.05):
            self.command("halt", "it is halting already")
        self._note_condition()

    def begin_cycle(self) -> str:
        """A cycle begins: what asked for it."""
        asked, self.asked = self.asked, "tick"
        return asked

    def abort(self) -> None:
        """Abort the cycle, by `abort` or by `halt`."""
        word = self.book.rng.choice(("abort", "halt"))
        self.command(word)
        self.halting = word == "halt"

    def halt(self) -> None:
        """Halt the run."""
        self.command("halt")
        self.halting = True

    def allow(self, allowance: str) -> None:
        """Say yes to what was refused."""
        self.command(f"allow {allowance}")
        self.book.add(e.AllowanceGranted(allowance=allowance, by=BY, through=self.through))

    def _pause_or_resume(self) -> None:
        book = self.book
        word, other = ("resume", "pause") if self.paused else ("pause", "resume")
        if book.maybe(0.2):
            self.command(other, "it is so already")
        self.command(word)
        if self.paused:
            book.add(e.TickerResumed(by=BY, through=self.through))
        else:
            why = book.rng.choice(("", "maintenance"))
            book.add(e.TickerPaused(by=BY, through=self.through, why=why))
        self.paused = not self.paused

    def _ask_for_a_cycle(self) -> None:
        if self.book.maybe(0.5):
            self.command("sync")
            self.asked = "command"
        else:
            self.book.add(e.SignalReceived(signal="SIGUSR1", number=10))
            self.asked = "signal"

    def _note_condition(self) -> None:
        book = self.book
        if book.maybe(0.05):
            server, condition = book.rng.choice(_SERVERS), book.rng.choice(_CONDITIONS)
            message = "" if condition == "answering" else "told by the playbook"
            book.add(e.ServerConditionChanged(server=server, condition=condition, message=message))

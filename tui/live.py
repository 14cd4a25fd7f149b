"""The origin in this process: its loop on a thread of its own, its signals, its end."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Protocol

from vsync_sm.core.commands import Done
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.origin.demands import HALTING
from vsync_sm.origin.inbox import Asker, CommandCame, ConsoleFailed, Inbox, SignalCame

THE_CONSOLE = "the console, which has ended"
"""Who asks for a halt where nobody else did before the console was gone."""


class Runs(Protocol):
    """What can be run to its end: the engine."""

    def run(self) -> int:
        """To the end; the exit code. Raises Fault: it could not."""


class Signals:
    """The operating system's signals: into the inbox, and once the run is over, to who is left.

    Python's own handlers, not the event loop's: they are heard also while a journal is read, and
    while the loop waits for a terminal.
    """

    def __init__(self, hear: Callable[[int], None]) -> None:
        """`hear` gets each signal's number, in the main thread, between any two of its steps."""
        self.hear = hear
        self._heard: list[int] = []
        self._before = {
            number: signal.signal(number, self._came) for number in (*HALTING, signal.SIGUSR1)
        }

    def asked_to_stop(self) -> bool:
        """Whether one of them asked for a halt."""
        return any(number in HALTING for number in self._heard)

    def close(self) -> None:
        """Let signals do again what they did before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _came(self, number: int, _: FrameType | None) -> None:
        self._heard.append(number)
        self.hear(number)


class LiveOrigin:
    """An engine on a thread of its own.

    Attributes:
        fault: why it could not run to its end; None where it did.
    """

    def __init__(self, engine: Runs, inbox: Inbox, close: Callable[[], None]) -> None:
        """`close` gives back the journal and whatever else it holds, on its own thread."""
        self._failed = False
        self.fault: Fault | None = None
        self._engine = engine
        self._inbox = inbox
        self._close = close
        self._code: int | None = None
        self._told_to_stop = self._signalled = False
        self._ended: Callable[[], None] = _nothing
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._code is not None

    @property
    def code(self) -> int:
        """Its exit code; 1 while it has none."""
        return 1 if self._code is None else self._code

    def start(self, ended: Callable[[], None]) -> None:
        """Begin; `ended` is called from its thread when it is over."""
        self._ended = ended
        self._thread.start()

    def halt(self, by: str) -> None:
        """Ask it to end, as a command does, unless it was asked to; `by` is who does."""
        if not self._told_to_stop:
            self._told_to_stop = True
            self._inbox.ask(CommandCame("halt", "", Asker(by, "console"), _unheard))

    def fail(self, error: Exception) -> None:
        """End it, since the console has failed: with a fault, so that a human hears of it."""
        self._failed = True
        self._inbox.post(ConsoleFailed(_console_failed(error)))

    def insist(self) -> None:
        """End it at once, as a second Ctrl-C does on a terminal of its own."""
        if not self._signalled:  # asked by a command: a signal would be the first one
            self.hear(signal.SIGINT)
        self.hear(signal.SIGINT)

    def hear(self, number: int) -> None:
        """Hand on a signal; safe in a signal handler.

        A hang-up after anything that asked for a halt asks for nothing more: a terminal that goes
        away is told of by its shell, by the kernel, and by what can no longer be written to it.
        """
        if number == signal.SIGHUP and self._told_to_stop:
            return
        if number in HALTING:
            self._told_to_stop = self._signalled = True
        self._inbox.post(SignalCame(number))

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return self.over

    def end(self, seconds: float) -> None:
        """See that it ends: it is asked to, and waited for; what never began is only given back."""
        if self._thread.ident is None:
            self._close()
        elif not self.wait(seconds if self._failed else 0.0):
            # After a fault, too: then it waits no longer for a human to be informed.
            self.halt(THE_CONSOLE)
            self.wait(seconds)

    def _run(self) -> None:
        code = 1
        try:
            try:
                code = self._engine.run()
            finally:
                self._close()
        except Fault as fault:
            self.fault = fault
            code = 1
        finally:
            self._code = code
            self._ended()


def _console_failed(error: Exception) -> Fault:
    """Where it came from, not what it held: that may be a secret."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f"{last[0].name}, line {last[0].lineno}" if last else "unknown place"
    return Fault(
        FaultKind.INVARIANT,
        f"the console that ran the origin has failed: {type(error).__name__} in {where}",
        hint="Start it again, with --headless where no console is needed; and please report what "
        "the console wrote to its terminal.",
        context={"error": type(error).__name__, "where": where},
    )


def _unheard(_: Done) -> None:
    """Whoever asked waits for the end, not for an answer."""


def _nothing() -> None:
    pass

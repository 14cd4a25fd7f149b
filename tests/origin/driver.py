"""An origin in a process of its own that brings trouble upon itself at an exact moment.

`python -m tests.origin.driver STEPS ARGUMENTS…` is `vsync-sm ARGUMENTS…` with one more sink: right
after a given record was appended it sends itself signals, kills itself, breaks, freezes a server
or fills the disk. `Driven` starts one.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from tests.workshop import PATIENCE_S, Daemon, Workshop
from vsync_sm import cli, wiring
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.core.view import View
from vsync_sm.journal.writer import JournalWriter
from vsync_sm.operate import status

ROOT = Path(__file__).resolve().parents[2]

LOST, FLUSHED, TORN = "lost", "flushed", "torn"
"""What becomes of the lines not yet written when the process is killed."""


class Step:
    """One moment and what happens then: the `nth` record for which all that is given holds.

    `at`: how many records of this run have been told; `type`: the event's word; `dest`: where a
    transition leads.
    """

    def __init__(
        self,
        do: str,
        *arguments: int | str,
        at: int | None = None,
        type: str = "",  # noqa: A002  the word of the journal
        dest: str = "",
        nth: int = 1,
    ) -> None:
        self.plain = {
            "do": do,
            "arguments": arguments,
            "at": at,
            "type": type,
            "dest": dest,
            "nth": nth,
        }


def kill(how: str = FLUSHED, **moment: Any) -> Step:
    """SIGKILL; `how` says what becomes of the lines not yet written."""
    return Step("kill", how, **moment)


def send(*numbers: int, **moment: Any) -> Step:
    """Signals, one after the other."""
    return Step("signal", *numbers, **moment)


def freeze(pid: int, **moment: Any) -> Step:
    """SIGSTOP to a server."""
    return Step("freeze", pid, **moment)


def fill_disk(room: int = 0, *, written: bool = False, **moment: Any) -> Step:
    """From now on the journal takes so many bytes more; is the record itself `written` before?"""
    return Step("fill", room, written, **moment)


def break_loop(**moment: Any) -> Step:
    """An exception that no code expects, in the loop itself."""
    return Step("break", **moment)


class Driven(Daemon):
    """An origin with steps, in a process of its own."""

    def __init__(
        self, shop: Workshop, steps: Sequence[Step], *arguments: str, **origin: Any
    ) -> None:
        super().__init__(
            [
                *(sys.executable, "-m", "tests.origin.driver"),
                json.dumps([step.plain for step in steps]),
                *("--headless", "--config", str(shop.write_config(**origin))),
                *("--journal", str(shop.journal), *arguments),
            ],
            shop.journal,
            cwd=ROOT,
        )
        self.stderr = ""

    def __enter__(self) -> Self:
        return self

    def end(self) -> int:
        """Wait until it has ended by itself; the exit code. A traceback is never the right end."""
        if not self.stderr:
            try:
                _, self.stderr = self.process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                _, self.stderr = self.process.communicate()
                raise
        assert "Traceback" not in self.stderr, self.stderr
        return self.process.returncode


def drive(shop: Workshop, *steps: Step, arguments: Sequence[str] = (), **origin: Any) -> Driven:
    """Run an origin with these steps to its end."""
    driven = Driven(shop, steps, *arguments, **origin)
    driven.end()
    return driven


# --- in that process -------------------------------------------------------------------------


class _Trouble:
    """The sink that does it."""

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self.writer: JournalWriter
        self._steps = steps
        self._told = 0

    def __call__(self, record: Record, _: View) -> None:
        self._told += 1
        for step in [step for step in self._steps if self._holds(step, record)]:
            step["nth"] -= 1
            if step["nth"] == 0:
                self._do(step["do"], step["arguments"])

    def _holds(self, step: dict[str, Any], record: Record) -> bool:
        event = record.event
        dest = event.dest if isinstance(event, e.Transitioned) else ""
        return (
            step["at"] in {None, self._told}
            and step["type"] in {"", event.type}
            and step["dest"] in {"", dest}
        )

    def _do(self, do: str, arguments: list[Any]) -> None:
        if do == "kill":
            self._kill(arguments[0])
        elif do == "signal":
            for number in arguments:
                os.kill(os.getpid(), number)
        elif do == "break":
            raise ValueError("a value that nobody may see")
        elif do == "freeze":
            os.kill(arguments[0], signal.SIGSTOP)
            while _state_of(arguments[0]) != "T":
                pass
        elif do == "fill":
            if arguments[1]:
                self.writer.flush()
            size = self.writer.path.stat().st_size + arguments[0]
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def _kill(self, how: str) -> None:
        if how == FLUSHED:
            self.writer.flush()
        elif how == TORN:
            os.write(self.writer._fd, bytes(self.writer._buffer[:-7]))
        os.kill(os.getpid(), signal.SIGKILL)


def _state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _main() -> int:
    trouble = _Trouble(json.loads(sys.argv[1]))
    real = wiring.engine

    def engine(*arguments: Any, sinks: Sequence[Any] = (), **rest: Any) -> wiring.Running:
        running = real(*arguments, sinks=[*sinks, trouble], **rest)
        assert isinstance(running.journal, JournalWriter)
        trouble.writer = running.journal
        return running

    wiring.engine = engine
    status.FAREWELL_S = PATIENCE_S  # a last status that a busy machine delays is no failure
    return cli.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(_main())

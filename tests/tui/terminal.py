"""`vsync-tui` on a real pseudo-terminal of its own, which it may lose at any time."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.cells import cell_len

from tests.commandline import environment
from tests.workshop import PATIENCE_S

# The new session's leader takes the terminal as its own, so that losing it is a SIGHUP.
_TAKE_IT = (
    "import fcntl,os,sys,termios;"
    "fcntl.ioctl(0,termios.TIOCSCTTY,0);"
    "os.execv(sys.executable,[sys.executable,*sys.argv[1:]])"
)
_PIECE = re.compile(
    r"\x1b\[(?P<told>[0-?]*)[ -/]*(?P<what>[@-~])"  # CSI
    r"|\x1b[\]P^_].*?(?:\x07|\x1b\\)"  # OSC, DCS and the like
    r"|\x1b[ -/]*[0-~]"
    r"|(?P<text>[^\x00-\x1f]+)"
    r"|(?P<control>[\x00-\x1a\x1c-\x1f])",
    re.DOTALL,
)
_MODE = re.compile(r"\x1b\[\?([\d;]+)([hl])")
_PUSHED = re.compile(r"\x1b\[>\d+u")
_KEPT_ON = {"25", "7"}
"""The private modes that a terminal begins with: the cursor shown, long lines wrapped."""


class _Paper:
    """What a terminal shows, as far as Textual's writing needs it: text, and where it goes."""

    def __init__(self, columns: int, lines: int) -> None:
        self._columns = columns
        self._cells = [[" "] * columns for _ in range(lines)]
        self._x = self._y = 0

    def text(self) -> str:
        """Its lines."""
        return "".join(f"{''.join(line).rstrip()}\n" for line in self._cells)

    def draw(self, written: bytearray, begin: int) -> int:
        """Draw what was written from there on; where to go on, since an escape may be half come."""
        end = max(written.rfind(b"\x1b", begin), begin)
        for found in _PIECE.finditer(written[begin:end].decode(errors="replace")):
            if found["text"]:
                self._put(found["text"])
            elif found["control"]:
                self._control(found["control"])
            elif found["what"] == "H":
                line, _, column = found["told"].partition(";")
                self._y, self._x = int(line or 1) - 1, int(column or 1) - 1
            elif found["what"] == "J" or found["told"] == "?1049":
                self._cells = [[" "] * self._columns for _ in self._cells]
        return end

    def _put(self, text: str) -> None:
        for character in text:
            width = cell_len(character)
            if self._y < len(self._cells) and self._x + width <= self._columns:
                # The second half of a wide one holds nothing.
                self._cells[self._y][self._x : self._x + width] = [character, *[""] * (width - 1)]
            self._x += width

    def _control(self, character: str) -> None:
        if character == "\r":
            self._x = 0
        elif character == "\n":  # the terminal is raw; Textual moves to where it goes on
            self._y += 1


class Screen:
    """A program on a terminal of its own. A thread reads whatever it writes there."""

    def __init__(
        self,
        home: Path,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        size: tuple[int, int] = (120, 40),
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`command` is what follows `python`: `-m tui.cli --attach …`."""
        self._patience_s = patience_s
        self._master, slave = pty.openpty()
        self._open = True
        columns, lines = size
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._modes: list[Any] = termios.tcgetattr(slave)
        # What COLUMNS and LINES say would be believed before the terminal.
        usual = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "", "LINES": ""}
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _TAKE_IT, *map(str, command)],
                cwd=home,
                env=environment(home, **{**usual, **(env or {})}),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        finally:
            os.close(slave)
        self._written = bytearray()
        self._paper = _Paper(columns, lines)
        self._drawn = 0
        self._enough, self._stop = os.pipe()
        self._more = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hang_up()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._enough], [], [])
            if self._enough in ready:
                return
            try:
                chunk = os.read(self._master, 65_536)
            except OSError:  # how Linux tells that nobody has the other end any more
                chunk = b""
            with self._more:
                self._written += chunk
                self._over = not chunk
                self._more.notify_all()
            if not chunk:
                return

    # --- what it shows ---

    @property
    def written(self) -> str:
        """Everything that it wrote, escapes and all."""
        return self._written.decode(errors="replace")

    def said(self) -> str:
        """Everything that it wrote, without escapes."""
        return "".join(
            found["text"] or found["control"] or "" for found in _PIECE.finditer(self.written)
        )

    def shown(self) -> str:
        """What stands on the screen now."""
        self._drawn = self._paper.draw(self._written, self._drawn)
        return self._paper.text()

    def wait_for(self, *words: str) -> None:
        """Until all of these stand on the screen."""
        self._until(lambda shown: all(word in shown for word in words), f"{words} never came")

    def wait_until_gone(self, *words: str) -> None:
        """Until none of these stands on the screen any more."""
        self._until(lambda shown: not any(word in shown for word in words), f"{words} never went")

    def lines_with(self, mark: str) -> list[int]:
        """The numbers of the lines on which a mark stands now, from 0."""
        return [number for number, line in enumerate(self.shown().splitlines()) if mark in line]

    def wait_for_line(self, mark: str, number: int) -> None:
        """Until the mark stands on this line and on no other."""
        self._until(lambda _: self.lines_with(mark) == [number], f"{mark} never came to {number}")

    def wait_until(self, there: Callable[[], bool]) -> None:
        """Until this is so; it is looked at whenever something is written."""
        self._until(lambda _: there(), "it never came")

    def _until(self, there: Callable[[str], bool], complaint: str) -> None:
        until = time.monotonic() + self._patience_s
        with self._more:
            while not there(self.shown()):
                left = until - time.monotonic()
                if self._over or left <= 0:
                    raise AssertionError(f"{complaint}:\n{self.shown()}\n{self.said()[-500:]!r}")
                self._more.wait(left)

    # --- what a person does ---

    def press(self, keys: str) -> None:
        """Types these."""
        os.write(self._master, keys.encode())

    def press_until(self, keys: str, words: str) -> None:
        """Types these until the words stand there: what is typed before all is set up gets lost."""
        until = time.monotonic() + self._patience_s
        while words not in self.shown():
            assert time.monotonic() < until, self.shown()
            self.press(keys)
            with self._more:
                self._more.wait_for(lambda: words in self.shown(), 1.0)

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def hang_up(self) -> None:
        """Takes the terminal away, as a lost connection does."""
        if self._open:
            self._open = False
            os.write(self._stop, b"x")
            self._reader.join()  # while it reads, the terminal is not gone
            for fd in (self._master, self._enough, self._stop):
                os.close(fd)

    def ends(self) -> int:
        """The exit code, once it has ended by itself."""
        code = self.process.wait(PATIENCE_S)
        if self._open:
            self._reader.join(PATIENCE_S)
        return code

    # --- how it leaves the terminal ---

    def traces(self) -> list[str]:
        """What it left changed about the terminal; nothing, if all is well."""
        left = {
            mode: how for modes, how in _MODE.findall(self.written) for mode in modes.split(";")
        }
        traces = [
            f"?{mode}{how}"
            for mode, how in left.items()
            if how != ("h" if mode in _KEPT_ON else "l")
        ]
        if termios.tcgetattr(self._master) != self._modes:
            traces.append("the terminal's own modes")
        if len(_PUSHED.findall(self.written)) > self.written.count("\x1b[<u"):
            traces.append("the keyboard's protocol")
        return traces

"""A flood with the console in its process, or without: `python -m tests.benchmarks.aboard`.

What the flood cost its thread is written to a file.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.benchmarks.flood import Writer
from tui.app import Console
from tui.feed import LiveFeed
from tui.terminal import ConsoleDriver


class Flooding:
    """A flood as the origin in this process."""

    code = 0

    def __init__(self, writer: Writer, seconds: float, rate: int, told: Path) -> None:
        self.over = False
        self._writer = writer
        self._seconds = seconds
        self._rate = rate
        self._told = told
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._ended: Callable[[], None] = lambda: None

    def start(self, ended: Callable[[], None]) -> None:
        """Begin."""
        self._ended = ended
        self.thread.start()

    def halt(self, _: str) -> None:
        """End."""
        self._writer.enough.set()

    def insist(self) -> None:
        """End."""
        self._writer.enough.set()

    def _run(self) -> None:
        measured = self._writer.run(self._seconds, self._rate)
        self._writer.end()
        self._told.write_bytes(msgspec.json.encode(measured))
        self.over = True
        self._ended()


def main() -> None:
    """To the flood's end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("told", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=int, required=True, help="0: as fast as it can")
    parser.add_argument("--alone", action="store_true", help="without a console")
    asked = parser.parse_args()
    feed = LiveFeed()
    writer = Writer(asked.journal, [] if asked.alone else [feed])
    origin = Flooding(writer, asked.seconds, asked.rate, asked.told)
    if asked.alone:
        origin.start(lambda: None)
        origin.thread.join()
    else:
        Console(feed, journal=asked.journal, origin=origin, driver_class=ConsoleDriver).run()


if __name__ == "__main__":
    main()

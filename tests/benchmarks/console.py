"""How the console bears 10,000 events a second, and a journal of a million lines.

`python -m tests.benchmarks.console` (`just bench-console`) prints three tables. What is compared
runs in turns within one run: on a noisy machine the ratios hold, the times do not. Everything is
real: the engine's ledger and journal, Textual's driver, a pseudo-terminal that somebody reads.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from statistics import median, quantiles

import msgspec

from tests.benchmarks import bare
from tests.benchmarks.flood import OVER, Measured
from tests.tui.terminal import Screen

ROOT = Path(__file__).resolve().parents[2]
RATE = 10_000
PATIENCE_S = 120.0


def say(line: str = "", end: str = "\n") -> None:
    """A line of the report."""
    sys.stdout.write(f"{line}{end}")
    sys.stdout.flush()


@contextmanager
def screen(home: Path, *command: str | Path) -> Iterator[Screen]:
    """A program of ours on a terminal."""
    env = {"PYTHONPATH": str(ROOT)}
    with Screen(home, *command, env=env, patience_s=PATIENCE_S) as opened:
        yield opened


def write_journal(journal: Path, events: int) -> None:
    """A journal of so many events, and its end."""
    write = [sys.executable, "-m", "tests.benchmarks.flood", str(journal)]
    subprocess.run([*write, "--events", str(events)], cwd=ROOT, check=True)


# --- what it costs the engine ----------------------------------------------------------------


def flooded(home: Path, *, rate: int, seconds: float, alone: bool) -> Measured:
    """One flood in a process of its own, with the console or without."""
    with tempfile.TemporaryDirectory(dir=home) as folder:
        told = Path(folder) / "told.json"
        command: list[str | Path] = [
            "-m",
            "tests.benchmarks.aboard",
            Path(folder) / "journal.jsonl",
            told,
        ]
        how = ["--rate", str(rate), "--seconds", str(seconds), *(["--alone"] if alone else [])]
        with screen(home, *command, *how) as opened:
            opened.ends()
        return msgspec.json.decode(told.read_bytes(), type=Measured)


def engine(home: Path, rounds: int, seconds: float) -> None:
    """The first table."""
    say("1. The engine's thread, alone in its process and with the console there")
    say("   (medians of the rounds; microseconds of that thread an event)")
    say(f"   {'':22}{'alone':>10}{'console':>10}{'ratio':>8}")
    for rate, name in ((RATE, f"{RATE:,} events a second"), (0, "as fast as it can")):
        both = [
            [flooded(home, rate=rate, seconds=seconds, alone=alone) for alone in (True, False)]
            for _ in range(rounds)
        ]
        say(f"   {name}")
        for what in ("cpu_s", "wall_s"):
            cost = [[getattr(each, what) / each.events for each in row] for row in both]
            alone, there = (median(row[i] for row in cost) * 1e6 for i in (0, 1))
            ratio = median(row[1] / row[0] for row in cost)
            say(f"     {what.removesuffix('_s'):20}{alone:10.2f}{there:10.2f}{ratio:8.3f}")
        if rate:
            late = max(row[1].late_s for row in both)
            say(f"     behind its rate in the end, at most: {late * 1000:.0f} ms")
        else:
            per_s = [[each.events / each.wall_s for each in row] for row in both]
            alone, there = (median(row[i] for row in per_s) for i in (0, 1))
            say(f"     {'events a second':20}{alone:10,.0f}{there:10,.0f}{there / alone:8.3f}")
    say()


# --- how long a key takes --------------------------------------------------------------------


TABS = (("3", "cycles ─"), ("7", "no bucket yet"), ("1", "workers"))
"""Keys, and what stands on the screen once they are answered."""

REST_S = 0.05
"""Between two keys: nobody types faster for long."""


class Yardstick:
    """The least that Textual can be: its keys, pressed in turns with the console's."""

    def __init__(self, opened: Screen) -> None:
        self._opened = opened
        self._keys = 0
        opened.wait_for(bare.answer(0))

    def press(self) -> float:
        """Seconds from a key to its answer."""
        self._keys += 1
        return _seconds(self._opened, bare.KEY, partial(_stands, bare.answer(self._keys)))


Answered = Callable[[Screen], None]


def _stands(words: str, opened: Screen) -> None:
    opened.wait_for(words)


def _marked(line: int, opened: Screen) -> None:
    opened.wait_for_line("│▶", line)


def _seconds(opened: Screen, key: str, answered: Answered) -> float:
    began = time.perf_counter()
    opened.press(key)
    answered(opened)
    took = time.perf_counter() - began
    time.sleep(REST_S)
    return took


def tabs(_: Screen) -> Iterator[tuple[str, Answered]]:
    """Keys that show another tab, over and over."""
    for key, words in cycle(TABS):
        yield key, partial(_stands, words)


def marks(opened: Screen) -> Iterator[tuple[str, Answered]]:
    """Keys that mark another line, over and over: up, and down again."""
    (line,) = opened.lines_with("│▶")
    return cycle([("k", partial(_marked, line - 1)), ("j", partial(_marked, line))])


def latency(home: Path, keys: int) -> None:
    """The second table."""
    say(
        f"2. From a key to its answer on the terminal, while {RATE:,} events a second come in; and,"
    )
    say("   in turns with it, from a key to its answer in a Textual app of four lines (bare)")
    say(f"   {'ms':26}{'median':>8}{'95 %':>7}{'99 %':>7}{'longest':>8}", end="")
    say(f"{'bare':>8}{'95 %':>7}   {'to bare':>8}{'95 %':>7}   load")
    with ExitStack() as stack:
        where = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=home)))
        yardstick = Yardstick(stack.enter_context(screen(home, "-m", "tests.benchmarks.bare")))
        still = where / "still.jsonl"
        write_journal(still, 3 * RATE)
        with screen(home, "-m", "tui.cli", "--attach", still) as opened:
            both(opened, yardstick, "at rest", keys, "HALTED")
        live: list[str | Path] = ["-m", "tests.benchmarks.aboard"]
        live += [where / "live.jsonl", where / "told.json"]
        with screen(home, *live, "--rate", str(RATE), "--seconds", "3600") as opened:
            both(opened, yardstick, "live", keys)
        journal = where / "attached.jsonl"
        flood = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.flood", str(journal), "--rate", str(RATE)],
            stdin=subprocess.PIPE,
            cwd=ROOT,
        )
        try:
            with screen(home, "-m", "tui.cli", "--attach", journal) as opened:
                both(opened, yardstick, "attached", keys)
        finally:
            flood.communicate(b"\n")
    say()


def both(
    opened: Screen, yardstick: Yardstick, name: str, keys: int, words: str = "working"
) -> None:
    """Two rows: another tab, another line."""
    opened.wait_for(words, "Quit")
    opened.press_until("1", "workers")
    tell_latency(f"{name}: another tab", opened, yardstick, islice(tabs(opened), keys))
    opened.press_until("2", "TAIL")
    opened.press("kkkkkkkkkk ")
    opened.wait_until_gone("TAIL")
    time.sleep(2.0)  # until the mark stands still
    tell_latency(f"{name}: another line", opened, yardstick, islice(marks(opened), keys))


def tell_latency(
    name: str, opened: Screen, yardstick: Yardstick, asked: Iterable[tuple[str, Answered]]
) -> None:
    """One row: what the keys took, and what those of the bare app did meanwhile."""
    took, least = [], []
    for key, answered in asked:
        took.append(_seconds(opened, key, answered))
        least.append(yardstick.press())
    cuts, lowest = (
        quantiles(took, n=100, method="inclusive"),
        quantiles(least, n=100, method="inclusive"),
    )
    ours = _ms(cuts[49], cuts[94], cuts[98], max(took))
    bared = _ms(lowest[49], lowest[94])
    ratios = f"{cuts[49] / lowest[49]:11.1f}{cuts[94] / lowest[94]:7.1f}"
    say(f"   {name:27}{ours} {bared}{ratios}   {os.getloadavg()[0]:4.1f}")


def _ms(*seconds: float) -> str:
    return "".join(f"{each * 1000:7.0f}" for each in seconds)


# --- how much it keeps -----------------------------------------------------------------------


def memory(home: Path, lengths: tuple[int, ...]) -> None:
    """The third table."""
    say("3. The memory of a console attached to a journal, at its last line and back at its first")
    say(f"   {'lines':>12}{'journal':>12}{'now':>10}{'at most':>10}   MiB")
    sizes = []
    for events in lengths:
        with tempfile.TemporaryDirectory(dir=home) as folder:
            journal = Path(folder) / "journal.jsonl"
            write_journal(journal, events)
            with screen(home, "-m", "tui.cli", "--attach", journal) as opened:
                opened.wait_for("HALTED", OVER)
                opened.press_until("2", f"{events + 2:,} lines")
                opened.wait_for("run_finished")
                opened.press("g")
                opened.wait_for("run_started")
                opened.press("f")
                opened.wait_for("run_finished")
                now, most = resident(opened.process.pid)
            sizes.append(most)
            length = journal.stat().st_size / 2**20
            say(f"   {events:12,}{length:12.0f}{now:10.0f}{most:10.0f}")
    if len(sizes) > 1:
        say(f"   ratio of the last to the first: {sizes[-1] / sizes[0]:.2f}")


def resident(pid: int) -> tuple[float, float]:
    """What a process has in memory, and had at most (MiB)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB$", status, re.MULTILINE))
    return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024


def main() -> None:
    """All of it, or a part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("parts", nargs="*", help="engine, latency, memory (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each round")
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--lines", type=int, nargs="*", default=[100_000, 1_000_000])
    asked = parser.parse_args()
    parts = asked.parts or ["engine", "latency", "memory"]
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as folder:
        home = Path(folder)
        if "engine" in parts:
            engine(home, asked.rounds, asked.seconds)
        if "latency" in parts:
            latency(home, asked.keys)
        if "memory" in parts:
            memory(home, tuple(asked.lines))


if __name__ == "__main__":
    main()

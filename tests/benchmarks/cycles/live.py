"""What the journal costs where it is written: in whole cycles, on real servers.

The loop's thread does nothing else in a cycle than to hear of events, to judge, to write, to fold
and to show them: all that it takes from a cycle's first line to its last counts, waking up
included. The origin's other threads read meanwhile.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import real
from tests.benchmarks.cycles.reads import FOLDERS, PATHS
from tests.benchmarks.cycles.runs import SEGMENT, Ran, run
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict

CYCLES = 3
"""So many by each process: what it does for the first time counts little in the median."""

SHARES = {PATHS: 5.0, FOLDERS: 15.0}
"""What the loop may take of a cycle at the most, percent."""

OPEN = "all in one file"
CLOSED = "files closed on the way"
SMALL = "256KiB"
"""A file of the journal that is full after some 1,300 lines."""


def live(asked: Asked) -> dict[str, Table]:
    """The tables `live` and `closing`."""
    ways = {PATHS: ("off", SEGMENT), CLOSED: ("off", SMALL), FOLDERS: ("auto", SEGMENT)}
    ran: dict[str, list[Ran]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        with real(home, [asked.secrets]) as (there,):
            run(there, home, workers=asked.workers)  # a first save: the others find nothing to do
            for _ in range(asked.rounds):
                for way, (wanted, segment) in ways.items():
                    ran[way] += run(
                        there,
                        home,
                        workers=asked.workers,
                        cycles=CYCLES,
                        segment=segment,
                        detailedMetadata=wanted,
                    )
    return {
        "live": live_table({way: ran[way] for way in SHARES}, asked),
        "closing": closing_table({OPEN: ran[PATHS], CLOSED: ran[CLOSED]}, asked),
    }


def live_table(ran: dict[str, list[Ran]], asked: Asked) -> Table:
    """What the loop's thread took of each way's cycles."""
    rows: list[dict[str, Cell]] = []
    verdicts: list[Verdict] = []
    for way, found in ran.items():
        a_line = _median(found, lambda each: each.loop_cpu_s / each.lines * 1e6)
        of_cpu = _median(found, lambda each: each.loop_cpu_s / each.own_cpu_s * 100)
        of_time = _median(found, lambda each: each.loop_cpu_s / each.seconds * 100)
        rows.append(
            {
                "way": way,
                "lines": _median(found, lambda each: each.lines),
                "loop": _median(found, lambda each: each.loop_cpu_s) * 1e3,
                "own": _median(found, lambda each: each.own_cpu_s) * 1e3,
                "seconds": _median(found, lambda each: each.seconds) * 1e3,
                "a_line": a_line,
                "of_cpu": of_cpu,
                "of_time": of_time,
            }
        )
        most = SHARES[way]
        verdicts += (
            Verdict(f"{way}: CPU a line", a_line, most=10.0, unit=" µs"),
            Verdict(f"{way}: of the cycle's own CPU", of_cpu, most=most, form=".1f", unit=" %"),
            Verdict(f"{way}: of the cycle's time", of_time, most=most, form=".1f", unit=" %"),
        )
    return Table(
        title=f"what the loop takes of a cycle: {asked.secrets:,} secrets, {asked.workers} workers",
        command=_command(asked),
        columns=(
            Column("way", ""),
            Column("lines", "lines"),
            Column("loop", "loop's CPU ms"),
            Column("own", "own CPU ms"),
            Column("seconds", "whole cycle ms"),
            Column("a_line", "loop's CPU µs a line", ".2f"),
            Column("of_cpu", "% of own CPU", ".1f"),
            Column("of_time", "% of the time", ".1f"),
        ),
        rows=tuple(rows),
        verdicts=tuple(verdicts),
    )


def closing_table(ran: dict[str, list[Ran]], asked: Asked) -> Table:
    """What cycles take in which files of the journal are closed, beside those in which none is."""
    rows: list[dict[str, Cell]] = [
        {
            "way": way,
            "closed": _median(found, lambda each: each.closed),
            "seconds": _median(found, lambda each: each.seconds) * 1e3,
            "loop": _median(found, lambda each: each.loop_cpu_s) * 1e3,
            "own": _median(found, lambda each: each.own_cpu_s) * 1e3,
            "silence": _median(found, lambda each: each.silence_s) * 1e3,
        }
        for way, found in ran.items()
    ]
    without, closing = rows
    for figure in ("loop", "own"):
        more = float(closing[figure] or 0) - float(without[figure] or 0)
        closing[f"{figure}_each"] = more / float(closing["closed"] or 1)
    silences = [float(row["silence"] or 0) for row in rows]
    return Table(
        title=f"files of {SMALL} are closed while {asked.workers} workers read, a path a request",
        command=_command(asked),
        columns=(
            Column("way", ""),
            Column("closed", "closed a cycle"),
            Column("seconds", "whole cycle ms"),
            Column("loop", "loop's CPU ms"),
            Column("loop_each", "more a closing", ".1f"),
            Column("own", "own CPU ms, packing too"),
            Column("own_each", "more a closing", ".1f"),
            Column("silence", "longest without a reply ms", ".1f"),
        ),
        rows=tuple(rows),
        verdicts=(
            Verdict("longest without a reply, with ÷ without", silences[1] / silences[0], most=2.0),
        ),
    )


def _median(found: list[Ran], figure: Callable[[Ran], float]) -> float:
    return median(map(figure, found))


def _command(asked: Asked) -> str:
    return f"just bench journal --secrets {asked.secrets}"

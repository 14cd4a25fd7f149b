"""How long it takes until something happens: `--help`, a start's first line, its first cycle.

Python finds its modules compiled, as pip leaves them, wherever this runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

import msgspec

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import Field, real
from tests.benchmarks.cycles.runs import configuration, environment
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict
from vsync_sm.core.events import CycleStarted, Event, RunStarted
from vsync_sm.core.insight import moment
from vsync_sm.journal.reader import read_journal

SECRETS = 100
TIMES = 5
"""So often in each round: it is short."""

_NS = 1e9


class _Took(msgspec.Struct, frozen=True):
    """Seconds from the start of a process, and the CPU it took in all."""

    seconds: float
    cpu_s: float


def starts(asked: Asked) -> dict[str, Table]:
    """The table `starts`."""
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        helped, lines, cycles = [], [], []
        with real(home, [SECRETS]) as (there,):
            variables = _compiled(environment(there), home)
            _start(there, home, variables)  # a first save, and all is compiled
            for _ in range(asked.rounds * TIMES):
                helped.append(_process([*_PROGRAM, "--help"], variables)[1])
                line, cycle = _start(there, home, variables)
                lines.append(line)
                cycles.append(cycle)
    return {"starts": table(helped, lines, cycles)}


_PROGRAM = [sys.executable, "-m", "vsync_sm.cli"]


def table(helped: list[_Took], lines: list[_Took], cycles: list[_Took]) -> Table:
    """What was measured: each of them, time after time."""
    seen = {
        "vsync-sm --help, to its end": helped,
        "a start, to the journal's first line": lines,
        "a start, to the first cycle": cycles,
    }
    seconds = {name: median(each.seconds for each in found) for name, found in seen.items()}
    rows: list[dict[str, Cell]] = [
        {
            "what": name,
            "seconds": seconds[name],
            "least": min(each.seconds for each in found),
            "cpu_s": median(each.cpu_s for each in found),
        }
        for name, found in seen.items()
    ]
    goals = (0.15, 0.5, 0.5)
    return Table(
        title=f"from the start of the process, {len(helped)} times in turns; CPU of all of it",
        command="just bench starts",
        columns=(
            Column("what", ""),
            Column("seconds", "median s", ".3f"),
            Column("least", "least s", ".3f"),
            Column("cpu_s", "CPU s", ".2f"),
        ),
        rows=tuple(rows),
        verdicts=tuple(
            Verdict(name, seconds[name], most=goal, form=".3g", unit=" s")
            for name, goal in zip(seen, goals, strict=True)
        ),
    )


def _compiled(variables: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment in which compiled modules are kept, and found again."""
    kept = {name: each for name, each in variables.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(home / "compiled")}


def _start(there: Field, home: Path, variables: Mapping[str, str]) -> tuple[_Took, _Took]:
    """One `--headless --once`: until its first line, and until its cycle begins."""
    journal = home / "journal.jsonl"
    for old in home.glob("journal*"):
        old.unlink()
    config = configuration(there, home, workers=1)
    command = [*_PROGRAM, "--headless", "--once", "--config", str(config)]
    began, took = _process([*command, "--journal", str(journal)], variables)
    moments: dict[type[Event], float] = {}
    for record in read_journal(journal):
        if isinstance(record.event, RunStarted | CycleStarted):
            moments[type(record.event)] = moment(record.ts) / _NS - began
    return (
        _Took(moments[RunStarted], took.cpu_s),
        _Took(moments[CycleStarted], took.cpu_s),
    )


def _process(command: list[str], variables: Mapping[str, str]) -> tuple[float, _Took]:
    """Run it; when it was started (seconds since 1970), and what it took to its end."""
    began, mono = time.time(), time.perf_counter()
    process = subprocess.Popen(
        command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    took = _Took(time.perf_counter() - mono, used.ru_utime + used.ru_stime)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return began, took

"""Reading metadata, both ways, beside a load generator and hvac's own loop."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import real
from tests.benchmarks.cycles.runs import Ran, run
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict
from tests.benchmarks.cycles.yardsticks import Measured, hvac_default, wrk

WRK = "wrk, the load generator"
HVAC = "hvac's own loop"
PATHS = "vsync, a path a request"
FOLDERS = "vsync, a folder a request"

PHASES = ("listing", "working", "reindexing", "saving")


def reads(asked: Asked) -> dict[str, Table]:
    """The tables `reads` and `phases`."""
    ran: dict[str, list[Ran]] = {PATHS: [], FOLDERS: []}
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        with real(home, [asked.secrets]) as (there,):
            run(there, home, workers=asked.workers)  # a first save: the others find nothing to do

            def cycle(way: str, wanted: str, *phases: str) -> Measured:
                ran[way] += run(there, home, workers=asked.workers, detailedMetadata=wanted)
                return reading(ran[way][-1], *phases)

            ways: dict[str, Callable[[], Measured]] = {
                WRK: lambda: wrk(there, asked.workers),
                HVAC: lambda: hvac_default(there, asked.workers),
                PATHS: lambda: cycle(PATHS, "off", "working"),
                FOLDERS: lambda: cycle(FOLDERS, "auto", "listing", "working"),
            }
            seen: dict[str, list[Measured]] = {name: [] for name in ways}
            for _ in range(asked.rounds):
                for name, way in ways.items():
                    seen[name].append(way())
    return {"reads": table(seen, asked), "phases": phases_table(ran, asked)}


def table(seen: dict[str, list[Measured]], asked: Asked) -> Table:
    """What was measured, way by way, round by round."""
    rows = {name: _row(name, found, asked.secrets) for name, found in seen.items()}
    rate = {name: _median(found, lambda each: each.rate) for name, found in seen.items()}
    for name, row in rows.items():
        row["share"] = rate[name] / rate[WRK]
    paths = seen[PATHS]
    busy = _median(
        paths, lambda each: (each.own_cpu_s + each.server_cpu_s) / each.wall_s / _cores()
    )
    return Table(
        title=f"{asked.secrets:,} secrets, {asked.workers} workers, journal on; CPU of a cycle",
        command=f"just bench reads --secrets {asked.secrets}",
        columns=(
            Column("way", ""),
            Column("rate", "paths/s"),
            Column("share", "÷ wrk", ".2f"),
            Column("own_cpu_s", "own CPU s", ".2f"),
            Column("server_cpu_s", "server CPU s", ".2f"),
        ),
        rows=tuple(rows.values()),
        verdicts=(
            Verdict("a path a request ÷ wrk", rate[PATHS] / rate[WRK], least=0.75),
            Verdict("a path a request ÷ hvac's own loop", rate[PATHS] / rate[HVAC], least=4.0),
            Verdict("a folder a request ÷ wrk", rate[FOLDERS] / rate[WRK], least=2.0),
            Verdict(
                "the server's CPU ÷ own, a path a request",
                _median(paths, lambda each: each.server_cpu_s / each.own_cpu_s),
                least=1.0,
            ),
            Verdict("share of all cores in use meanwhile", busy, least=0.75),
        ),
    )


def _row(name: str, found: list[Measured], secrets: int) -> dict[str, Cell]:
    return {
        "way": name,
        "rate": _median(found, lambda each: each.rate),
        "own_cpu_s": _median(found, lambda each: each.own_cpu_s / each.paths) * secrets,
        "server_cpu_s": _median(found, lambda each: each.server_cpu_s / each.paths) * secrets,
    }


def phases_table(ran: dict[str, list[Ran]], asked: Asked) -> Table:
    """How long each phase of the same cycles took, by way, and its share."""
    rows: list[dict[str, Cell]] = []
    for phase in PHASES:
        row: dict[str, Cell] = {"phase": phase}
        for way, found in ran.items():
            took = median(each.cycle.phases.get(phase, 0.0) for each in found)
            whole = median(each.seconds for each in found)
            row[way], row[f"{way} share"] = took, took / whole * 100
        rows.append(row)
    columns = [Column("phase", "")]
    for way in ran:
        columns += [Column(way, f"{way}: s", ".3f"), Column(f"{way} share", "share %")]
    return Table(
        title=f"where a cycle's time goes: {asked.secrets:,} secrets, nothing to save",
        command=f"just bench reads --secrets {asked.secrets}",
        columns=tuple(columns),
        rows=tuple(rows),
    )


def reading(ran: Ran, *phases: str) -> Measured:
    """The phases in which the metadata comes; the CPU is that of the whole cycle."""
    return Measured(
        paths=ran.cycle.listed,
        wall_s=sum(ran.cycle.phases[phase] for phase in phases),
        own_cpu_s=ran.own_cpu_s,
        server_cpu_s=ran.server_cpu_s,
    )


def _median(found: list[Measured], figure: Callable[[Measured], float]) -> float:
    return median(map(figure, found))


def _cores() -> int:
    return os.cpu_count() or 1

"""What a cycle costs: `python -m tests.benchmarks.cycles` (`just bench`).

`reads` holds both ways to read against a load generator and hvac's own loop, `saves` a first save
against later ones, `growth` a cycle of few secrets against those of many. What is compared runs in
turns, round by round, on the same servers: on a noisy machine the ratios hold, the times do not.
Medians are printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from tests.benchmarks.cycles.field import field, write
from tests.benchmarks.cycles.runs import Ran, run
from tests.benchmarks.cycles.yardsticks import Measured, hvac_default, wrk, wrk_there

WORKERS = 16
SIZES = (1_000, 10_000, 100_000)
CHANGED = 3
HVAC = "hvac's own loop"
VSYNC = "vsync, a path a request"
FOLDERS = "vsync, a folder a request"

Row = dict[str, Any]


def say(line: str = "") -> None:
    """A line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 2: the load generator is missing."""
    parser = argparse.ArgumentParser(prog="just bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "tables", nargs="*", choices=[[], *TABLES], help="all, unless some are named"
    )
    parser.add_argument("--secrets", type=int, default=10_000, help="for reads and saves")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="for growth")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    told = parser.parse_args(arguments)
    if not wrk_there():
        sys.stderr.write("bench: wrk is missing, the load generator: apt-get install wrk\n")
        return 2
    found = {name: TABLES[name](told) for name in told.tables or TABLES}
    if told.json:
        told.json.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    return 0


# --- one read a path -------------------------------------------------------------------------


def reads(told: argparse.Namespace) -> list[Row]:
    """Beside a load generator, and hvac's own loop."""
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        with field(home, told.secrets) as there:
            run(there, home, workers=told.workers)  # a first save: the others find nothing to do
            ways: dict[str, Callable[[], Measured]] = {
                "wrk": lambda: wrk(there, told.workers),
                HVAC: lambda: hvac_default(there, told.workers),
                VSYNC: lambda: _reading(
                    run(there, home, workers=told.workers, detailedMetadata="off"), "working"
                ),
                FOLDERS: lambda: _reading(
                    run(there, home, workers=told.workers), "listing", "working"
                ),
            }
            seen = _in_turns(ways, told.rounds)
    rates = {name: median(each.rate for each in found) for name, found in seen.items()}
    say(f"\nreading metadata: {told.secrets:,} secrets, {told.workers} workers")
    say(f"{'':26} {'paths/s':>8} {'own CPU µs/path':>16} {'server CPU µs/path':>19} {'/ wrk':>6}")
    rows = []
    for name, found in seen.items():
        own = median(each.own_cpu_s / each.paths * 1e6 for each in found)
        server = median(each.server_cpu_s / each.paths * 1e6 for each in found)
        share = rates[name] / rates["wrk"]
        say(f"{name:26} {rates[name]:8,.0f} {own:16.0f} {server:19.0f} {share:6.2f}")
        rows.append({"way": name, "rate": rates[name], "own_us": own, "server_us": server})
    say(f"{VSYNC}: {rates[VSYNC] / rates[HVAC]:.1f} times as fast as {HVAC}")
    return rows


def _reading(ran: Ran, *phases: str) -> Measured:
    """The phases in which the metadata comes; the CPU is that of the whole process."""
    return Measured(
        paths=ran.cycle.listed,
        wall_s=sum(ran.cycle.phases[phase] for phase in phases),
        own_cpu_s=ran.own_cpu_s,
        server_cpu_s=ran.server_cpu_s,
    )


def _in_turns(ways: dict[str, Callable[[], Measured]], rounds: int) -> dict[str, list[Measured]]:
    seen: dict[str, list[Measured]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seen[name].append(way())
    return seen


# --- saves -----------------------------------------------------------------------------------


def saves(told: argparse.Namespace) -> list[Row]:
    """A first save, cycles with a few changes, and cycles with none."""
    seen: dict[str, list[Ran]] = {"first": [], f"{CHANGED} changes": [], "none": []}
    with (
        tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch,
        field(Path(scratch), told.secrets) as there,
    ):
        for number in range(told.rounds):
            home = Path(scratch, str(number))
            home.mkdir()
            there.consul.json("DELETE", "/v1/kv/bench/?recurse")
            seen["first"].append(run(there, home, workers=told.workers))
            write(there.bao, there.paths[:CHANGED])
            seen[f"{CHANGED} changes"].append(run(there, home, workers=told.workers))
            seen["none"].append(run(there, home, workers=told.workers))
    say(f"\nsaving: {told.secrets:,} secrets, 64 buckets")
    say(f"{'':12} {'saving ms':>10} {'reindexing ms':>14} {'to Consul':>10}")
    rows = []
    for name, found in seen.items():
        row: Row = {"save": name}
        for phase in ("saving", "reindexing"):
            row[phase] = median(each.cycle.phases.get(phase, 0.0) for each in found) * 1e3
        row["requests"] = median(each.cycle.requests.consul for each in found)
        say(f"{name:12} {row['saving']:10.1f} {row['reindexing']:14.1f} {row['requests']:10.0f}")
        rows.append(row)
    return rows


# --- growth ----------------------------------------------------------------------------------


def growth(told: argparse.Namespace) -> list[Row]:
    """Time and memory against the number of secrets."""
    rows: list[Row] = []
    say(f"\ngrowth: one cycle that finds nothing to save, {told.workers} workers")
    say(
        f"{'secrets':>9} {'s':>7} {'µs each':>8} {'own CPU µs each':>16} {'MiB':>5}"
        f" {'journal MiB':>12}"
    )
    for secrets in told.sizes:
        with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
            home = Path(scratch)
            with field(home, secrets) as there:
                run(there, home, workers=told.workers)
                found = [run(there, home, workers=told.workers) for _ in range(told.rounds)]
        row = {
            "secrets": secrets,
            "seconds": median(each.seconds for each in found),
            "own_cpu_s": median(each.own_cpu_s for each in found),
            "rss_bytes": median(each.rss_bytes for each in found),
            "journal_bytes": median(each.journal_bytes for each in found),
        }
        say(
            f"{secrets:9,} {row['seconds']:7.2f} {row['seconds'] / secrets * 1e6:8.0f}"
            f" {row['own_cpu_s'] / secrets * 1e6:16.0f} {row['rss_bytes'] / 2**20:5.0f}"
            f" {row['journal_bytes'] / 2**20:12.1f}"
        )
        rows.append(row)
    return rows


TABLES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "reads": reads,
    "saves": saves,
    "growth": growth,
}

if __name__ == "__main__":
    sys.exit(main())

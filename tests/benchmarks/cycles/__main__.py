"""What vsync costs, and how fast it is: `python -m tests.benchmarks.cycles` (`just bench`).

`reads` holds both ways to read against a load generator and hvac's own loop, `saves` a first save
against later ones, `growth` a cycle of few secrets against those of many; `starts` tells how long a
start takes, `kindness` what Vault sees of ceiling, back-off and audit log, `journal` what the loop
takes of a cycle for its events, what closing the journal's files adds, and how long a journal takes
to be replayed. What is compared runs in turns, round by round, on the same servers: on a noisy
machine the ratios hold, the times do not. Medians are printed. Without a name all of it runs, for
about twelve minutes; with `--quick` for two.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tests.benchmarks.cycles import docs
from tests.benchmarks.cycles.asked import QUICK, Asked
from tests.benchmarks.cycles.growth import growth
from tests.benchmarks.cycles.journalling import journal
from tests.benchmarks.cycles.kindness import kindness
from tests.benchmarks.cycles.reads import reads
from tests.benchmarks.cycles.saves import saves
from tests.benchmarks.cycles.starts import starts
from tests.benchmarks.cycles.tables import Report, Table, text
from tests.benchmarks.cycles.yardsticks import wrk_there

BENCHES: dict[str, Callable[[Asked], dict[str, Table]]] = {
    "starts": starts,
    "reads": reads,
    "saves": saves,
    "growth": growth,
    "kindness": kindness,
    "journal": journal,
}


def say(line: str = "") -> None:
    """A line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 2: the load generator is missing."""
    parser = _parser()
    told = parser.parse_args(arguments)
    if told.from_json:
        report = msgspec.json.decode(told.from_json.read_bytes(), type=Report)
        for table in report.tables.values():
            _show(table)
    else:
        benches = told.benches or [*BENCHES]
        if "reads" in benches and not wrk_there():
            sys.stderr.write("bench: wrk is missing, the load generator: apt-get install wrk\n")
            return 2
        report = _measure(benches, _asked(told))
    if told.json:
        told.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    if told.docs:
        for file in docs.write(report):
            say(f"written: {file}")
    return 0


def _parser() -> argparse.ArgumentParser:
    first, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="just bench",
        description=f"{first.split(':')[0]}.",
        epilog=rest,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "benches", nargs="*", choices=[[], *BENCHES], help="all, unless some are named"
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one round")
    parser.add_argument("--secrets", type=int, help="for reads, kindness and journal")
    parser.add_argument("--insights", type=int, help="for saves")
    parser.add_argument("--events", type=int, help="for journal")
    parser.add_argument("--sizes", type=int, nargs="+", help="for growth, in a real OpenBao")
    parser.add_argument(
        "--imagined", type=int, nargs="+", help="for growth, by a server that answers from memory"
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--docs", action="store_true", help="put them into docs/performance.md, draw its picture"
    )
    parser.add_argument(
        "--from-json", type=Path, metavar="FILE", help="measure nothing: take what --json wrote"
    )
    return parser


def _asked(told: argparse.Namespace) -> Asked:
    given = {name: getattr(told, name) for name in Asked.__struct_fields__}
    given = {name: value for name, value in given.items() if value is not None}
    for sizes in ("sizes", "imagined"):
        if sizes in given:
            given[sizes] = tuple(given[sizes])
    return msgspec.structs.replace(QUICK if told.quick else Asked(), **given)


def _measure(benches: Sequence[str], asked: Asked) -> Report:
    tables: dict[str, Table] = {}
    for name in benches:
        found = BENCHES[name](asked)
        tables |= found
        for table in found.values():
            _show(table)
    when = f"{datetime.now(UTC):%d %B %Y}"
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, servers on loopback"
    return Report(when=when, machine=machine, tables=tables)


def _show(table: Table) -> None:
    for line in text(table):
        say(line)


if __name__ == "__main__":
    sys.exit(main())

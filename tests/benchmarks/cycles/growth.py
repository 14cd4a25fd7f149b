"""A cycle that finds nothing to save, of few secrets and of many: time and memory a secret."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import Field, imagined, real
from tests.benchmarks.cycles.reads import FOLDERS, PATHS
from tests.benchmarks.cycles.runs import Ran, run
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict

IMAGINED = "vsync, a server from memory"

BASE = 10_000
"""What the larger ones are held against: below it, what a cycle takes in any case counts more."""

ONCE = 1_000_000
"""From so many secrets on one round must do."""

Seen = dict[tuple[str, int], list[Ran]]


def growth(asked: Asked) -> dict[str, Table]:
    """The table `growth`."""
    return {"growth": table({**_real(asked), **_imagined(asked)}, asked)}


def _real(asked: Asked) -> Seen:
    """One OpenBao holds all sizes, a mount each; both ways and all sizes in turns."""
    ways = {PATHS: "off", FOLDERS: "auto"}
    seen: Seen = {(way, secrets): [] for way in ways for secrets in asked.sizes}
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        with real(home, asked.sizes) as fields:
            for there in fields:
                run(there, home, workers=asked.workers)
            for _ in range(asked.rounds):
                for there in fields:
                    for way, wanted in ways.items():
                        seen[way, there.secrets].append(
                            _cycle(there, home, asked.workers, detailedMetadata=wanted)
                        )
    return seen


def _imagined(asked: Asked) -> Seen:
    seen: Seen = {}
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        for secrets in asked.imagined:
            home = Path(scratch, str(secrets))
            home.mkdir()
            rounds = asked.rounds if secrets < ONCE else 1
            with imagined(home, secrets) as (there, _):
                run(there, home, workers=asked.workers)
                seen[IMAGINED, secrets] = [
                    _cycle(there, home, asked.workers) for _ in range(rounds)
                ]
    return seen


def _cycle(there: Field, home: Path, workers: int, **vault: str) -> Ran:
    # What a process does once (connections, calls of a first time) would count in a small cycle.
    cycles = 2 if there.secrets <= BASE else 1
    return run(there, home, workers=workers, cycles=cycles, **vault)[-1]


def table(seen: Seen, asked: Asked) -> Table:
    """What was measured, by way and size, round by round."""
    rows = [_row(way, secrets, found) for (way, secrets), found in seen.items()]
    return Table(
        title=f"a cycle that finds nothing to save, {asked.workers} workers",
        command="just bench growth",
        columns=(
            Column("way", ""),
            Column("secrets", "secrets"),
            Column("seconds", "seconds", ",.2f"),
            Column("each", "µs a secret"),
            Column("own_each", "own CPU µs a secret"),
            Column("server_each", "server CPU µs a secret"),
            Column("mib", "memory MiB"),
        ),
        rows=tuple(rows),
        verdicts=tuple(_verdicts(rows)),
    )


def _row(way: str, secrets: int, found: list[Ran]) -> dict[str, Cell]:
    def middle(figure: Callable[[Ran], float]) -> float:
        return float(median(map(figure, found)))

    seconds = middle(lambda each: each.seconds)
    return {
        "way": way,
        "secrets": secrets,
        "seconds": seconds,
        "each": seconds / secrets * 1e6,
        "own_each": middle(lambda each: each.own_cpu_s) / secrets * 1e6,
        "server_each": middle(lambda each: each.server_cpu_s) / secrets * 1e6,
        "mib": middle(lambda each: each.rss_bytes) / 2**20,
    }


def _verdicts(rows: list[dict[str, Cell]]) -> Iterator[Verdict]:
    for way in dict.fromkeys(str(row["way"]) for row in rows):
        by_size = {_number(row, "secrets"): row for row in rows if row["way"] == way}
        base = by_size.get(BASE)
        for secrets, row in sorted(by_size.items()):
            if base is None or secrets <= BASE:
                continue
            for key, what in (("each", "time"), ("own_each", "own CPU")):
                yield Verdict(
                    f"{way}: {what} a secret at {secrets:,.0f} ÷ at {BASE:,}",
                    _number(row, key) / _number(base, key),
                    least=None,
                    most=1.2,
                )
    yield from _memory(sorted((row for row in rows if row["way"] == IMAGINED), key=_secrets))


def _memory(rows: list[dict[str, Cell]]) -> Iterator[Verdict]:
    steps = [
        (_number(two, "mib") - _number(one, "mib")) * 2**20 / (_secrets(two) - _secrets(one))
        for one, two in pairwise(row for row in rows if _secrets(row) >= BASE)
    ]
    for row, step in zip(rows[-len(steps) :], steps, strict=False):
        yield Verdict(
            f"memory up to {_secrets(row):,.0f}, bytes for each further secret",
            step,
            most=2_000,
            form=",.0f",
        )
    if len(steps) > 1:
        yield Verdict("the last two of these, one by the other", steps[-1] / steps[-2], most=1.2)


def _number(row: dict[str, Cell], key: str) -> float:
    return float(row[key] or 0)


def _secrets(row: dict[str, Cell]) -> float:
    return _number(row, "secrets")

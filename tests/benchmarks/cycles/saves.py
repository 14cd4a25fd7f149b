"""Saving only what changed: a first save, a cycle with a few changes, and one with none."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import imagined
from tests.benchmarks.cycles.from_memory import CHANGED
from tests.benchmarks.cycles.runs import Ran, buckets_for, run
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict

FIRST = "a first save"
SOME = f"{CHANGED} changes"
NONE = "no change"


def saves(asked: Asked) -> dict[str, Table]:
    """The table `saves`. The insights come from memory, Consul is a real one."""
    seen: dict[str, list[Ran]] = {FIRST: [], SOME: [], NONE: []}
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        with imagined(home, asked.insights) as (there, vault):
            for _ in range(asked.rounds):
                there.consul.json("DELETE", "/v1/kv/bench/?recurse")
                seen[FIRST] += run(there, home, workers=asked.workers)
                vault.write()
                seen[SOME] += run(there, home, workers=asked.workers)
                seen[NONE] += run(there, home, workers=asked.workers)
    return {"saves": table(seen, asked)}


def table(seen: dict[str, list[Ran]], asked: Asked) -> Table:
    """What was measured, kind by kind, round by round."""
    rows = {name: _row(name, found) for name, found in seen.items()}
    first, some = (float(rows[name]["saving"] or 0) for name in (FIRST, SOME))
    return Table(
        title=f"{asked.insights:,} insights in {buckets_for(asked.insights)} buckets",
        command=f"just bench saves --insights {asked.insights}",
        columns=(
            Column("save", ""),
            Column("keys", "keys written"),
            Column("requests", "requests to Consul"),
            Column("reindexing", "reindexing ms", ",.1f"),
            Column("saving", "saving ms", ",.1f"),
            Column("own_cpu_s", "own CPU s, whole cycle", ".2f"),
        ),
        rows=tuple(rows.values()),
        verdicts=(
            Verdict(
                f"keys written for {CHANGED} changes",
                _keys(seen[SOME]),
                most=CHANGED + 1,
                form=".0f",
            ),
            Verdict("keys written for none", _keys(seen[NONE]), most=0, form=".0f"),
            Verdict(f"saving {CHANGED} changes ÷ a first save", some / first, most=0.2),
        ),
    )


def _keys(found: list[Ran]) -> float:
    return max(each.keys for each in found)


def _row(name: str, found: list[Ran]) -> dict[str, Cell]:
    def middle(figure: Callable[[Ran], float]) -> float:
        return float(median(map(figure, found)))

    return {
        "save": name,
        "keys": middle(lambda each: each.keys),
        "requests": middle(lambda each: each.cycle.requests.consul),
        "reindexing": middle(lambda each: each.cycle.phases["reindexing"] * 1e3),
        "saving": middle(lambda each: each.cycle.phases.get("saving", 0.0) * 1e3),
        "own_cpu_s": middle(lambda each: each.own_cpu_s),
    }

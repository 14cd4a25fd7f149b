"""Kind to Vault at speed: the ceiling, the shared back-off, and what comes into an audit log."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import Field, imagined, real
from tests.benchmarks.cycles.reads import FOLDERS, PATHS
from tests.benchmarks.cycles.runs import Ran, configuration, environment, run
from tests.benchmarks.cycles.tables import Cell, Column, Table, Verdict
from vsync_sm.core.insight import moment
from vsync_sm.origin.patience import FLOOR_S

WAYS = {PATHS: "off", FOLDERS: "auto"}

FEW = 2_000
CEILINGS = {PATHS: 400, FOLDERS: 20}
"""Requests a second that are asked for: a cycle of `FEW` secrets then takes a few seconds."""

BURSTS = {PATHS: (400, 800, 1_200, 1_600, 2_000), FOLDERS: (80, 160, 240, 320, 380)}
"""After so many requests the server refuses for a while; the cycles are a first one each, of
`FEW` secrets and of `MANY`."""

MANY = 10_000

_TICK_S = 1.0
_DAY_S = 86_400.0
_NS = 1e9


class _Line(msgspec.Struct):
    """What matters here of a line of an audit log."""

    time: str
    type: str


class Predicted(msgspec.Struct, frozen=True):
    """A cycle's cost as `vsync-sm check` tells it."""

    requests: int
    audit_bytes: float


def kindness(asked: Asked) -> dict[str, Table]:
    """The tables `ceiling`, `audit` and `pressed`."""
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
        home = Path(scratch)
        with real(home, sorted({FEW, asked.secrets}), audit=True) as fields:
            for there in fields:
                run(there, home, workers=asked.workers)
            few, many = fields[0], fields[-1]
            capped = {way: _capped(few, home, way, asked.workers) for way in WAYS}
            costs = {way: _cost(many, home, way, asked.workers) for way in WAYS}
    return {
        "ceiling": ceiling_table(capped, asked.workers),
        "audit": audit_table(costs, asked.secrets),
        "pressed": _pressed(asked.workers),
    }


# --- the ceiling -----------------------------------------------------------------------------


def _capped(there: Field, home: Path, way: str, workers: int) -> list[float]:
    """When the server got each request of a cycle under a ceiling, seconds since 1970."""
    wanted: dict[str, Any] = {
        "maxRequestsPerSecond": CEILINGS[way],
        "detailedMetadata": WAYS[way],
    }
    return requests(_audited(there, run(there, home, workers=workers, **wanted)[0]))


def _audited(there: Field, ran: Ran) -> list[bytes]:
    """The lines of the server's audit log that a cycle brought about."""
    assert there.audit_log
    began, ended = ran.audit
    return there.audit_log.read_bytes()[began:ended].splitlines()


def requests(lines: Sequence[bytes]) -> list[float]:
    """When each request came, seconds since 1970, from the lines of an audit log."""
    told = [msgspec.json.decode(line, type=_Line) for line in lines]
    return sorted(moment(each.time) / _NS for each in told if each.type == "request")


def per_second(times: Sequence[float]) -> float:
    """The rate from the first to the last."""
    return (len(times) - 1) / (times[-1] - times[0])


def most_in_a_second(times: Sequence[float]) -> int:
    """The most that came within any one second."""
    return max(bisect_left(times, at + 1.0) - number for number, at in enumerate(times))


def ceiling_table(capped: dict[str, list[float]], workers: int) -> Table:
    """What the server saw of each way under its ceiling."""
    rows: list[dict[str, Cell]] = [
        {
            "way": way,
            "asked": CEILINGS[way],
            "requests": len(times),
            "seen": per_second(times),
            "most": most_in_a_second(times),
        }
        for way, times in capped.items()
    ]
    return Table(
        title=f"maxRequestsPerSecond, {workers} workers; seen in the server's audit log",
        command="just bench kindness",
        columns=(
            Column("way", ""),
            Column("asked", "a second at most"),
            Column("requests", "requests in the cycle"),
            Column("seen", "seen a second", ",.1f"),
            Column("most", "most in any second"),
        ),
        rows=tuple(rows),
        verdicts=tuple(
            Verdict(
                f"{way}: seen ÷ asked", per_second(times) / CEILINGS[way], most=1.01, form=".3f"
            )
            for way, times in capped.items()
        ),
    )


# --- the audit log ---------------------------------------------------------------------------


class Cost(msgspec.Struct, frozen=True):
    """One cycle: its requests as vsync counts them and as the server does, what they wrote into the
    audit log, and what `check` had said.
    """

    requests: int
    seen: int
    audit_bytes: int
    predicted: Predicted


def _cost(there: Field, home: Path, way: str, workers: int) -> Cost:
    wanted = WAYS[way]
    predicted = _check(there, home, wanted)
    ran = run(there, home, workers=workers, detailedMetadata=wanted)[0]
    began, ended = ran.audit
    seen = len(requests(_audited(there, ran)))
    return Cost(ran.cycle.requests.vault, seen, ended - began, predicted)


def _check(there: Field, home: Path, wanted: str) -> Predicted:
    config = configuration(there, home, workers=1, detailedMetadata=wanted)
    told = subprocess.run(
        [sys.executable, "-m", "vsync_sm.cli", "check", "--config", str(config)],
        env=environment(there),
        capture_output=True,
        text=True,
        check=True,
    )
    return predicted_in(told.stdout)


def predicted_in(report: str) -> Predicted:
    """What the report of `check` says of a cycle, at a tick of a second."""
    cost = re.search(r"A cycle costs ([\d,]+) requests? ", report)
    audit = re.search(r"about ([\d.]+) (GB|MB|kB) a day in Vault's audit log", report)
    assert cost, report
    assert audit, report
    a_day = float(audit[1]) * {"GB": 1e9, "MB": 1e6, "kB": 1e3}[audit[2]]
    return Predicted(int(cost[1].replace(",", "")), a_day * _TICK_S / _DAY_S)


def audit_table(costs: dict[str, Cost], secrets: int) -> Table:
    """What a cycle of each way asked and wrote, beside what `check` had said."""
    rows: list[dict[str, Cell]] = [
        {
            "way": way,
            "requests": cost.requests,
            "seen": cost.seen,
            "said": cost.predicted.requests,
            "mb": cost.audit_bytes / 1e6,
            "mb_said": cost.predicted.audit_bytes / 1e6,
        }
        for way, cost in costs.items()
    ]
    return Table(
        title=f"a cycle of {secrets:,} secrets in a file audit device, and what `check` says of it",
        command="just bench kindness",
        columns=(
            Column("way", ""),
            Column("requests", "requests"),
            Column("seen", "in the audit log"),
            Column("said", "`check` says"),
            Column("mb", "audit log MB", ",.2f"),
            Column("mb_said", "`check` says MB", ",.2f"),
        ),
        rows=tuple(rows),
        verdicts=tuple(_foreseen(costs)),
    )


def _foreseen(costs: dict[str, Cost]) -> Iterator[Verdict]:
    for way, cost in costs.items():
        said = cost.predicted
        ratio = cost.requests / said.requests
        yield Verdict(f"{way}: requests ÷ `check` says", ratio, least=0.99, most=1.01)
        ratio = cost.audit_bytes / said.audit_bytes
        yield Verdict(f"{way}: audit log ÷ `check` says", ratio, least=0.8, most=1.2)


# --- the back-off ----------------------------------------------------------------------------


def _pressed(workers: int) -> Table:
    rows: list[dict[str, Cell]] = []
    verdicts = []
    for way, secrets in ((PATHS, FEW), (FOLDERS, MANY)):
        with tempfile.TemporaryDirectory(prefix="vsync-bench-") as scratch:
            home = Path(scratch)
            with imagined(home, secrets, BURSTS[way]) as (there, vault):
                ran = run(there, home, workers=workers, detailedMetadata=WAYS[way])[0]
                met = vault.end()
        rows.append(
            {
                "way": way,
                "outcome": f"{ran.cycle.outcome}: {ran.cycle.listed:,}",
                "bursts": met.bursts,
                "refused": met.refused,
                "most": met.most,
                "pause": met.pause_s,
            }
        )
        verdicts += [
            Verdict(f"{way}: refused in one burst", met.most, most=workers, form=".0f"),
            Verdict(f"{way}: quiet after it", met.pause_s, least=FLOOR_S, form=".3g", unit=" s"),
        ]
    return Table(
        title=f"a server that answers 429 now and then, {workers} workers",
        command="just bench kindness",
        columns=(
            Column("way", ""),
            Column("outcome", "the cycle"),
            Column("bursts", "times it refused"),
            Column("refused", "requests refused"),
            Column("most", "most in one burst"),
            Column("pause", "least quiet after one s", ".3f"),
        ),
        rows=tuple(rows),
        verdicts=tuple(verdicts),
    )

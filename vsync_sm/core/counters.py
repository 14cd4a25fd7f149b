"""What is counted over a run, for metrics: a fold over its records, the same live and replayed.

They begin at nothing with each process, as counters do; what outlives it is in the view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import field
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import CYCLE
from vsync_sm.core.outcome import is_complete

BOUNDS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
"""The upper bounds of the histograms (seconds); what is longer stands in the last bucket."""

OUTCOMES = ("saved", "unchanged", "refused", "aborted")
REASONS = ("timeout", "signal", "fault", "fatal", "operator")
ENDINGS = ("generated", "skipped", "failed", "abandoned", "unsent")
CHANGES = ("added", "updated", "vanished", "regressed")
SERVERS = ("vault", "consul")
SAVES = ("committed", "skipped", "refused", "failed", "uncertain")
PHASES = tuple(map(str, CYCLE))
FAULTS = tuple((kind.word, kind.fatal) for kind in FaultKind)
"""The labels: all there are, so that each series is there from the beginning."""

Counts = Mapping[str, int]

_L = TypeVar("_L")


class Histogram(msgspec.Struct, frozen=True):
    """How many took how long: a count for each of `BOUNDS_S` and one for what is longer."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_S) + 1)
    sum_s: float = 0.0

    def with_one(self, seconds: float) -> Histogram:
        """The histogram and one more."""
        at = sum(bound < seconds for bound in BOUNDS_S)
        counts = (*self.counts[:at], self.counts[at] + 1, *self.counts[at + 1 :])
        return Histogram(counts, self.sum_s + seconds)


def _none_of(labels: Iterable[_L]) -> Mapping[_L, int]:
    """The default of a field: each label is there, with nothing."""
    none: Mapping[_L, int] = field(default_factory=lambda: dict.fromkeys(labels, 0))
    return none


class Counters(msgspec.Struct, frozen=True):
    """All that is counted. Every label has few values: none is a path, a name or a message.

    `insights` is what Consul held as it was last read or saved; None where nobody knows yet.
    """

    cycles: Counts = _none_of(OUTCOMES)
    aborted: Counts = _none_of(REASONS)
    durations: Histogram = Histogram()
    phases: Mapping[str, Histogram] = field(
        default_factory=lambda: dict.fromkeys(PHASES, Histogram())
    )
    paths: Counts = _none_of(ENDINGS)
    carried: int = 0
    changes: Counts = _none_of(CHANGES)
    saves: Counts = _none_of(SAVES)
    faults: Mapping[tuple[str, bool], int] = _none_of(FAULTS)
    requests: Counts = _none_of(SERVERS)
    retries: Counts = _none_of(SERVERS)
    notifications: Mapping[bool, int] = _none_of((True, False))  # by whether it worked
    renewals: Mapping[bool, int] = _none_of((True, False))  # by whether it was a fresh login
    insights: int | None = None
    began: int = 0  # the running cycle, mono in ns


def counted(counters: Counters, record: e.Record) -> Counters:
    """The counters and one more record."""
    fold = _FOLDS.get(type(record.event))
    return counters if fold is None else fold(counters, record, record.event)


def _plus(counts: Mapping[_L, int], label: _L, n: int = 1) -> Mapping[_L, int]:
    return {**counts, label: counts.get(label, 0) + n}


def _run_started(_: Counters, __: e.Record, ___: e.RunStarted) -> Counters:
    return Counters()


def _cycle_started(counters: Counters, record: e.Record, _: e.CycleStarted) -> Counters:
    return replace(counters, began=record.mono)


def _sync_info_read(counters: Counters, _: e.Record, event: e.SyncInfoRead) -> Counters:
    return replace(counters, insights=event.insights)


def _cycle_finished(counters: Counters, record: e.Record, event: e.CycleFinished) -> Counters:
    phases = dict(counters.phases)
    for name, seconds in event.phases.items():
        phases[name] = phases.get(name, Histogram()).with_one(seconds)
    sent = event.requests
    requests = _plus(_plus(counters.requests, "vault", sent.vault), "consul", sent.consul)
    counters = replace(
        counters,
        cycles=_plus(counters.cycles, event.outcome),
        durations=counters.durations.with_one((record.mono - counters.began) / NS),
        phases=phases,
        paths={name: n + getattr(event, name) for name, n in counters.paths.items()},
        carried=counters.carried + event.carried,
        requests=requests,
    )
    if event.outcome == "aborted":
        return replace(counters, aborted=_plus(counters.aborted, event.reason))
    if is_complete(event.outcome):
        counters = replace(counters, insights=event.generated + event.carried)
    if event.outcome == "saved":
        changes = {name: n + getattr(event, name) for name, n in counters.changes.items()}
        counters = replace(counters, changes=changes)
    return counters


def _fault_raised(counters: Counters, _: e.Record, event: e.FaultRaised) -> Counters:
    return replace(counters, faults=_plus(counters.faults, (event.kind, event.fatal)))


def _retry_scheduled(counters: Counters, _: e.Record, event: e.RetryScheduled) -> Counters:
    return replace(counters, retries=_plus(counters.retries, event.server.lower() or "vault"))


def _notified(counters: Counters, _: e.Record, event: e.Notified) -> Counters:
    return replace(counters, notifications=_plus(counters.notifications, event.ok))


def _token_renewed(counters: Counters, _: e.Record, event: e.TokenRenewed) -> Counters:
    return replace(counters, renewals=_plus(counters.renewals, event.login))


def _save(ending: str) -> Callable[[Counters, e.Record, Any], Counters]:
    return lambda counters, _, __: replace(counters, saves=_plus(counters.saves, ending))


_FOLDS: dict[type, Callable[[Counters, e.Record, Any], Counters]] = {
    e.RunStarted: _run_started,
    e.CycleStarted: _cycle_started,
    e.SyncInfoRead: _sync_info_read,
    e.CycleFinished: _cycle_finished,
    e.FaultRaised: _fault_raised,
    e.RetryScheduled: _retry_scheduled,
    e.Notified: _notified,
    e.TokenRenewed: _token_renewed,
    e.SaveCommitted: _save("committed"),
    e.SaveSkipped: _save("skipped"),
    e.SaveRefused: _save("refused"),
    e.SaveFailed: _save("failed"),
    e.SaveUncertain: _save("uncertain"),
}

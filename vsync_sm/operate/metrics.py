"""Metrics for Prometheus: what the view and the counters tell, put into words at each scrape.

Journal, console and metrics so tell the same; nothing is measured a second time. No label is a path
or anything else that has many values. docs/metrics.md says what each one means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from vsync_sm import __version__
from vsync_sm.core.answer import ANSWERING, Health, Word, answer, now_at
from vsync_sm.core.counters import BOUNDS_S, Counters, Histogram, counted
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import View

JournalSize = Callable[[], Mapping[str, float]]
"""What is known of the journal just now: `bytes`, `budget_bytes`, `budget_seconds`."""


class Metrics:
    """A sink of the ledger that can be asked for its metrics from any thread."""

    def __init__(self, view: View, wall: Callable[[], int], journal: JournalSize) -> None:
        """`view` is the one before the first record; `wall` tells ns since 1970."""
        self._now = (Counters(), view)  # one reference: whoever reads it has what belongs together
        self._registry = CollectorRegistry()
        self._registry.register(_Told(lambda: self._now, wall, journal))
        for process in (ProcessCollector, PlatformCollector, GCCollector):
            process(registry=self._registry)

    def __call__(self, record: Record, view: View) -> None:
        """Count a record, and keep the newest view."""
        self._now = (counted(self._now[0], record), view)

    def scrape(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that an `Accept` header wants, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a header that the library cannot read
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _Told(Collector):
    def __init__(
        self,
        now: Callable[[], tuple[Counters, View]],
        wall: Callable[[], int],
        journal: JournalSize,
    ) -> None:
        self._now = now
        self._wall = wall
        self._journal = journal

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is asked of a view before there is one

    def collect(self) -> Iterator[Metric]:
        counters, view = self._now()
        yield from _of_counters(counters)
        yield from _of_moments(view)
        yield from _of_standing(view, self._wall())
        yield from _of_sizes(counters, view, self._journal())


# --- what is counted in this process ---------------------------------------------------------


def _of_counters(counters: Counters) -> Iterator[Metric]:
    yield _counter("cycles", "Cycles by outcome.", "outcome", counters.cycles)
    yield _counter("cycles_aborted", "Aborted cycles by reason.", "reason", counters.aborted)
    yield _histogram("cycle_duration", "How long cycles took.", (), {(): counters.durations})
    phases: dict[tuple[str, ...], Histogram] = {
        (name,): each for name, each in counters.phases.items()
    }
    yield _histogram("phase_duration", "How long phases took.", ("phase",), phases)
    yield _counter("paths", "Listed paths of all cycles by ending.", "ending", counters.paths)
    carried = "Failed paths that kept the insight last saved."
    yield _counter("paths_carried_forward", carried, "", {"": counters.carried})
    yield _counter("insight_changes", "What saves changed.", "change", counters.changes)
    yield _counter("saves", "Saves by ending.", "ending", counters.saves)
    faults = CounterMetricFamily("vsync_faults", "Faults by kind.", labels=("kind", "fatal"))
    for (kind, fatal), n in sorted(counters.faults.items()):
        faults.add_metric((kind, "true" if fatal else "false"), n)
    yield faults
    yield _counter("requests", "Requests that cycles sent.", "server", counters.requests)
    yield _counter("retries", "Requests tried again.", "server", counters.retries)
    renewed = {"login" if login else "renewal": n for login, n in counters.renewals.items()}
    yield _counter("token_renewals", "Times that Vault's token was renewed.", "how", renewed)
    told = {"sent" if ok else "failed": n for ok, n in counters.notifications.items()}
    yield _counter("notifications", "Attempts at informing a human.", "result", told)


def _counter(name: str, told: str, label: str, counts: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"vsync_{name}", told, labels=(label,) if label else ())
    for value, n in counts.items():
        family.add_metric((value,) if label else (), n)
    return family


def _histogram(
    name: str, told: str, labels: Sequence[str], each: Mapping[tuple[str, ...], Histogram]
) -> Metric:
    family = HistogramMetricFamily(f"vsync_{name}_seconds", told, labels=labels)
    bounds = (*map(str, BOUNDS_S), "+Inf")
    for values, histogram in each.items():
        total, buckets = 0, []
        for bound, n in zip(bounds, histogram.counts, strict=True):
            total += n
            buckets.append((bound, float(total)))
        family.add_metric(values, buckets, histogram.sum_s)
    return family


# --- what the view tells ---------------------------------------------------------------------


def _of_moments(view: View) -> Iterator[Metric]:
    attempt = view.history[-1].finished if view.history else ""
    save = view.last_save.ts if view.last_save else ""
    for name, ts, what in (
        ("attempt", attempt, "When the last cycle ended, whatever became of it"),
        ("success", view.last_complete, "When the last complete cycle ended"),
        ("save", save, "When it last wrote the sync info"),
    ):
        since = moment(ts) / NS if ts else 0.0
        told = f"{what} (seconds since 1970; 0: never yet)."
        yield _gauge(f"last_{name}_timestamp_seconds", told, since)


def _of_standing(view: View, wall: int) -> Iterator[Metric]:
    told = answer(view, now_at(view, wall))
    yield _gauge("healthy", "1 where /health says 200.", told.health is Health.healthy)
    yield _one_of("health", "Its health in the console's word.", "word", Word, told.word)
    yield _one_of("state", "The state of the machine.", "state", State, view.state.name)
    yield _gauge("failed_cycles_in_row", "Cycles in a row not complete.", view.failed_in_row)
    yield _gauge("paused", "1 where no cycle begins by itself.", view.pause is not None)
    yield _gauge("save_refused", "1 while a refusal stands.", view.refusal is not None)
    failing = view.status_failed is not None
    yield _gauge("status_key_failing", "1 while the status key cannot be written.", failing)
    answers = GaugeMetricFamily(
        "vsync_server_answering", "1 where a server answered when last asked.", labels=("server",)
    )
    for server, seen in sorted(view.conditions.items()):
        answers.add_metric((server.lower(),), seen.word == ANSWERING)
    yield answers


def _of_sizes(counters: Counters, view: View, journal: Mapping[str, float]) -> Iterator[Metric]:
    run = view.run
    if run is not None:
        yield _gauge("tick_seconds", "From the start of one cycle to the next.", run.tick_s)
        yield _gauge("timeout_seconds", "How long a cycle may take.", run.timeout_s)
        limit = "The limit of one value in Consul, as configured."
        yield _gauge("value_limit_bytes", limit, run.value_limit_bytes)
    if counters.insights is not None:
        insights = "Insights in Consul, as last read or saved."
        yield _gauge("insights", insights, counters.insights)
    if view.buckets:
        largest = max(each.size_bytes for each in view.buckets.values())
        said = "The largest bucket that this journal knows of."
        yield _gauge("largest_bucket_bytes", said, largest)
    if view.num_buckets:
        yield _gauge("buckets", "Buckets in the sync info.", view.num_buckets)
    for name, told in (
        ("bytes", "What the journal takes on the disk."),
        ("budget_bytes", "What its closed files may take before the oldest goes."),
        ("budget_seconds", "How long a time fits into that, at the rate of its newest files."),
    ):
        if name in journal:
            yield _gauge(f"journal_{name}", told, journal[name])
    yield InfoMetricFamily("vsync_build", "Which vsync this is.", value={"version": __version__})


def _gauge(name: str, told: str, value: float) -> Metric:
    return GaugeMetricFamily(f"vsync_{name}", told, value=float(value))


def _one_of(name: str, told: str, label: str, values: Iterable[Any], now: str) -> Metric:
    family = GaugeMetricFamily(f"vsync_{name}", f"{told} 1 where it is.", labels=(label,))
    for value in values:
        family.add_metric((str(value),), float(value == now))
    return family

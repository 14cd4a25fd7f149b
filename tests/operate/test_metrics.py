"""Metrics: the view and the journal once more, in Prometheus' words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from tests.core.viewing import Seen, refused
from vsync_sm import __version__
from vsync_sm.core import events as e
from vsync_sm.core.counters import BOUNDS_S, Counters
from vsync_sm.core.insight import moment
from vsync_sm.core.view import View, apply
from vsync_sm.operate.metrics import Metrics

DOCS = Path(__file__).parents[2] / "docs"

SIZES = {"bytes": 4_711.0, "budget_bytes": 10_000.0, "budget_seconds": 7_200.0}

Samples = dict[str, float]


def samples(text: str) -> Samples:
    """Each series of a scrape: `vsync_cycles_total{outcome="saved"}` → value."""
    found = {}
    for family in parse(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            series = f"{sample.name}{{{labels}}}" if labels else sample.name
            assert series not in found
            found[series] = sample.value
    return found


def scraped(records: Iterable[e.Record], wall: int | None = None) -> Samples:
    """What is scraped after these records, at a moment (else that of the last one)."""
    view, last = View(), 0
    metrics = Metrics(view, lambda: wall or last, lambda: SIZES)
    for record in records:
        view = apply(view, record)
        metrics(record, view)
        last = moment(record.ts)
    return samples(metrics.scrape("")[0].decode())


def full() -> Seen:
    """A journal that knows of everything that can be told."""
    seen = Seen()
    seen.start()
    seen(e.ServerConditionChanged(server="Vault", condition="answering"))
    seen(e.ServerConditionChanged(server="Consul", condition="timeout"))
    seen.save(1)
    seen(e.FaultRaised(kind="sealed", fatal=False, message="m"))
    return seen


def test_a_process_that_has_done_nothing_yet() -> None:
    """Every series with a known label is there, so that its first increase is seen."""
    found = scraped([])
    assert found['vsync_cycles_total{outcome="saved"}'] == 0
    assert found['vsync_paths_total{ending="failed"}'] == 0
    assert found['vsync_phase_duration_seconds_count{phase="saving"}'] == 0
    assert found['vsync_faults_total{fatal="true",kind="authentication"}'] == 0
    assert found["vsync_last_success_timestamp_seconds"] == 0
    assert found[f'vsync_build_info{{version="{__version__}"}}'] == 1
    assert found["process_resident_memory_bytes"] > 0


def test_the_three_moments_are_told_apart() -> None:
    seen = full()
    seen.begin()
    seen.finish("unchanged")
    seen.fail()
    view = seen.view
    assert view.last_save is not None
    found = scraped(seen.records)
    for name, ts in (
        ("attempt", view.history[-1].finished),
        ("success", view.last_complete),
        ("save", view.last_save.ts),
    ):
        assert found[f"vsync_last_{name}_timestamp_seconds"] == moment(ts) / 1e9
    assert (
        found["vsync_last_save_timestamp_seconds"]
        < found["vsync_last_success_timestamp_seconds"]
        < found["vsync_last_attempt_timestamp_seconds"]
    )


def test_health_state_and_what_stands() -> None:
    seen = full()
    found = scraped(seen.records)
    assert (found["vsync_healthy"], found['vsync_health{word="IN SYNC"}']) == (1, 1)
    assert sum(value for name, value in found.items() if name.startswith("vsync_health{")) == 1
    assert sum(value for name, value in found.items() if name.startswith("vsync_state{")) == 1
    assert found['vsync_state{state="waiting"}'] == 1
    assert found['vsync_server_answering{server="vault"}'] == 1
    assert found['vsync_server_answering{server="consul"}'] == 0
    seen.begin()
    seen(refused(vanished=30))
    seen.finish("refused", "refused")
    seen(e.TickerPaused(by="ada", through="console"))
    seen(e.StatusFailed(kind="timeout", message="m"))
    found = scraped(seen.records)
    assert (found["vsync_healthy"], found['vsync_health{word="PAUSED"}']) == (1, 1)
    assert (found["vsync_paused"], found["vsync_save_refused"]) == (1, 1)
    assert (found["vsync_failed_cycles_in_row"], found["vsync_status_key_failing"]) == (1, 1)


def test_an_origin_that_does_nothing_any_more_is_behind() -> None:
    """Health is of the moment of the scrape, not of the last record."""
    seen = full()
    late = moment(seen.view.last_complete) + int(421e9)  # two ticks, the timeout, a second
    found = scraped(seen.records, late)
    assert (found["vsync_healthy"], found['vsync_health{word="BEHIND"}']) == (0, 1)


def test_what_is_counted() -> None:
    seen = full()
    seen.begin()
    seen(
        e.SyncInfoRead(prefix="p", insights=8, buckets=2, index="ab"),
        e.RetryScheduled(
            what="w", attempt=1, delay_s=0.1, kind="timeout", message="m", server="Consul"
        ),
        e.SaveStarted(index="i", index_key="k", index_modify_index=1, keys=()),
        e.SaveCommitted(index="i", keys=2),
        e.CycleFinished(
            outcome="saved",
            listed=10,
            generated=6,
            skipped=1,
            failed=3,
            carried=2,
            added=1,
            updated=2,
            vanished=4,
            requests=e.Requests(vault=12, consul=3),
            phases={"listing": 0.3, "working": 2.0, "saving": 1000.0},
        ),
        e.Notified(kind="k", through="t", ok=False),
        e.TokenRenewed(method="approle", login=True),
    )
    found = scraped(seen.records)
    expected = {
        'vsync_cycles_total{outcome="saved"}': 2,
        'vsync_paths_total{ending="generated"}': 6,
        'vsync_paths_total{ending="failed"}': 3,
        "vsync_paths_carried_forward_total": 2,
        'vsync_insight_changes_total{change="vanished"}': 4,
        'vsync_saves_total{ending="committed"}': 2,
        'vsync_faults_total{fatal="false",kind="sealed"}': 1,
        'vsync_requests_total{server="vault"}': 12,
        'vsync_requests_total{server="consul"}': 3,
        'vsync_retries_total{server="consul"}': 1,
        'vsync_notifications_total{result="failed"}': 1,
        'vsync_notifications_total{result="sent"}': 0,
        'vsync_token_renewals_total{how="login"}': 1,
        'vsync_token_renewals_total{how="renewal"}': 0,
        "vsync_insights": 8,
        'vsync_phase_duration_seconds_bucket{le="0.25",phase="listing"}': 0,
        'vsync_phase_duration_seconds_bucket{le="0.5",phase="listing"}': 1,
        'vsync_phase_duration_seconds_bucket{le="900.0",phase="saving"}': 0,
        'vsync_phase_duration_seconds_bucket{le="+Inf",phase="saving"}': 1,
        'vsync_phase_duration_seconds_sum{phase="working"}': 2.0,
        "vsync_cycle_duration_seconds_count": 2,
        "vsync_largest_bucket_bytes": 200,
        "vsync_buckets": 4,
        "vsync_value_limit_bytes": 524_288,
        "vsync_journal_bytes": 4_711,
        "vsync_journal_budget_bytes": 10_000,
        "vsync_journal_budget_seconds": 7_200,
    }
    assert {name: found.get(name) for name in expected} == expected


def test_a_new_process_counts_from_nothing() -> None:
    seen = full()
    assert scraped(seen.records)['vsync_cycles_total{outcome="saved"}'] == 1
    seen.start()
    found = scraped(seen.records)
    assert found['vsync_cycles_total{outcome="saved"}'] == 0
    assert found["vsync_last_success_timestamp_seconds"] > 0


def test_one_that_lasts_just_as_long_as_a_bound_counts_in_it() -> None:
    for at, bound in enumerate(BOUNDS_S):
        histogram = Counters().durations.with_one(bound)
        assert histogram.counts.index(1) == at
        assert histogram.with_one(bound + 0.001).counts[at + 1] == 1


# --- formats ---------------------------------------------------------------------------------


def scrape(accept: str) -> tuple[str, str]:
    metrics = Metrics(View(), lambda: 0, dict)
    body, content_type = metrics.scrape(accept)
    return body.decode(), content_type


def test_prometheus_own_format_and_openmetrics() -> None:
    plain, content_type = scrape("")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert list(parse(plain))
    body, content_type = scrape("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert list(parse_open(body))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=x", "text/plain;version=1.x", "\0", "," * 999]
)
def test_an_accept_header_that_nobody_understands(accept: str) -> None:
    assert list(parse(scrape(accept)[0]))


# --- the documentation -----------------------------------------------------------------------


def ours() -> set[str]:
    """The names of all of vsync's own metrics, as the documentation spells them."""
    seen = full()
    view, names = View(), set()
    metrics = Metrics(view, lambda: moment(seen.records[-1].ts), lambda: SIZES)
    seen.begin()
    seen(e.SyncInfoRead(prefix="p", insights=8, buckets=2, index="ab"))
    for record in seen.records:
        view = apply(view, record)
        metrics(record, view)
    for family in parse(metrics.scrape("")[0].decode()):
        if family.name.startswith("vsync_"):
            names.add(f"{family.name}_total" if family.type == "counter" else family.name)
    return names


def test_every_metric_is_documented() -> None:
    table = (DOCS / "metrics.md").read_text(encoding="utf-8").partition("## /metrics")[2]
    rows = re.findall(r"^\| (`vsync_.*?) \| (\w+) \|", table, re.MULTILINE)
    documented = [name for names, _ in rows for name in re.findall(r"`(\w+)`", names)]
    assert len(documented) == len(set(documented))
    assert set(documented) == ours()


def test_the_alert_rules_ask_for_what_there_is() -> None:
    rules = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))
    asked: set[str] = set()
    for rule in rules["groups"][0]["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "description"}
        names = set(re.findall(r"vsync_\w+", rule["expr"]))
        assert names, rule["alert"]
        asked |= names
    assert asked <= ours()


def test_no_label_has_many_values() -> None:
    """However many paths, mounts and messages there are."""
    seen = full()
    few = len(scraped(seen.records))
    for number in range(30):
        seen.begin()
        seen(
            e.PathFailed(
                worker=1, path=f"secret/data/{number}", kind="timeout", message=f"{number}"
            ),
            e.FaultRaised(kind="sealed", fatal=False, message=f"{number}", hint=f"{number}"),
            e.Notified(kind=f"{number}", through=f"{number}", ok=True),
        )
        seen.finish("aborted", "fault")
    assert len(scraped(seen.records)) == few

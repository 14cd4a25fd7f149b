"""The benchmarks' own parts: tables, picture, docs; and that what they measure with still works."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.benchmarks.cycles import docs
from tests.benchmarks.cycles.asked import Asked
from tests.benchmarks.cycles.field import imagined
from tests.benchmarks.cycles.growth import IMAGINED
from tests.benchmarks.cycles.growth import table as growth_table
from tests.benchmarks.cycles.journalling import REPLAYED, WRITTEN, Took
from tests.benchmarks.cycles.journalling import rows as rows_of
from tests.benchmarks.cycles.journalling import table as journal_table
from tests.benchmarks.cycles.kindness import (
    Predicted,
    most_in_a_second,
    per_second,
    predicted_in,
    requests,
)
from tests.benchmarks.cycles.live import CLOSED, OPEN, closing_table, live_table
from tests.benchmarks.cycles.picture import Series, picture
from tests.benchmarks.cycles.reads import FOLDERS, HVAC, PATHS, WRK
from tests.benchmarks.cycles.reads import table as reads_table
from tests.benchmarks.cycles.runs import Ran, run
from tests.benchmarks.cycles.saves import FIRST, NONE, SOME
from tests.benchmarks.cycles.saves import table as saves_table
from tests.benchmarks.cycles.tables import Column, Report, Table, Verdict, markdown, text
from tests.benchmarks.cycles.yardsticks import Measured
from vsync_sm.core.cost import Cost
from vsync_sm.core.events import CycleFinished, InsightGenerated, Requests, WorkerStarted
from vsync_sm.core.insight import Insight

SMALL = Table(
    title="what it is",
    command="just bench small",
    columns=(Column("way", ""), Column("rate", "paths/s"), Column("share", "÷ wrk", ".2f")),
    rows=({"way": "one", "rate": 1234.5, "share": 1.0}, {"way": "the other", "rate": 77}),
    verdicts=(Verdict("one ÷ other", 16.03, least=4.0), Verdict("took", 0.3, most=0.25, unit=" s")),
    notes=("A word on it.",),
)


def test_a_table_in_a_terminal() -> None:
    assert list(text(SMALL)) == [
        "",
        "what it is   (just bench small)",
        "           paths/s  ÷ wrk",
        "one          1,234   1.00",
        "the other       77",
        "",
        "              found            goal",
        "one ÷ other   16.03   at least 4.00     met",
        "took         0.30 s  at most 0.25 s  missed",
        "A word on it.",
    ]


def test_a_table_in_the_docs() -> None:
    assert markdown(SMALL).splitlines() == [
        "`just bench small`: what it is",
        "",
        "|  | paths/s | ÷ wrk |",
        "| --- | ---: | ---: |",
        "| one | 1,234 | 1.00 |",
        "| the other | 77 |  |",
        "",
        "|  | found | goal |  |",
        "| --- | ---: | ---: | ---: |",
        "| one ÷ other | 16.03 | at least 4.00 | met |",
        "| took | 0.30 s | at most 0.25 s | **missed** |",
        "",
        "A word on it.",
    ]


@pytest.mark.parametrize(
    ("value", "least", "most", "goal", "met"),
    [
        (1.0, 1.0, None, "at least 1.00", True),
        (0.99, 1.0, None, "at least 1.00", False),
        (1.2, None, 1.2, "at most 1.20", True),
        (1.21, None, 1.2, "at most 1.20", False),
        (0.7, 0.8, 1.2, "0.80 to 1.20", False),
        (0.0, None, 0.0, "at most 0.00", True),
    ],
)
def test_a_goal(
    value: float, least: float | None, most: float | None, goal: str, met: bool
) -> None:
    verdict = Verdict("it", value, least=least, most=most)
    assert (verdict.goal, verdict.met) == (goal, met)


def test_a_report_survives_as_json() -> None:
    report = Report(when="today", machine="this", tables={"small": SMALL})
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


# --- the docs --------------------------------------------------------------------------------


def test_only_what_was_measured_is_written_anew() -> None:
    page = (
        "a\n<!-- bench:made -->\nold\n<!-- /bench -->\nb\n<!-- bench:small -->\n<!-- /bench -->\n"
    )
    rest = "<!-- bench:others -->\nkept\n<!-- /bench -->\n"
    found = docs.rewritten(page + rest, Report("today", "this", {"small": SMALL}))
    assert found == (
        "a\n<!-- bench:made -->\ntoday, this.\n<!-- /bench -->\nb\n"
        f"<!-- bench:small -->\n{markdown(SMALL)}\n<!-- /bench -->\n{rest}"
    )


def test_the_page_has_a_place_for_each_table() -> None:
    page = docs.PAGE.read_text(encoding="utf-8")
    named = {"phases", "reads", "growth", "saves", "starts", "ceiling", "pressed", "audit"}
    named |= {"journal", "live", "closing"}
    assert sorted(docs.marks(page)) == sorted({"made", *named})


def test_the_picture_shows_cycles_and_what_the_yardsticks_would_take() -> None:
    growth = growth_table(
        {
            (way, size): [ran(size, size / 1_000)]
            for way in (PATHS, FOLDERS)
            for size in (10, 1_000)
        },
        Asked(),
    )
    wrk = reads_table({name: [Measured(100, 0.5, 0.1, 0.2)] for name in WAYS}, Asked())
    report = Report("today", "this", {"growth": growth, "reads": wrk})
    assert list(docs.series(report)) == [
        Series(PATHS, ((10, 0.01), (1_000, 1.0))),
        Series(FOLDERS, ((10, 0.01), (1_000, 1.0))),
        Series(WRK, ((10, 0.05), (1_000, 5.0)), dashed=True),
        Series(HVAC, ((10, 0.05), (1_000, 5.0)), dashed=True),
    ]


def test_the_picture_is_to_scale_and_no_name_hides_another() -> None:
    drawn = picture(
        [
            Series("slow & steady", ((1e3, 0.1), (1e5, 10.0))),
            Series("as slow", ((1e3, 0.1), (1e5, 9.9)), dashed=True),
        ]
    )
    root = ElementTree.fromstring(drawn)  # noqa: S314  our own
    svg = "{http://www.w3.org/2000/svg}"
    lines = [each.attrib["points"] for each in root.iter(f"{svg}polyline")]
    # Two decades each way, from corner to corner.
    assert lines[0] == "62.0,386.0 550.0,20.0"
    dots = [(each.attrib["cx"], each.attrib["cy"]) for each in root.iter(f"{svg}circle")]
    assert dots == [("62.0", "386.0"), ("550.0", "20.0")]
    names = {each.text: float(each.attrib["y"]) for each in root.iter(f"{svg}text")}
    assert names["as slow"] - names["slow & steady"] >= 16
    assert {"1,000", "100,000", "0.1 s", "10 s"} <= names.keys()


# --- what is made of the figures -------------------------------------------------------------

WAYS = (WRK, HVAC, PATHS, FOLDERS)


def ran(
    secrets: int,
    seconds: float,
    *,
    cpu_s: float = 0.1,
    mib: float = 60,
    keys: int = 0,
    saving: float = 0.0,
) -> Ran:
    """A cycle that took so much, `saving` of it in the last phase."""
    phases = {"listing": 0.0, "working": seconds, "reindexing": 0.0, "saving": saving}
    requests = Requests(vault=secrets, consul=1)
    cycle = CycleFinished(outcome="unchanged", listed=secrets, requests=requests, phases=phases)
    return Ran(cycle, cpu_s, 0.2, int(mib * 2**20), keys=keys, retries=0, audit=(0, 0))


def judged(table: Table) -> dict[str, tuple[float, bool]]:
    return {each.what: (round(each.value, 3), each.met) for each in table.verdicts}


def test_reads_are_held_against_the_medians_of_the_yardsticks() -> None:
    seconds = {WRK: (1.0, 4.0, 2.0), HVAC: (20.0, 10.0, 15.0), PATHS: (2.5,), FOLDERS: (0.5,)}
    seen = {
        name: [Measured(1_000, each, 0.5, each / 2) for each in took]
        for name, took in seconds.items()
    }
    found = judged(reads_table(seen, Asked()))
    assert found["a path a request ÷ wrk"] == (0.8, True)
    assert found["a path a request ÷ hvac's own loop"] == (6.0, True)
    assert found["a folder a request ÷ wrk"] == (4.0, True)
    assert found["the server's CPU ÷ own, a path a request"] == (2.5, True)


def test_growth_is_flat_or_said_not_to_be() -> None:
    seen = {
        (IMAGINED, 1_000): [ran(1_000, 1.0, mib=60)],
        (IMAGINED, 10_000): [ran(10_000, 1.0, cpu_s=1.0, mib=70)],
        (IMAGINED, 100_000): [ran(100_000, 11.0, cpu_s=13.0, mib=160)],
        (IMAGINED, 1_000_000): [ran(1_000_000, 100.0, cpu_s=100.0, mib=1_510)],
    }
    found = judged(growth_table(seen, Asked()))
    assert found[f"{IMAGINED}: time a secret at 100,000 ÷ at 10,000"] == (1.1, True)
    assert found[f"{IMAGINED}: own CPU a secret at 100,000 ÷ at 10,000"] == (1.3, False)
    assert found["memory up to 1,000,000, bytes for each further secret"] == (1_572.864, True)
    assert found["the last two of these, one by the other"] == (1.5, False)


def test_the_loop_is_held_against_the_cycle_that_it_is_part_of() -> None:
    told = [
        msgspec.structs.replace(ran(1_000, 1.0), lines=1_000, loop_cpu_s=each)
        for each in (0.009, 0.010, 0.055)
    ]
    found = judged(live_table({PATHS: told, FOLDERS: told}, Asked()))
    assert found == {
        f"{PATHS}: CPU a line": (10.0, True),
        f"{PATHS}: of the cycle's own CPU": (10.0, False),
        f"{PATHS}: of the cycle's time": (1.0, True),
        f"{FOLDERS}: CPU a line": (10.0, True),
        f"{FOLDERS}: of the cycle's own CPU": (10.0, True),
        f"{FOLDERS}: of the cycle's time": (1.0, True),
    }


def test_cycles_with_a_closing_are_held_against_those_without_one() -> None:
    quiet = [msgspec.structs.replace(ran(9, 1), silence_s=each) for each in (0.01, 0.02, 0.09)]
    closing = [
        msgspec.structs.replace(ran(9, 1, cpu_s=0.2), silence_s=0.05, closed=2, loop_cpu_s=0.008)
        for _ in range(3)
    ]
    table = closing_table({OPEN: quiet, CLOSED: closing}, Asked())
    assert [row["closed"] for row in table.rows] == [0, 2]
    assert [row.get("loop_each") for row in table.rows] == [None, 4.0]
    assert [row.get("own_each") for row in table.rows] == [None, 50.0]
    assert judged(table) == {"longest without a reply, with ÷ without": (2.5, False)}


def test_the_journal_is_held_against_its_goals() -> None:
    took = {
        WRITTEN: [Took(1_000, 1.0, 0.005, 0.006, 50, 50)],
        REPLAYED: [Took(500, 1.0, 0.002, 0.003, 50, 70)],
    }
    assert judged(journal_table(took)) == {
        "CPU of an event in a cycle": (5.0, True),
        "replay of a million events, CPU": (6.0, False),
        "its memory at the end ÷ after a tenth": (1.4, False),
    }


def test_insights_are_told_in_rows_and_all_else_by_itself() -> None:
    insight = InsightGenerated(worker=1, path="kv/data/a", insight=Insight(1, ""), change="added")
    events = [
        WorkerStarted(worker=1),
        WorkerStarted(worker=2),
        *[insight] * 300,
        WorkerStarted(worker=3),
    ]
    assert [len(row) for row in rows_of(iter(events))] == [1, 1, 256, 44, 1]


def test_saves_count_the_keys() -> None:
    seen = {
        FIRST: [ran(9, 1, keys=65, saving=0.1)],
        SOME: [ran(9, 1, keys=5, saving=0.01)],
        NONE: [ran(9, 1)],
    }
    found = judged(saves_table(seen, Asked()))
    assert found["keys written for 3 changes"] == (5.0, False)
    assert found["keys written for none"] == (0.0, True)
    assert found["saving 3 changes ÷ a first save"] == (0.1, True)


def test_requests_are_read_from_the_audit_log() -> None:
    lines = [
        b'{"time":"1970-01-01T00:00:03Z","type":"request","auth":{}}',
        b'{"time":"1970-01-01T00:00:03.1Z","type":"response","auth":{}}',
        b'{"time":"1970-01-01T00:00:01.5Z","type":"request"}',
    ]
    assert requests(lines) == [1.5, 3.0]


def test_a_rate_and_its_worst_second() -> None:
    times = [0.0, 0.1, 0.2, 1.05, 1.15, 4.0]
    assert per_second(times) == 5 / 4.0
    assert most_in_a_second(times) == 3
    assert most_in_a_second([0.0, 0.9, 1.0]) == 2


def test_what_check_predicts_is_found_in_its_words() -> None:
    cost = Cost(mounts=1, folders=1_200, paths=10_000, tick_s=1.0, timeout_s=300.0, workers=1)
    found = predicted_in("\n".join(cost.lines()))
    assert found.requests == cost.requests == 11_203
    assert found.audit_bytes == pytest.approx(cost.audit_bytes_a_day / 86_400, rel=0.01)
    assert isinstance(found, Predicted)


# --- the server that answers from memory -----------------------------------------------------


def test_cycles_from_memory_both_ways(tmp_path: Path) -> None:
    with imagined(tmp_path, 300, refuse_at=[20, 326]) as (there, vault):
        first = run(there, tmp_path, workers=4, detailedMetadata="off")[0]
        vault.write()
        second, third = run(there, tmp_path, workers=4, cycles=2, segment="64KiB")
        met = vault.end()
    assert (first.cycle.outcome, first.cycle.generated, first.keys) == ("saved", 300, 65)
    assert first.cycle.requests.vault > 300 > second.cycle.requests.vault
    # Only detailed lists show what is written there: three secrets, in as many buckets.
    assert (second.cycle.outcome, second.keys, third.cycle.outcome) == ("saved", 4, "unchanged")
    # All wait once one is refused, those that read paths and those that list folders: each met it
    # once at the most.
    assert (met.bursts, first.retries + second.retries) == (2, met.refused)
    assert first.retries > 0
    assert second.retries > 0
    assert met.most <= 4
    assert first.rss_bytes > 10 * 2**20
    # The loop's thread is one of several, and all are its process's.
    assert 0 < first.loop_cpu_s < first.own_cpu_s
    assert first.lines > 300
    assert (first.closed, second.closed + third.closed > 0) == (0, True)
    # Where no path is read by itself there is nothing to wait for.
    assert first.silence_s > 0 == third.silence_s

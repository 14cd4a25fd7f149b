"""Safety rule 11 on the real servers: which secrets have an insight, by the server's own clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime

from tests.misbehave import Answer
from tests.origin.bench import HOUR, Bench
from vsync_sm.core import events as e

Change = Callable[[Answer], Answer]


def shift_date(seconds: float) -> Change:
    """Has the server's clock, as its reply tells it, be another."""

    def change(answer: Answer) -> Answer:
        now = parsedate_to_datetime(answer.headers["Date"])
        return _dated(answer, now + timedelta(seconds=seconds))

    return change


def set_date(when: datetime) -> Change:
    """Has the server's clock, as its reply tells it, be this one."""
    return lambda answer: _dated(answer, when)


def _dated(answer: Answer, when: datetime) -> Answer:
    return replace(answer, headers=answer.headers | {"Date": format_datetime(when, usegmt=True)})


def test_what_is_to_be_deleted_later_is_alive_until_the_servers_clock_says_so(
    bench: Bench,
) -> None:
    bench.api.set_metadata(bench.mount, "b", delete_version_after="1h")
    bench.fill()
    assert bench.once().outcome == "saved"
    assert bench.path("b") in bench.shop.saved()
    rule = bench.on_read("b").alter(shift_date(HOUR - 60))
    assert bench.once().outcome == "unchanged"
    rule.remove()
    bench.on_read("b").alter(shift_date(HOUR + 60))
    run = bench.once()
    assert run.outcome == "saved"
    skipped = run.one(e.InsightSkipped)
    assert (skipped.path, skipped.why) == (bench.path("b"), "deleted")
    assert bench.path("b") not in bench.shop.saved()


def test_what_is_deleted_within_the_second_that_the_server_tells_is_deleted(bench: Bench) -> None:
    # `Date` tells whole seconds: a secret deleted half a second ago is not one deleted later.
    bench.begin()
    bench.api.delete(bench.mount, "b")
    deleted = bench.api.metadata(bench.mount, "b")["versions"]["1"]["deletion_time"]
    second = datetime.fromisoformat(f"{deleted[:19]}+00:00")
    rule = bench.on_read("b").alter(set_date(second - timedelta(seconds=1)))
    assert not bench.once().all(e.InsightSkipped)
    rule.remove()
    bench.on_read("b").alter(set_date(second))
    assert bench.saved().one(e.InsightSkipped).why == "deleted"


def test_what_became_of_the_current_version(bench: Bench) -> None:
    bench.begin()
    api, mount = bench.api, bench.mount
    api.delete(mount, "b")
    api.put(mount, "c/d")
    api.destroy(mount, "c/d", 2)
    api.put(mount, "c/e")
    api.destroy(mount, "c/e", 1)  # an old one: the current one is alive
    api.set_metadata(mount, "only/metadata", custom_metadata={"owner": "x"})
    run = bench.saved()
    assert {(event.path, event.why) for event in run.all(e.InsightSkipped)} == {
        (bench.path("b"), "deleted"),
        (bench.path("c/d"), "destroyed"),
        (bench.path("only/metadata"), "no_version"),
    }
    api.undelete(mount, "b", 1)
    api.put(mount, "only/metadata")
    bench.saved()
    assert bench.shop.saved().keys() >= {bench.path("b"), bench.path("only/metadata")}


def test_an_empty_mount_is_saved_as_such(bench: Bench) -> None:
    run = bench.saved()
    assert run.one(e.PathsListed).paths == 0
    for number in range(4):
        assert bench.raw()[f"{bench.shop.prefix}{number}"] == b"{}"
    assert bench.once().outcome == "unchanged"

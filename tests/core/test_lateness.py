"""What is said of a cycle whose deadline has passed: how far it came, and for whom it waited."""

from __future__ import annotations

import pytest

from tests.core.viewing import Seen, generated, moved
from vsync_sm.core import events as e
from vsync_sm.core.lateness import deadline_passed

STARTED = e.CycleStarted(mounts=("a/", "b/"), workers=1, num_buckets=4, deadline_s=60.0)
CHECKED = tuple(e.MountChecked(mount=each, version="2", accessor="x") for each in ("a/", "b/"))
READ = e.SyncInfoRead(prefix="p/", insights=0, buckets=0, index="", num_buckets=None)
LISTED = e.PathsListed(paths=3, mounts={"a/": 3})
WORKING = (moved("listed", "listing", "working"), e.WorkerStarted(worker=1))
FROZEN = "Consul at http://c:8500 took too long: Operation timed out"
CONSUL = e.ServerConditionChanged(server="Consul", condition="timeout", message=FROZEN)


def listing(*events: e.Event) -> Seen:
    seen = Seen()
    seen.start()
    seen.cycle = 1
    seen(STARTED, moved("tick", "waiting", "listing"), *events)
    return seen


@pytest.mark.parametrize(
    ("events", "where", "server"),
    [
        ((), "while listing, before the former sync info was read", "Consul"),
        ((READ,), "while listing, 0 of 2 mounts checked", "Vault"),
        ((READ, *CHECKED[:1]), "while listing, 1 of 2 mounts checked", "Vault"),
        ((READ, *CHECKED), "while listing, after 0 folders", "Vault"),
        ((READ, *CHECKED, LISTED, *WORKING), "while working, 0 of 3 paths ended", "Vault"),
    ],
)
def test_it_was_waiting_for_the_server_that_its_phase_asks(
    events: tuple[e.Event, ...], where: str, server: str
) -> None:
    seen = listing(*events)
    began = 1 if events[-1:] == WORKING[-1:] else 0  # a second of the phase has passed already
    fault = deadline_passed(seen.view, seen.now(40 - began).mono)
    waiting = f"it was waiting for {server}, which gave no good answer for 40 s"
    assert fault.message == f"the cycle's deadline of 1 min has passed {where}: {waiting}"
    assert fault.hint.startswith(f"See to {server}; ")
    assert fault.context["server"] == server
    assert fault.context["phase"] == where.split()[1].rstrip(",")
    assert not fault.fatal


def test_what_is_known_of_that_server_is_said_and_of_no_other() -> None:
    seen = listing(*CHECKED, CONSUL)
    assert deadline_passed(seen.view, seen.now(40).mono).message.endswith(f" ({FROZEN})")
    seen(READ)
    assert FROZEN not in deadline_passed(seen.view, seen.now(40).mono).message


def test_a_server_that_answers_was_too_slow() -> None:
    seen = listing(*CHECKED, READ, LISTED, *WORKING, generated("a"), generated("b"))
    fault = deadline_passed(seen.view, seen.now(1).mono)
    slow = "while working, 2 of 3 paths ended: Vault answered, but too slowly, with 0.5 paths"
    assert slow in fault.message
    assert "numWorkers" in fault.hint


@pytest.mark.parametrize(
    ("moves", "where"),
    [
        ([("worked", "working", "reindexing")], "while reindexing"),
        (
            [("worked", "working", "reindexing"), ("reindexed", "reindexing", "saving")],
            "before the save began",
        ),
    ],
)
def test_no_server_is_blamed_where_none_was_asked(
    moves: list[tuple[str, str, str]], where: str
) -> None:
    seen = listing(*CHECKED, READ, LISTED, *WORKING, CONSUL, *(moved(*each) for each in moves))
    fault = deadline_passed(seen.view, seen.now(40).mono)
    assert f"has passed {where}: the origin itself was slow" in fault.message
    assert "server" not in fault.context


def test_a_cycle_that_has_not_begun_to_list_is_told_too() -> None:
    seen = Seen()
    seen.start()
    assert deadline_passed(seen.view, 0).kind.word == "deadline"

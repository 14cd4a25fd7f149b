"""What operators ask for: no effect without its command, and none that was forbidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle, renumbered
from tests.journal.playbook import journals, legal_journal, relaxed
from tests.journal.test_audit import Forged, found
from vsync_sm.core import events as e

SOCKET = "control socket"


def command(what: str, **more: Any) -> e.CommandReceived:
    return e.CommandReceived(command=what, by="ada", through=SOCKET, uid=1000, pid=7, **more)


PAUSED = e.TickerPaused(by="ada", through=SOCKET, why="maintenance")
RESUMED = e.TickerResumed(by="ada", through=SOCKET)
ALLOWED = e.AllowanceGranted(allowance="3880de1ed1a3", by="ada", through=SOCKET)
ABORTED = e.Transitioned(trigger="abort", source="working", dest="aborted", reason="operator")


def before(word: str, *events: e.Event, cycle: int | None = None) -> Callable[[Forged], None]:
    """A forger who puts these events before the first of that type or trigger."""

    def forge(forged: Forged) -> None:
        at = forged.at(word)
        forged.lines[at:at] = [(event, cycle) for event in events]

    return forge


def asked_by(how: str, *events: e.Event) -> Callable[[Forged], None]:
    """The cycle is asked for so, after these events."""

    def forge(forged: Forged) -> None:
        before("cycle_started", *events)(forged)
        forged.change("cycle_started", asked=how)

    return forge


def halted_by_operator(*events: e.Event) -> Callable[[Forged], None]:
    """After these events the run halts for the reason `operator`."""

    def forge(forged: Forged) -> None:
        forged.drop("signal_received")
        before("halt", *events)(forged)
        forged.change("halt", reason="operator")

    return forge


def aborted_by_operator(*events: e.Event) -> Callable[[Forged], None]:
    """After these events working is aborted for the reason `operator`, and all is told well."""

    def forge(forged: Forged) -> None:
        at = forged.at("insight_generated")
        finished = e.CycleFinished(outcome="aborted", reason="operator", listed=3, unsent=3)
        stopped = [e.WorkerStopped(worker=worker, paths=0) for worker in (1, 2)]
        over = e.Transitioned(trigger="recovered", source="aborted", dest="waiting")
        rest: list[e.Event] = [*events, ABORTED, *stopped, finished]
        forged.lines[at : forged.at("cycle_finished") + 1] = [
            *((event, 1) for event in rest),
            (over, None),
        ]

    return forge


def together(*forgers: Callable[[Forged], None]) -> Callable[[Forged], None]:
    """One after the other."""

    def forge(forged: Forged) -> None:
        for each in forgers:
            each(forged)

    return forge


TRUE: dict[str, Callable[[Forged], None]] = {
    "paused in a cycle": before("worked", command("pause"), PAUSED, cycle=1),
    "paused and resumed": before(
        "cycle_started", command("pause"), PAUSED, command("resume"), RESUMED
    ),
    "a cycle while paused": asked_by("command", command("pause"), PAUSED, command("sync")),
    "a cycle by a signal while paused": asked_by(
        "signal", command("pause"), PAUSED, e.SignalReceived(signal="SIGUSR1", number=10)
    ),
    "asked for in the checks": together(
        before("checks_passed", command("sync")),
        lambda f: f.change("cycle_started", asked="command"),
    ),
    "refused commands": before(
        "worked", command("halt", refused="no"), command("abort", refused="no"), cycle=1
    ),
    "an abort": aborted_by_operator(command("abort")),
    "a halt in a cycle": together(
        aborted_by_operator(command("halt")),
        lambda f: f.drop("signal_received"),
        lambda f: f.drop("recovered"),
        lambda f: f.change("halt", source="aborted", reason="operator"),
    ),
    "a halt in saving": together(
        before("save_committed", command("halt"), cycle=1), halted_by_operator()
    ),
    "a halt in waiting": halted_by_operator(command("halt")),
}


@pytest.mark.parametrize("told", TRUE.values(), ids=list(TRUE))
def test_what_was_asked_for_is_true(told: Callable[[Forged], None]) -> None:
    forged = Forged()
    told(forged)
    assert found(numbered(forged.lines)) == []


FORGERIES: dict[str, tuple[Callable[[Forged], None], str]] = {
    "no such command": (before("signal_received", command("explode")), "no command explode"),
    "a command with too much": (
        before("signal_received", command("halt now", refused="no")),
        "there is no command halt now",
    ),
    "an allow of nothing": (before("signal_received", command("allow")), "no command allow"),
    "through nowhere": (
        before("signal_received", replace(command("sync"), through="telepathy")),
        "a command came through telepathy",
    ),
    "an abort of nothing": (
        before("cycle_started", command("abort")),
        "4: abort is done, but no cycle goes on",
    ),
    "paused twice": (
        before("cycle_started", command("pause"), PAUSED, command("pause"), PAUSED),
        "7: the ticker is paused, but it was paused already",
    ),
    "paused by nobody": (
        before("signal_received", PAUSED),
        "29: the ticker is paused, but no command asked for it",
    ),
    "paused by a refused command": (
        before("signal_received", command("pause", refused="no"), PAUSED),
        "30: the ticker is paused, but no command asked for it",
    ),
    "resumed, but not paused": (
        before("cycle_started", command("resume"), RESUMED),
        "5: the ticker is resumed, but it was not paused",
    ),
    "resumed by nobody": (
        before("cycle_started", command("pause"), PAUSED, RESUMED),
        "6: the ticker is resumed, but no command asked for it",
    ),
    "a tick while paused": (
        before("cycle_started", command("pause"), PAUSED),
        "6: a cycle begins by itself while the ticker is paused",
    ),
    "a cycle by nobody's command": (
        asked_by("command"),
        "4: a cycle is asked for by a command, of which nothing is told before",
    ),
    "a cycle by a refused command": (
        asked_by("command", command("sync", refused="no")),
        "5: a cycle is asked for by a command, of which nothing is told before",
    ),
    "a cycle by another command": (
        asked_by("command", command("allow 1")),
        "5: a cycle is asked for by a command, of which nothing is told before",
    ),
    "a cycle by nobody's signal": (
        asked_by("signal", command("sync")),
        "5: a cycle is asked for by a signal, of which nothing is told before",
    ),
    "a cycle by the moon": (asked_by("moon"), "4: a cycle is asked for by a moon"),
    "a cycle after a halt": (
        before("cycle_started", command("halt")),
        "5: a cycle begins after a command to halt",
    ),
    "a save after a halt": (
        before("worked", command("halt"), cycle=1),
        "26: a save begins after a command to halt",
    ),
    "a save after an abort": (
        before("save_started", command("abort"), cycle=1),
        "26: a save begins after a command to abort the cycle",
    ),
    "an abort by nobody": (
        aborted_by_operator(),
        "13: abort for the reason operator, of which nothing is told before",
    ),
    "an abort by another command": (
        aborted_by_operator(command("sync"), command("pause"), PAUSED),
        "16: abort for the reason operator, of which nothing is told before",
    ),
    "an abort by a refused command": (
        aborted_by_operator(command("abort", refused="no")),
        "14: abort for the reason operator, of which nothing is told before",
    ),
    "a halt by nobody": (
        halted_by_operator(),
        "29: halt for the reason operator, of which nothing is told before",
    ),
    "a halt by another command": (
        halted_by_operator(command("sync")),
        "30: halt for the reason operator, of which nothing is told before",
    ),
    "a yes by nobody": (
        before("signal_received", ALLOWED),
        "29: 3880de1ed1a3 is allowed, but no command asked for it",
    ),
    "a yes to something else": (
        before("signal_received", command("allow a1"), replace(ALLOWED, through="console")),
        "30: 3880de1ed1a3 is allowed, but no command asked for it",
    ),
    "two yeses for one command": (
        before("signal_received", command("allow 3880de1ed1a3"), ALLOWED, ALLOWED),
        "31: 3880de1ed1a3 is allowed, but no command asked for it",
    ),
}


@pytest.mark.parametrize(("forge", "what"), FORGERIES.values(), ids=list(FORGERIES))
def test_a_forgery_is_found(forge: Callable[[Forged], None], what: str) -> None:
    forged = Forged()
    forge(forged)
    said = found(numbered(forged.lines))
    assert any(what in each for each in said), said


def test_a_sync_is_good_for_one_cycle() -> None:
    forged = Forged()
    asked_by("command", command("sync"))(forged)
    second = [(event, 2) for event, cycle in forged.lines if cycle == 1]
    at = forged.at("signal_received")
    forged.lines[at:at] = second
    (said,) = found(numbered(forged.lines))
    assert said.endswith("asked for by a command, of which nothing is told before")


def test_an_abort_is_good_for_one_cycle() -> None:
    forged = Forged()
    aborted_by_operator(command("abort"))(forged)
    at = forged.at("signal_received")
    forged.lines[at:at] = [(event, 2) for event, cycle in one_saved_cycle() if cycle == 1]
    assert found(numbered(forged.lines)) == []


# --- over runs -------------------------------------------------------------------------------


def next_run(lines: list[tuple[e.Event | e.Unknown, int | None]], *, once: bool = False) -> str:
    """What is found first in a run with a cycle that follows on these lines."""
    cycles = [cycle for _, cycle in lines if cycle is not None]
    number = max(cycles, default=0) + 1
    later = [(event, number if cycle else None) for event, cycle in one_saved_cycle()]
    started = later[0][0]
    assert isinstance(started, e.RunStarted)
    later[0] = (replace(started, once=once), None)
    first = len(lines)
    return "".join(
        found(
            [
                replace(record, run="run-2") if record.seq > first else record
                for record in numbered([*lines, *later])
            ]
        )
    )


def test_a_pause_outlives_its_run() -> None:
    forged = Forged()
    before("signal_received", command("pause"), PAUSED)(forged)
    said = next_run(forged.lines)
    assert said.endswith("a cycle begins by itself while the ticker is paused")
    assert next_run(forged.lines, once=True) == "", "who runs it once asks for that cycle"
    before("signal_received", command("resume"), RESUMED)(forged)
    assert next_run(forged.lines) == ""


def test_a_halt_does_not_outlive_its_run() -> None:
    forged = Forged()
    halted_by_operator(command("halt"))(forged)
    assert next_run(forged.lines) == ""


# --- random journals -------------------------------------------------------------------------


def test_the_playbook_plays_it_all() -> None:
    seen: Counter[str] = Counter()
    for seed in range(200):
        for record in legal_journal(Random(seed)):  # noqa: S311  not for secrets
            event = record.event
            seen[event.type] += 1
            seen[f"{event.type} {record.cycle is not None}"] += 1
            if isinstance(event, e.CommandReceived):
                seen[event.command.split()[0]] += not event.refused
            if isinstance(event, e.CycleStarted):
                seen[f"by {event.asked}"] += 1
            if isinstance(event, e.Transitioned):
                seen[f"{event.trigger} {event.reason}"] += 1
    asked = ("sync", "pause", "resume", "abort", "allow", "halt")
    for what in (
        *(*asked, "by tick", "by signal", "by command", "abort operator", "halt operator"),
        *("ticker_paused True", "ticker_paused False", "ticker_resumed True"),
        *("server_condition_changed", "allowance_granted", "allowance_spent"),
    ):
        assert seen[what], what


EFFECTS = e.TickerPaused | e.TickerResumed | e.AllowanceGranted


@relaxed
@given(journals, st.data())
def test_an_effect_without_its_command_is_found(
    records: list[e.Record], data: st.DataObject
) -> None:
    effects = [i for i, record in enumerate(records) if isinstance(record.event, EFFECTS)]
    assume(effects)
    at = data.draw(st.sampled_from(effects))
    asked = records[at - 1].event
    assert isinstance(asked, e.CommandReceived)
    del records[at - 1]
    assert found(renumbered(records))

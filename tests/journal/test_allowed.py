"""A yes: to what was refused, by who asked, for one save, within the hour, on its sync path."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.test_asked import ABORTED, SOCKET, command
from tests.journal.test_audit import Forged, Line, found
from vsync_sm.core import events as e
from vsync_sm.core.safety import allowance_id, items

REFUSALS = (e.Refusal(rule="shrink", count=1, of=3),)
ID = allowance_id(items(["secret/data/c"], (), (), REFUSALS))
OTHER = "feedfeedfeed"
REFUSED = e.SaveRefused(
    refusals=REFUSALS,
    vanished={"secret/": 1},
    regressed={},
    sample=("secret/data/c",),
    allowance=ID,
    insights={"secret/": 2},
)
YES = e.AllowanceGranted(allowance=ID, by="ada", through=SOCKET)
COMMAND_LINE = "command line"


def refused_cycle() -> list[Line]:
    """Cycle 1, which is refused for the path that vanished."""
    forged = Forged()
    end = forged.lines[forged.at("cycle_finished")][0]
    assert isinstance(end, e.CycleFinished)
    tail: list[Line] = [
        (REFUSED, 1),
        (replace(ABORTED, source="reindexing", reason="refused"), 1),
        (replace(end, outcome="refused", reason="refused"), 1),
        (e.Transitioned(trigger="recovered", source="aborted", dest="waiting"), None),
    ]
    return [*forged.lines[forged.at("cycle_started") : forged.at("reindexed")], *tail]


def saved_cycle(number: int, allowance: str = ID) -> list[Line]:
    """A cycle that is saved, with a yes."""
    lines: list[Line] = []
    for event, cycle in one_saved_cycle():
        told = event
        if isinstance(event, e.SaveStarted):
            told = replace(event, vanished={}, insights={"secret/": 2}, allowance=allowance)
        lines += [(told, number)] if cycle else []
    return lines


class Allowed(Forged):
    """Refused, allowed, saved, and the yes spent; then SIGTERM."""

    def __init__(self) -> None:
        super().__init__()
        start, end = self.at("cycle_started"), self.at("signal_received")
        saved = saved_cycle(2)
        at = next(i for i, (event, _) in enumerate(saved) if isinstance(event, e.SaveCommitted))
        saved.insert(at + 1, (e.AllowanceSpent(allowance=ID, why="saved"), 2))
        yes: list[Line] = [(command(f"allow {ID}"), None), (YES, None)]
        self.lines[start:end] = [*refused_cycle(), *yes, *saved]

    def rename(self, *words: str) -> None:
        """The yes is to another id, in events of these types."""
        for i, (event, cycle) in enumerate(self.lines):
            if event.type in words:
                name = "command" if isinstance(event, e.CommandReceived) else "allowance"
                told = getattr(event, name).replace(ID, OTHER)
                self.lines[i] = (replace(event, **{name: told}), cycle)


def at_the_command_line(forged: Forged) -> None:
    forged.change("command_received", through=COMMAND_LINE, uid=None, pid=None)
    forged.change("allowance_granted", through=COMMAND_LINE)


def nobody_on_the_command_line(forged: Forged) -> None:
    forged.drop("command_received")
    forged.change("allowance_granted", through=COMMAND_LINE)


def used_twice(forged: Forged) -> None:
    forged.drop("allowance_spent")
    at = forged.at("signal_received")
    forged.lines[at:at] = saved_cycle(3)


def given_while_saving(forged: Forged) -> None:
    """The yes comes only after the verdict."""
    yes = [(event, 2) for event, _ in forged.lines[forged.at("command_received") :][:2]]
    forged.drop("command_received")
    forged.drop("allowance_granted")
    at = forged.at("reindexed")
    forged.lines[at:at] = yes


def insert(before: str, *events: e.Event, cycle: int | None = 2) -> Callable[[Allowed], None]:
    def forge(forged: Allowed) -> None:
        at = forged.at(before)
        forged.lines[at:at] = [(event, cycle) for event in events]

    return forge


def pause_of_another(forged: Forged) -> None:
    at = forged.at("signal_received")
    paused = e.TickerPaused(by="mallory", through=SOCKET)
    forged.lines[at:at] = [(command("pause"), None), (paused, None)]


def resume_of_another(forged: Forged) -> None:
    at = forged.at("signal_received")
    paused = e.TickerPaused(by="ada", through=SOCKET)
    resumed = e.TickerResumed(by="mallory", through=SOCKET)
    told = (command("pause"), paused, command("resume"), resumed)
    forged.lines[at:at] = [(event, None) for event in told]


FORGERIES: dict[str, tuple[Callable[[Allowed], None], str]] = {
    "a yes to nothing": (
        lambda f: f.rename("command_received", "allowance_granted"),
        f"{OTHER} is allowed, but nothing was refused under it",
    ),
    "a save under a yes to nothing": (
        lambda f: f.rename("command_received", "allowance_granted", "save_started"),
        f"the save names the allowance {OTHER}, which is not in force",
    ),
    "a refusal under another id": (
        lambda f: f.rename("save_refused"),
        f"{OTHER} is not the id of what is refused here",
    ),
    "a yes used twice": (used_twice, f"allowance {ID}, which is not in force"),
    "another yes than that in force": (
        lambda f: f.rename("save_started"),
        f"the save names the allowance {OTHER}, which is not in force",
    ),
    "a yes that was spent before": (
        insert("save_started", e.AllowanceSpent(allowance=ID, why="expired")),
        f"the save names the allowance {ID}, which is not in force",
    ),
    "a yes that came after the verdict": (given_while_saving, "which is not in force"),
    "a yes for another sync path": (
        lambda f: f.change("sync_info_read", prefix="elsewhere/"),
        "which was given for elsewhere/",
    ),
    "a yes of another": (
        lambda f: f.change("allowance_granted", by="mallory"),
        f"{ID} is allowed by mallory (control socket), but ada (control socket) asked for it",
    ),
    "a yes through something else": (
        lambda f: f.change("allowance_granted", through="console"),
        f"{ID} is allowed by ada (console), but ada (control socket) asked for it",
    ),
    "a command line in the middle": (
        at_the_command_line,
        "a command came through the command line of a run that had begun",
    ),
    "a yes of a command line that never was": (
        nobody_on_the_command_line,
        f"{ID} is allowed, but no command asked for it",
    ),
    "a pause of another": (pause_of_another, "the ticker is paused by mallory"),
    "a resume of another": (resume_of_another, "the ticker is resumed by mallory"),
    "an index elsewhere": (
        lambda f: f.change("save_started", index_key="evil/index"),
        "a save begins with the index evil/index, but vsync/origin/ was read",
    ),
    "a key elsewhere": (
        lambda f: f.change("save_started", keys=(e.SavedKey("evil/1", 7, "cd" * 32),)),
        "a save begins with the key evil/1, but vsync/origin/ was read",
    ),
    "a stale key elsewhere": (
        lambda f: f.change("save_started", stale=("evil/9",)),
        "a save begins with the key evil/9, but vsync/origin/ was read",
    ),
    "a save that read nothing": (
        lambda f: f.drop("sync_info_read", 1),
        "a save begins, but no sync info was read",
    ),
    "more insights": (
        lambda f: f.change("save_started", insights={"secret/": 2, "ops/": 1}),
        "3 insights in this save, but 2 are told",
    ),
    "an abort of a save": (
        insert("save_committed", command("abort")),
        "abort is done, but the save had begun",
    ),
    "an abort that aborts nothing": (
        insert("save_refused", command("abort"), cycle=1),
        "a command to abort the cycle was done, but the cycle ends as refused",
    ),
    "a sync after the end": (
        insert("run_finished", command("sync"), cycle=None),
        "sync is done, but the run had halted",
    ),
}


@pytest.mark.parametrize(("forge", "what"), FORGERIES.values(), ids=list(FORGERIES))
def test_a_forgery_is_found(forge: Callable[[Allowed], None], what: str) -> None:
    forged = Allowed()
    forge(forged)
    said = found(numbered(forged.lines))
    assert any(what in each for each in said), said


def test_a_save_with_a_yes_is_true() -> None:
    assert found(numbered(Allowed().lines)) == []


def test_what_was_refused_was_not_done() -> None:
    forged = Allowed()
    insert("save_committed", command("abort", refused="the save has begun"))(forged)
    insert("run_finished", command("sync", refused="it is halting"), cycle=None)(forged)
    assert found(numbered(forged.lines)) == []


def later(records: list[e.Record], word: str, seconds: float) -> list[e.Record]:
    """From the second event (or transition) of that name on it is so much later."""
    names = [getattr(record.event, "trigger", record.event.type) for record in records]
    first = [i for i, name in enumerate(names) if name == word][-1]
    add = timedelta(seconds=seconds)
    return [
        replace(record, ts=_shifted(record.ts, add)) if i >= first else record
        for i, record in enumerate(records)
    ]


def _shifted(ts: str, add: timedelta) -> str:
    return f"{(datetime.fromisoformat(ts) + add).replace(tzinfo=None).isoformat()}Z"


def test_a_yes_is_good_for_an_hour_until_the_verdict_begins() -> None:
    records = numbered(Allowed().lines)
    assert found(later(records, "worked", 3590)) == []
    assert found(later(records, "save_started", 3700)) == [], "it was judged in time"
    (said,) = found(later(records, "worked", 3700))
    assert said.endswith(f"the save names the allowance {ID}, whose hour is over")


def with_a_run_of_its_own(*, recovered: bool) -> list[e.Record]:
    """The refused cycle in a run that ends or crashes; the yes on the next one's command line."""
    forged = Allowed()
    at_the_command_line(forged)
    at = forged.at("command_received")
    head = forged.lines[:at]
    yes, rest = forged.lines[at : at + 2], forged.lines[at + 2 :]
    begun = [head[0], *yes, *head[1:3]]
    if recovered:
        begun.insert(1, (e.RunRecovered(crashed_run="run-1", state="waiting"), None))
        first = head
    else:
        first = [*head, *forged.lines[-3:]]
    return [
        replace(record, run="run-2") if record.seq > len(first) else record
        for record in numbered([*first, *begun, *rest])
    ]


@pytest.mark.parametrize("recovered", [True, False])
def test_a_run_may_be_given_a_yes_on_its_command_line(recovered: bool) -> None:
    assert found(with_a_run_of_its_own(recovered=recovered)) == []

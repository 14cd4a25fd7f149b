"""A save by which more vanishes than was allowed, or than the settings let vanish unasked."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import insight
from tests.journal.test_asked import ABORTED, SOCKET, command
from tests.journal.test_audit import Line, found
from vsync_sm.core import events as e
from vsync_sm.core.safety import allowance_id, items

SHRINK = (e.Refusal(rule="shrink", count=12, of=30),)


def gone(number: int, cycle: int) -> list[str]:
    """The paths that vanish in a cycle."""
    return ["secret/data/c", *(f"secret/data/gone-{cycle}-{n:02}" for n in range(number - 1))]


def saved(cycle: int, number: int, of: int, *, allowance: str = "", asked: int = 0) -> list[Line]:
    """The example's cycle, in which so many of the former vanish; of those `asked` were allowed."""
    changed: dict[type, dict[str, Any]] = {
        e.SyncInfoRead: {"insights": of},
        e.SaveStarted: {"vanished": {"secret/": number - asked}, "allowance": allowance},
        e.CycleFinished: {"vanished": number},
    }
    lines: list[Line] = []
    for event, within in one_saved_cycle():
        if not within:
            continue
        if isinstance(event, e.InsightVanished):
            lines += [(replace(event, path=path), cycle) for path in gone(number, cycle)]
        else:
            lines.append((replace(event, **changed.get(type(event), {})), cycle))
    return lines


def run(*cycles: list[Line], max_shrink: object = None) -> list[Line]:
    """A run of these cycles, with this setting."""
    lines = one_saved_cycle()
    start, config = lines[0][0], {"origin": {"maxShrink": max_shrink}}
    assert isinstance(start, e.RunStarted)
    first: Line = (start if max_shrink is None else replace(start, config=config), None)
    inside = [line for cycle in cycles for line in cycle]
    return [first, *lines[1:3], *inside, *lines[-3:]]


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (
            run(saved(1, 12, 30)),
            ["12 of 30 paths vanish unasked by this save, but maxShrink is 0.2"],
        ),
        (run(saved(1, 30, 30), max_shrink=0.9), ["30 of 30 paths vanish unasked by this save"]),
        (run(saved(1, 12, 30), max_shrink=0.5), []),
        (run(saved(1, 12, 30), max_shrink="much"), ["but maxShrink is 0.2"]),
        (run(saved(1, 12, 61)), []),
        (run(saved(1, 10, 10)), []),  # so few may always
        (run(saved(1, 8, 40), saved(2, 8, 32)), ["16 of 40 paths vanish unasked"]),
    ],
    ids=["too many", "all", "allowed to", "no setting", "few enough", "ten", "in two steps"],
)
def test_what_vanishes_unasked(lines: list[Line], what: list[str]) -> None:
    told = found(numbered(lines))
    assert len(told) == len(what), told
    for contradiction, words in zip(told, what, strict=True):
        assert words in contradiction


@pytest.mark.parametrize("more", [0, 12])
def test_what_was_allowed_may_vanish_and_nothing_more(more: int) -> None:
    paths = gone(12, 1)
    allowance = allowance_id(items(paths, (), (), SHRINK))
    refused = saved(1, 12, 30)
    at = next(
        i for i, (event, _) in enumerate(refused) if getattr(event, "trigger", "") == "reindexed"
    )
    end = refused[-1][0]
    assert isinstance(end, e.CycleFinished)
    told = e.SaveRefused(
        refusals=SHRINK,
        vanished={"secret/": 12},
        regressed={},
        sample=("secret/data/c",),
        allowance=allowance,
        insights={"secret/": 2},
    )
    tail: list[Line] = [
        (told, 1),
        (replace(ABORTED, source="reindexing", reason="refused"), 1),
        (replace(end, outcome="refused", reason="refused"), 1),
        (e.Transitioned(trigger="recovered", source="aborted", dest="waiting"), None),
        (command(f"allow {allowance}"), None),
        (e.AllowanceGranted(allowance=allowance, by="ada", through=SOCKET), None),
    ]
    again = saved(2, 12, 30, allowance=allowance, asked=12)
    vanished = [i for i, (event, _) in enumerate(again) if isinstance(event, e.InsightVanished)]
    again[vanished[0] : vanished[-1] + 1] = [
        (e.InsightVanished(path=path, insight=insight()), 2)
        for path in (paths if not more else [f"{path}-too" for path in paths])
    ]
    spent: Line = (e.AllowanceSpent(allowance=allowance, why="saved"), 2)
    committed = next(i for i, (each, _) in enumerate(again) if isinstance(each, e.SaveCommitted))
    again.insert(committed + 1, spent)
    told_of = found(numbered(run([*refused[:at], *tail], again)))
    assert [words.partition(": ")[2] for words in told_of] == [
        "12 of 30 paths vanish unasked by this save, but maxShrink is 0.2"
    ] * (more > 0)

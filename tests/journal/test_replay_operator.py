"""The story of what operators did: told where it happened, in brief."""

from __future__ import annotations

from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.test_allowed import ID, Allowed
from tests.journal.test_asked import (
    PAUSED,
    RESUMED,
    aborted_by_operator,
    asked_by,
    before,
    command,
    halted_by_operator,
    together,
)
from tests.journal.test_audit import Forged
from vsync_sm.core import events as e
from vsync_sm.journal.replay import replay


def story(forged: Forged, **how: int) -> list[str]:
    """The lines of the story, which nothing contradicts."""
    told = replay(numbered(forged.lines), cycle=how.get("cycle"))
    lines = "".join(told).splitlines()
    assert told.contradictions == []
    return lines


def condition(word: str, message: str = "", server: str = "Vault") -> e.ServerConditionChanged:
    return e.ServerConditionChanged(server=server, condition=word, message=message)


def test_a_pause_and_a_cycle_all_the_same() -> None:
    forged = Forged()
    asked_by("command", command("pause"), PAUSED, command("sync"))(forged)
    before("signal_received", command("resume"), RESUMED)(forged)
    lines = story(forged)
    assert lines[4:7] == [
        '  10:00:00.004  ada (uid 1000, process 7) asked for "pause" through the control socket',
        "  10:00:00.005  paused by ada: maintenance; no cycle begins by itself until it is resumed",
        '  10:00:00.006  ada (uid 1000, process 7) asked for "sync" through the control socket',
    ]
    assert lines[7].startswith("  10:00:00.007  cycle 1 saved in 0.02 s: ")
    assert lines[7].endswith(" (asked for by a command)")
    resumed = "  10:00:00.033  resumed by ada: cycles begin by themselves again"
    assert resumed in lines


def test_in_a_cycle_they_stand_with_it() -> None:
    forged = Forged()
    trouble, over = condition("sealed", "Vault is sealed"), condition("answering")
    before("worked", command("pause"), PAUSED, trouble, over, cycle=1)(forged)
    lines = story(forged)
    at = next(i for i, line in enumerate(lines) if "cycle 1 saved" in line)
    for words in (
        '                  ada (uid 1000, process 7) asked for "pause" through the control socket',
        f"{' ' * 18}paused by ada: maintenance; no cycle begins by itself until it is resumed",
        "!                 Vault is in trouble (sealed): Vault is sealed",
        "                  Vault answers",
    ):
        assert lines.index(words) > at


def test_an_abort_says_who() -> None:
    forged = Forged()
    aborted_by_operator(command("abort"))(forged)
    lines = story(forged)
    at = next(i for i, line in enumerate(lines) if "cycle 1 was aborted" in line)
    assert "because an operator asked to stop" in lines[at]
    assert lines[at + 1].endswith('asked for "abort" through the control socket')


def test_a_halt_says_who() -> None:
    forged = Forged()
    halted_by_operator(command("halt"))(forged)
    lines = story(forged)
    assert '  10:00:00.029  ada (uid 1000, process 7) asked for "halt"' in lines[-6]
    assert lines[-5].endswith("waiting -> halted (halt), because an operator asked to stop")


def test_a_refused_command_says_why() -> None:
    forged = Forged()
    before("signal_received", command("abort", refused="no cycle is running"))(forged)
    line = next(line for line in story(forged) if '"abort"' in line)
    assert line.startswith("! ")
    assert line.endswith("which was not done: no cycle is running")


def test_a_yes_says_who() -> None:
    lines = "\n".join(story(Allowed()))
    assert f'asked for "allow {ID}" through the control socket' in lines
    assert f"ada allowed {ID} through the control socket" in lines


def test_that_a_server_answers_is_told_after_trouble_alone() -> None:
    forged = Forged()
    before(
        "check_passed",
        condition("answering"),
        condition("unreachable", "no route", server="Consul"),
        condition("answering", server="Consul"),
        condition("answering", server="Consul"),
    )(forged)
    lines = story(forged)
    assert not any("Vault answers" in line for line in lines)
    assert sum("Consul answers" in line for line in lines) == 1
    assert "! 10:00:00.003  Consul is in trouble (unreachable): no route" in lines


def test_trouble_does_not_outlive_its_run() -> None:
    first = [*one_saved_cycle()]
    first.insert(1, (condition("sealed", "Vault is sealed"), None))
    second = one_saved_cycle()[:2]
    second.insert(1, (condition("answering"), None))
    records = [
        replace(record, run="run-2") if record.seq > len(first) else record
        for record in numbered([*first, *second])
    ]
    told = "".join(replay(records))
    assert "Vault is in trouble" in told
    assert "Vault answers" not in told


def test_a_run_that_begins_paused_says_so() -> None:
    forged = Forged()
    before("signal_received", command("pause"), PAUSED)(forged)
    lines = [*forged.lines, *one_saved_cycle()[:2]]
    told = "".join(
        replay(
            [
                replace(record, run="run-2") if record.seq > len(forged.lines) else record
                for record in numbered(lines)
            ]
        )
    )
    first, second = told.split("\n\nRun run-2")
    assert "it is paused" not in first
    assert "it is paused since 2026-11-02 10:00:00 UTC, by ada: maintenance\n" in second


def test_one_cycle_in_detail_tells_them_all() -> None:
    forged = Forged()
    together(
        before("worked", command("pause"), PAUSED, cycle=1),
        before("worked", condition("sealed", "Vault is sealed"), cycle=1),
    )(forged)
    lines = "\n".join(story(forged, cycle=1))
    assert 'asked for "pause"' in lines
    assert "paused by ada" in lines
    assert "Vault is in trouble" in lines

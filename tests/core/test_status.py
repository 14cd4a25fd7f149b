"""The state in short: what people read, and what programs read."""

from __future__ import annotations

import json

import pytest

from tests.core.viewing import Seen, generated, moved, refused, run_started, save_started
from vsync_sm.core import events as e
from vsync_sm.core.answer import now_at
from vsync_sm.core.status import status_document, status_lines
from vsync_sm.core.view import View


def started() -> Seen:
    seen = Seen()
    seen.start()
    return seen


def lines(seen: Seen, after: float = 0) -> list[str]:
    return status_lines(seen.view, seen.now(after))


def facts(seen: Seen, after: float = 0) -> dict[str, str]:
    """The lines after the first, by their names."""
    return {line[:10].strip(): line[11:] for line in lines(seen, after)[1:]}


def test_all_of_it() -> None:
    seen = started()
    seen.save(1)
    seen(e.ServerConditionChanged(server="Vault", condition="answering"))
    assert lines(seen, after=10) == [
        "IN SYNC: Consul holds what Vault held at the last look",
        "state      waiting for 11 s; the next tick is in 37 s",
        "last look  12 s ago (2026-11-02 10:00:13 UTC)",
        "last save  13 s ago (2026-11-02 10:00:12 UTC), cycle 1",
        "Vault      answering since 2026-11-02 10:00:15 UTC",
        "run        run-1, vsync 0.4.0 on host-1 (process 4711), since 2026-11-02 10:00:01 UTC",
        "control    /run/vsync.sock",
    ]


def test_before_anything_happened() -> None:
    view = View()
    assert status_lines(view, now_at(view, 1))[0] == "BEHIND: no cycle was complete yet"
    assert status_document(view, now_at(view, 1))["run"] is None


def test_a_running_cycle_with_its_pace() -> None:
    seen = started()
    seen.begin(asked="command", listed=1200)
    seen(generated("a"), e.PathFailed(worker=1, path="c", kind="timeout", message="no answer"))
    assert facts(seen)["cycle"] == (
        "1, asked for by a command, for 6 s, 2 of 1,200 paths done (0.2 %), 1 failed, "
        "0.7 paths a second, 29 min 57 s to go, 4 min 54 s until its deadline"
    )


def test_a_cycle_that_lists() -> None:
    seen = started()
    seen.cycle = 1
    seen(
        e.CycleStarted(mounts=("secret/",), workers=1, num_buckets=4, deadline_s=300.0),
        e.FolderListed(mount="secret/", folder="", paths=3, folders=0),
    )
    assert facts(seen)["cycle"] == "1, for 1 s, 1 folder listed, 4 min 59 s until its deadline"


def test_what_stands_is_told() -> None:
    seen = started()
    seen.begin()
    seen(refused(vanished=30, regressed=2))
    seen.finish("refused", "refused")
    seen(
        e.AllowanceGranted(allowance="a1b2c3d4e5f6", by="ada", through="console"),
        e.TickerPaused(by="bob", through="control socket", why="maintenance"),
        e.ServerConditionChanged(server="Vault", condition="sealed", message="Vault is sealed"),
    )
    told = facts(seen)
    assert told["to do"] == "Resume when it is done: vsync-sm ctl resume"
    assert told["paused"] == "since 2026-11-02 10:00:13 UTC, by bob: maintenance"
    assert told["refused"] == (
        "cycle 1, 6 s ago (2026-11-02 10:00:08 UTC); would vanish: secret/ 30; "
        "would go back: ops/ 2; its id is a1b2c3d4e5f6"
    )
    assert told["allowed"] == "a1b2c3d4e5f6 by ada, 2 s ago (2026-11-02 10:00:12 UTC)"
    assert told["Vault"] == "sealed since 2026-11-02 10:00:14 UTC: Vault is sealed"
    assert told["last look"] == ("none that this journal knows of; 1 cycle in a row failed since")


def test_the_end_of_a_run() -> None:
    seen = started()
    seen(
        moved("halt", "waiting", "halted", "signal"),
        e.RunFinished(exit_code=0, why="asked to stop by SIGTERM"),
    )
    told = facts(seen)
    assert told["state"] == "halted for 1 s, because a signal asked to stop"
    assert told["ended"] == "2026-11-02 10:00:04 UTC with exit code 0"


@pytest.mark.parametrize("how", ["under way", "uncertain", "crashed"])
def test_a_doubt_about_a_save(how: str) -> None:
    seen = started()
    seen.begin()
    seen(save_started(1))
    if how == "uncertain":
        seen(e.SaveUncertain(message="no reply"))
    if how == "crashed":
        seen.start()
    told = facts(seen).get("open save", "")
    assert (
        told
        == {
            "under way": "",
            "uncertain": "the save of cycle 1 had no reply; the next look tells",
            "crashed": "the save of cycle 1 has no end yet; the next look tells",
        }[how]
    )
    assert (status_document(seen.view, seen.now())["open_save"] is None) == (how == "under way")


def test_a_terminal_is_not_steered() -> None:
    seen = started()
    seen(e.TickerPaused(by="\x1b[2J", through="console", why="a\nb"))
    told = "".join(lines(seen))
    assert "\x1b" not in told
    assert "\n" not in told


def test_a_status_key_that_cannot_be_written() -> None:
    seen = started()
    seen(e.StatusFailed(kind="consul_forbidden", message="Permission denied", hint="h"))
    (line,) = [each for each in status_lines(seen.view, seen.now()) if "status key" in each]
    assert line == "status key not written since 2026-11-02 10:00:03 UTC: Permission denied"
    told = status_document(seen.view, seen.now())["status_key"]
    assert (told["kind"], told["message"]) == ("consul_forbidden", "Permission denied")
    seen(e.StatusWritten())
    assert status_document(seen.view, seen.now())["status_key"] is None
    seen(e.StatusFailed(kind="timeout", message="m"))
    seen.start()  # another run asks anew
    assert status_document(seen.view, seen.now())["status_key"] is None


# --- for programs ----------------------------------------------------------------------------

NAMES = {
    *("word", "health", "because", "todo", "state", "state_reason", "state_since", "state_s"),
    *("next_tick_s", "cycle", "last_cycle", "last_success", "last_success_s", "last_save"),
    *("failed_in_row", "postponed", "pause", "refusal", "allowance", "open_save", "conditions"),
    *("run", "control", "status_key"),
}


def test_the_names_are_stable() -> None:
    seen = started()
    seen.save(1)
    document = status_document(seen.view, seen.now(after=10))
    assert set(document) == NAMES
    assert json.loads(json.dumps(document)) == document
    assert (document["word"], document["health"]) == ("IN SYNC", "healthy")
    assert (document["state"], document["state_s"], document["next_tick_s"]) == (
        "waiting",
        10.0,
        38.0,
    )
    assert document["last_success_s"] == 11.0
    assert document["last_save"] == {
        "at": "2026-11-02T10:00:12.000000Z",
        "age_s": 12.0,
        "cycle": 1,
        "run": "run-1",
    }
    assert document["run"]["pid"] == 4711
    assert document["control"] == "/run/vsync.sock"
    for name in ("cycle", "pause", "refusal", "allowance", "open_save", "status_key"):
        assert document[name] is None


def test_what_a_start_waits_for() -> None:
    seen = Seen()
    seen(run_started())
    told = {"kind": "sealed", "message": "Vault is sealed", "hint": "unseal it", "server": "Vault"}
    seen(e.ChecksPostponed(tries=2, waited_s=1.0, delay_s=12.0, **told))
    assert status_document(seen.view, seen.now(after=2))["postponed"] == {
        **told,
        "tries": 2,
        "since_s": 3.0,
        "next_try_s": 10.0,
    }
    assert any(
        line.endswith("checking for 3 s; the next try is in 10 s")
        for line in status_lines(seen.view, seen.now(after=2))
    )


def test_everything_in_it_is_json() -> None:
    seen = started()
    seen.begin()
    seen(refused(vanished=30))
    seen.finish("refused", "refused")
    seen(
        e.AllowanceGranted(allowance="a1b2c3d4e5f6", by="ada", through="console"),
        e.TickerPaused(by="bob", through="control socket", why="maintenance"),
        e.ServerConditionChanged(server="Vault", condition="sealed", message="Vault is sealed"),
    )
    seen.begin(asked="command")
    seen(generated("a"))
    run = seen.run
    seen(save_started(1), e.SaveUncertain(message="no reply"))
    document = status_document(seen.view, seen.now(after=3))
    assert json.loads(json.dumps(document)) == document
    assert document["pause"] == {
        "since": "2026-11-02T10:00:13.000000Z",
        "since_s": 12.0,
        "by": "bob",
        "through": "control socket",
        "why": "maintenance",
    }
    assert document["refusal"] == {
        "at": "2026-11-02T10:00:08.000000Z",
        "age_s": 17.0,
        "cycle": 1,
        "allowance": "a1b2c3d4e5f6",
        "rules": ["shrink"],
        "vanished": {"secret/": 30},
        "regressed": {},
    }
    assert document["allowance"]["by"] == "ada"
    assert document["conditions"]["Vault"]["condition"] == "sealed"
    assert document["open_save"] == {
        "run": run,
        "cycle": 2,
        "since": "2026-11-02T10:00:21.000000Z",
        "uncertain": True,
    }
    cycle = document["cycle"]
    assert (cycle["number"], cycle["asked"], cycle["done"], cycle["listed"]) == (2, "command", 1, 4)
    assert cycle["took_s"] == 10.0


def test_an_ended_run_says_how() -> None:
    seen = Seen()
    seen(run_started(), e.RunFinished(exit_code=1, why="a fatal fault"))
    run = status_document(seen.view, seen.now())["run"]
    assert (run["exit_code"], run["ended"]) == (1, "2026-11-02T10:00:02.000000Z")

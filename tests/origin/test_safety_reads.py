"""Safety rule 3 on the real servers: one bad path does not vanish, and many abort."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.auths import Auths
from tests.misbehave import Rule
from tests.origin.bench import LEAST, Bench
from tests.support import unique
from tests.workshop import Run
from vsync_sm.core import events as e
from vsync_sm.core.sync_info import bucket_of

NOTHING_HERE: dict[str, Any] = {"errors": []}
SEALED = {"errors": ["Vault is sealed"]}

RULES = """
path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}
path "{mount}metadata/b" {{ capabilities = ["deny"] }}
path "{mount}metadata/n/0*" {{ capabilities = [{n}] }}
"""


@dataclass(frozen=True)
class Case:
    """A misbehaviour of one read, and what kind of fault it is."""

    name: str
    misbehave: Callable[[Rule], Rule]
    kind: str
    config: dict[str, Any] = field(default_factory=dict)


SECRET = {"current_version": 1, "updated_time": "2024-01-01T00:00:00Z", "versions": {}}

ONE_PATHS_OWN = (
    Case("500 for good", lambda on: on.answer(500, {"errors": ["no"]}), "server_error"),
    Case("429 for good", lambda on: on.answer(429, {"errors": []}), "rate_limited"),
    Case("400", lambda on: on.answer(400, {"errors": ["odd"]}), "bad_request"),
    Case("html 200", lambda on: on.html(200), "not_vault"),
    Case("html 404", lambda on: on.html(404), "not_vault"),
    Case("the shape of a list", lambda on: on.answer(200, {"data": {"keys": ["x"]}}), "not_vault"),
    Case("no current version", lambda on: on.answer(200, {"data": SECRET}), "not_vault"),
    Case("no Date", lambda on: on.without("Date"), "not_vault"),
    Case("404 but still named", lambda on: on.answer(404, NOTHING_HERE), "not_found"),
    Case(
        "drip",
        lambda on: on.drip(0.05, "body"),
        "timeout",
        config={"requestTimeout": "1s"},
    ),
)

ABORTS = (
    Case("sealed", lambda on: on.answer(503, SEALED), "sealed"),
    Case("standby", lambda on: on.answer(473, {"errors": []}), "standby"),
    Case("redirect", lambda on: on.answer(307, b"", {"Location": "/v1/x"}), "redirected"),
    Case("closed", lambda on: on.drop_before(), "unreachable"),
    Case("no such mount", lambda on: on.answer(404, {"errors": ["no handler"]}), "mount_changed"),
)


def carried(bench: Bench, run: Run, *names: str) -> None:
    """The cycle saved; these paths are as they were in the former sync info, all others anew."""
    assert (run.code, run.outcome) == (0, "saved"), run.faults
    paths = {bench.path(name) for name in names}
    assert {event.path for event in run.all(e.PathFailed)} == paths
    assert {event.path for event in run.all(e.InsightCarriedForward)} == paths
    saved, alive = bench.shop.saved(), bench.shop.alive()
    assert saved.keys() == alive.keys()
    assert {path for path in saved if saved[path] != alive[path]} == paths


@pytest.mark.parametrize("case", ONE_PATHS_OWN, ids=lambda case: case.name)
def test_a_path_that_keeps_failing_is_carried_forward(bench: Bench, case: Case) -> None:
    bench.begin()
    bench.api.put(bench.mount, "b")  # so that what is carried differs from what is there
    rule = case.misbehave(bench.on_read("b"))
    run = bench.once(**case.config)
    carried(bench, run, "b")
    assert run.one(e.PathFailed).kind == case.kind
    rule.remove()
    bench.saved()


def test_a_path_that_may_not_be_read_is_carried_forward(bench: Bench) -> None:
    bench.begin()
    bench.api.put(bench.mount, "b")
    token = bench.api.make_token(RULES.format(mount=bench.mount, n='"read", "list"'))
    run = bench.once(vault={"token": token, "requiredCapabilities": LEAST})
    carried(bench, run, "b")
    assert run.one(e.PathFailed).kind == "forbidden"
    # A 403 is believed to be a policy's only after the token has been seen alive.
    assert ("GET", "/v1/auth/token/lookup-self") in bench.vault.requests[-30:]


@pytest.mark.parametrize("case", ABORTS, ids=lambda case: case.name)
def test_what_is_not_one_paths_fault_aborts(bench: Bench, case: Case) -> None:
    before = bench.begin()
    rule = case.misbehave(bench.on_read("b"))
    run = bench.once(**case.config)
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", [case.kind])
    assert bench.raw() == before
    rule.remove()
    bench.saved()


def test_a_new_path_that_fails_is_left_out_and_reported(bench: Bench) -> None:
    bench.begin()
    bench.fill(["new"])
    bench.on_read("new").answer(500, {"errors": ["no"]})
    run = bench.once()
    assert (run.code, run.outcome) == (0, "saved")
    assert run.one(e.PathFailed).path == bench.path("new")
    assert not run.all(e.InsightCarriedForward)
    missing = bench.shop.alive().keys() - bench.shop.saved().keys()
    assert missing == {bench.path("new")}


def test_a_first_save_with_a_failed_path_is_refused_until_allowed(bench: Bench) -> None:
    bench.fill()
    bench.on_read("b").answer(500, {"errors": ["no"]})
    refused = bench.refuse({}).one(e.SaveRefused)
    assert [(rule.rule, rule.count) for rule in refused.refusals] == [("first_save_incomplete", 1)]
    bench.refuse({})
    run = bench.once(allow=refused.allowance)
    assert (run.code, run.outcome) == (0, "saved")
    assert bench.shop.alive().keys() - bench.shop.saved().keys() == {bench.path("b")}


@pytest.mark.parametrize(
    ("gone", "rules"),
    [
        ("its own", ["missing_bucket", "first_save_incomplete"]),
        ("another", ["missing_bucket"]),
        ("the index", []),
    ],
)
def test_a_failed_path_is_not_lost_with_the_bucket_that_held_it(
    bench: Bench, gone: str, rules: list[str]
) -> None:
    # With its bucket gone, nothing tells whether it was ever saved: a human must say.
    before = bench.begin()
    own = bucket_of(bench.path("b"), 4)
    names = {"its own": str(own), "another": str((own + 1) % 4), "the index": "index"}
    key = f"{bench.shop.prefix}{names[gone]}"
    bench.shop.consul.delete(key)
    del before[key]
    bench.on_read("b").answer(500, {"errors": ["no"]})
    if rules:
        refused = bench.refuse(before).one(e.SaveRefused)
        assert [rule.rule for rule in refused.refusals] == rules
    else:
        bench.saved()


@pytest.mark.parametrize(
    ("paths", "failing", "outcome"),
    [(20, 10, "saved"), (20, 11, "aborted fault"), (110, 11, "saved"), (100, 11, "aborted fault")],
)
def test_too_many_failed_paths_abort(bench: Bench, paths: int, failing: int, outcome: str) -> None:
    # 10 always may, and so may the tenth part of all.
    before = bench.begin([f"{number:03}" for number in range(paths - 1)] + ["a"])
    names = "|".join(f"{number:03}" for number in range(failing))
    bench.on_read(f"({names})").answer(403, {"errors": ["permission denied"]})
    run = bench.once()
    assert run.outcome == outcome
    if outcome == "saved":
        assert len(run.all(e.InsightCarriedForward)) == failing
        assert bench.shop.saved() == bench.shop.alive()
    else:
        assert run.faults == ["too_many_failed"]
        assert bench.raw() == before


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        (lambda on: on.answer(500, {"errors": ["no"]}), "server_error"),
        (lambda on: on.html(200), "not_vault"),
    ],
    ids=["500", "html"],
)
def test_a_row_of_failing_reads_is_the_servers_fault(
    bench: Bench, rule: Callable[[Rule], Rule], kind: str
) -> None:
    before = bench.begin()
    on = rule(bench.on_read(".*"))
    run = bench.once(numWorkers=8)
    assert (run.code, run.outcome) == (3, "aborted fault")
    assert run.faults[0] == kind
    assert len(run.all(e.PathFailed)) <= 10  # far below what too_many_failed would need
    assert bench.raw() == before
    on.remove()
    bench.saved()


def test_a_secret_purged_between_list_and_read_is_skipped(bench: Bench) -> None:
    bench.begin()
    bench.on_read("b", times=1).call(lambda: bench.purge(["b"]))
    bench.on_read("f/g/h", times=1).call(lambda: bench.purge(["f/g/h"]))
    run = bench.saved()
    assert {(event.path, event.why) for event in run.all(e.InsightSkipped)} == {
        (bench.path("b"), "gone"),
        (bench.path("f/g/h"), "gone"),
    }
    assert len(run.all(e.InsightVanished)) == 2


def test_a_mount_removed_while_it_is_read_aborts(bench: Bench) -> None:
    before = bench.begin()
    bench.on_read("n/.*", times=1).call(lambda: bench.api.remove_mount(bench.mount))
    run = bench.once()
    assert (run.code, run.outcome) == (3, "aborted fault")
    assert "mount_changed" in run.faults
    assert bench.raw() == before


def test_a_mount_replaced_while_it_is_read_aborts(bench: Bench) -> None:
    # Anew it lists empty, so every path that is left looks as if it had been purged.
    before = bench.begin()

    def replace() -> None:
        bench.api.remove_mount(bench.mount)
        bench.api.make_mount(bench.mount)

    bench.on_read("n/1.*", times=1).call(replace)
    run = bench.once(numWorkers=1, maxShrink=1.0)  # no other rule may catch it
    assert run.all(e.InsightSkipped)
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["mount_changed"])
    assert "made anew" in run.one(e.FaultRaised).message
    assert bench.raw() == before


# --- carried for too long ---------------------------------------------------------------------

NOTIFY = """
import json, sys
with open(sys.argv[1], "a") as file:
    json.dump(json.load(sys.stdin), file)
    file.write("\\n")
"""


def notified(home: Path) -> tuple[list[str], Callable[[], list[dict[str, Any]]]]:
    """A `notify.command` that really runs, and what it was told so far."""
    script, out = home / "notify.py", home / "notified.jsonl"
    script.write_text(NOTIFY)
    out.touch()
    command = [sys.executable, "-S", str(script), str(out)]
    return command, lambda: [json.loads(line) for line in out.read_text().splitlines()]


def test_a_human_is_told_once_of_a_path_that_was_carried_for_too_long(
    bench: Bench, tmp_path: Path
) -> None:
    bench.begin()
    command, told = notified(tmp_path)
    how: dict[str, Any] = {"carryWarnAfter": 2, "notify": {"command": command}}
    rule = bench.on_read("b").answer(403, {"errors": ["permission denied"]})
    for cycles in (1, 2):
        run = bench.once(**how)
        assert run.one(e.InsightCarriedForward).cycles == cycles
        assert not run.faults
    assert not told()
    run = bench.once(**how)
    assert (run.code, run.outcome, run.faults) == (0, "unchanged", ["carried_too_long"])
    assert not run.one(e.FaultRaised).fatal
    assert run.one(e.Notified).ok
    (fault,) = told()
    assert (fault["kind"], fault["fatal"]) == ("carried_too_long", False)
    assert fault["context"] == {"paths": bench.path("b")}
    assert fault["run"] == bench.shop.records()[-1].run
    assert bench.once(**how).one(e.InsightCarriedForward).cycles == 4
    assert len(told()) == 1
    # One good read, and the count begins anew.
    rule.remove()
    bench.once(**how)
    bench.on_read("b").answer(403, {"errors": ["permission denied"]})
    assert bench.once(**how).one(e.InsightCarriedForward).cycles == 1


# --- the token --------------------------------------------------------------------------------


def policy(bench: Bench) -> str:
    return f'path "{bench.mount}metadata/*" {{ capabilities = ["read", "list"] }}'


@pytest.mark.parametrize("where", ["list", "read"])
def test_a_dead_token_is_fatal(bench: Bench, tmp_path: Path, where: str) -> None:
    before = bench.begin()
    command, told = notified(tmp_path)
    token = bench.api.make_token(policy(bench))
    on = bench.on_list("c/", times=1) if where == "list" else bench.on_read("b", times=1)
    on.call(lambda: bench.api.revoke(token))
    run = bench.once(
        vault={"token": token, "requiredCapabilities": LEAST}, notify={"command": command}
    )
    assert (run.code, run.outcome) == (1, "aborted fatal")
    assert set(run.faults) == {"authentication"}
    assert bench.raw() == before
    assert [fault["kind"] for fault in told()] == ["authentication"]
    assert told()[0]["fatal"]
    assert run.all(e.Transitioned)[-1].dest == "halted"
    assert token not in (tmp_path / "journal.jsonl").read_text() + json.dumps(told())


REFUSED = {"errors": ["permission denied"]}
LOOK_UP = "/v1/auth/token/lookup-self"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(500, {"errors": ["no"]}, "server_error"), (404, NOTHING_HERE, "not_found")],
)
def test_a_refused_read_is_no_paths_failure_while_nobody_knows_whether_the_token_lives(
    bench: Bench, status: int, body: dict[str, Any], kind: str
) -> None:
    before = bench.begin()
    bench.on_read("b").answer(403, REFUSED)
    bench.vault.when(path=LOOK_UP, after=1).answer(status, body)  # the checks ask first
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", [kind])
    assert "lookup-self" in run.one(e.FaultRaised).message
    assert not run.all(e.PathFailed)
    assert bench.raw() == before


def test_a_read_is_no_paths_failure_while_there_is_no_login_for_a_dead_token(bench: Bench) -> None:
    before = bench.begin()
    path = unique("approle")
    server = bench.api.server
    server.json("PUT", f"/v1/sys/policies/acl/{path}", {"policy": policy(bench)})
    approle = Auths(server).approle(path, token_policies=[path])
    bench.on_read("b").answer(403, REFUSED)
    bench.vault.when(path=LOOK_UP).answer(403, REFUSED)
    bench.vault.when(path=f"/v1/auth/{path}/login", after=1).answer(429, {"errors": []})
    del bench.shop.config["origin"]["vault"]["token"]
    run = bench.once(vault={"approle": approle, "requiredCapabilities": LEAST})
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["rate_limited"])
    assert "logging in" in run.one(e.FaultRaised).message
    assert not run.all(e.PathFailed)
    assert bench.raw() == before


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [(403, REFUSED, "forbidden"), (500, {"errors": ["no"]}, "server_error")],
)
def test_a_second_list_that_fails_aborts(
    bench: Bench, status: int, body: dict[str, Any], kind: str
) -> None:
    before = bench.begin()
    bench.on_read("c/d").answer(404, NOTHING_HERE)
    bench.on_list("c/", after=1).answer(status, body)
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", [kind])
    assert not run.all(e.PathFailed)
    assert bench.raw() == before


@pytest.mark.parametrize("where", ["list", "read"])
def test_a_dead_token_is_read_again_from_its_file(bench: Bench, tmp_path: Path, where: str) -> None:
    bench.begin()
    file = tmp_path / "token"
    old, fresh = (bench.api.make_token(policy(bench)) for _ in range(2))
    file.write_text(old)
    del bench.shop.config["origin"]["vault"]["token"]

    def rotate() -> None:
        file.write_text(f"{fresh}\n")
        bench.api.revoke(old)

    on = bench.on_list("c/", times=1) if where == "list" else bench.on_read("b", times=1)
    on.call(rotate)
    run = bench.saved(vault={"tokenFile": str(file), "requiredCapabilities": LEAST})
    assert not run.faults
    assert not run.all(e.PathFailed)


@pytest.mark.parametrize("holds", ["the same", "another dead one", "nothing"])
def test_a_token_file_without_a_living_token_is_fatal(
    bench: Bench, tmp_path: Path, holds: str
) -> None:
    before = bench.begin()
    file = tmp_path / "token"
    old, other = (bench.api.make_token(policy(bench)) for _ in range(2))
    file.write_text(old)
    del bench.shop.config["origin"]["vault"]["token"]

    def rotate() -> None:
        bench.api.revoke(other)
        file.write_text({"the same": old, "another dead one": other, "nothing": ""}[holds])
        bench.api.revoke(old)

    bench.on_list("c/", times=1).call(rotate)
    run = bench.once(vault={"tokenFile": str(file), "requiredCapabilities": LEAST})
    assert (run.code, run.outcome) == (1, "aborted fatal")
    assert set(run.faults) == {"authentication"}
    assert re.search("token", run.all(e.FaultRaised)[0].hint)
    assert bench.raw() == before


@pytest.mark.parametrize("third", [True, False], ids=["and is replaced", "and is the last"])
def test_a_fresh_token_dies_under_a_request_that_had_the_dead_one(
    bench: Bench, tmp_path: Path, *, third: bool
) -> None:
    before = bench.begin()
    file = tmp_path / "token"
    old, fresh, fresher = (bench.api.make_token(policy(bench)) for _ in range(3))
    file.write_text(old)
    del bench.shop.config["origin"]["vault"]["token"]
    dead, asked_again = threading.Event(), threading.Event()
    bench.on_list("c/", after=1, times=1).call(asked_again.set)
    bench.on_list("f/", times=1).delay_until(dead)
    taken = bench.on_list("f/g/", times=1).delay_until(asked_again)

    def rotate() -> None:  # a list of "c/" is on its way with the old one
        file.write_text(fresh)
        bench.api.revoke(old)
        dead.set()
        taken.wait_for_hit()
        file.write_text(fresher if third else fresh)
        bench.api.revoke(fresh)

    bench.on_list("c/", times=1).call(rotate)
    run = bench.once(vault={"tokenFile": str(file), "requiredCapabilities": LEAST})
    if third:
        assert (run.code, run.outcome, run.faults) == (0, "saved", [])
        assert bench.shop.saved() == bench.shop.alive()
    else:
        assert (run.code, run.outcome) == (1, "aborted fatal")
        assert set(run.faults) == {"authentication"}
        assert bench.raw() == before


@pytest.mark.parametrize("where", ["list", "read"])
def test_fresh_tokens_that_die_at_once_are_fatal_and_no_paths_failures(
    bench: Bench, tmp_path: Path, where: str
) -> None:
    before = bench.begin()
    file = tmp_path / "token"
    tokens = [bench.api.make_token(policy(bench)) for _ in range(9)]
    file.write_text(tokens[0])
    del bench.shop.config["origin"]["vault"]["token"]

    def rotate() -> None:
        dying = tokens.pop(0)
        file.write_text(tokens[0])
        bench.api.revoke(dying)

    on = bench.on_list("c/") if where == "list" else bench.on_read("b")
    on.call(rotate)
    run = bench.once(vault={"tokenFile": str(file), "requiredCapabilities": LEAST})
    assert (run.code, run.outcome) == (1, "aborted fatal")
    assert set(run.faults) == {"authentication"}
    assert not run.all(e.PathFailed)
    assert bench.raw() == before

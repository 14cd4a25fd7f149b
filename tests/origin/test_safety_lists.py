"""Safety rule 2 on the real servers: a failed list is not an empty list, and saves nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.misbehave import Rule
from tests.origin.bench import LEAST, Bench
from vsync_sm.core import events as e

NOTHING_HERE: dict[str, Any] = {"errors": []}
SEALED = {"errors": ["Vault is sealed"]}


@dataclass(frozen=True)
class Case:
    """A misbehaviour of one list, what kind of fault it is, and what the fault says."""

    name: str
    misbehave: Callable[[Rule], Rule]
    fault: str
    says: str = ""
    config: dict[str, Any] = field(default_factory=dict)


LISTS = (
    Case("html 200", lambda on: on.html(200), "not_vault", "proxy or a login page"),
    Case("html 404", lambda on: on.html(404), "not_vault"),
    Case("html 403", lambda on: on.html(403), "not_vault"),
    Case("keys is a text", lambda on: on.answer(200, {"data": {"keys": "a"}}), "not_vault"),
    Case("no keys", lambda on: on.answer(200, {"data": {"keys": []}}), "not_vault"),
    Case("no data", lambda on: on.answer(200, {"data": None}), "not_vault"),
    Case("no body", lambda on: on.answer(200, b""), "not_vault"),
    Case("a bare 404", lambda on: on.answer(404, b""), "not_vault"),
    Case("404 and more", lambda on: on.answer(404, {"errors": [], "x": 1}), "not_found"),
    Case("a name above", lambda on: on.answer(200, {"data": {"keys": ["../"]}}), "not_vault"),
    Case("400", lambda on: on.answer(400, {"errors": ["upgrading"]}), "bad_request"),
    Case("redirect", lambda on: on.answer(307, b"", {"Location": "http://x:1/y"}), "redirected"),
    Case("sealed", lambda on: on.answer(503, SEALED), "sealed"),
    Case("standby", lambda on: on.answer(473, {"errors": []}), "standby"),
    Case("500 for good", lambda on: on.answer(500, {"errors": ["no"]}), "server_error", "500"),
    Case("429 for good", lambda on: on.answer(429, {"errors": []}), "rate_limited"),
    Case("closed", lambda on: on.drop_before(), "unreachable"),
    Case(
        "drip",  # each byte comes in good time, the reply as a whole does not
        lambda on: on.drip(0.05, "body"),
        "timeout",
        config={"requestTimeout": "1s"},
    ),
)


ROOT_ITS_OWN = ("html 404", "html 403", "no keys", "a bare 404", "404 and more", "400", "closed")
"""What could be taken for a mount that is empty, gone or forbidden."""


@pytest.mark.parametrize(
    ("case", "folder"),
    [
        *((case, "c/") for case in LISTS),
        *((case, "") for case in LISTS if case.name in ROOT_ITS_OWN),
    ],
    ids=lambda each: each.name if isinstance(each, Case) else "below" if each else "root",
)
def test_a_failed_list_aborts(bench: Bench, case: Case, folder: str) -> None:
    before = bench.begin()
    rule = case.misbehave(bench.on_list(folder))
    run = bench.once(**case.config)
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", [case.fault])
    fault = run.one(e.FaultRaised)
    assert not fault.fatal
    assert re.search(case.says, fault.message + fault.hint)
    assert f"{bench.mount}metadata/{folder}" in fault.context["path"]
    assert rule.hits
    assert not run.all(e.PathsListed)
    assert bench.raw() == before
    rule.remove()
    bench.saved()


@pytest.mark.parametrize("left", [[], ["a"], ["a", "c/", "f/", "n/"]], ids=len)
def test_what_a_list_withholds_is_asked_for_by_itself(bench: Bench, left: list[str]) -> None:
    """A policy may hide names, a server lie: no living secret vanishes on the word of a list."""
    before = bench.begin()
    keys = {"data": {"keys": left}}
    rule = bench.on_list().answer(200, keys) if left else bench.on_list().answer(404, NOTHING_HERE)
    run = bench.once()
    assert (run.code, run.outcome, {*run.faults}) == (3, "aborted fault", {"list_incomplete"})
    fault = run.all(e.FaultRaised)[0]
    assert not fault.fatal
    assert fault.context["path"] in bench.shop.alive()
    assert bench.raw() == before
    rule.remove()
    bench.saved()


def test_a_list_that_names_a_secret_twice_is_none(bench: Bench) -> None:
    """One of the two reads could fail, and carry the former insight over the new one."""
    before = bench.begin()
    rule = bench.on_list("c/").answer(200, {"data": {"keys": ["d", "e", "d"]}})
    run = bench.once()
    assert (run.outcome, run.faults) == ("aborted fault", ["not_vault"])
    assert bench.raw() == before
    rule.remove()
    bench.saved()


@pytest.mark.parametrize("folder", ["c/", "f/g/"])
def test_a_folder_that_is_empty_while_its_parent_names_it_aborts(bench: Bench, folder: str) -> None:
    before = bench.begin()
    rule = bench.on_list(folder).answer(404, NOTHING_HERE)
    run = bench.once()
    assert (run.code, run.outcome) == (3, "aborted fault")
    assert run.faults == ["vanished_between_lists"]
    assert f"{bench.mount}{folder}" in run.one(e.FaultRaised).message
    assert bench.raw() == before
    rule.remove()
    bench.saved()


def test_a_parent_that_fails_when_asked_again_confirms_nothing(bench: Bench) -> None:
    before = bench.begin()
    bench.on_list("c/").answer(404, NOTHING_HERE)
    again = bench.on_list("", after=1).answer(200, {"data": {"keys": []}})
    run = bench.once()
    assert (run.outcome, run.faults) == ("aborted fault", ["not_vault"])
    assert again.hits == 1
    assert bench.raw() == before


@pytest.mark.parametrize("names", [("c/d", "c/e"), ("f/g/h",)])
def test_a_folder_emptied_between_two_lists_is_gone(bench: Bench, names: tuple[str, ...]) -> None:
    bench.begin()
    folder = names[0].rpartition("/")[0] + "/"
    bench.on_list(folder, times=1).call(lambda: bench.purge(names))
    run = bench.saved()
    assert {vanished.path for vanished in run.all(e.InsightVanished)} == set(map(bench.path, names))


RULES = """
path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}
path "{mount}metadata/{deny}" {{ capabilities = ["deny"] }}
"""


def test_a_forbidden_folder_aborts_and_is_named(bench: Bench) -> None:
    before = bench.begin()
    token = bench.api.make_token(RULES.format(mount=bench.mount, deny="c/"))
    run = bench.once(vault={"token": token, "requiredCapabilities": LEAST})
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["forbidden"])
    fault = run.one(e.FaultRaised)
    assert not fault.fatal
    assert f"{bench.mount}metadata/c/" in fault.message
    assert bench.raw() == before
    bench.saved()


def test_a_mount_whose_root_becomes_forbidden_is_fatal(bench: Bench) -> None:
    before = bench.begin()
    token = bench.api.make_token(RULES.format(mount=bench.mount, deny="nothing"))
    policy = bench.api.server.json("GET", "/v1/sys/policies/acl?list=true")["data"]["keys"]
    name = next(
        name
        for name in policy
        if bench.mount in str(bench.api.server.json("GET", f"/v1/sys/policies/acl/{name}"))
    )
    # The start-up check still finds what it needs; then an administrator changes the policy.
    less = f'path "{bench.mount}metadata/*" {{ capabilities = ["read"] }}'
    bench.on_list(times=1).call(
        lambda: bench.api.server.json("PUT", f"/v1/sys/policies/acl/{name}", {"policy": less})
    )
    run = bench.once(vault={"token": token, "requiredCapabilities": LEAST})
    assert (run.code, run.outcome, run.faults) == (1, "aborted fatal", ["mount_forbidden"])
    fault = run.one(e.FaultRaised)
    assert fault.fatal
    assert bench.mount in fault.message
    assert f"{bench.mount}metadata/*" in fault.hint
    assert bench.raw() == before


def test_a_mount_removed_before_it_is_listed_aborts(bench: Bench) -> None:
    before = bench.begin()
    bench.on_list(times=1).call(lambda: bench.api.remove_mount(bench.mount))
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["mount_changed"])
    assert bench.raw() == before


def test_a_mount_turned_into_another_kind_aborts(bench: Bench) -> None:
    before = bench.begin()

    def degrade() -> None:
        bench.api.remove_mount(bench.mount)
        bench.api.make_mount(bench.mount, version=1)

    # Asked once at start-up; then anew by each cycle.
    bench.vault.when(path="/v1/sys/internal/ui/mounts/", after=1, times=1).call(degrade)
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["mount_changed"])
    assert "not KV version 2" in run.one(e.FaultRaised).message
    assert bench.raw() == before


# --- patience ---------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["list", "read"])
@pytest.mark.parametrize(
    ("headers", "least"),
    [({}, 0.1), ({"Retry-After": "0"}, 0.1), ({"Retry-After": "1"}, 1.0)],
    ids=["absent", "zero", "one"],
)
def test_a_rate_limit_is_waited_for(
    bench: Bench, where: str, headers: dict[str, str], least: float
) -> None:
    bench.begin()
    on = bench.on_list("c/", times=1) if where == "list" else bench.on_read("b", times=1)
    on.answer(429, {"errors": ["quota"]}, headers)
    retry = bench.saved().one(e.RetryScheduled)
    assert (retry.attempt, retry.kind) == (1, "rate_limited")
    assert least <= retry.delay_s < least + 1


@pytest.mark.parametrize("where", ["list", "read", "consul", "mount"])
@pytest.mark.parametrize("how", ["500", "closed"])
def test_what_heals_after_two_tries_is_no_fault(bench: Bench, where: str, how: str) -> None:
    bench.begin()
    on = {
        "list": lambda: bench.on_list("c/", times=2),
        "read": lambda: bench.on_read("b", times=2),
        "consul": lambda: bench.on_tree(times=2),
        "mount": lambda: bench.vault.when(path="/v1/sys/internal/ui/mounts/", after=1, times=2),
    }[where]()
    on.answer(500, {"errors": ["a moment"]}) if how == "500" else on.drop_before()
    run = bench.saved()
    assert on.hits == 2
    assert not run.faults
    retries = run.all(e.RetryScheduled)
    assert all(retry.delay_s >= 0.1 for retry in retries)
    # Where a kept connection is closed, libcurl tries once more by itself.
    assert [retry.attempt for retry in retries] in ([[1, 2]] if how == "500" else [[1], [1, 2]])


def test_a_consul_that_cannot_be_read_aborts(bench: Bench) -> None:
    before = bench.begin()
    bench.on_tree().html(200)
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["not_consul"])
    assert bench.raw() == before


def test_a_mount_that_answers_once_as_if_empty_makes_no_empty_first_save(bench: Bench) -> None:
    """Nothing was saved before that would contradict: its root is asked again."""
    bench.fill()
    rule = bench.on_list("", times=1).answer(404, NOTHING_HERE)
    run = bench.once()
    assert rule.hits
    assert (run.code, run.outcome) == (3, "aborted fault")
    assert run.faults == ["vanished_between_lists"]
    assert "asked again" in run.one(e.FaultRaised).message
    assert bench.raw() == {}
    bench.saved()

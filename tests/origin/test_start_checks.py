"""The start-up checks on the real servers: what must hold before the first cycle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.misbehave import Answer, Misbehave, Rule
from tests.origin.bench import LEAST, Bench, bench_of
from tests.support import ConsulKv, VaultApi, unique
from tests.workshop import Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.local import ConsulServer
from vsync_sm.origin.orders import Mode

AT_ONCE = "1ms"
"""A `startTimeout` that leaves time for one try: what is not yet there is fatal as well."""

LEAST_LINE = "requiredCapabilities: {data: [], metadata: [read, list]}"


def policy(mount: str) -> str:
    """The policy that the documentation recommends."""
    return f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}'


def failed(run: Run, check: str, fault: str = "check_failed") -> e.FaultRaised:
    """The run ended in this check: a fatal fault, no cycle, exit 1."""
    assert run.code == 1
    assert run.faults == [fault]
    assert run.one(e.FaultRaised).fatal
    assert run.all(e.CheckFailed)[0].check == check
    assert not run.all(e.CycleStarted)
    moves = run.all(e.Transitioned)
    assert [(move.source, move.dest, move.reason) for move in moves] == [
        ("checking", "halted", "fatal")
    ]
    return run.one(e.FaultRaised)


def no_probe(bench: Bench) -> bool:
    """Whether nothing at all lies under the prefix: no bucket was written, no probe key left."""
    return bench.raw() == {}


def test_every_step_is_told(bench: Bench, make_mount: Callable[..., str]) -> None:
    bench.add_mounts(make_mount("kv/team"))
    first, second = bench.shop.config["origin"]["mounts"]
    run = bench.saved()
    passed = run.all(e.CheckPassed)
    assert [check.check for check in passed] == [
        "Consul sync path",
        "Vault server",
        "Vault token",
        "Vault freshness",
        f"mount {first}",
        f"capabilities on {first}",
        f"mount {second}",
        f"capabilities on {second}",
    ]
    # A token that may do more than the least is told so once, with what would do.
    (note,) = [check.note for check in passed if check.note]
    assert LEAST_LINE in note
    assert policy(first) in note
    assert policy(second) in note


def test_what_is_sent_to_vault_writes_no_secret(bench: Bench) -> None:
    bench.begin()
    bench.saved()
    sent = {(method, path.split("?")[0]) for method, path in bench.vault.requests}
    writing = {(method, path) for method, path in sent if method not in {"GET", "LIST"}}
    assert writing == {("POST", "/v1/sys/capabilities-self"), ("DELETE", "/v1/cubbyhole/vsync")}


def test_the_least_is_enough_and_nothing_is_noted(bench: Bench) -> None:
    token = bench.api.make_token(policy(bench.mount))
    bench.fill()
    run = bench.saved(vault={"token": token, "requiredCapabilities": LEAST})
    assert not [check.note for check in run.all(e.CheckPassed) if check.note]
    assert not run.faults


def test_what_the_go_program_needs_is_enough(bench: Bench) -> None:
    data = f'path "{bench.mount}data/*" {{ capabilities = ["create","read","update","delete"] }}'
    token = bench.api.make_token(policy(bench.mount) + data)
    bench.fill()
    run = bench.saved(vault={"token": token})
    assert len([check.note for check in run.all(e.CheckPassed) if check.note]) == 1


@pytest.mark.parametrize(
    ("rules", "required", "lacks"),
    [
        ('path "{m}metadata/*" {{ capabilities = ["list"] }}', LEAST, "read on {m}metadata/*"),
        ('path "{m}metadata/*" {{ capabilities = ["read"] }}', LEAST, "list on {m}metadata/*"),
        ('path "{m}*" {{ capabilities = ["deny"] }}', LEAST, "read, list on {m}metadata/*"),
        (
            'path "{m}metadata/*" {{ capabilities = ["read", "list"] }}',
            {},
            "create, read, update, delete on {m}data/*",
        ),
    ],
    ids=["no read", "no list", "deny", "no data"],
)
def test_a_missing_capability_names_what_would_do(
    bench: Bench, rules: str, required: dict[str, Any], lacks: str
) -> None:
    mount = bench.mount
    # So that the mount itself can be seen, as far as that takes a right to something in it.
    seen = f'path "{mount}metadata/seen" {{ capabilities = ["read"] }}'
    token = bench.api.make_token(rules.format(m=mount) + seen)
    vault = {"token": token, **({"requiredCapabilities": required} if required else {})}
    fault = failed(bench.once(vault=vault), f"capabilities on {mount}")
    assert lacks.format(m=mount) in fault.message
    assert LEAST_LINE in fault.hint
    assert policy(mount) in fault.hint


# --- mounts -----------------------------------------------------------------------------------


def test_a_kv_1_mount_is_refused(bench: Bench, make_mount: Callable[..., str]) -> None:
    old = make_mount("old", version=1)
    bench.add_mounts(old)
    fault = failed(bench.once(), f"mount {old}")
    assert f"{old} is kv version 1, not KV version 2" in fault.message


def test_another_engine_is_refused(bench: Bench) -> None:
    bench.shop.config["origin"]["mounts"] = ["cubbyhole/"]
    fault = failed(bench.once(), "mount cubbyhole/")
    assert "cubbyhole/ is cubbyhole, not KV version 2" in fault.message


def test_a_missing_mount_is_refused(bench: Bench) -> None:
    missing = f"{unique('missing')}/"
    bench.shop.config["origin"]["mounts"] = [missing]
    fault = failed(bench.once(), f"mount {missing}")
    assert missing in fault.message


def test_a_folder_is_not_a_mount(bench: Bench) -> None:
    bench.fill()
    folder = f"{bench.mount}c/"
    bench.shop.config["origin"]["mounts"] = [folder]
    fault = failed(bench.once(), f"mount {folder}")
    assert f"it lies in {bench.mount}" in fault.message
    assert f"origin.paths: [{{mount: {bench.mount}, under: c/}}]" in fault.hint


# --- Vault ------------------------------------------------------------------------------------


def health(**changes: Any) -> Callable[[Answer], Answer]:
    """Changes what a node says of itself."""

    def change(answer: Answer) -> Answer:
        return replace(answer, body=json.dumps(json.loads(answer.body) | changes).encode())

    return change


@pytest.mark.parametrize(
    ("says", "message", "hint"),
    [
        ({"replication_dr_mode": "secondary"}, "a DR secondary", "must be the primary"),
        ({"replication_performance_mode": "secondary"}, "performance secondary", "the primary"),
        ({"sealed": True}, "Vault is sealed", "Unseal"),
        ({"initialized": False, "sealed": True}, "not initialized", ""),
    ],
    ids=["DR", "performance", "sealed", "uninitialised"],
)
def test_a_node_that_cannot_be_the_origins(
    bench: Bench, says: dict[str, Any], message: str, hint: str
) -> None:
    bench.vault.when(path="/v1/sys/health").alter(health(**says))
    fault = failed(bench.once(startTimeout=AT_ONCE), "Vault server")
    assert message in fault.message
    assert hint in fault.hint
    assert no_probe(bench)


def test_a_primary_is_no_secondary(bench: Bench) -> None:
    says = {"replication_dr_mode": "primary", "replication_performance_mode": "primary"}
    bench.vault.when(path="/v1/sys/health").alter(health(**says))
    bench.saved()


def test_a_dead_token_at_the_start(bench: Bench) -> None:
    token = bench.api.make_token(policy(bench.mount))
    bench.api.revoke(token)
    run = bench.once(vault={"token": token})
    failed(run, "Vault token", "authentication")
    assert token not in repr(run.records)


@pytest.mark.parametrize("server", ["vault", "consul"])
@pytest.mark.parametrize("how", ["html", "closed"])
def test_a_server_that_is_none(bench: Bench, server: str, how: str) -> None:
    proxy: Misbehave = getattr(bench, server)
    rule = proxy.when()
    _ = rule.html() if how == "html" else rule.drop_before()
    run = bench.once(startTimeout=AT_ONCE)
    failed(run, "Vault server" if server == "vault" else "Consul sync path")
    rule.remove()
    bench.saved()


# --- Consul -----------------------------------------------------------------------------------


@pytest.fixture
def guarded(
    vault_api: VaultApi, consul_acl: ConsulServer, mount: str, tmp_path: Path
) -> Iterator[Bench]:
    """A bench whose Consul asks for a token."""
    sync_path = f"{unique('vsync')}/"
    shop = Workshop(vault_api, ConsulKv(consul_acl), [mount], sync_path, tmp_path)
    with bench_of(shop) as made:
        yield made


def test_a_consul_token_with_the_documented_rule_is_enough(guarded: Bench) -> None:
    sync_path = guarded.shop.prefix.removesuffix("origin/")
    token = guarded.shop.consul.make_token(f'key_prefix "{sync_path}" {{ policy = "write" }}')
    guarded.fill()
    guarded.saved(consul={"token": token})


@pytest.mark.parametrize(
    "rule", ["", 'key_prefix "{}" {{ policy = "read" }}', 'key_prefix "x{}" {{ policy = "write" }}']
)
def test_a_consul_token_without_rights_on_the_sync_path(guarded: Bench, rule: str) -> None:
    sync_path = guarded.shop.prefix.removesuffix("origin/")
    token = guarded.shop.consul.make_token(rule.format(sync_path))
    run = guarded.once(consul={"token": token})
    fault = failed(run, "Consul sync path", "consul_forbidden")
    assert f'key_prefix "{guarded.shop.prefix}' in fault.hint
    assert guarded.raw() == {}
    assert token not in repr(run.records)


@dataclass(frozen=True)
class Step:
    """A step of the probe that goes wrong, and what the fault says."""

    name: str
    which: dict[str, Any]
    misbehave: Callable[[Rule, str], Rule]
    says: str


STEPS = (
    Step("write", {"method": "PUT"}, lambda on, _: on.lose_reply(), "cannot be reached"),
    Step("refused", {"method": "PUT"}, lambda on, _: on.answer(200, b"false"), "be written"),
    Step("read", {"method": "GET"}, lambda on, _: on.answer(500, b"no"), "500"),
    Step("list", {"method": "GET", "after": 1}, lambda on, _: on.answer(500, b"no"), "500"),
    Step(
        "listed",
        {"method": "GET", "after": 1},
        lambda on, folder: on.answer(200, [f"{folder}x"]),
        "be listed",
    ),
    Step("update", {"method": "PUT", "after": 1}, lambda on, _: on.lose_reply(), "be reached"),
    Step(
        "read again", {"method": "GET", "after": 2}, lambda on, _: on.html(), "not one of Consul's"
    ),
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_the_probe_key_is_gone_also_when_a_step_fails(bench: Bench, step: Step) -> None:
    directory = f"{bench.shop.prefix}vsyncChecks/"
    rule = bench.consul.when(path=f"/v1/kv/{directory}", times=1, **step.which)
    step.misbehave(rule, directory)
    fault = failed(bench.once(startTimeout=AT_ONCE), "Consul sync path")
    assert step.says in fault.message
    assert rule.hits
    assert no_probe(bench)
    bench.saved()
    assert not [key for key in bench.raw() if "vsyncChecks" in key]


def test_a_consul_that_loses_writes_is_refused(bench: Bench) -> None:
    probe = f"/v1/kv/{bench.shop.prefix}vsyncChecks/"
    bench.consul.when(method="PUT", path=probe).answer(200, b"true")
    fault = failed(bench.once(), "Consul sync path")
    assert "could not be read" in fault.message


# --- check and plan ---------------------------------------------------------------------------


def test_a_plan_writes_nothing_not_even_a_probe_key(bench: Bench) -> None:
    before = bench.begin()
    journal, sent = bench.shop.journal.read_bytes(), len(bench.consul.requests)
    run = bench.once(mode=Mode.plan)
    assert run.code == 0
    assert run.all(e.BucketReindexed)
    assert {method for method, _ in bench.consul.requests[sent:]} == {"GET"}
    assert bench.raw() == before
    assert bench.shop.journal.read_bytes() == journal


def test_a_check_lists_and_leaves_everything_as_it_was(bench: Bench) -> None:
    before = bench.begin()
    journal = bench.shop.journal.read_bytes()
    run = bench.once(mode=Mode.check)
    assert run.code == 0
    assert run.one(e.PathsListed).paths == 20
    assert not run.all(e.WorkerStarted)
    assert bench.raw() == before
    assert bench.shop.journal.read_bytes() == journal

"""OpenBao's detailed lists: what they give, and what is not believed of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.misbehave import Answer, Misbehave, Rule
from tests.servers.test_vault import AWKWARD
from tests.support import VaultApi
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.local import BaoServer
from vsync_sm.servers.vault import Health, Vault


def soon() -> float:
    return 10.0


@pytest.fixture
def proxy(bao: BaoServer) -> Iterator[Misbehave]:
    with Misbehave(bao.address) as running:
        yield running


@pytest.fixture
def vault(proxy: Misbehave, bao: BaoServer) -> Vault:
    """A Vault behind the proxy."""
    return Vault(address=proxy.address, token=bao.token)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Answer], Answer]:
    """An answer with something done to its `data`."""

    def alter(answer: Answer) -> Answer:
        body = json.loads(answer.body)
        change(body["data"])
        return replace(answer, body=json.dumps(body).encode())

    return alter


def test_each_secret_is_as_a_read_gives_it(vault: Vault, vault_api: VaultApi, mount: str) -> None:
    names = sorted(name for name in AWKWARD if "/" not in name)
    for name in (*names, "x", "x/below", "only/below"):
        vault_api.put(mount, name)
    vault_api.put(mount, "x")
    vault_api.delete(mount, "data")
    vault_api.destroy(mount, "metadata", 1)
    vault_api.set_metadata(mount, "later", delete_version_after="1h")
    vault_api.put(mount, "later")
    vault_api.set_metadata(mount, "no version", custom_metadata={"a": "b"})
    found = vault.list_detailed(mount, "", after="", most=100, limit=soon)
    assert set(found) == {*names, "x", "later", "no version"}
    for name, told in found.items():
        read = vault.read_metadata(mount, name, soon)
        assert read is not None
        assert told.state == read.state
        assert 0 <= read.server_now - told.server_now <= 60_000_000_000
    below = vault.list_detailed(mount, "x/", after="", most=100, limit=soon)
    assert set(below) == {"below"}


def test_pages_together_are_the_whole(vault: Vault, vault_api: VaultApi, mount: str) -> None:
    for name in ("a", "b&after=z", "b/x", "c d", "é"):
        vault_api.put(mount, name)
    names = vault.list_names(mount, "", soon)
    assert names is not None
    found = [
        list(vault.list_detailed(mount, "", after=after, most=2, limit=soon))
        for after in ("", names[1], names[3])
    ]
    assert found == [["a", "b&after=z"], ["c d"], ["é"]]  # b/ is one of the second's two


def test_it_asks_for_nothing_older_than_the_cycle(
    vault: Vault, proxy: Misbehave, vault_api: VaultApi, mount: str
) -> None:
    vault_api.put(mount, "a")
    with_index = {"X-Vault-Index": "as-of-now"}
    proxy.when(method="DELETE").answer(204, headers=with_index)
    vault.catch_up(soon)
    heard: list[str] = []
    proxy.when(method="LIST").note(heard)
    with suppress(Fault):  # a server without raft knows no index, and says so
        vault.list_detailed(mount, "", after="", most=9, limit=soon)
    (sent,) = heard
    assert "X-Vault-Index: as-of-now" in sent
    assert "X-Vault-Inconsistent: forward-active-node" in sent


ODD: dict[str, tuple[Callable[[Rule], Rule], FaultKind]] = {
    "404": (lambda on: on.answer(404, {"errors": []}), FaultKind.NOT_FOUND),
    "no path": (lambda on: on.answer(404, {"errors": ["unsupported"]}), FaultKind.MOUNT_CHANGED),
    "405": (lambda on: on.answer(405, {"errors": ["no"]}), FaultKind.BAD_REQUEST),
    "500": (lambda on: on.answer(500, {"errors": ["audit"]}), FaultKind.SERVER_ERROR),
    "html": (lambda on: on.html(200), FaultKind.NOT_VAULT),
    "no Date": (lambda on: on.without("Date"), FaultKind.NOT_VAULT),
    "no key_info": (lambda on: on.alter(changed(lambda d: d.pop("key_info"))), FaultKind.NOT_VAULT),
    "twice": (lambda on: on.alter(changed(lambda d: d["keys"].append("a"))), FaultKind.NOT_VAULT),
    "no keys": (lambda on: on.alter(changed(lambda d: d["keys"].clear())), FaultKind.NOT_VAULT),
}


@pytest.mark.parametrize("how", ODD)
def test_what_else_it_answers_is_a_fault(
    vault: Vault, proxy: Misbehave, vault_api: VaultApi, mount: str, how: str
) -> None:
    misbehave, kind = ODD[how]
    vault_api.put(mount, "a")
    misbehave(proxy.when(method="LIST"))
    with pytest.raises(Fault) as caught:
        vault.list_detailed(mount, "", after="", most=9, limit=soon)
    assert caught.value.kind is kind
    assert caught.value.context["path"] == f"{mount}detailed-metadata/"


@pytest.mark.parametrize(
    "entry",
    [
        {},
        None,
        "x",
        {"current_version": 2},
        {"versions": {}},
        {"updated_time": "yesterday"},
        {"versions": {"1": {"deletion_time": "soon", "destroyed": False}}},
    ],
    ids=["empty", "null", "text", "newer", "no version", "no time", "no deletion time"],
)
def test_an_entry_that_cannot_be_used_is_left_out(
    vault: Vault, proxy: Misbehave, vault_api: VaultApi, mount: str, entry: Any
) -> None:
    for name in ("a", "b"):
        vault_api.put(mount, name)

    def spoil(data: dict[str, Any]) -> None:
        whole = isinstance(entry, dict) and entry
        data["key_info"]["a"] = {**data["key_info"]["a"], **entry} if whole else entry

    proxy.when(method="LIST").alter(changed(spoil))
    assert set(vault.list_detailed(mount, "", after="", most=9, limit=soon)) == {"b"}


def test_which_paths_may_be_read_for_certain(vault_api: VaultApi, mount: str) -> None:
    rules = f"""
        path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}
        path "{mount}metadata/hid" {{ capabilities = ["deny"] }}
        path "{mount}metadata/listed" {{ capabilities = ["list"] }}
    """
    vault = Vault(address=vault_api.address, token=vault_api.make_token(rules))
    paths = [f"{mount}metadata/{name}" for name in ("a", "a,b", "é", "hid", "listed", "space ")]
    # The server takes the space off: nothing is told of that path, so nothing is certain.
    assert vault.readable(paths, soon) == {*paths[:3]}
    root = Vault(address=vault_api.address, token=vault_api.token)
    assert root.readable(paths[:4], soon) == {*paths[:4]}


@pytest.mark.parametrize(
    ("version", "offered"),
    [
        ("2.7.2", True),
        ("2.3.1", True),
        ("2.3.1+hsm", True),
        ("2.10.0-beta1", True),
        ("2.3.1-beta1", False),
        ("2.3.0", False),
        ("2.2.2", False),
        ("1.21.1", False),
        ("1.16.3+ent", False),
        ("2.7", False),
        ("two", False),
        ("", False),
    ],
)
def test_which_servers_have_them(version: str, *, offered: bool) -> None:
    told = Health(
        initialized=True,
        sealed=False,
        standby=False,
        dr_secondary=False,
        performance_secondary=False,
        version=version,
    )
    assert told.lists_in_detail is offered
    assert not msgspec.structs.replace(told, hashicorp=True).lists_in_detail


def test_the_maker_shows_in_the_health(vault: Vault, proxy: Misbehave) -> None:
    assert vault.health(soon).lists_in_detail

    def of_hashicorp(answer: Answer) -> Answer:
        told = {**json.loads(answer.body), "enterprise": False}
        return replace(answer, body=json.dumps(told).encode())

    proxy.when(path="/v1/sys/health").alter(of_hashicorp)
    assert not vault.health(soon).lists_in_detail

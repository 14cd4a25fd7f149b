"""The Vault adapter against a real OpenBao, and against what stands before one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.misbehave import Answer, Misbehave
from tests.servers.raw import RawServer
from tests.support import VaultApi
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import moment
from vsync_sm.local import BaoServer
from vsync_sm.servers.vault import Health, MountFacts, Vault

# One of each way in which a name can be odd and yet be Vault's.
AWKWARD = [
    "two words",
    "what?",
    "100%2Fof%20it",
    "#1",
    "a+b&c=d;e",
    "ключ-🔑-é",
    "metadata",
    "data",
    "a..b",
    "...",
    ".hidden",
    "{x}",
    "semi:colon@home",
    "quo'te\"d",
    "back\\slash",
    "x/x",
    "/".join(str(level) for level in range(12)),
]


def soon() -> float:
    return 10.0


@pytest.fixture
def vault(bao: BaoServer) -> Vault:
    return Vault(address=bao.address, token=bao.token)


@pytest.fixture
def proxy(bao: BaoServer) -> Iterator[Misbehave]:
    with Misbehave(bao.address) as running:
        yield running


@pytest.fixture
def behind(proxy: Misbehave, bao: BaoServer) -> Vault:
    """A Vault behind the proxy."""
    return Vault(address=proxy.address, token=bao.token)


def fault_of(call: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        call()
    return caught.value


def test_health(vault: Vault) -> None:
    health = vault.health(soon)
    assert health == Health(
        initialized=True,
        sealed=False,
        standby=False,
        dr_secondary=False,
        performance_secondary=False,
        version=health.version,
    )
    assert health.version[0].isdigit()


def test_a_sealed_server_tells_its_health_and_nothing_else(
    own_bao: Callable[..., BaoServer],
) -> None:
    server = own_bao()
    VaultApi(server).seal()
    vault = Vault(address=server.address, token=server.token)
    assert vault.health(soon).sealed
    for call in (
        lambda: vault.list_names("secret/", "", soon),
        lambda: vault.read_metadata("secret/", "x", soon),
        lambda: vault.mount("secret/", soon),
        lambda: vault.capabilities(["secret/metadata/"], soon),
        lambda: vault.token_alive(soon),
    ):
        fault = fault_of(call)
        assert fault.kind is FaultKind.SEALED
        assert "unseal" in fault.hint
    server.unseal()
    assert not vault.health(soon).sealed


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"replication_dr_mode": "secondary"}, "dr_secondary"),
        ({"replication_performance_mode": "secondary"}, "performance_secondary"),
        ({"standby": True}, "standby"),
        ({"initialized": False}, "initialized"),
    ],
)
def test_health_of_other_nodes(
    proxy: Misbehave, behind: Vault, said: dict[str, object], field: str
) -> None:
    before = behind.health(soon)
    proxy.when(path="/v1/sys/health").alter(
        lambda answer: replace(answer, body=json.dumps(json.loads(answer.body) | said).encode())
    )
    assert getattr(behind.health(soon), field) is not getattr(before, field)


def test_nothing_of_the_environment_has_a_say(
    bao: BaoServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vault-token").write_text("file")
    monkeypatch.setenv("VAULT_TOKEN", "wrong")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    monkeypatch.setenv("VAULT_NAMESPACE", "elsewhere")
    assert Vault(address=bao.address, token=bao.token).token_alive(soon)
    assert not Vault(address=bao.address, token="").token_alive(soon)


def test_what_every_request_carries() -> None:
    body = b'{"errors":[]}'
    said = b"HTTP/1.1 404 No\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with RawServer(said) as server:
        vault = Vault(address=f"{server.address}/behind/", token="one", namespace="team/a")
        assert vault.list_names("kv/", "f/", soon) is None
        vault.use_token("two")
        assert vault.read_metadata("kv/", "f/x", soon) is None
    one, two = (request.decode().split("\r\n") for request in server.heard)
    assert one[0] == "LIST /behind/v1/kv/metadata/f/ HTTP/1.1"
    assert two[0] == "GET /behind/v1/kv/metadata/f/x HTTP/1.1"
    assert {"X-Vault-Token: one", "X-Vault-Namespace: team/a", "X-Vault-Request: true"} <= set(one)
    assert "X-Vault-Token: two" in two


def test_the_health_is_asked_without_a_namespace() -> None:
    # It is the node's: a namespace has none, and OpenBao 2.7.2 answers 400 there.
    body = b'{"initialized":true,"sealed":false,"standby":false,"version":"2.7.2"}'
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with RawServer(said) as server:
        vault = Vault(address=server.address, token="one", namespace="team/a")
        assert vault.health(soon).version == "2.7.2"
        fault_of(lambda: vault.token_alive(soon))  # that body is no answer to it
    health, other = (request.decode() for request in server.heard)
    assert health.startswith("GET /v1/sys/health")
    assert "namespace" not in health.lower()
    assert "X-Vault-Namespace: team/a\r\n" in other


def test_the_health_of_a_real_server_is_told_to_a_namespace_too(bao: BaoServer) -> None:
    vault = Vault(address=bao.address, token=bao.token, namespace="nowhere/")
    assert vault.health(soon).initialized


def test_a_token_lives_until_it_is_revoked(vault_api: VaultApi) -> None:
    token = vault_api.make_token('path "secret/*" { capabilities = ["list"] }')
    vault = Vault(address=vault_api.address, token=token)
    assert vault.token_alive(soon)
    vault_api.revoke(token)
    assert not vault.token_alive(soon)
    vault.use_token(vault_api.token)
    assert vault.token_alive(soon)


def test_a_403_of_something_else_is_not_a_dead_token(proxy: Misbehave, behind: Vault) -> None:
    proxy.when().html(403)
    assert fault_of(lambda: behind.token_alive(soon)).kind is FaultKind.NOT_VAULT
    fault = fault_of(lambda: behind.list_names("secret/", "", soon))
    assert fault.kind is FaultKind.NOT_VAULT


def test_capabilities(vault_api: VaultApi, vault: Vault, mount: str) -> None:
    rules = f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}'
    limited = Vault(address=vault_api.address, token=vault_api.make_token(rules))
    paths = [f"{mount}data/", f"{mount}metadata/", f"{mount}metadata"]
    assert limited.capabilities(paths, soon) == {
        f"{mount}data/": {"deny"},
        f"{mount}metadata/": {"read", "list"},
        f"{mount}metadata": {"deny"},
    }
    assert vault.capabilities(paths[:1], soon) == {f"{mount}data/": {"root"}}


@pytest.mark.parametrize("data", [{}, {"other/": ["root"]}, {"kv/": "root"}, {"kv/": None}, []])
def test_capabilities_of_the_wrong_shape(proxy: Misbehave, behind: Vault, data: object) -> None:
    proxy.when().answer(200, {"data": data})
    assert fault_of(lambda: behind.capabilities(["kv/"], soon)).kind is FaultKind.NOT_VAULT


def test_mounts(vault: Vault, make_mount: Callable[..., str]) -> None:
    mount, old = make_mount(), make_mount(version=1)
    facts = vault.mount(mount, soon)
    assert facts == MountFacts(mount, "kv", "2", facts.accessor)
    assert facts.accessor.startswith("kv_")
    assert vault.mount(f"{mount}folder/", soon).path == mount  # the caller compares
    assert vault.mount(old, soon).version != "2"
    assert vault.mount("cubbyhole/", soon).version == ""
    assert vault.mount("cubbyhole/", soon).type == "cubbyhole"


def test_a_mount_with_an_awkward_name(vault: Vault, make_mount: Callable[..., str]) -> None:
    mount = make_mount("team a/ü")
    assert vault.mount(mount, soon).path == mount
    assert vault.list_names(mount, "", soon) is None


def test_a_mount_that_is_not_there_or_not_to_be_seen(
    vault: Vault, vault_api: VaultApi, mount: str
) -> None:
    assert fault_of(lambda: vault.mount("no-such/", soon)).kind is FaultKind.FORBIDDEN
    blind = Vault(
        address=vault_api.address,
        token=vault_api.make_token('path "other/*" { capabilities = ["read"] }'),
    )
    fault = fault_of(lambda: blind.mount(mount, soon))
    assert fault.kind is FaultKind.FORBIDDEN
    assert fault.context["path"] == f"sys/internal/ui/mounts/{mount}"
    assert "not there" in fault.hint


def test_a_mount_made_anew_has_another_accessor(
    vault: Vault, vault_api: VaultApi, mount: str
) -> None:
    before = vault.mount(mount, soon)
    vault_api.remove_mount(mount)
    vault_api.make_mount(mount)
    assert vault.mount(mount, soon).accessor != before.accessor


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_names_are_listed_and_read_as_they_are(
    vault: Vault, vault_api: VaultApi, mount: str, name: str
) -> None:
    vault_api.put(mount, name)
    vault_api.put(mount, name)
    vault_api.put(mount, "decoy")
    folder, _, last = name.rpartition("/")
    names = vault.list_names(mount, f"{folder}/" if folder else "", soon)
    assert names is not None
    assert last in names
    told = vault.read_metadata(mount, name, soon)
    assert told is not None
    assert told.state.current_version == 2


def test_a_secret_beside_a_folder_of_its_name(
    vault: Vault, vault_api: VaultApi, mount: str
) -> None:
    vault_api.put(mount, "x")
    vault_api.put(mount, "x/x")
    vault_api.put(mount, "x/x")
    assert vault.list_names(mount, "", soon) == ("x", "x/")
    assert vault.list_names(mount, "x/", soon) == ("x",)
    versions = [vault.read_metadata(mount, path, soon) for path in ("x", "x/x")]
    assert [told and told.state.current_version for told in versions] == [1, 2]


def test_nothing_there_is_none(vault: Vault, vault_api: VaultApi, mount: str) -> None:
    assert vault.list_names(mount, "", soon) is None
    assert vault.list_names(mount, "no/such/", soon) is None
    assert vault.read_metadata(mount, "no", soon) is None
    vault_api.put(mount, "gone")
    vault_api.purge(mount, "gone")
    assert vault.list_names(mount, "", soon) is None
    assert vault.read_metadata(mount, "gone", soon) is None


def test_a_missing_mount_is_not_an_empty_one(vault: Vault, mount: str, vault_api: VaultApi) -> None:
    vault_api.put(mount, "x")
    vault_api.remove_mount(mount)
    for call in (
        lambda: vault.list_names(mount, "", soon),
        lambda: vault.read_metadata(mount, "x", soon),
    ):
        fault = fault_of(call)
        assert fault.kind is FaultKind.MOUNT_CHANGED
        assert fault.context["status"] == "404"
    vault_api.make_mount(mount)


def test_a_forbidden_folder(vault_api: VaultApi, mount: str) -> None:
    vault_api.put(mount, "open/x")
    vault_api.put(mount, "shut/x")
    rules = f"""
        path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}
        path "{mount}metadata/shut/*" {{ capabilities = ["deny"] }}
    """
    token = vault_api.make_token(rules)
    vault = Vault(address=vault_api.address, token=token)
    assert vault.list_names(mount, "", soon) == ("open/", "shut/")
    for call in (
        lambda: vault.list_names(mount, "shut/", soon),
        lambda: vault.read_metadata(mount, "shut/x", soon),
    ):
        fault = fault_of(call)
        assert fault.kind is FaultKind.FORBIDDEN
        assert fault.context["path"].startswith(f"{mount}metadata/shut/")
        assert token not in f"{fault.message} {fault.hint} {dict(fault.context)}"
    assert vault.token_alive(soon)


def test_the_state_of_a_secret(vault: Vault, vault_api: VaultApi, mount: str) -> None:
    vault_api.put(mount, "x")
    vault_api.put(mount, "x")
    told = vault.read_metadata(mount, "x", soon)
    assert told is not None
    assert told.state.current_version == 2
    assert told.state.update_time == vault_api.metadata(mount, "x")["updated_time"]
    assert (told.state.deletion_time, told.state.destroyed) == ("", False)
    assert told.server_now % 1_000_000_000 == 0
    assert 0 <= told.server_now + 1_000_000_000 - moment(told.state.update_time) < 60_000_000_000

    vault_api.delete(mount, "x")
    deleted = vault.read_metadata(mount, "x", soon)
    assert deleted is not None
    assert moment(deleted.state.deletion_time) <= deleted.server_now + 1_000_000_000
    assert deleted.state.update_time == told.state.update_time

    vault_api.destroy(mount, "x", 2)
    destroyed = vault.read_metadata(mount, "x", soon)
    assert destroyed is not None
    assert destroyed.state.destroyed


def test_a_deletion_to_come_and_an_entry_without_versions(
    vault: Vault, vault_api: VaultApi, mount: str
) -> None:
    vault_api.set_metadata(mount, "x", delete_version_after="1h")
    empty = vault.read_metadata(mount, "x", soon)
    assert empty is not None
    assert empty.state.current_version == 0
    assert (empty.state.deletion_time, empty.state.destroyed) == ("", False)
    vault_api.put(mount, "x")
    later = vault.read_metadata(mount, "x", soon)
    assert later is not None
    assert moment(later.state.deletion_time) > later.server_now


@pytest.mark.parametrize("folder", ["/", "a//", "a//b/", "./", "../", "a/../", "a/./b/"])
def test_a_folder_that_would_be_collapsed_is_never_asked_for(
    proxy: Misbehave, behind: Vault, folder: str
) -> None:
    fault = fault_of(lambda: behind.list_names("kv/", folder, soon))
    assert fault.kind is FaultKind.NOT_VAULT
    assert fault.context["path"] == f"kv/metadata/{folder}"
    assert proxy.requests == []


@pytest.mark.parametrize("path", ["", "/x", "a//x", "x/", ".", "..", "../x", "a/../x", "a/."])
def test_a_path_that_would_be_collapsed_is_never_asked_for(
    proxy: Misbehave, behind: Vault, path: str
) -> None:
    fault = fault_of(lambda: behind.read_metadata("kv/", path, soon))
    assert fault.kind is FaultKind.NOT_VAULT
    assert proxy.requests == []


# What may come instead of a list: status, body, headers, and the fault that it is.
REFUSALS: list[tuple[int, object, dict[str, str], FaultKind]] = [
    (400, {"errors": ["Upgrading from non-versioned to versioned"]}, {}, FaultKind.BAD_REQUEST),
    (400, b"Client sent an HTTP request to an HTTPS server.", {}, FaultKind.BAD_REQUEST),
    (403, {"errors": ["permission denied"]}, {}, FaultKind.FORBIDDEN),
    (404, b"", {}, FaultKind.NOT_VAULT),
    (404, b"404 page not found", {}, FaultKind.NOT_VAULT),
    (404, {"errors": None}, {}, FaultKind.NOT_VAULT),
    (404, {}, {}, FaultKind.NOT_VAULT),
    (404, {"errors": [1]}, {}, FaultKind.NOT_VAULT),
    (404, {"errors": ["no handler for route"]}, {}, FaultKind.MOUNT_CHANGED),
    (404, b'{"errors":[]', {}, FaultKind.NOT_VAULT),
    (404, {"errors": [], "data": {}}, {}, FaultKind.NOT_FOUND),
    (405, {"errors": ["unsupported operation"]}, {}, FaultKind.BAD_REQUEST),
    (407, b"proxy", {}, FaultKind.NOT_VAULT),
    (301, b"", {"Location": "https://active:8200/v1/x"}, FaultKind.REDIRECTED),
    (307, b"", {"Location": "https://active:8200/v1/x"}, FaultKind.REDIRECTED),
    (429, b"", {}, FaultKind.RATE_LIMITED),
    (472, {"errors": []}, {}, FaultKind.STANDBY),
    (473, b"", {}, FaultKind.STANDBY),
    (500, {"errors": ["internal error"]}, {}, FaultKind.SERVER_ERROR),
    (501, {"errors": ["not initialized"]}, {}, FaultKind.SEALED),
    (502, b"<html>Bad Gateway</html>", {}, FaultKind.SERVER_ERROR),
    (503, {"errors": ["Vault is sealed"]}, {}, FaultKind.SEALED),
    (503, b"no server available", {}, FaultKind.SERVER_ERROR),
    (504, b"", {}, FaultKind.SERVER_ERROR),
    (204, b"", {}, FaultKind.NOT_VAULT),
    (206, {"data": {"keys": ["a"]}}, {}, FaultKind.NOT_VAULT),
    (200, b"", {}, FaultKind.NOT_VAULT),
    (200, b"<html>Sign in</html>", {}, FaultKind.NOT_VAULT),
    (200, b"null", {}, FaultKind.NOT_VAULT),
    (200, [], {}, FaultKind.NOT_VAULT),
    (200, {}, {}, FaultKind.NOT_VAULT),
    (200, {"errors": []}, {}, FaultKind.NOT_VAULT),
    (200, {"data": None}, {}, FaultKind.NOT_VAULT),
    (200, {"data": {}}, {}, FaultKind.NOT_VAULT),
    (200, {"data": {"keys": None}}, {}, FaultKind.NOT_VAULT),
    (200, {"data": {"keys": []}}, {}, FaultKind.NOT_VAULT),
    (200, {"data": {"keys": "a"}}, {}, FaultKind.NOT_VAULT),
    (200, {"data": {"keys": ["a", 1]}}, {}, FaultKind.NOT_VAULT),
    (200, b'{"data":{"keys":["a"', {}, FaultKind.NOT_VAULT),
    (200, b'{"data":{"keys":["\\ud800"]}}', {}, FaultKind.NOT_VAULT),
    (200, b'{"data":{"keys":["\xff"]}}', {}, FaultKind.NOT_VAULT),
    (200, b'{"x":' + b"[" * 100_000, {}, FaultKind.NOT_VAULT),
]


@pytest.mark.parametrize(("status", "body", "headers", "kind"), REFUSALS)
def test_a_failed_list_or_read_is_a_fault(
    *,
    proxy: Misbehave,
    behind: Vault,
    bao: BaoServer,
    status: int,
    body: Any,
    headers: dict[str, str],
    kind: FaultKind,
) -> None:
    proxy.when().answer(status, body, headers)
    for call in (
        lambda: behind.list_names("kv/", "f/", soon),
        lambda: behind.read_metadata("kv/", "f/x", soon),
        lambda: behind.mount("kv/", soon),
    ):
        fault = fault_of(call)
        assert fault.kind is kind
        assert fault.context["status"] == str(status)
        assert fault.context["address"] == proxy.address
        assert bao.token not in f"{fault.message} {fault.hint}"
        assert fault.message
    assert len(proxy.requests) == 3


@pytest.mark.parametrize(
    ("names", "twice"),
    [
        (["a", "a"], True),
        (["a", "b/", "c", "b/"], True),
        (["", ""], True),
        # A secret beside a folder of its name, and names that only look alike.
        (["a", "a/", "A", "a "], False),
        (["e\u0301", "\u00e9"], False),
    ],
)
def test_a_list_that_names_one_thing_twice_is_not_vaults(
    proxy: Misbehave, behind: Vault, names: list[str], twice: bool
) -> None:
    # What was put together from two pages or two nodes may lack names as well.
    proxy.when().answer(200, {"data": {"keys": names}})
    if not twice:
        assert behind.list_names("kv/", "f/", soon) == tuple(names)
        return
    fault = fault_of(lambda: behind.list_names("kv/", "f/", soon))
    assert fault.kind is FaultKind.NOT_VAULT
    assert "twice" in fault.message


def test_a_redirect_says_where_to(proxy: Misbehave, behind: Vault) -> None:
    proxy.when().answer(307, b"", {"Location": "https://active.example:8200/v1/x?t=1"})
    fault = fault_of(lambda: behind.list_names("kv/", "", soon))
    assert "https://active.example:8200:" in fault.hint
    assert "api_addr" in fault.hint


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "2"}, 2.0), ({"Retry-After": "0"}, None), ({}, None)],
)
def test_rate_limits(
    proxy: Misbehave, behind: Vault, headers: dict[str, str], seconds: float | None
) -> None:
    proxy.when().answer(429, {"errors": ["request path: rate limit quota exceeded"]}, headers)
    fault = fault_of(lambda: behind.list_names("kv/", "", soon))
    assert (fault.kind, fault.retry_after) == (FaultKind.RATE_LIMITED, seconds)
    assert fault.retry


def test_a_real_rate_limit(own_bao: Callable[..., BaoServer]) -> None:
    server = own_bao()
    server.json("POST", "/v1/sys/quotas/rate-limit/all", {"rate": 0.01})
    vault = Vault(address=server.address, token=server.token)

    def exhaust() -> None:
        for _ in range(3):
            vault.list_names("secret/", "", soon)

    fault = fault_of(exhaust)
    assert (fault.kind, fault.retry) == (FaultKind.RATE_LIMITED, True)


def test_warnings_in_a_reply_are_nothing(proxy: Misbehave, behind: Vault) -> None:
    proxy.when().answer(200, {"data": {"keys": ["a", "b/"]}, "warnings": ["careful"], "new": {}})
    assert behind.list_names("kv/", "", soon) == ("a", "b/")


def test_a_page_that_echoes_the_token_is_not_quoted_with_it(
    proxy: Misbehave, behind: Vault, bao: BaoServer
) -> None:
    proxy.when().answer(200, f"<html>Your header: {bao.token}</html>")
    fault = fault_of(lambda: behind.list_names("kv/", "", soon))
    assert "Your header: [token]" in fault.hint
    assert bao.token not in f"{fault!r} {fault.hint}"


SECRET: dict[str, Any] = {
    "current_version": 2,
    "updated_time": "2026-01-02T03:04:05.6Z",
    "versions": {"2": {"deletion_time": "", "destroyed": False}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"current_version": -1, "versions": {"-1": {"deletion_time": "", "destroyed": False}}},
        {"current_version": "2"},
        {"current_version": None},
        {"current_version": True},
        {"current_version": 3},
        {"current_version": 1},
        {"updated_time": ""},
        {"updated_time": "yesterday"},
        {"updated_time": None},
        {"versions": None},
        {"versions": []},
        {"versions": {}},
        {"versions": {"2": None}},
        {"versions": {"2": {"destroyed": False}}},
        {"versions": {"2": {"deletion_time": ""}}},
        {"versions": {"2": {"deletion_time": None, "destroyed": False}}},
        {"versions": {"2": {"deletion_time": "", "destroyed": 0}}},
        {"versions": {"2": {"deletion_time": "soon", "destroyed": False}}},
    ],
)
def test_metadata_of_the_wrong_shape(
    proxy: Misbehave, behind: Vault, change: dict[str, Any]
) -> None:
    rule = proxy.when().answer(200, {"data": SECRET})
    assert behind.read_metadata("kv/", "x", soon) is not None
    rule.remove()
    proxy.when().answer(200, {"data": SECRET | change})
    assert fault_of(lambda: behind.read_metadata("kv/", "x", soon)).kind is FaultKind.NOT_VAULT


@pytest.mark.parametrize("field", sorted(SECRET))
def test_metadata_that_leave_something_out(proxy: Misbehave, behind: Vault, field: str) -> None:
    proxy.when().answer(200, {"data": {k: v for k, v in SECRET.items() if k != field}})
    assert fault_of(lambda: behind.read_metadata("kv/", "x", soon)).kind is FaultKind.NOT_VAULT


def test_metadata_without_a_date_are_not_vaults(
    proxy: Misbehave, behind: Vault, vault_api: VaultApi, mount: str
) -> None:
    vault_api.put(mount, "x")
    proxy.when(method="GET", times=1).without("Date")
    fault = fault_of(lambda: behind.read_metadata(mount, "x", soon))
    assert fault.kind is FaultKind.NOT_VAULT
    assert "Date" in fault.message
    assert behind.read_metadata(mount, "x", soon) is not None


@pytest.mark.parametrize(
    "date", ["now", "Mon, 99 Nov 2026 16:35:11 GMT", "Mon, 23 Nov 2026 16:35:11 -0000", "0"]
)
def test_a_date_that_is_none(proxy: Misbehave, behind: Vault, date: str) -> None:
    proxy.when().answer(200, {"data": SECRET}, {"Date": date})
    assert fault_of(lambda: behind.read_metadata("kv/", "x", soon)).kind is FaultKind.NOT_VAULT


def test_the_date_is_the_servers_clock(proxy: Misbehave, behind: Vault) -> None:
    proxy.when().answer(200, {"data": SECRET}, {"Date": "Mon, 23 Nov 2026 16:35:11 GMT"})
    told = behind.read_metadata("kv/", "x", soon)
    assert told is not None
    assert told.server_now == moment("2026-11-23T16:35:11Z")


def test_the_limit_reaches_every_method(proxy: Misbehave, behind: Vault) -> None:
    proxy.when().hang()
    for call in (
        lambda: behind.health(lambda: 0.05),
        lambda: behind.token_alive(lambda: 0.05),
        lambda: behind.capabilities(["kv/"], lambda: 0.05),
        lambda: behind.mount("kv/", lambda: 0.05),
        lambda: behind.list_names("kv/", "", lambda: 0.05),
        lambda: behind.read_metadata("kv/", "x", lambda: 0.05),
    ):
        assert fault_of(call).kind is FaultKind.TIMEOUT


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_drip_is_a_timeout(
    proxy: Misbehave, behind: Vault, vault_api: VaultApi, mount: str, part: str
) -> None:
    vault_api.put(mount, "x")
    proxy.when(method="LIST").drip(0.05, part)
    fault = fault_of(lambda: behind.list_names(mount, "", lambda: 0.4))
    assert fault.kind is FaultKind.TIMEOUT


def test_a_lost_reply_is_unreachable(proxy: Misbehave, behind: Vault) -> None:
    proxy.when().lose_reply()
    fault = fault_of(lambda: behind.list_names("secret/", "", soon))
    assert (fault.kind, fault.retry) == (FaultKind.UNREACHABLE, True)


def test_no_request_ever_asks_for_a_value(
    proxy: Misbehave, behind: Vault, vault_api: VaultApi, mount: str
) -> None:
    vault_api.put(mount, "x", {"key": "hidden-value"})
    seen: list[bytes] = []

    def keep(answer: Answer) -> Answer:
        seen.append(answer.body)
        return answer

    proxy.when().alter(keep)
    behind.health(soon)
    behind.token_alive(soon)
    behind.capabilities([f"{mount}data/", f"{mount}metadata/"], soon)
    behind.mount(mount, soon)
    behind.list_names(mount, "", soon)
    behind.read_metadata(mount, "x", soon)
    assert len(seen) == 6
    assert not any("/data/" in path for _, path in proxy.requests)
    assert b"hidden-value" not in b"".join(seen)


def test_an_address_that_is_none() -> None:
    fault = fault_of(lambda: Vault(address="127.0.0.1:8200", token=""))
    assert fault.kind is FaultKind.CONFIGURATION

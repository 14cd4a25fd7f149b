"""Logins and tokens against a real OpenBao: what each of its answers is taken for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
import trustme

from tests.auths import Auths, Issuer, Kubernetes
from tests.misbehave import Misbehave
from tests.servers.raw import RawServer
from tests.support import VaultApi, unique
from tests.workshop import PATIENCE_S
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.local import BaoServer
from vsync_sm.servers.vault import Grant, TokenFacts, Vault

ROLE_ID, SECRET_ID = "a-role-id-to-find", "a-secret-id-to-find"


def soon() -> float:
    return 10.0


def fault_of(call: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        call()
    return caught.value


def told(fault: Fault) -> str:
    return f"{fault.message} {fault.hint} {dict(fault.context)}"


@pytest.fixture
def auths(bao: BaoServer) -> Auths:
    return Auths(bao)


@pytest.fixture
def vault(bao: BaoServer) -> Vault:
    return Vault(address=bao.address)


@pytest.fixture
def path() -> str:
    """Where an auth method of the test's own is mounted."""
    return unique("team/auth")


def use(vault: Vault, grant: Grant) -> None:
    """The token is one, and may do what its policy says."""
    vault.use_token(grant.token)
    vault.list_names("secret/", "", soon)


def test_approle(vault: Vault, auths: Auths, path: str) -> None:
    role = auths.approle(path, token_ttl="1h", token_num_uses=7)
    grant = vault.log_in_approle(path, role["role_id"], role["secret_id"], soon)
    assert grant == Grant(grant.token, 3600, True, 7)
    use(vault, grant)
    assert grant.token not in repr(grant)


def test_an_approle_that_is_bound_to_no_secret_id(vault: Vault, auths: Auths, path: str) -> None:
    bound = {
        "bind_secret_id": False,
        "secret_id_bound_cidrs": [],
        "token_bound_cidrs": ["127.0.0.0/8"],
    }
    role_id = auths.approle(path)["role_id"]
    fault = fault_of(lambda: vault.log_in_approle(path, role_id, "", soon))
    assert (fault.kind, "missing secret_id" in fault.message) == (FaultKind.AUTHENTICATION, True)
    auths.ask("POST", f"auth/{path}/role/r", bound)
    assert vault.log_in_approle(path, role_id, "", soon).renewable


def test_jwt_with_a_role_and_with_the_default_one(vault: Vault, auths: Auths, path: str) -> None:
    issuer = Issuer()
    auths.jwt(issuer, path, token_ttl="30m")
    for role in ("r", ""):
        grant = vault.log_in_jwt(path, role, issuer.token(), soon)
        assert grant.lease_s == 1800
        use(vault, grant)
    fault = fault_of(lambda: vault.log_in_jwt(path, "r", issuer.token(lives_s=-999), soon))
    assert fault.kind is FaultKind.AUTHENTICATION
    assert "expired" in fault.message


def test_kubernetes_asks_its_api(vault: Vault, auths: Auths, path: str) -> None:
    with Kubernetes(trustme.CA()) as cluster:
        cluster.auth_method(auths, path, token_ttl="20m")
        grant = vault.log_in_kubernetes(path, "r", cluster.token(), soon)
        assert cluster.reviewed == 1
        assert grant.lease_s == 1200
        use(vault, grant)
        stranger = cluster.token("stranger")
        fault = fault_of(lambda: vault.log_in_kubernetes(path, "r", stranger, soon))
    assert fault.kind is FaultKind.AUTHENTICATION
    assert stranger not in told(fault)


def test_a_refused_login_names_the_place_and_no_secret(
    vault: Vault, auths: Auths, path: str
) -> None:
    role_id = auths.approle(path)["role_id"]
    for where in (path, "no/such"):
        with pytest.raises(Fault) as caught:
            vault.log_in_approle(where, role_id, SECRET_ID, soon)
        fault = caught.value
        assert fault.kind is FaultKind.AUTHENTICATION
        assert f"auth/{where}" in fault.message
        assert fault.hint
        assert SECRET_ID not in told(fault)
        assert role_id not in told(fault)


def test_a_login_carries_no_token() -> None:
    with RawServer(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n") as server:
        vault = Vault(address=server.address, token="old", namespace="team/sub")
        fault = fault_of(lambda: vault.log_in_approle("approle", ROLE_ID, SECRET_ID, soon))
    assert fault.kind is FaultKind.SERVER_ERROR
    request = server.heard[0].decode()
    assert request.startswith("POST /v1/auth/approle/login HTTP/1.1\r\n")
    assert "X-Vault-Namespace: team/sub\r\n" in request
    assert "x-vault-token" not in request.lower()


@pytest.mark.parametrize("status", [200, 400, 403, 404, 418, 429, 500, 502, 503])
def test_what_echoes_a_login_makes_no_message_of_it(bao: BaoServer, status: int) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when().echo(status)
        vault = Vault(address=proxy.address, token="a-token-to-find")
        login = fault_of(lambda: vault.log_in_approle("approle", ROLE_ID, SECRET_ID, soon))
        assert "to-find" not in told(login)
        if status != 400:  # which says that it cannot be renewed
            assert "to-find" not in told(fault_of(lambda: vault.renew(soon)))


def test_a_body_that_is_not_vaults_json_is_not_quoted_after_a_login(bao: BaoServer) -> None:
    secret = 'a"secret-to-find'  # which JSON writes in another way
    with Misbehave(bao.address) as proxy:
        proxy.when().answer(500, f"no: {json.dumps(secret)}".encode())
        vault = Vault(address=proxy.address)
        fault = fault_of(lambda: vault.log_in_approle("approle", ROLE_ID, secret, soon))
    assert fault.kind is FaultKind.SERVER_ERROR
    assert "to-find" not in told(fault)


ODD = (
    {"auth": None},
    {"auth": {"client_token": "", "lease_duration": 1, "renewable": True}},
    {"auth": {"client_token": "s.to-find", "renewable": True}},
    {"auth": {"client_token": "s.to-find", "lease_duration": -1, "renewable": True}},
    {"auth": {"client_token": "", "mfa_requirement": {"mfa_request_id": "x"}}},
    {"data": {"client_token": "s.to-find"}},
)


@pytest.mark.parametrize("answer", ODD, ids=json.dumps)
def test_a_login_that_gives_no_token(bao: BaoServer, answer: dict[str, object]) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when().answer(200, answer)
        vault = Vault(address=proxy.address)
        fault = fault_of(lambda: vault.log_in_approle("approle", ROLE_ID, SECRET_ID, soon))
    assert fault.kind is FaultKind.NOT_VAULT
    assert "to-find" not in told(fault)


def test_a_former_token_is_kept_out_of_messages_too(bao: BaoServer) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when().answer(500, {"errors": ["no: former-token later-token"]})
        vault = Vault(address=proxy.address, token="former-token")
        vault.use_token("later-token")
        fault = fault_of(lambda: vault.list_names("secret/", "", soon))
    assert "no: [token] [token]" in fault.message


def test_renewal_tells_the_lease_and_gets_less_towards_the_max_ttl(
    vault: Vault, auths: Auths
) -> None:
    token = auths.token(ttl="1h", explicit_max_ttl="3601s")
    vault.use_token(token)
    grant = vault.renew(soon)
    assert grant is not None
    assert (grant.token, grant.renewable) == (token, True)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and grant is not None and grant.lease_s == 3600:
        time.sleep(0.05)
        grant = vault.renew(soon)
    assert grant is not None
    assert 3600 - 2 * PATIENCE_S < grant.lease_s < 3600  # less than was asked for


@pytest.mark.parametrize(
    "fields", [{"type": "batch"}, {"renewable": False, "ttl": "1h"}], ids=["batch", "not renewable"]
)
def test_a_token_that_cannot_be_renewed(
    vault: Vault, auths: Auths, fields: dict[str, object]
) -> None:
    vault.use_token(auths.token(**fields))
    assert vault.renew(soon) is None
    facts = vault.look_up(soon)
    assert facts is not None
    assert not facts.renewable
    assert facts.left_s > 0


def test_a_root_token_cannot_be_renewed_either(vault: Vault, bao: BaoServer) -> None:
    vault.use_token(bao.token)
    assert vault.renew(soon) is None
    assert vault.look_up(soon) == TokenFacts(0, False)


def test_a_renewal_that_a_policy_forbids_or_of_a_dead_token(vault: Vault, auths: Auths) -> None:
    token = auths.token(no_default_policy=True)
    for _ in range(2):
        vault.use_token(token)
        assert fault_of(lambda: vault.renew(soon)).kind is FaultKind.FORBIDDEN
        VaultApi(auths.server).revoke(token)


def test_revocation_ends_the_token_and_no_answer_to_it_matters(vault: Vault, auths: Auths) -> None:
    for fields in ({}, {"type": "batch"}, {"no_default_policy": True}):
        vault.use_token(auths.token(**fields))
        vault.revoke(soon)
        assert vault.token_alive(soon) is (fields == {"type": "batch"})


def test_another_token_is_looked_up_without_being_used(vault: Vault, auths: Auths) -> None:
    vault.use_token(auths.token())
    other = auths.token(ttl="1h")
    facts = vault.look_up(soon, other)
    assert facts is not None
    assert 3590 < facts.left_s <= 3600
    VaultApi(auths.server).revoke(other)
    assert vault.look_up(soon, other) is None
    assert vault.token_alive(soon)

"""An origin whose Vault has TLS: it proves itself, and takes no other server's word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.auths import TlsBao
from tests.commandline import on, vsync
from tests.support import ConsulKv, VaultApi
from tests.workshop import Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.origin.orders import Mode

NAME = "vault.internal"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBao]:
    """One that asks for a client's certificate, and whose own names no address."""
    home = tmp_path_factory.mktemp("tls")
    authority.cert_pem.write_to_path(str(home / "ca.pem"))
    own = authority.issue_cert(NAME)
    own.cert_chain_pems[0].write_to_path(str(home / "cert.pem"))
    own.private_key_pem.write_to_path(str(home / "key.pem"))
    tls = {
        "tls_cert_file": str(home / "cert.pem"),
        "tls_key_file": str(home / "key.pem"),
        "tls_client_ca_file": str(home / "ca.pem"),
        "tls_require_and_verify_client_cert": True,
    }
    with TlsBao(home, tls) as running:
        running.start()
        yield running


@pytest.fixture
def shop(
    server: TlsBao, authority: trustme.CA, consul_kv: ConsulKv, sync_path: str, tmp_path: Path
) -> Workshop:
    """An origin with everything that this server asks for."""
    shop = Workshop(VaultApi(server), consul_kv, ["secret/"], sync_path, tmp_path)
    own = authority.issue_cert("vsync")
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    shop.config["origin"]["vault"] |= {
        "address": server.tls_address,
        "caCert": str(tmp_path / "ca.pem"),
        "clientCert": str(tmp_path / "cert.pem"),
        "clientKey": str(tmp_path / "key.pem"),
        "tlsServerName": NAME,
    }
    shop.vault.put("secret/", "a")
    return shop


def checked(run: Run, check: str) -> str:
    """The note of a check that passed."""
    (found,) = [each.note for each in run.all(e.CheckPassed) if each.check == check]
    return found


def test_a_cycle_over_tls_with_a_certificate_on_either_side(shop: Workshop) -> None:
    run = shop.once()
    assert (run.code, run.faults) == (0, [])
    assert shop.saved() == shop.alive()
    assert checked(run, "Vault server") == ""


@pytest.mark.parametrize(
    ("vault", "kind", "setting"),
    [
        ({"tlsServerName": ""}, "certificate", "origin.vault.tlsServerName"),
        ({"tlsServerName": "vault.other"}, "certificate", "origin.vault.tlsServerName"),
        ({"caCert": ""}, "certificate", "origin.vault.caCert"),
        ({"clientCert": "", "clientKey": ""}, "unreachable", "origin.vault.clientCert"),
    ],
    ids=["no name", "another name", "no authority", "no certificate"],
)
def test_what_is_missing_is_named(
    shop: Workshop, vault: dict[str, Any], kind: str, setting: str
) -> None:
    run = shop.once(mode=Mode.check, vault=vault, startTimeout="100ms")
    assert run.code == 1
    failed = run.all(e.CheckFailed)[0]
    assert (failed.kind, setting in failed.hint) == (kind, True)


def test_verification_can_be_skipped_and_each_start_says_so(shop: Workshop) -> None:
    vault = {"caCert": "", "tlsServerName": "", "tlsSkipVerify": True}
    run = shop.once(vault=vault)
    assert (run.code, run.faults) == (0, [])
    (warning,) = shop.settings(vault=vault).warnings
    assert "origin.vault.tlsSkipVerify" in warning
    assert checked(run, "Vault server") == warning
    assert run.one(e.RunStarted).config["origin"]["vault"]["tlsSkipVerify"] is True
    told = vsync(shop.home, "check", *on(shop, vault=vault))
    assert warning in told.stderr
    assert warning in told.stdout
    logged = vsync(shop.home, "--headless", "--once", *on(shop, vault=vault)).stderr
    assert warning in logged

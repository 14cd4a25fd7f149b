"""Certificates in the configuration: what belongs together, and what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.config.configuring import LEAST, configure, mistaken, origin


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A certificate, its key, and another key."""
    authority = trustme.CA()
    own, other = authority.issue_cert("vsync"), authority.issue_cert("other")
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    return {"clientCert": "cert.pem", "clientKey": "key.pem"}


@pytest.mark.parametrize("server", ["vault", "consul"])
def test_a_certificate_with_its_key(tmp_path: Path, files: dict[str, str], server: str) -> None:
    found = getattr(configure(tmp_path, origin(**{server: files})).origin, server)
    assert (found.client_cert, found.client_key) == (tmp_path / "cert.pem", tmp_path / "key.pem")
    prefix = server.upper()
    variables = {f"{prefix}_CLIENT_CERT": "cert.pem", f"{prefix}_CLIENT_KEY": "key.pem"}
    names = {f"{prefix}_TLS_SERVER_NAME": "vault.internal"}
    found = getattr(configure(tmp_path, "{}", LEAST | variables | names).origin, server)
    assert (found.client_key, found.tls_server_name) == (tmp_path / "key.pem", "vault.internal")


@pytest.mark.parametrize(
    ("change", "field", "wrong"),
    [
        ({"clientKey": ""}, "clientCert", "without origin.vault.clientKey"),
        ({"clientCert": ""}, "clientKey", "without origin.vault.clientCert"),
        ({"clientKey": "other.pem"}, "clientKey", "not the certificate's"),
        ({"clientKey": "cert.pem"}, "clientKey", "is no key"),
        ({"clientKey": "no.pem"}, "clientKey", "cannot be read"),
        ({"tlsServerName": "https://vault"}, "tlsServerName", "is no name"),
    ],
)
def test_what_does_not_belong_together(
    tmp_path: Path, files: dict[str, str], change: dict[str, str], field: str, wrong: str
) -> None:
    (mistake,) = mistaken(tmp_path, origin(vault=files | change)).mistakes
    assert mistake.field == f"origin.vault.{field}"
    assert wrong in mistake.wrong


def test_only_what_has_tls_can_be_unverified(tmp_path: Path) -> None:
    words = origin(vault={"address": "https://vault:8200"}, consul={"address": "https://consul:1"})
    assert configure(tmp_path, words).warnings == ()
    found = configure(tmp_path, words, LEAST | {"VAULT_SKIP_VERIFY": "true"})
    (warning,) = found.warnings
    assert warning.startswith("Vault's certificate is not verified")
    skip = {"VSYNC_ORIGIN_CONSUL_TLS_SKIP_VERIFY": "1"}
    (warning,) = configure(tmp_path, words, LEAST | skip).warnings
    assert warning.startswith("Consul's certificate is not verified")
    plain = origin(consul={"address": "consul:1", "tlsSkipVerify": True})
    assert configure(tmp_path, plain).warnings == ()

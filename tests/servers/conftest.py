"""What the tests of the contract with hvac's own adapter share."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.servers.papers import Papers
from vsync_sm.servers.http import Tls

_FILES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no authority and no password of whoever runs the tests."""
    for name in (*_FILES, *_PROXIES, *map(str.upper, _PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Whoever signs the servers' certificates."""
    return trustme.CA()


@pytest.fixture(scope="session")
def papers(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Certificates of that authority, and of a stranger."""
    return Papers(authority, tmp_path_factory.mktemp("papers"))


@pytest.fixture(scope="session")
def trust(papers: Papers) -> Tls:
    """What a client of a server with such a certificate is set up with."""
    return Tls(ca_cert=papers.known)

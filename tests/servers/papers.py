"""Certificates and their files: good ones, and others."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

HERE = ("localhost", "127.0.0.1")
"""What the tests' servers are reached by."""


class Papers:
    """What a server shows, and what a client is set up with; each file by its path."""

    def __init__(self, authority: trustme.CA, folder: Path) -> None:
        self.authority = authority
        self.stranger = trustme.CA()
        self.folder = folder
        self.known = self._file("known.pem", authority.cert_pem)
        self.unknown = self._file("unknown.pem", self.stranger.cert_pem)
        self.cert, self.key = self._pair("ours", authority)
        self.other_cert, self.other_key = self._pair("others", self.stranger)
        self.missing = str(folder / "missing.pem")
        self.junk = str(folder / "junk.pem")
        Path(self.junk).write_text("no certificate\n")

    def _file(self, name: str, blob: trustme.Blob) -> str:
        path = str(self.folder / name)
        blob.write_to_path(path)
        return path

    def _pair(self, name: str, authority: trustme.CA) -> tuple[str, str]:
        leaf = authority.issue_cert("vsync")
        cert = self._file(f"{name}.pem", leaf.cert_chain_pems[0])
        return cert, self._file(f"{name}-key.pem", leaf.private_key_pem)

    def server(
        self, *names: str, days: tuple[int, int] = (-1, 1), wants: bool = False
    ) -> ssl.SSLContext:
        """A server's side: a certificate for `names`, good from one day to another from now."""
        now = datetime.now(UTC).replace(tzinfo=None)
        begins, ends = (now + timedelta(days=day) for day in days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        leaf = self.authority.issue_cert(*names, not_before=begins, not_after=ends)
        leaf.configure_cert(context)
        if wants:
            context.verify_mode = ssl.CERT_REQUIRED
            self.authority.configure_trust(context)
        return context

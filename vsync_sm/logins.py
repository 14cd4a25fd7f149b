"""From settings to how the origin proves itself: its way to a token, and TLS."""

from __future__ import annotations

from pathlib import Path

from vsync_sm.config import ConfigError, read_secret
from vsync_sm.config.settings import AppRole, Jwt, Kubernetes, ServerTls
from vsync_sm.config.settings import Vault as VaultSettings
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.origin.access import Way
from vsync_sm.servers.http import Tls
from vsync_sm.servers.vault import Vault


def way(given: VaultSettings, vault: Vault) -> Way:
    """How the token is got. A token wins over a login beside it; of logins there is one at most.

    What lies in a file is read anew each time: whoever put it there may have put another one there.
    """
    if given.token_file is not None:
        file = given.token_file
        return Way("token file", read=lambda: _content(file))
    if given.token is not None:
        token = given.token.get_secret_value()
        return Way("token", read=lambda: token)
    if given.approle is not None:
        return _approle(given.approle, vault)
    if given.kubernetes is not None:
        return _kubernetes(given.kubernetes, vault)
    if given.jwt is not None:
        return _jwt(given.jwt, vault)
    raise Fault(
        FaultKind.CONFIGURATION,
        "there is no token for Vault, and no login",
        hint="give one of origin.vault.tokenFile, .approle, .kubernetes and .jwt",
    )


def tls(given: ServerTls) -> Tls:
    """How a server proves itself to us, and we to it."""
    return Tls(
        ca_cert=str(given.ca_cert or ""),
        client_cert=str(given.client_cert or ""),
        client_key=str(given.client_key or ""),
        server_name=given.tls_server_name or "",
        verify=not given.tls_skip_verify,
    )


def _approle(given: AppRole, vault: Vault) -> Way:
    role_id = given.role_id.get_secret_value() if given.role_id else ""

    def secret_id() -> str:
        if given.secret_id_file is not None:
            return _content(given.secret_id_file)
        return given.secret_id.get_secret_value() if given.secret_id else ""

    return Way(
        "approle",
        log_in=lambda limit: vault.log_in_approle(given.path, role_id, secret_id(), limit),
    )


def _kubernetes(given: Kubernetes, vault: Vault) -> Way:
    return Way(
        "kubernetes",
        log_in=lambda limit: vault.log_in_kubernetes(
            given.path, given.role, _content(given.token_file), limit
        ),
    )


def _jwt(given: Jwt, vault: Vault) -> Way:
    return Way(
        "jwt",
        log_in=lambda limit: vault.log_in_jwt(
            given.path, given.role, _content(given.token_file), limit
        ),
    )


def _content(file: Path | None) -> str:
    try:
        return read_secret(file or Path())
    except ConfigError as error:
        raise Fault(
            FaultKind.AUTHENTICATION,
            "the file that Vault's token, or the login for one, comes from cannot be read",
            hint=f"{error.mistakes[0].wrong}: {error.mistakes[0].hint}",
            context={"file": str(file or "")},
        ) from None

"""What a 403 means: an expired token and a policy answer alike, so the token itself is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.http import Limit
from vsync_sm.servers.vault import Vault

_T = TypeVar("_T")


class Access:
    """Keeps Vault's token: one fresh one for a dead one, then it is fatal."""

    def __init__(self, vault: Vault, token: str, read_token: Callable[[], str] | None) -> None:
        """`read_token` gives the token anew where it lies in a file, and raises `Fault`."""
        self._vault = vault
        self._token = token
        self._read_token = read_token
        self._lock = threading.Lock()

    def call(self, request: Callable[[], _T], limit: Limit) -> _T:
        """Send `request`; after a 403 with a dead token, once more with a fresh token.

        Raises:
            Fault: FORBIDDEN when the token lives and the policy says no; AUTHENTICATION when
                the token is dead and there is no other; whatever else the request raises.
        """
        token = self._token
        try:
            return request()
        except Fault as fault:
            if fault.kind is not FaultKind.FORBIDDEN:
                raise
            self._renew(token, fault, limit)
        return request()

    def _renew(self, used: str, forbidden: Fault, limit: Limit) -> None:
        with self._lock:
            if self._token != used:
                return  # another worker came back with a fresh token meanwhile
            if self._vault.token_alive(limit):
                raise forbidden
            fresh = self._read_token() if self._read_token else used
            if fresh != used:
                self._vault.use_token(fresh)
                if self._vault.token_alive(limit):
                    self._token = fresh
                    return
        raise Fault(
            FaultKind.AUTHENTICATION,
            "Vault no longer accepts the token",
            hint="Give a token that lives (origin.vault.tokenFile, VSYNC_ORIGIN_VAULT_TOKEN); "
            "a periodic one, renewed by an agent, lasts.",
            context={"server": "Vault"},
        )

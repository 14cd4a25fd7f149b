"""hvac's client on our transport, and what each reply of Vault's is taken for.

hvac builds the requests (URLs, quoting, token, namespace); our adapter sends them with a total
limit. A reply is believed only when it has Vault's own shape, for what stands in between (a login
page, a load balancer) answers too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import hvac
import hvac.adapters
import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.freshness import INDEX, Freshness
from vsync_sm.servers.http import (
    Limit,
    Reply,
    Tls,
    Transport,
    base_url,
    bounded,
    current_limit,
    excerpt,
    public_url,
    redirected_to,
    retry_after,
)
from vsync_sm.servers.vault_replies import ErrorsReply

CATCH_UP_PATH = "cubbyhole/vsync"
"""What is deleted to hear from the active node; nobody ever writes it."""

ASKING_ACTIVE = "asking Vault's active node how far it is, at"

_REMEMBERED = 16
"""So many tokens and the like are kept out of messages, the latest ones."""

_CLUSTER_HINT = "point origin.vault.address at the active node, or set api_addr on the servers"
_HINTS: Mapping[int, tuple[FaultKind, str]] = {
    400: (FaultKind.BAD_REQUEST, "a mount that is being upgraded answers so; or http:// for TLS"),
    412: (FaultKind.SERVER_ERROR, f"a standby that lags and hands nothing on: {_CLUSTER_HINT}"),
    429: (FaultKind.RATE_LIMITED, "a rate limit quota of Vault, or of something before it"),
    472: (FaultKind.STANDBY, "a disaster recovery secondary: the origin must be the primary"),
    473: (FaultKind.STANDBY, f"a performance standby: {_CLUSTER_HINT}"),
    501: (FaultKind.SEALED, "Vault is not initialised: vault operator init"),
}


T = TypeVar("T")


class Adapter(hvac.adapters.Adapter):  # type: ignore[misc]  # hvac has no types
    """Sends what hvac asks for, and hands back the bare `Reply`, whatever its status."""

    def __init__(
        self, *, transport: Transport, base_uri: str, token: str, namespace: str | None, **_: Any
    ) -> None:
        # Not hvac's own __init__, which makes a session of another HTTP client.
        self.transport = transport
        self.base_uri = base_uri
        self.token = token
        self.namespace = namespace
        self.freshness = Freshness()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, object] | None = None,
        json: object = None,
        **_: Any,
    ) -> Reply:
        sent = {**self.headers(), **(headers or {})}
        if url.startswith("/v1/sys/health"):
            # The health is the node's; OpenBao 2.7.2 answers 400 when a namespace is asked for it.
            sent.pop("X-Vault-Namespace", None)
        body = b""
        if json is not None:
            sent["Content-Type"] = "application/json"
            body = msgspec.json.encode(json)
        query = f"?{urlencode(params)}" if params else ""
        reply = self.transport.request(
            method.upper(),
            f"{self.base_uri}{url}{query}",
            headers=sent,
            body=body,
            limit=current_limit(),
        )
        self.note(reply)
        return reply

    def headers(self) -> dict[str, str]:
        """What goes with every request."""
        sent = {"X-Vault-Request": "true", "X-Vault-Token": self.token, **self.freshness.headers}
        if self.namespace:
            sent["X-Vault-Namespace"] = self.namespace
        return sent

    def note(self, reply: Reply) -> None:
        """What any reply tells of its server."""
        if INDEX in reply.headers:
            self.freshness.known = True

    def login(self, url: str, **sent: Any) -> Reply:
        # Nobody is known yet: an old token has no business here.
        return self.request("post", url, headers={"X-Vault-Token": ""}, **sent)

    def get_login_token(self, response: Reply) -> str:
        raise NotImplementedError  # hvac wants it; `vault_tokens` reads each login itself


class VaultClient:
    """What talks to one Vault. Safe to share between threads.

    `limit`, in every method, is what a request may take: see `http.Limit`.
    """

    def __init__(
        self, *, address: str, token: str = "", namespace: str | None = None, tls: Tls | None = None
    ) -> None:
        """
        Args:
            token: "" while there is none.

        Raises:
            Fault: CONFIGURATION, the address is none.
        """
        base = base_url("Vault", address)
        self.verified = not base.startswith("https:") or tls is None or tls.verify
        self._address = public_url(base)
        self._hidden = deque([token], maxlen=_REMEMBERED)
        self._client = hvac.Client(
            url=base,
            token=token,
            namespace=namespace,
            adapter=Adapter,
            transport=Transport("Vault", tls=tls),
        )
        self._freshness: Freshness = self._client.adapter.freshness

    def use_token(self, token: str) -> None:
        """From now on, every request carries this token."""
        self._hide(token)
        self._client.token = token

    def _write_nothing(self, limit: Limit) -> Reply:
        """The least of writes: a standby hands it on, so that the active node answers."""
        with bounded(limit):
            reply: Reply = self._client.adapter.delete(f"/v1/{CATCH_UP_PATH}")
        return reply

    def _expect_nothing_written(self, reply: Reply) -> None:
        """Raises the fault that any other reply to `_write_nothing` stands for."""
        if reply.status != 204:  # with warnings it would be a 200
            self._decode(reply, dict[str, Any], ASKING_ACTIVE, CATCH_UP_PATH)

    def _hide(self, secret: str) -> None:
        """From now on, no message holds this."""
        if secret not in self._hidden:
            self._hidden.append(secret)

    def _errors(self, reply: Reply) -> list[str] | None:
        """What Vault says went wrong; None when that is not Vault's JSON."""
        told = parse(reply, ErrorsReply)
        return None if told is None else told.errors

    def _decode(self, reply: Reply, shape: type[T], doing: str, where: str) -> T:
        """A good reply's body as `shape`, or the fault that it stands for."""
        if reply.status != 200:
            raise self._refusal(reply, doing, where)
        try:
            return msgspec.json.decode(reply.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._not_vault(reply, doing, where, str(error)) from None

    def _refusal(self, reply: Reply, doing: str, where: str) -> Fault:
        """The fault that a reply other than 200 stands for."""
        status, errors = reply.status, self._errors(reply)
        kind, hint = _HINTS.get(status, (FaultKind.SERVER_ERROR, "see the server's own log"))
        if 300 <= status < 400:
            kind, hint = FaultKind.REDIRECTED, f"to {redirected_to(reply)}: {_CLUSTER_HINT}"
        elif status == 503 and "sealed" in " ".join(errors or ()):
            kind, hint = FaultKind.SEALED, "unseal it: vault operator unseal"
        elif status < 500 and status not in _HINTS:
            if errors is None:
                return self._not_vault(reply, doing, where, "it is not Vault's JSON")
            kind, hint = _client_error(status, errors)
        said = self._excerpt("; ".join(errors) if errors else reply.body)
        return Fault(
            kind,
            f"{doing} {where}: Vault answered {status}{f': {said}' if said else ''}",
            hint=hint,
            context=self._context(where, reply),
            retry_after=retry_after(reply),
        )

    def _not_vault(self, reply: Reply, doing: str, where: str, why: str) -> Fault:
        return Fault(
            FaultKind.NOT_VAULT,
            f"{doing} {where}: the reply ({reply.status}) is not one of Vault's: "
            f"{self._excerpt(why)}",
            hint=f"is a proxy or a login page in between? It begins: {self._excerpt(reply.body)}",
            context=self._context(where, reply),
        )

    def _excerpt(self, text: str | bytes) -> str:
        return excerpt(text, *self._hidden)

    def _context(self, where: str, reply: Reply | None = None) -> dict[str, str]:
        context = {"server": "Vault", "address": self._address, "path": where}
        return context if reply is None else {**context, "status": str(reply.status)}


def parse(reply: Reply, shape: type[T]) -> T | None:
    """The body as `shape`, or None."""
    try:
        return msgspec.json.decode(reply.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _client_error(status: int, errors: Sequence[str]) -> tuple[FaultKind, str]:
    """A 4xx in Vault's own words."""
    if status == 403:
        return FaultKind.FORBIDDEN, (
            "the token or its policy does not allow it; a mount that is not there looks the same"
        )
    if status == 404 and errors:
        return FaultKind.MOUNT_CHANGED, "the mount is gone, or the namespace is another"
    if status == 404:
        return FaultKind.NOT_FOUND, "is this the right address and namespace?"
    return FaultKind.BAD_REQUEST, ""

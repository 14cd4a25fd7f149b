"""Vault (or OpenBao) as it really behaves: metadata only, typed values or a `Fault` out.

hvac builds the requests (URLs, quoting, token, namespace); our adapter sends them with a total
limit, and every reply is judged here. No method asks for a `data/` path: vsync never sees a value.

A reply is believed only when it has Vault's own shape, for what stands in between (a login page,
a load balancer) answers too, and a wrong "nothing there" deletes secrets in other regions (safety
rule 2). Every method may raise what `Transport.request` raises, and a `Fault` of these kinds:
FORBIDDEN, BAD_REQUEST, MOUNT_CHANGED, NOT_FOUND, NOT_VAULT, REDIRECTED, RATE_LIMITED, SEALED,
STANDBY, SERVER_ERROR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlencode

import hvac
import hvac.adapters
import hvac.utils
import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import VersionState, moment
from vsync_sm.servers.http import (
    Limit,
    Reply,
    Transport,
    base_url,
    bounded,
    current_limit,
    excerpt,
    public_url,
    redirected_to,
    retry_after,
)
from vsync_sm.servers.vault_replies import (
    CapabilitiesReply,
    ErrorsReply,
    Health,
    HealthReply,
    ListReply,
    LoginReply,
    Metadata,
    MountFacts,
    MountReply,
    SecretReply,
    TokenReply,
    VersionData,
)

__all__ = ["Health", "Metadata", "MountFacts", "Vault"]

_NS = 1_000_000_000
_CLUSTER_HINT = "point origin.vault.address at the active node, or set api_addr on the servers"
_HINTS: Mapping[int, tuple[FaultKind, str]] = {
    400: (FaultKind.BAD_REQUEST, "a mount that is being upgraded answers so; or http:// for TLS"),
    429: (FaultKind.RATE_LIMITED, "a rate limit quota of Vault, or of something before it"),
    472: (FaultKind.STANDBY, "a disaster recovery secondary: the origin must be the primary"),
    473: (FaultKind.STANDBY, f"a performance standby: {_CLUSTER_HINT}"),
    501: (FaultKind.SEALED, "Vault is not initialised: vault operator init"),
}


T = TypeVar("T")


class _Adapter(hvac.adapters.Adapter):  # type: ignore[misc]  # hvac has no types
    """Sends what hvac asks for, and hands back the bare `Reply`, whatever its status."""

    def __init__(
        self, *, transport: Transport, base_uri: str, token: str, namespace: str | None, **_: Any
    ) -> None:
        # Not hvac's own __init__, which makes a session of another HTTP client.
        self.transport = transport
        self.base_uri = base_uri
        self.token = token
        self.namespace = namespace

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
        sent = {"X-Vault-Request": "true", "X-Vault-Token": self.token, **(headers or {})}
        if self.namespace and not url.startswith("/v1/sys/health"):
            # The health is the node's; OpenBao 2.7.2 answers 400 when a namespace is asked for it.
            sent["X-Vault-Namespace"] = self.namespace
        body = b""
        if json is not None:
            sent["Content-Type"] = "application/json"
            body = msgspec.json.encode(json)
        query = f"?{urlencode(params)}" if params else ""
        return self.transport.request(
            method.upper(),
            f"{self.base_uri}{url}{query}",
            headers=sent,
            body=body,
            limit=current_limit(),
        )

    def get_login_token(self, response: Reply) -> str:
        return msgspec.json.decode(response.body, type=LoginReply).auth.client_token


class Vault:
    """One Vault server. Safe to share between threads.

    Mounts end in their slash, folders are "" or end in one, paths are below the mount, all
    unquoted. `limit` is what a request may take, see `http.Limit`.
    """

    def __init__(
        self,
        *,
        address: str,
        token: str,
        namespace: str | None = None,
        ca_cert: str | None = None,
    ) -> None:
        """
        Raises:
            Fault: CONFIGURATION, the address is none.
        """
        base = base_url("Vault", address)
        self._address = public_url(base)
        self._client = hvac.Client(
            url=base,
            token=token,
            namespace=namespace,
            adapter=_Adapter,
            transport=Transport("Vault", ca_cert=ca_cert),
        )

    def use_token(self, token: str) -> None:
        """From now on, every request carries this token."""
        self._client.token = token

    def health(self, limit: Limit) -> Health:
        """The node's condition; sealed, uninitialised and standby nodes answer too."""
        doing = "asking Vault for its health"
        codes = ("standby", "performance_standby", "dr_secondary", "sealed", "uninit")
        with bounded(limit):
            reply = self._client.sys.read_health_status(
                method="GET", **{f"{code}_code": 200 for code in codes}
            )
        said = self._decode(reply, HealthReply, doing, "sys/health")
        return Health(
            initialized=said.initialized,
            sealed=said.sealed,
            standby=said.standby,
            dr_secondary=said.replication_dr_mode == "secondary",
            performance_secondary=said.replication_performance_mode == "secondary",
            version=said.version,
        )

    def token_alive(self, limit: Limit) -> bool:
        """Whether the token is still one: asked after any 403, which a policy gives as well."""
        doing = "looking the token up"
        with bounded(limit):
            reply = self._client.auth.token.lookup_self()
        if reply.status == 403 and self._errors(reply) is not None:
            return False
        self._decode(reply, TokenReply, doing, "auth/token/lookup-self")
        return True

    def capabilities(self, paths: Sequence[str], limit: Limit) -> dict[str, frozenset[str]]:
        """What the token may do at each of `paths` (at least one; `<mount>metadata/`: its slash
        matters), such as {"read", "list"}, {"root"} or {"deny"}.
        """
        doing, where = "asking what the token may do", "sys/capabilities-self"
        with bounded(limit):
            reply = self._client.sys.get_capabilities(list(paths))
        told = self._decode(reply, CapabilitiesReply, doing, where).data
        missing = [path for path in paths if path not in told]
        if missing:
            raise self._not_vault(reply, doing, where, f"the reply leaves out {missing[0]}")
        return {path: frozenset(told[path]) for path in paths}

    def mount(self, mount: str, limit: Limit) -> MountFacts:
        """What is mounted at `mount`, or above it: compare `path` with what was asked.

        Raises:
            Fault: FORBIDDEN also when there is no such mount: Vault answers both alike.
        """
        doing, where = "asking about the mount", f"sys/internal/ui/mounts/{mount}"
        self._refuse_odd(where, doing)
        with bounded(limit):
            reply = self._client.adapter.get(hvac.utils.format_url("/v1/{path}", path=where))
        told = self._decode(reply, MountReply, doing, where).data
        version = (told.options or {}).get("version", "")
        return MountFacts(told.path, told.type, version, told.accessor)

    def list_names(self, mount: str, folder: str, limit: Limit) -> tuple[str, ...] | None:
        """The names in a folder as Vault gives them (a folder's ends in "/"), at least one.

        None only for the one reply that means "nothing there": a 404 of `{"errors":[]}`. An empty
        mount, a KV v1 mount and an unknown folder answer so.
        """
        doing, where = "listing", f"{mount}metadata/{folder}"
        self._refuse_odd(where, doing)
        with bounded(limit):
            reply = self._client.secrets.kv.v2.list_secrets(folder, mount.removesuffix("/"))
        if self._says_nothing_there(reply):
            return None
        names = tuple(self._decode(reply, ListReply, doing, where).data.keys)
        if len(set(names)) != len(names):
            raise self._not_vault(reply, doing, where, "it names one thing twice")
        return names

    def read_metadata(self, mount: str, path: str, limit: Limit) -> Metadata | None:
        """A secret's current version; None where Vault knows no such path (see `list_names`).

        The reply must carry a `Date`: every Vault sends one, and without it nobody can say
        whether a deletion time has come (safety rule 11).
        """
        doing, where = "reading", f"{mount}metadata/{path}"
        self._refuse_odd(where, doing, name=True)
        with bounded(limit):
            reply = self._client.secrets.kv.v2.read_secret_metadata(path, mount.removesuffix("/"))
        if self._says_nothing_there(reply):
            return None
        secret = self._decode(reply, SecretReply, doing, where).data
        current = secret.versions.get(str(secret.current_version))
        if current is None:
            if secret.current_version:
                raise self._not_vault(reply, doing, where, "the current version is left out")
            current = VersionData(deletion_time="", destroyed=False)  # a metadata-only entry
        try:
            moment(secret.updated_time)
            if current.deletion_time:
                moment(current.deletion_time)
            now = _date(reply.headers.get("date", ""))
        except ValueError as error:
            raise self._not_vault(reply, doing, where, str(error)) from None
        state = VersionState(
            secret.current_version, secret.updated_time, current.deletion_time, current.destroyed
        )
        return Metadata(state, now)

    def _refuse_odd(self, where: str, doing: str, *, name: bool = False) -> None:
        """Refuses a path which a server would answer for another one.

        An empty part, "." and ".." are collapsed on the way: what came back would be some other
        folder's. `where` is a folder and ends in a slash, or is a `name` and does not.
        """
        parts = where.split("/") if name else where.removesuffix("/").split("/")
        if any(part in ("", ".", "..") for part in parts):
            raise Fault(
                FaultKind.NOT_VAULT,
                f"{doing} {where}: no Vault has a path with an empty, '.' or '..' part, "
                "nothing was sent",
                hint="something between vsync and Vault made this name up",
                context=self._context(where),
            )

    def _says_nothing_there(self, reply: Reply) -> bool:
        return reply.status == 404 and _parse(reply, dict[str, Any]) == {"errors": []}

    def _errors(self, reply: Reply) -> list[str] | None:
        """What Vault says went wrong; None when that is not Vault's JSON."""
        told = _parse(reply, ErrorsReply)
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
        said = "; ".join(errors) if errors else reply.body
        return Fault(
            kind,
            f"{doing} {where}: Vault answered {status} {self._excerpt(said)}".rstrip(),
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
        return excerpt(text, self._client.token)

    def _context(self, where: str, reply: Reply | None = None) -> dict[str, str]:
        context = {"server": "Vault", "address": self._address, "path": where}
        return context if reply is None else {**context, "status": str(reply.status)}


def _parse(reply: Reply, shape: type[T]) -> T | None:
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


@lru_cache(maxsize=8)
def _date(text: str) -> int:
    """A `Date` header as ns since 1970; ValueError when it is none. Many replies share one."""
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise ValueError(f"its Date header is no date: {text!r}")
    return int(when.timestamp()) * _NS

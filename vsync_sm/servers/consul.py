"""Consul's key-value store as it really behaves: typed values or a `Fault` out.

python-consul2 builds the requests (paths, parameters, token); our client sends them with a total
limit, and every reply is judged here. Nothing of the environment has a say: python-consul2 alone
would let CONSUL_HTTP_ADDR and CONSUL_HTTP_TOKEN win over explicit arguments.

Every method may raise what `Transport.request` raises, a ValueError for a key that no URL can
name (`a//b`, `a/../b`), and a `Fault` of these kinds: CONSUL_FORBIDDEN, BAD_REQUEST, NOT_CONSUL,
REDIRECTED, RATE_LIMITED, TOO_LARGE, SERVER_ERROR.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import consul.base
import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.ready import ready
from vsync_sm.core.save import Check, Delete, KeyValue, Operation, Set
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

_FORBIDDEN = re.compile(r"[^<{]*(permission denied|acl not found)", re.IGNORECASE)
"""How Consul's plain text says no; a page or JSON of something else may hold the words as well."""

_STALE = re.compile(
    r"""failed\ to\ (set|delete)\ key\ .*,\ index\ is\ stale
      | key\ .*\ exists
      | failed\ index\ check\ for\ key\ .*
      | failed\ to\ check\ index,\ key\ .*\ doesn't\ exist
      | failed\ session\ check\ for\ key\ .*""",
    re.VERBOSE | re.DOTALL,
)
"""How Consul says, with a 409, that a check did not hold. Anything else is no refused check."""

_SERVER_HINTS = (
    ("No cluster leader", "Consul has no leader now: look at consul operator raft list-peers"),
    ("No path to datacenter", "no such datacenter is joined: check origin.consul.dc"),
)
_HINTS: Mapping[int, tuple[FaultKind, str]] = {
    400: (FaultKind.BAD_REQUEST, "http:// for a TLS port answers so as well"),
    413: (
        FaultKind.TOO_LARGE,
        "more buckets (numBuckets), or a higher kv_max_value_size and txn_max_req_len in Consul",
    ),
    429: (FaultKind.RATE_LIMITED, "a rate limit of Consul, or of something before it"),
}


class _Pair(msgspec.Struct, rename="pascal"):
    key: str
    value: str | None
    modify_index: Annotated[int, msgspec.Meta(gt=0)]


class _TxnPair(msgspec.Struct, rename="pascal"):
    key: str


class _TxnResult(msgspec.Struct):
    kv: _TxnPair = msgspec.field(name="KV")


class _TxnError(msgspec.Struct, rename="pascal"):
    what: str


class _TxnReply(msgspec.Struct, rename="pascal"):
    results: list[_TxnResult] | None
    errors: list[_TxnError] | None


ready(_Pair, _TxnReply)

T = TypeVar("T")


class _Http(consul.base.HTTPClient):  # type: ignore[misc]  # python-consul2 has no types
    """Sends what python-consul2 asks for, and hands back the bare `Reply`, whatever its status."""

    def __init__(self, base: str, transport: Transport) -> None:
        # Not its own __init__, which takes host and port apart.
        self.base_uri = base
        self.transport = transport

    def _send(
        self,
        method: str,
        path: str,
        params: object = None,
        data: bytes | str | None = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return self.transport.request(
            method,
            self.uri(path, params),
            headers=headers or {},
            body=data.encode() if isinstance(data, str) else data or b"",
            limit=current_limit(),
        )

    def get(self, _callback: object, path: str, **rest: Any) -> Reply:
        return self._send("GET", path, **rest)

    def put(self, _callback: object, path: str, **rest: Any) -> Reply:
        return self._send("PUT", path, **rest)

    def delete(self, _callback: object, path: str, **rest: Any) -> Reply:
        return self._send("DELETE", path, **rest)

    def post(self, _callback: object, path: str, **rest: Any) -> Reply:
        return self._send("POST", path, **rest)


class _Client(consul.base.Consul):  # type: ignore[misc]  # python-consul2 has no types
    """python-consul2's client, of which only the key-value store is there."""

    def __init__(self, http: _Http, *, token: str | None, dc: str | None) -> None:
        # Not its own __init__, which reads the environment.
        self.http = http
        self.token = token
        self.dc = dc
        self.consistency = "consistent"
        self.kv = consul.base.Consul.KV(self)


class Consul:
    """One Consul. Safe to share between threads. `limit` is what a request may take.

    Every read is `consistent`, every call goes to `dc` where one is given.
    """

    def __init__(
        self,
        *,
        address: str,
        token: str | None = None,
        dc: str | None = None,
        tls: Tls | None = None,
    ) -> None:
        """
        Args:
            address: `host:port` or `http(s)://host:port`.

        Raises:
            Fault: CONFIGURATION, the address is none.
        """
        base = base_url("Consul", address, scheme="http")
        self.verified = not base.startswith("https:") or tls is None or tls.verify
        self._address = public_url(base)
        http = _Http(base, Transport("Consul", tls=tls))
        self._client = _Client(http, token=token, dc=dc)

    def read_tree(self, prefix: str, limit: Limit) -> list[KeyValue]:
        """Every key that begins with `prefix`, by one recursive request; [] where there is none.

        To a token that may read nothing there Consul answers as if there were nothing: an empty
        answer is believed only after a second request, for one key, was not refused.
        """
        _refuse_odd(prefix)
        doing = "reading all of"
        with bounded(limit):
            reply = self._client.kv.get(prefix, recurse=True)
            if self._says_nothing_there(reply, doing, prefix):
                self._refuse_forbidden(prefix)
                return []
        return self._pairs(reply, doing, prefix)

    def read(self, key: str, limit: Limit) -> KeyValue | None:
        """One key, None where it is absent."""
        _refuse_odd(key)
        with bounded(limit):
            reply = self._client.kv.get(key)
        if self._says_nothing_there(reply, "reading", key):
            return None
        pairs = self._pairs(reply, "reading", key)
        if len(pairs) != 1 or pairs[0].key != key:
            raise self._not_consul(reply, "reading", key, "it holds another key")
        return pairs[0]

    def list_keys(self, prefix: str, limit: Limit) -> list[str]:
        """The names of every key that begins with `prefix`; [] as in `read_tree`."""
        _refuse_odd(prefix)
        doing = "listing"
        with bounded(limit):
            reply = self._client.kv.get(prefix, keys=True)
            if self._says_nothing_there(reply, doing, prefix):
                self._refuse_forbidden(prefix)
                return []
        keys = self._decode(reply, list[str], doing, prefix)
        self._refuse_others(keys, reply, doing, prefix)
        return keys

    def put(self, key: str, value: bytes, limit: Limit, *, cas: int | None = None) -> bool:
        """Writes a key; with `cas` only if it has this ModifyIndex (0: only if it is absent).

        Returns:
            False: the check-and-set was refused.
        """
        _refuse_odd(key)
        with bounded(limit):
            reply = self._client.kv.put(key, value, cas=cas)
        return self._decode(reply, bool, "writing", key)

    def delete(self, key: str, limit: Limit, *, cas: int | None = None) -> bool:
        """Deletes a key; with `cas`, above 0, only if it has this ModifyIndex.

        Returns:
            False: the check-and-set was refused. A key already absent is deleted: True.
        """
        _refuse_odd(key)
        _refuse_zero(key, cas)
        with bounded(limit):
            reply = self._client.kv.delete(key, cas=cas)
        return self._decode(reply, bool, "deleting", key)

    def transact(self, operations: Sequence[Operation], limit: Limit) -> bool:
        """Applies all of 1 to 64 operations or none.

        Returns:
            True: committed. False: a check did not hold, nothing was changed.

        Raises:
            Fault: TOO_LARGE above Consul's limit for `transaction_body`, or above 64 operations.
        """
        body = transaction_body(operations)
        doing, where = "a transaction with", operations[0].key
        client = self._client
        headers = {"X-Consul-Token": client.token} if client.token else {}
        params = [("dc", client.dc)] if client.dc else []
        with bounded(limit):
            reply = client.http.put(None, "/v1/txn", params=params, data=body, headers=headers)
        told = self._decode(reply, _TxnReply, doing, where, good=(200, 409))
        if reply.status == 409:
            return self._refused(told, reply, doing, where)
        written = {operation.key for operation in operations if isinstance(operation, Set)}
        if told.errors or not written <= {result.kv.key for result in told.results or ()}:
            raise self._not_consul(reply, doing, where, "it does not name what was written")
        return True

    def _refused(self, told: _TxnReply, reply: Reply, doing: str, where: str) -> bool:
        """False for a refused check; a fault for everything else that Consul puts into a 409."""
        errors = [error.what for error in told.errors or ()]
        if not errors:
            raise self._not_consul(reply, doing, where, "it gives no reason")
        others = [what for what in errors if not _STALE.fullmatch(what)]
        if any(_FORBIDDEN.match(what) for what in others):
            raise self._forbidden(reply, doing, where, said="Permission denied")
        if others:
            raise self._fault(FaultKind.BAD_REQUEST, reply, doing, where, said=others[0])
        return False

    def _says_nothing_there(self, reply: Reply, doing: str, where: str) -> bool:
        """Whether it is Consul's own empty 404."""
        if reply.status == 404:
            if reply.body or "x-consul-index" not in reply.headers:
                raise self._not_consul(reply, doing, where, "a 404, but not Consul's")
            return True
        if reply.headers.get("x-consul-results-filtered-by-acls", "false") != "false":
            said = "it leaves out keys that the token may not read"
            raise self._forbidden(reply, doing, where, said=said)
        return False

    def _refuse_forbidden(self, prefix: str) -> None:
        """Raises CONSUL_FORBIDDEN where the token may not read a key of this name."""
        reply = self._client.kv.get(prefix)
        if reply.status not in (200, 404):
            raise self._refusal(reply, "reading", prefix)

    def _pairs(self, reply: Reply, doing: str, where: str) -> list[KeyValue]:
        pairs = self._decode(reply, list[_Pair], doing, where)
        self._refuse_others([pair.key for pair in pairs], reply, doing, where)
        try:
            return [KeyValue(pair.key, _bytes(pair.value), pair.modify_index) for pair in pairs]
        except ValueError as error:
            raise self._not_consul(reply, doing, where, str(error)) from None

    def _refuse_others(self, keys: Sequence[str], reply: Reply, doing: str, prefix: str) -> None:
        """Refuses a 200 without keys (Consul says 404 then), or with keys not asked for."""
        if not keys or not all(key.startswith(prefix) for key in keys):
            raise self._not_consul(reply, doing, prefix, "it holds no keys, or others")

    def _decode(
        self, reply: Reply, shape: type[T], doing: str, where: str, good: Sequence[int] = (200,)
    ) -> T:
        """A good reply's body as `shape`, or the fault that it stands for."""
        if reply.status not in good:
            raise self._refusal(reply, doing, where)
        try:
            return msgspec.json.decode(reply.body, type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._not_consul(reply, doing, where, str(error)) from None

    def _refusal(self, reply: Reply, doing: str, where: str) -> Fault:
        """The fault that a reply which is not a good one stands for."""
        status, said = reply.status, reply.body.decode("utf-8", "replace")
        if status in _HINTS:
            kind, hint = _HINTS[status]
            return self._fault(kind, reply, doing, where, hint=hint)
        if 300 <= status < 400:
            hint = f"to {redirected_to(reply)}: Consul does not do that by itself"
            return self._fault(FaultKind.REDIRECTED, reply, doing, where, hint=hint)
        if status == 403 and _FORBIDDEN.match(said):
            return self._forbidden(reply, doing, where)
        if status >= 500:
            hints = (hint for text, hint in _SERVER_HINTS if text.lower() in said.lower())
            hint = next(hints, "see the server's own log")
            return self._fault(FaultKind.SERVER_ERROR, reply, doing, where, hint=hint)
        return self._not_consul(reply, doing, where, "no such status is expected")

    def _forbidden(self, reply: Reply, doing: str, where: str, *, said: str | None = None) -> Fault:
        prefix = where[: where.rfind("/") + 1]
        hint = f'an ACL policy that would do: key_prefix "{prefix}" {{ policy = "write" }}'
        return self._fault(FaultKind.CONSUL_FORBIDDEN, reply, doing, where, said=said, hint=hint)

    def _not_consul(self, reply: Reply, doing: str, where: str, why: str) -> Fault:
        hint = "is a proxy or a login page in between?"
        said = f"which is not one of Consul's ({why})"
        return self._fault(FaultKind.NOT_CONSUL, reply, doing, where, said=said, hint=hint)

    def _fault(
        self,
        kind: FaultKind,
        reply: Reply,
        doing: str,
        where: str,
        *,
        said: str | None = None,
        hint: str = "",
    ) -> Fault:
        said = excerpt(reply.body if said is None else said, self._client.token)
        return Fault(
            kind,
            f"{doing} {where}: Consul answered {reply.status}{f': {said}' if said else ''}",
            hint=hint,
            context={
                "server": "Consul",
                "address": self._address,
                "path": where,
                "status": str(reply.status),
            },
            retry_after=retry_after(reply),
        )


def transaction_body(operations: Sequence[Operation]) -> bytes:
    """The bytes that `transact` sends, whose length Consul limits (512 KiB unless configured).

    Raises:
        ValueError: no operations, a key that Consul could not be asked for, or a `Delete` without
            a ModifyIndex.
    """
    if not operations:
        raise ValueError("a transaction without operations")
    return msgspec.json.encode([{"KV": _verb(operation)} for operation in operations])


def _verb(operation: Operation) -> dict[str, str | int]:
    _refuse_odd(operation.key)
    index = operation.modify_index
    match operation:
        case Check(key=key) if index:
            return {"Verb": "check-index", "Key": key, "Index": index}
        case Check(key=key):
            return {"Verb": "check-not-exists", "Key": key}
        case Set(key=key, value=value):
            encoded = base64.b64encode(value).decode()
            return {"Verb": "cas", "Key": key, "Value": encoded, "Index": index}
        case Delete(key=key):
            _refuse_zero(key, index)
            return {"Verb": "delete-cas", "Key": key, "Index": index}


def _refuse_odd(key: str) -> None:
    """A key whose URL means another key (`a//b` is `a/b`, `..` goes up) is never asked for."""
    *folders, name = key.split("/")
    if not key or any(part in ("", ".", "..") for part in folders) or name in (".", ".."):
        raise ValueError(f"not a key that Consul can be asked for: {key!r}")


def _refuse_zero(key: str, index: int | None) -> None:
    """Consul deletes nothing on an index of 0, and says so by False: a mistake of the caller's."""
    if index == 0:
        raise ValueError(f"delete with check-and-set needs the ModifyIndex of {key!r}")


def _bytes(value: str | None) -> bytes:
    """Consul's base64 (null for an empty value); ValueError for anything else."""
    return b"" if value is None else base64.b64decode(value, validate=True)

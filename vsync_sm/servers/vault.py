"""Vault (or OpenBao) as it really behaves: metadata only, typed values or a `Fault` out.

`vault_client` sends and judges, `vault_tokens` logs in and renews; here is what is replicated. No
method asks for a `data/` path: vsync never sees a value.

A reply is believed only when it has Vault's own shape, for a wrong "nothing there" deletes secrets
in other regions (safety rule 2). Every method may raise what `Transport.request` raises, and a
`Fault` of these kinds:
FORBIDDEN, BAD_REQUEST, MOUNT_CHANGED, NOT_FOUND, NOT_VAULT, REDIRECTED, RATE_LIMITED, SEALED,
STANDBY, SERVER_ERROR.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import hvac.utils
import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import NS, VersionState, refuse_no_moment
from vsync_sm.servers.freshness import INDEX
from vsync_sm.servers.http import Limit, Reply, bounded
from vsync_sm.servers.vault_client import ASKING_ACTIVE, CATCH_UP_PATH, parse
from vsync_sm.servers.vault_reads import MetadataReads
from vsync_sm.servers.vault_replies import (
    CapabilitiesReply,
    DetailedReply,
    Grant,
    Health,
    HealthReply,
    ListReply,
    Metadata,
    MountFacts,
    MountReply,
    SecretData,
    SecretReply,
    TokenFacts,
    VersionData,
)
from vsync_sm.servers.vault_tokens import VaultTokens

__all__ = [
    "CATCH_UP_PATH",
    "Grant",
    "Health",
    "Metadata",
    "MetadataReads",
    "MountFacts",
    "TokenFacts",
    "Vault",
]

_READING = "reading"

_MAY_READ = frozenset({"read", "root"})


class Vault(VaultTokens):
    """One Vault server. Safe to share between threads.

    Mounts end in their slash, folders are "" or end in one, paths are below the mount, all
    unquoted. `limit` is what a request may take, see `http.Limit`.
    """

    @property
    def tells_its_state(self) -> bool:
        """Whether any reply so far told the state that it was answered from: then there may be
        standbys which answer for themselves, and lag.
        """
        return self._freshness.known

    def catch_up(self, limit: Limit) -> bool:
        """From now on, no answer is older than this call (safety rule 10), or of its connections.

        A standby hands every write on. The least one that any token with Vault's `default` policy
        may do is to delete what is not there, in its own cubbyhole; the active node's reply tells
        the state that it leaves behind. (A reply to a read will not do: a standby answers
        `sys/capabilities-self`, a POST, by itself, with an index that lags as it does.)

        Returns:
            False: the server tells no state; none of its nodes is known to lag.

        Raises:
            Fault: FORBIDDEN, BAD_REQUEST also where the token may not do it, or has no cubbyhole.
        """
        self._client.adapter.transport.begin_anew()
        number = self._freshness.asking()
        reply = self._write_nothing(limit)
        self._expect_nothing_written(reply)
        try:
            self._freshness.answered(number, reply.headers.get(INDEX, ""))
        except ValueError as error:
            raise self._not_vault(reply, ASKING_ACTIVE, CATCH_UP_PATH, str(error)) from None
        return INDEX in reply.headers

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
            hashicorp=said.enterprise is not None,
        )

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

    def readable(self, paths: Sequence[str], limit: Limit) -> frozenset[str]:
        """Those of `paths` (at least one, as in `capabilities`) that the token may surely read.

        The server takes spaces off their ends (seen on OpenBao 2.7.2), and answers 400 where there
        are too many (it takes 900, not 1,000): a path of which it tells nothing is left out.
        """
        doing, where = "asking what the token may read", "sys/capabilities-self"
        with bounded(limit):
            reply = self._client.sys.get_capabilities(list(paths))
        told = self._decode(reply, CapabilitiesReply, doing, where).data
        return frozenset(path for path in paths if not _MAY_READ.isdisjoint(told.get(path, ())))

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
        self._refuse_odd(f"{mount}metadata/{path}", _READING, name=True)
        with bounded(limit):
            reply = self._client.secrets.kv.v2.read_secret_metadata(path, mount.removesuffix("/"))
        return self._metadata_in(reply, mount, path)

    def expect_silence(self) -> None:
        """Look whether more came than was asked for, on any connection that no request uses.

        The last true reply comes behind a stray one that was taken for it: look when time has
        passed since the last request. Those of `reads` are looked at by themselves.

        Raises:
            Fault: SURPLUS_REPLY, it did.
        """
        self._client.adapter.transport.expect_silence(self._address)

    def reads(self, most: int) -> MetadataReads[Any]:
        """What reads the metadata of up to `most` secrets at a time, on one thread."""
        return MetadataReads(
            self._client.adapter,
            most,
            url=self._metadata_url,
            judge=self._metadata_in,
        )

    def _metadata_url(self, mount: str, path: str) -> str:
        """What `read_metadata` asks, as hvac puts it."""
        self._refuse_odd(f"{mount}metadata/{path}", _READING, name=True)
        return f"{self._client.adapter.base_uri}{_above_metadata(mount)}{quote(path)}"

    def _metadata_in(self, reply: Reply, mount: str, path: str) -> Metadata | None:
        """What a reply says of the secret that was asked about."""
        doing, where = _READING, f"{mount}metadata/{path}"
        if self._says_nothing_there(reply):
            return None
        secret = self._decode(reply, SecretReply, doing, where).data
        try:
            return Metadata(_state(secret), _date(reply.headers.get("date", "")))
        except ValueError as error:
            raise self._not_vault(reply, doing, where, str(error)) from None

    def list_detailed(
        self, mount: str, folder: str, *, after: str, most: int, limit: Limit
    ) -> dict[str, Metadata]:
        """The metadata of a folder's secrets by name, as `read_metadata` gives each: OpenBao's
        `LIST detailed-metadata`, where `Health.lists_in_detail` says so.

        It may leave out any of them, and hand out one that the token may not read: what it does not
        give says nothing, for names believe `list_names` alone. Whatever it answers but that, a 404
        too, is a fault.

        Args:
            after: only names behind this one, in the server's order; "": from the first on.
            most: so many names at the most, folders among them.
        """
        doing, where = "listing with metadata", f"{mount}detailed-metadata/{folder}"
        self._refuse_odd(where, doing)
        page = {"after": after, "limit": most} if after else {"limit": most}
        with bounded(limit):
            reply = self._client.adapter.list(
                hvac.utils.format_url("/v1/{path}", path=where), params=page
            )
        told = self._decode(reply, DetailedReply, doing, where).data
        if len(set(told.keys)) != len(told.keys):
            raise self._not_vault(reply, doing, where, "it names one thing twice")
        try:
            now = _date(reply.headers.get("date", ""))
        except ValueError as error:
            raise self._not_vault(reply, doing, where, str(error)) from None
        found = {}
        for name in told.keys:
            # A folder has an entry too: empty, or a copy of that of a secret of the same name.
            entry = None if name.endswith("/") else told.key_info.get(name)
            if entry is not None and (state := _state_in(entry)) is not None:
                found[name] = Metadata(state, now)
        return found

    def _refuse_odd(self, where: str, doing: str, *, name: bool = False) -> None:
        """Refuses a path which a server would answer for another one.

        An empty part, "." and ".." are collapsed on the way: what came back would be some other
        folder's. `where` is a folder and ends in a slash, or is a `name` and does not.
        """
        parts = where.split("/") if name else where.removesuffix("/").split("/")
        if "" in parts or "." in parts or ".." in parts:
            raise Fault(
                FaultKind.NOT_VAULT,
                f"{doing} {where}: no Vault has a path with an empty, '.' or '..' part, "
                "nothing was sent",
                hint="something between vsync and Vault made this name up",
                context=self._context(where),
            )

    def _says_nothing_there(self, reply: Reply) -> bool:
        return reply.status == 404 and parse(reply, dict[str, Any]) == {"errors": []}


@lru_cache(maxsize=64)
def _above_metadata(mount: str) -> str:
    """What stands before a quoted path in the request for its metadata, as hvac puts it."""
    return str(hvac.utils.format_url("/v1/{mount}/metadata/", mount=mount.removesuffix("/")))


def _state(secret: SecretData) -> VersionState:
    """What a secret's metadata say. Raises ValueError where they contradict themselves."""
    current = secret.versions.get(str(secret.current_version))
    if current is None:
        if secret.current_version:
            raise ValueError("the current version is left out")
        current = VersionData(deletion_time="", destroyed=False)  # a metadata-only entry
    refuse_no_moment(secret.updated_time)
    if current.deletion_time:
        refuse_no_moment(current.deletion_time)
    return VersionState(
        secret.current_version, secret.updated_time, current.deletion_time, current.destroyed
    )


def _state_in(entry: msgspec.Raw) -> VersionState | None:
    """The same of one entry of a detailed list; None where it cannot be used."""
    try:
        return _state(msgspec.json.decode(entry, type=SecretData))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


@lru_cache(maxsize=8)
def _date(text: str) -> int:
    """A `Date` header as ns since 1970; ValueError when it is none. Many replies share one."""
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        when = None
    if when is None or when.tzinfo is None:
        raise ValueError(f"its Date header is no date: {text!r}")
    return int(when.timestamp()) * NS

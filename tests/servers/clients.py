"""Three clients of one Vault, and one vocabulary for what each of them is told.

- `Hvac`: hvac with its own adapter, on requests and urllib3. The yardstick.
- `One`: vsync, one request at a time: hvac's client on vsync's own adapter.
- `Many`: vsync's workers: the metadata of many secrets at a time, without hvac.

Each can `fetch`, which gives the bare reply, and `read`, which says what the client takes it for:

    found                 the metadata of the secret
    nothing there         there is no such secret: from here on, it may be taken for deleted
    denied, refused       a 403, a 400: what was asked may not, or cannot, be done
    no such mount         what was asked about is not a secret's place
    try again             in a moment; or `try again after 3 s`, as long as the server wants
    sealed, standby       another node, or a human, must act first
    elsewhere             a redirect, not followed
    not Vault             an answer that no Vault gives
    no answer             none came, or not the whole of it: refused, reset, closed, cut
    not HTTP              what came is none
    timed out             the limit passed first
    certificate refused   one side's certificate, or the file of one, is not good enough
    a reply too many      more came than was asked for: nothing that this server said is believed
    too large             more than may be kept in memory
    handed on             hvac alone: the reply is its caller's to judge
    unexpected            hvac alone: one exception for all statuses that it has no name for

A `fetch` that brings no reply says why in the same words.
"""

from __future__ import annotations

import http.client
import re
import ssl
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeAlias

import hvac
import hvac.adapters
import hvac.exceptions
import requests
import requests.exceptions
import urllib3.exceptions

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.http import Reply, Tls, Transport, bounded
from vsync_sm.servers.parallel import ParallelReads
from vsync_sm.servers.vault import Metadata, Vault
from vsync_sm.servers.vault_client import Adapter

MOUNT, PATH = "kv/", "x"
URL = "/v1/kv/metadata/x"
TOKEN = "s.of-the-contract"
PLENTY_S = 60.0
"""The limit of a request that is meant to end well."""


_TURN_S = 0.02


class Answered(NamedTuple):
    """A reply as it came; `retry_after`: the header's text, "" where there is none."""

    status: int
    body: bytes
    retry_after: str = ""


End: TypeAlias = Answered | str


class Client(Protocol):
    """One of the three; it keeps its connections until it is closed."""

    def __init__(self, address: str, *, tls: Tls | None = None, limit_s: float = PLENTY_S) -> None:
        """`limit_s`: what hvac calls timeout, and vsync keeps as a total."""

    def fetch(self) -> End:
        """Ask for the secret's metadata; the reply, whatever its status."""

    def read(self) -> str:
        """Ask for the secret's metadata; what the reply is taken for."""

    def __enter__(self) -> Client: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Hvac:
    """hvac as it comes out of the box: `hvac.Client(url=…, token=…)`."""

    def __init__(self, address: str, *, tls: Tls | None = None, limit_s: float = PLENTY_S) -> None:
        tls = tls or Tls()
        settings: dict[str, Any] = {
            "token": TOKEN,
            "timeout": limit_s,
            "verify": tls.ca_cert or tls.verify,
            "cert": (tls.client_cert, tls.client_key) if tls.client_cert else None,
        }
        self.client = hvac.Client(url=address, **settings)
        self.bare = hvac.adapters.RawAdapter(base_uri=address, ignore_exceptions=True, **settings)

    def fetch(self) -> End:
        try:
            reply = self.bare.get(URL)
        except OSError as error:  # what requests raises is one
            return _broken(error)
        return Answered(reply.status_code, reply.content, reply.headers.get("Retry-After", ""))

    def read(self) -> str:
        try:
            told = self.client.secrets.kv.v2.read_secret_metadata(PATH, MOUNT.removesuffix("/"))
        except hvac.exceptions.VaultError as error:
            return _HVAC_WORDS[type(error)]
        except OSError as error:
            return _broken(error)
        return "found" if isinstance(told, dict) and "data" in told else "handed on"

    def __enter__(self) -> Hvac:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.adapter.close()
        self.bare.close()


class _Ours:
    """What the two ways of vsync's have in common."""

    def __init__(self, address: str, *, tls: Tls | None = None, limit_s: float = PLENTY_S) -> None:
        self.vault = Vault(address=address, token=TOKEN, tls=tls)
        self.limit_s = limit_s

    def limit(self) -> float:
        return self.limit_s


class One(_Ours):
    """One request at a time: what logs in, lists and checks."""

    def fetch(self) -> End:
        try:
            with bounded(self.limit):
                return _reply(self.vault._client.adapter.get(URL))
        except Fault as fault:
            return _word(fault)

    def read(self) -> str:
        try:
            return _taken(self.vault.read_metadata(MOUNT, PATH, self.limit))
        except Fault as fault:
            return _word(fault)

    def __enter__(self) -> One:
        return self

    def __exit__(self, *_: object) -> None:
        """Its connection ends with its thread."""


class Many(_Ours):
    """Many at a time, here one after another: what the workers read with."""

    def __init__(self, address: str, *, tls: Tls | None = None, limit_s: float = PLENTY_S) -> None:
        super().__init__(address, tls=tls, limit_s=limit_s)
        self._adapter: Adapter = self.vault._client.adapter
        transport: Transport = self._adapter.transport
        self._bare: ParallelReads[None] = ParallelReads(transport, 1)
        self._reads = self.vault.reads(1)

    def fetch(self) -> End:
        url = f"{self._adapter.base_uri}{URL}"
        self._bare.send(None, url, headers=self._adapter.headers(), limit=self.limit)
        while not (ended := self._bare.receive(_TURN_S)):
            pass
        ((_, end),) = ended
        return _word(end) if isinstance(end, Fault) else _reply(end)

    def read(self) -> str:
        ended: list[tuple[Any, Metadata | Fault | None]] = []
        try:
            self._reads.send(None, MOUNT, PATH, self.limit)
            while not ended:
                ended = self._reads.receive(_TURN_S)
        except Fault as fault:  # the cycle is over, and what it read with
            self._reads.close()
            self._reads = self.vault.reads(1)
            return _word(fault)
        ((_, end),) = ended
        return _word(end) if isinstance(end, Fault) else _taken(end)

    def __enter__(self) -> Many:
        return self

    def __exit__(self, *_: object) -> None:
        self._bare.close()
        self._reads.close()


CLIENTS: dict[str, type[Client]] = {"hvac": Hvac, "one": One, "many": Many}


def each(address: str, tls: Tls | None = None, *, limit_s: float = PLENTY_S) -> dict[str, str]:
    """What each client takes a server's answer for."""
    words = {}
    for name, client in CLIENTS.items():
        with client(address, tls=tls, limit_s=limit_s) as one:
            words[name] = one.read()
    return words


def alike(vsync: str, hvac: str = "") -> dict[str, str]:
    """What `each` gives where both of vsync's ways say the one, and hvac the same or the other."""
    return {"hvac": hvac or vsync, "one": vsync, "many": vsync}


# --- vsync's words -------------------------------------------------------------------------------

_WORDS = {
    FaultKind.FORBIDDEN: "denied",
    FaultKind.BAD_REQUEST: "refused",
    FaultKind.MOUNT_CHANGED: "no such mount",
    FaultKind.SEALED: "sealed",
    FaultKind.STANDBY: "standby",
    FaultKind.REDIRECTED: "elsewhere",
    FaultKind.UNREACHABLE: "no answer",
    FaultKind.TIMEOUT: "timed out",
    FaultKind.CERTIFICATE: "certificate refused",
    FaultKind.SURPLUS_REPLY: "a reply too many",
    FaultKind.TOO_LARGE: "too large",
}


def _word(fault: Fault) -> str:
    if fault.kind is FaultKind.NOT_VAULT:
        return "not Vault" if "status" in fault.context else "not HTTP"
    if fault.kind in (FaultKind.RATE_LIMITED, FaultKind.SERVER_ERROR):
        wait = "" if fault.retry_after is None else f" after {fault.retry_after:g} s"
        return f"try again{wait}"
    return _WORDS[fault.kind]


def _taken(metadata: Metadata | None) -> str:
    return "nothing there" if metadata is None else "found"


def _reply(reply: Reply) -> Answered:
    return Answered(reply.status, reply.body, reply.headers.get("retry-after", ""))


# --- hvac's words --------------------------------------------------------------------------------

_HVAC_WORDS = {
    hvac.exceptions.InvalidRequest: "refused",
    hvac.exceptions.Forbidden: "denied",
    hvac.exceptions.Unauthorized: "denied",
    hvac.exceptions.InvalidPath: "nothing there",
    hvac.exceptions.RateLimitExceeded: "try again",
    hvac.exceptions.InternalServerError: "try again",
    hvac.exceptions.BadGateway: "try again",
    hvac.exceptions.VaultDown: "try again",
    hvac.exceptions.VaultNotInitialized: "sealed",
    hvac.exceptions.UnexpectedError: "unexpected",
}

_BROKEN: tuple[tuple[type[BaseException], str], ...] = (
    (ssl.SSLCertVerificationError, "certificate refused"),
    (urllib3.exceptions.NewConnectionError, "no answer"),  # to urllib3, a time-out as well
    (requests.exceptions.Timeout, "timed out"),
    (urllib3.exceptions.TimeoutError, "timed out"),
    (http.client.RemoteDisconnected, "no answer"),  # to Python, a bad status line as well
    (requests.exceptions.ChunkedEncodingError, "no answer"),
    (http.client.HTTPException, "not HTTP"),
    (requests.exceptions.InvalidHeader, "not HTTP"),
    (requests.exceptions.ContentDecodingError, "not HTTP"),
    (requests.exceptions.ConnectionError, "no answer"),
)


_OWN_FILE = re.compile(r"\[X509: |PEM lib")
"""What OpenSSL says of a file of one's own that cannot be used."""


def _broken(error: OSError) -> str:
    """The word for what requests raises: the first in the table for anything that led to it."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLError) and _OWN_FILE.search(str(cause)) for cause in causes):
        return "certificate refused"
    for kind, word in _BROKEN:
        if any(isinstance(cause, kind) for cause in causes):
            return word
    if not isinstance(error, requests.exceptions.RequestException):
        return "certificate refused"  # a bare OSError: such a file is not there
    raise error


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    inner = [*error.args, getattr(error, "reason", None)]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)

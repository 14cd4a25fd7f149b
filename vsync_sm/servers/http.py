"""One HTTP request with a total limit (safety rule 8), on libcurl.

Libcurl's time limit covers everything from name resolution to the last byte of the body, so a
server that drips cannot outlast it, and it runs with the GIL released.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import unquote, urlsplit

import certifi
import msgspec
import pycurl

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.handle import MAX_BODY, Handles, Receiver, set_limit
from vsync_sm.servers.idle import Idle
from vsync_sm.servers.proxies import Proxies

Limit = Callable[[], float]
"""Called once right before each request is sent: the seconds which it may take in total.

It raises `Fault(DEADLINE)` itself when nothing is left; the caller may count requests with it.
"""

_READS = frozenset({"GET", "LIST"})
_REPEATABLE = _READS | {"HEAD"}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_EXCERPT = 200

_BROKEN_OFF = frozenset({pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR, pycurl.E_GOT_NOTHING})
_WEIRD_REPLY = 8
_NOT_HTTP = frozenset({1, _WEIRD_REPLY, 61})  # unsupported version, …, bad content encoding
_ODD_KEY = pycurl.E_BAD_FUNCTION_ARGUMENT  # a client's key that is none, or not its certificate's
# What only another configuration or certificate mends: verification, its files, ciphers.
_CERTIFICATE = frozenset({
    pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_CERTPROBLEM,
    pycurl.E_SSL_CIPHER, pycurl.E_SSL_CRL_BADFILE, pycurl.E_SSL_ISSUER_ERROR, _ODD_KEY,
})  # fmt: skip
_HINTS = {
    pycurl.E_COULDNT_CONNECT: "is it running, and is the address right?",
    pycurl.E_COULDNT_RESOLVE_HOST: "check the host name in the address, and name resolution here",
    pycurl.E_COULDNT_RESOLVE_PROXY: "check http_proxy, https_proxy and no_proxy",
    pycurl.E_SSL_CONNECT_ERROR: "does it speak TLS on this port? If not, the address is http://…",
    pycurl.E_PEER_FAILED_VERIFICATION: (
        "its certificate is not signed by a known authority, or not for this host: "
        "set {authority} to a PEM file of the authority, or {name} to the name in the certificate"
    ),
    pycurl.E_SSL_CACERT_BADFILE: "{authority} must name a readable PEM file",
    pycurl.E_SSL_CERTPROBLEM: "{client} must name PEM files that belong together",
    _ODD_KEY: "{client} must name PEM files that belong together",
    pycurl.E_GOT_NOTHING: "the connection was closed without a reply",
}


def _settings(server: str) -> dict[str, str]:
    """What a hint calls the settings of a server."""
    section, prefix = f"origin.{server.lower()}", server.upper()
    return {
        "authority": f"{section}.caCert (or {prefix}_CACERT)",
        "name": f"{section}.tlsServerName",
        "client": f"{section}.clientCert and clientKey",
    }


class Tls(msgspec.Struct, frozen=True):
    """How a server proves itself to us, and we to it; files are PEM, "" where there is none.

    `ca_cert`: the authorities to trust instead of certifi's. `server_name`: the name that the
    certificate must be for, and that is asked for (SNI), where it is not the address's host.
    """

    ca_cert: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""
    verify: bool = True


class Reply(msgspec.Struct, frozen=True):
    """One reply: status, headers (lower-case names, repeated ones joined by ", "), body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


_limit: ContextVar[Limit] = ContextVar("limit")


@contextmanager
def bounded(limit: Limit) -> Iterator[None]:
    """Hands `limit` through a client library that knows nothing of limits, within this thread."""
    token = _limit.set(limit)
    try:
        yield
    finally:
        _limit.reset(token)


def current_limit() -> Limit:
    """The limit of the innermost `bounded`. A request outside of one is a LookupError."""
    return _limit.get()


def base_url(server: str, address: str, *, scheme: str = "") -> str:
    """The address as a URL without a trailing slash: scheme, host, perhaps port and path.

    Args:
        server: "Vault" or "Consul", for messages.
        address: `http(s)://host[:port][/path]`, or `host[:port]` where `scheme` is given.
        scheme: what an address without one gets.

    Raises:
        Fault: CONFIGURATION, the address is no such thing.
    """
    whole = address if "://" in address or not scheme else f"{scheme}://{address}"
    try:
        parts = urlsplit(whole)
        _ = parts.port  # parsed lazily: raises on "host:port" with a bad port
    except ValueError:
        parts = urlsplit("")
    odd = parts.query or parts.fragment or re.search(r"[\s\x00-\x1f\x7f]", address)
    if parts.scheme not in ("http", "https") or not parts.hostname or odd:
        raise Fault(
            FaultKind.CONFIGURATION,
            f"the address of {server} is not one",
            hint="it looks like http://127.0.0.1:8200 or https://host:port",
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def public_url(url: str) -> str:
    """The URL's scheme, host and port: no user, password, path or query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def redirected_to(reply: Reply) -> str:
    """The server that a redirect names, for a message."""
    location = reply.headers.get("location", "")
    return public_url(location) if "://" in location else "another path of the same server"


def retry_after(reply: Reply) -> float | None:
    """The seconds of `Retry-After` when it is a positive number (a date, zero, none: None)."""
    text = reply.headers.get("retry-after", "").strip()
    if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII):
        return None
    return float(text) or None


def excerpt(text: str | bytes, *secrets: str | None) -> str:
    """The beginning of a reply's text on one line for a message, without the `secrets`."""
    if isinstance(text, bytes):
        text = text[: 8 * _EXCERPT].decode("utf-8", "replace")
    for secret in filter(None, secrets):
        text = text.replace(secret, "[token]")
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"


class Transport:
    """Sends requests to one server. Safe to share: each request has a connection of its own.

    Connections are kept alive. Libcurl notices one that the server has closed meanwhile and sends
    the request again on a fresh one; a write always gets a fresh one, so that it is never sent
    twice. What comes on one unasked is never taken for the next reply (`idle.py`). Redirects are
    never followed. The usual variables name proxies (`proxies.py`).
    """

    def __init__(self, server: str, *, tls: Tls | None = None) -> None:
        """`server` is "Vault" or "Consul", for messages; `tls` is for addresses that have it."""
        self._server = server
        self._tls = tls or Tls()
        self._proxies = Proxies()
        self._handles = Handles()
        self._had_surplus = False
        self._known: tuple[Mapping[str, str] | None, tuple[bytes, ...]] = (None, ())

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        limit: Limit,
    ) -> Reply:
        """Sends one request and returns the whole reply, whatever its status.

        Args:
            method: any method, `LIST` too.
            url: sent as it stands, quoted by the caller; `..` is not collapsed (`%2f` becomes
                `%2F`, which is the same).
            headers: sent as they stand.
            body: up to memory; without `Expect: 100-continue`.
            limit: see `Limit`.

        Raises:
            Fault: UNREACHABLE, CERTIFICATE (it cannot be verified), TIMEOUT, TOO_LARGE (a body
                above `MAX_BODY`), CONFIGURATION (a header or URL that cannot be sent), NOT_VAULT
                or NOT_CONSUL (not HTTP), SURPLUS_REPLY (one more than was asked for came; earlier
                ones may be others'), and what `limit` raises.
        """
        lines = self.header_lines(headers)
        read, repeatable = method in _READS, method in _REPEATABLE
        handle, receiver = self._handles.take(), Receiver()
        try:
            if handle.idle.unasked():
                raise self.surplus(url)
            curl = handle.anew(plain=read and not body and url.startswith("http:"))
            lines = self.address(curl, url, lines)
            curl.setopt(pycurl.HTTPHEADER, lines)
            curl.setopt(pycurl.HEADERFUNCTION, receiver.header)
            curl.setopt(pycurl.WRITEFUNCTION, receiver.chunk)
            if method == "HEAD":
                curl.setopt(pycurl.NOBODY, 1)
            elif body or not repeatable:  # an empty one has a Content-Length too
                curl.setopt(pycurl.POSTFIELDS, body)
            curl.setopt(pycurl.CUSTOMREQUEST, method)
            if not repeatable:
                curl.setopt(pycurl.FRESH_CONNECT, 1)
            set_limit(curl, limit())
            handle.idle.clear()
            curl.perform()
            reply = self.reply(curl, receiver, url, handle.idle, read=read)
        except pycurl.error as error:
            handle.close()
            code, text = error.args
            raise self.fault(code, text, url, too_large=receiver.too_large) from None
        except BaseException:
            handle.close()
            raise
        self._handles.give_back(handle)
        return reply

    def begin_anew(self) -> None:
        """Close all connections that no request uses; nothing is held against the server."""
        self._handles.close()
        self._had_surplus = False

    def expect_silence(self, url: str) -> None:
        """Look at all connections that no request uses; `url` is the server's, for a message.

        Where a stray reply was taken for one asked for, and each after it for the next, the last
        true one comes behind them.

        Raises:
            Fault: SURPLUS_REPLY, something came, now or since `begin_anew`, whoever saw it.
        """
        if self._handles.unasked() or self._had_surplus:
            raise self.surplus(url)

    def reply(
        self,
        curl: pycurl.Curl,
        receiver: Receiver,
        url: str,
        idle: Idle,
        *,
        read: bool = True,
        alone: bool = True,
    ) -> Reply:
        """The reply of a transfer that libcurl calls done; its connection is in `idle` then.

        Args:
            alone: no other transfer shares its connections, and may have found this one closed.

        Raises:
            Fault: UNREACHABLE, it is not done, or more may have come with it; NOT_VAULT or
                NOT_CONSUL, it is not HTTP; SURPLUS_REPLY, more came with it.
        """
        sock: int = curl.getinfo(pycurl.ACTIVESOCKET)
        idle.add(sock)
        headers = receiver.headers()
        if headers is None:  # libcurl takes a connection closed here for the end
            code, text = pycurl.E_PARTIAL_FILE, "the reply ends within its headers"
            if not receiver.speaks_http:
                code, text = _WEIRD_REPLY, "what comes is no HTTP/1.1"
            raise self.fault(code, text, url, too_large=False)
        if sock < 0 and read and receiver.to_be_kept(headers):
            if alone:
                raise self.surplus(url)
            text = "its connection was closed behind the reply, or more came with it"
            raise self.fault(pycurl.E_PARTIAL_FILE, text, url, too_large=False)
        status: int = curl.getinfo(pycurl.RESPONSE_CODE)
        return Reply(status=status, headers=headers, body=receiver.body())

    def address(self, curl: pycurl.Curl, url: str, lines: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Sets up where a request goes, TLS with it; its header lines, perhaps with another one."""
        curl.setopt(pycurl.URL, url.encode())
        curl.setopt(pycurl.PROXY, self._proxies.before(url))
        return (*lines, *self._secure(curl, url)) if url.startswith("https:") else lines

    def _secure(self, curl: pycurl.Curl, url: str) -> list[bytes]:
        """Sets up TLS for a request; the headers that this asks for."""
        tls = self._tls
        curl.setopt(pycurl.CAINFO, tls.ca_cert or certifi.where())
        if not tls.verify:
            curl.setopt(pycurl.SSL_VERIFYPEER, 0)
            curl.setopt(pycurl.SSL_VERIFYHOST, 0)
        if tls.client_cert:
            curl.setopt(pycurl.SSLCERT, tls.client_cert)
            curl.setopt(pycurl.SSLKEY, tls.client_key)
            curl.setopt(pycurl.KEYPASSWD, "")  # else OpenSSL asks the terminal for a passphrase
        if not tls.server_name:
            return []
        # Libcurl asks for, and verifies, the host of the URL: so that one is the name, and the
        # connection goes to the address all the same. The `Host` header stays the address's.
        host, _, path = url.removeprefix("https://").partition("/")
        parts = urlsplit(url)
        port, address = parts.port or 443, parts.hostname or ""
        address = f"[{address}]" if ":" in address else address
        curl.setopt(pycurl.URL, f"https://{tls.server_name}:{port}/{path}".encode())
        curl.setopt(pycurl.CONNECT_TO, [f"{tls.server_name}:{port}:{address}:{port}"])
        return [f"Host: {host.rpartition('@')[2]}".encode()]

    def header_lines(self, headers: Mapping[str, str]) -> tuple[bytes, ...]:
        """The lines that are sent for `headers`. Raises Fault: CONFIGURATION, they cannot be."""
        known, lines = self._known
        if headers == known:  # the same ones are sent again and again
            return lines
        made = [b"Expect:", b"Content-Type:"]  # none of libcurl's own
        for name, value in headers.items():
            if _CONTROL.search(name) or _CONTROL.search(value):
                raise Fault(
                    FaultKind.CONFIGURATION,
                    f"the header {_CONTROL.sub('?', name)} for {self._server} holds a line break "
                    "or another control character, nothing was sent",
                    hint="look for a line break in the token or its file",
                )
            if name.lower() == "content-type":
                made.remove(b"Content-Type:")
            made.append(f"{name}: {value}".encode())
        self._known = (dict(headers), tuple(made))
        return tuple(made)

    def surplus(self, url: str) -> Fault:
        """More came than was asked for: what came before it may belong to other requests."""
        address = public_url(url)
        self._had_surplus = True
        return Fault(
            FaultKind.SURPLUS_REPLY,
            f"{self._server} at {address} said more than it was asked: a reply too many",
            hint="Replies may have been mixed up, so nothing that it said is used. "
            "What stands in between: a proxy, a load balancer, a mirror?",
            context={"server": self._server, "address": address},
        )

    def fault(self, code: int, text: str, url: str, *, too_large: bool) -> Fault:
        """What libcurl's error `code` means for us."""
        kind = FaultKind.UNREACHABLE
        hint = _HINTS.get(code, "").format_map(_settings(self._server))
        if code in _BROKEN_OFF and url.startswith("https:") and not self._tls.client_cert:
            hint = "it may want a client's certificate: {client}".format_map(
                _settings(self._server)
            )
        address = public_url(url)
        message = f"{self._server} at {address} cannot be reached: {text}"
        if too_large:
            kind, message = FaultKind.TOO_LARGE, f"{self._server} sent more than {MAX_BODY} bytes"
        elif code == pycurl.E_OPERATION_TIMEDOUT:
            kind, message = FaultKind.TIMEOUT, f"{self._server} at {address} took too long: {text}"
            hint = "is it frozen, overloaded, or behind a firewall that drops packets?"
        elif code in _NOT_HTTP:
            kind = FaultKind.NOT_VAULT if self._server == "Vault" else FaultKind.NOT_CONSUL
            message = f"what answers at {address} is not {self._server}: {text}"
            hint = "check the address, its port, and http:// against https://"
        elif code == pycurl.E_URL_MALFORMAT:
            kind = FaultKind.CONFIGURATION
        elif code in _CERTIFICATE:
            kind = FaultKind.CERTIFICATE
        context = {"server": self._server, "address": address, "path": unquote(urlsplit(url).path)}
        return Fault(kind, message, hint=hint, context=context)

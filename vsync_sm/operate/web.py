"""A small web server for scrapes and probes: GET and HEAD of a few routes, and nothing else.

Its threads are its own, all of them daemons, few and each for a short time; the loop never waits
for a peer. Whatever a peer does (garbage, silence, one byte a second, a flood) costs that peer its
connection, and the origin next to nothing.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

import msgspec

from vsync_sm import __version__
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.operate.rate import Rate

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

PEERS = 16
"""So many peers are served at a time; one that has asked for nothing makes room for a new one."""

IDLE_S = 5.0
"""A peer has so many seconds for its whole request, and as many for taking the whole answer."""

PER_S, BURST = 20, 40
"""So many requests a second are answered; what comes faster waits."""

_BACKLOG = 64


class Reply(msgspec.Struct, frozen=True):
    """One reply."""

    status: HTTPStatus
    content_type: str
    body: bytes


Route = Callable[[str], Reply]
"""Answers a request with this `Accept` header."""


class Web:
    """Listens from the moment it is made, and answers once it is started."""

    def __init__(self, host: str, port: int) -> None:
        """Port 0: any free one. Raises Fault: it cannot listen there (CHECK_FAILED)."""
        self._routes: Mapping[str, Route] = {}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._served: dict[socket.socket, None] = {}
        self._silent: dict[socket.socket, None] = {}  # no whole request yet; longest so first
        self._rate = Rate(PER_S, BURST)
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        except OSError as error:
            raise _unusable(host, port, error) from None

    @property
    def address(self) -> str:
        """Where it listens: `127.0.0.1:9464`."""
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self, routes: Mapping[str, Route]) -> None:
        """Answer from now on."""
        self._routes = routes
        threading.Thread(target=self._accept, name="web", daemon=True).start()

    def close(self) -> None:
        """Listen no more; what is under way is left to itself."""
        self._closing.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who waits in `accept`
        self._socket.close()

    # --- on the accepting thread ---

    def _accept(self) -> None:
        while self._rate.wait(self._closing):
            try:
                connection, peer = self._socket.accept()
            except OSError:  # it was closed, or there are no descriptors left just now
                if self._closing.wait(0.1):
                    return
                continue
            if not self._begin(connection, peer):
                connection.close()

    def _begin(self, connection: socket.socket, peer: Any) -> bool:
        thread = threading.Thread(
            target=self._serve, args=(connection, peer), name="web-peer", daemon=True
        )
        with self._lock:
            if len(self._served) >= PEERS and not self._made_room():
                return False
            self._served[connection] = self._silent[connection] = None
        try:
            thread.start()
        except RuntimeError:  # there are no more threads
            self._forget(connection)
            return False
        return True

    def _made_room(self) -> bool:
        """Whether the peer that has been silent for longest could be sent away."""
        longest = next(iter(self._silent), None)
        if longest is None:
            return False
        del self._silent[longest], self._served[longest]
        with suppress(OSError):
            longest.shutdown(socket.SHUT_RDWR)  # its thread sees that, and closes it
        return True

    # --- on a peer's own thread ---

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        try:
            _Peer(connection, peer, cast("Any", self))
        except (OSError, ValueError):  # it is gone, or too slow
            pass
        finally:
            self._forget(connection)
            connection.close()

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._served.pop(connection, None)
            self._silent.pop(connection, None)

    def answer(self, connection: socket.socket, path: str, accept: str) -> Reply:
        """The answer to a whole request."""
        with self._lock:
            self._silent.pop(connection, None)
        route = self._routes.get(path.partition("?")[0])
        if route is not None:
            return route(accept)
        known = ", ".join(self._routes)
        return Reply(HTTPStatus.NOT_FOUND, TEXT, f"there is {known}\n".encode())


class _Peer(BaseHTTPRequestHandler):
    """One request; the connection is closed after it."""

    server: Any  # the Web

    def version_string(self) -> str:
        """What answers; not which Python."""
        return f"vsync-sm/{__version__}"

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(IDLE_S)
        self.rfile = io.BufferedReader(_Within(self.connection, time.monotonic() + IDLE_S))

    def parse_request(self) -> bool:
        """The library's own, and no other method than GET and HEAD."""
        if not super().parse_request():
            return False
        if self.command in {"GET", "HEAD"}:
            return True
        self._send(Reply(HTTPStatus.METHOD_NOT_ALLOWED, TEXT, b"GET and HEAD only\n"))
        return False

    def do_GET(self) -> None:
        accept = self.headers.get("Accept", "")
        self._send(self.server.answer(self.connection, self.path, accept))

    do_HEAD = do_GET  # noqa: N815

    def _send(self, reply: Reply) -> None:
        self.connection.settimeout(IDLE_S)
        self.send_response(reply.status)
        if reply.status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Scrapes are no events."""


class _Within(io.RawIOBase):
    """Reads from a socket until a moment (seconds, monotonic), however slowly it comes."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection = connection
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def wants_json(accept: str) -> bool:
    """Whether an `Accept` header names JSON before text."""
    for each in accept.lower().split(","):
        kind = each.partition(";")[0].strip()
        if kind in {JSON, "application/*"}:
            return True
        if kind in {"text/plain", "text/*", "*/*"}:
            return False
    return False


def is_loopback(host: str) -> bool:
    """Whether only this very host can come there."""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _unusable(host: str, port: int, error: OSError) -> Fault:
    return Fault(
        FaultKind.CHECK_FAILED,  # who has it may let go: a supervisor starts this one again
        f"metrics.address: {host} port {port} cannot be listened at: {error.strerror or error}",
        hint="is another vsync-sm, or something else, there? Choose another port; see ss -ltnp",
        context={"address": f"{host}:{port}"},
    )

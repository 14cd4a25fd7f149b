"""A server that says exactly these bytes, and keeps the bytes that it heard."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType

from tests.workshop import PATIENCE_S

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Last(bytes):
    """A reply after which the connection is closed; with TLS, as TLS has it."""


class Torn(bytes):
    """A reply after which the connection is closed, with TLS without telling so."""


class Dripped(bytes):
    """A reply whose middle comes byte by byte."""

    pause_s = 0.1
    begins = 30
    ends = 52


class Never(bytes):
    """A reply that never comes."""


class RawServer(ThreadingTCPServer):
    """Answers each request, in order, with the next of `replies`; the last one stands for all.

    An empty reply closes the connection without one, with `closes` each reply is followed by that.
    `heard` holds the requests as they came, `connections` counts, `hung_up` is released whenever a
    connection has been closed from this side. With `tls`, it speaks TLS. What is in `late` comes
    after the first reply, once `say_late` is called.
    """

    daemon_threads = False
    allow_reuse_address = True

    def __init__(
        self,
        *replies: bytes,
        tls: ssl.SSLContext | None = None,
        closes: bool = False,
        late: bytes = b"",
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[bytes] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.open: set[socket.socket] = set()
        self._replies = list(replies) or [OK]
        self.closes = closes
        self._late = late
        self.cue, self.late_said = threading.Event(), threading.Event()
        self._tls = tls
        self.hung_up = threading.Semaphore(0)
        self.over = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.005,))

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """Its address by number; a certificate for `localhost` needs `address_by_name`."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def address_by_name(self) -> str:
        """Its address by name."""
        return self.address.replace("127.0.0.1", "localhost")

    def answer_to(self, request: bytes) -> bytes:
        """Notes a request; the reply."""
        with self.lock:
            self.heard.append(request)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def take_late(self) -> bytes:
        """What is to be said unasked, once."""
        with self.lock:
            late, self._late = self._late, b""
            return late

    def say_late(self) -> None:
        """Say what nobody asked for; it is on its way then."""
        self.cue.set()
        assert self.late_said.wait(PATIENCE_S)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        link, peer = super().get_request()
        if self._tls is not None:
            link = self._tls.wrap_socket(link, server_side=True, do_handshake_on_connect=False)
        with self.lock:
            self.connections += 1
            self.open.add(link)
        return link, peer

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what the tests are about."""

    def __enter__(self) -> RawServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cue.set()
        self.over.set()
        self.shutdown()
        self._thread.join()
        with self.lock:
            for link in self.open:
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(StreamRequestHandler):
    disable_nagle_algorithm = True  # what is said is there at once
    server: RawServer

    def handle(self) -> None:
        while head := self._head():
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            body = self.rfile.read(int(length[1])) if length else b""
            reply = self.server.answer_to(head + body)
            self._say(reply)
            if not reply or self.server.closes or isinstance(reply, Last | Torn):
                self._hang_up(torn=not isinstance(reply, Last))
                return
            if late := self.server.take_late():
                self.server.cue.wait()
                self.wfile.write(late)
                if isinstance(late, Last):
                    self._hang_up(torn=False)
                self.server.late_said.set()

    def _say(self, reply: bytes) -> None:
        if isinstance(reply, Never):
            self.server.over.wait()
        elif isinstance(reply, Dripped):
            self.wfile.write(reply[: reply.begins])
            for byte in reply[reply.begins : reply.ends]:
                self.server.over.wait(reply.pause_s)
                self.wfile.write(bytes([byte]))
            self.wfile.write(reply[reply.ends :])
        else:
            self.wfile.write(reply)

    def _hang_up(self, *, torn: bool) -> None:
        with suppress(OSError):
            if isinstance(self.connection, ssl.SSLSocket) and not torn:
                self.connection.setblocking(False)  # it waits for no word from the client
                with suppress(ssl.SSLWantReadError):
                    self.connection.unwrap()
            self.connection.shutdown(socket.SHUT_RDWR)
        self.server.hung_up.release()

    def _head(self) -> bytes:
        head = b""
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            head += line
        return head and head + b"\r\n"

    def finish(self) -> None:
        with self.server.lock:
            self.server.open.discard(self.connection)
        super().finish()

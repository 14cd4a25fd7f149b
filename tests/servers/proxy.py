"""A forward proxy over real sockets, as `http_proxy` and `https_proxy` name one."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from types import TracebackType

_TUNNEL = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy(ThreadingTCPServer):
    """Hands every connection on to the server at the port `behind`, whatever host is asked for.

    `CONNECT` is answered with `tunnel` first, and a connection for which that says no is closed.
    `asked` holds the heads of what came to it, but not what went through a tunnel.
    """

    daemon_threads = False

    def __init__(self, behind: int, *, tunnel: bytes = _TUNNEL) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind = "127.0.0.1", behind
        self.tunnel = tunnel
        self.asked: list[bytes] = []
        self.lock = threading.Lock()
        self.open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.005,))

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what the tests are about."""

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()
        self._thread.join()
        with self.lock:
            for link in self.open:
                _close(link)
        self.server_close()


class _Handler(StreamRequestHandler):
    disable_nagle_algorithm = True
    server: Proxy

    def handle(self) -> None:
        head = b""
        while (line := self.rfile.readline()) not in (b"", b"\r\n"):
            head += line
        if not head:
            return
        with self.server.lock:
            self.server.asked.append(head)
        sent = head + b"\r\n"
        if head.startswith(b"CONNECT "):
            self.wfile.write(self.server.tunnel)
            if b" 200 " not in self.server.tunnel[:13]:
                return
            sent = b""
        with socket.create_connection(self.server.behind) as onward:
            onward.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.server.lock:
                self.server.open |= {self.connection, onward}
            onward.sendall(sent)
            back = threading.Thread(target=_pass_on, args=(onward, self.connection))
            back.start()
            _pass_on(self.connection, onward)
            back.join()
            with self.server.lock:
                self.server.open -= {self.connection, onward}


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    _close(one)
    _close(other)


def _close(link: socket.socket) -> None:
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)

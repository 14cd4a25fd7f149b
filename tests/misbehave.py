"""One proxy over a real socket that does what a real server cannot be made to do.

It stands in front of a real server and passes every request on, but for those that a rule picks:

    with Misbehave(bao.address) as proxy:
        rule = proxy.when(method="LIST", path=r"/v1/kv/metadata/a/", times=2).answer(429)
        ...                                   # use proxy.address instead of bao.address
        rule.wait_for_hit()
        assert not any("/data/" in path for _, path in proxy.requests)

A rule picks by method, by a regular expression that the path (as sent: quoted, with its query)
must match from its beginning, and by count: `after` requests go by untouched, then `times` are
taken (None: all). Of several rules the one made last is asked first.

    .answer(status, body, headers)   answers itself; a `dict` or `list` as body is sent as JSON
    .html(status)                    answers with a login page
    .echo(status)                    answers with what it was sent, headers and all
    .note(heard)                     passes on, and appends what was sent, headers and all
    .alter(change)                   passes on, and changes the server's answer
    .without(header)                 passes on, and leaves out one header of the answer
    .say_twice()                     passes on, sends the server's answer twice, and closes
    .say_again(cue, said)            passes on, sends the answer, again when there is a cue, closes
    .drip(seconds, part)             passes on, then sends the answer byte by byte
    .drop_before()                   closes the connection instead of passing on
    .lose_reply()                    passes on, then closes the connection instead of answering
    .hang()                          keeps the request until `rule.release()`, then passes it on
    .delay_until(event)              the same, until an event of the test's own
    .call(action)                    runs `action()` on the proxy's thread, then passes on

Where the server behind does not answer, the connection is closed without a reply. On leaving the
`with`, everything waiting is let go and closed; what an `action` or a `change` raised is raised.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from socketserver import TCPServer
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_PAGE = (
    b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
)


@dataclass(frozen=True)
class Answer:
    """A reply: headers as they are sent, `Content-Length` aside."""

    status: int
    body: bytes
    headers: dict[str, str]


class Closed(Exception):  # noqa: N818  not an error: how a misbehaviour says "close the connection"
    """The connection ends here, without a reply."""


@dataclass
class Request:
    """One request on its way: what was asked, and how to pass it on."""

    method: str
    path: str
    sent: str
    pass_on: Callable[[], Answer]
    send: Callable[[bytes], None]


class Rule:
    """Which requests, and what is done to them. Counts stand still once it is removed."""

    def __init__(
        self, proxy: Misbehave, method: str | None, path: str, times: int | None, after: int
    ) -> None:
        self._proxy = proxy
        self._method = method
        self._path = re.compile(path)
        self._times = times
        self._after = after
        self._seen = 0
        self._hits = 0
        self._hit = threading.Condition()
        self._released = threading.Event()
        self.handle: Callable[[Request], Answer]

    @property
    def hits(self) -> int:
        """How many requests it has taken so far."""
        with self._hit:
            return self._hits

    def wait_for_hit(self, timeout: float = 90.0, *, hits: int = 1) -> None:
        """Waits until it has taken `hits` requests; TimeoutError when it has not in time."""
        with self._hit:
            if not self._hit.wait_for(lambda: self._hits >= hits, timeout):
                raise TimeoutError(f"no such request within {timeout} s: {self._path.pattern}")

    def release(self) -> None:
        """Lets go of what `hang` keeps, now and from now on."""
        self._released.set()

    def remove(self) -> None:
        """From now on it takes no more requests, and lets go of what it keeps."""
        self._proxy.forget(self)
        self.release()

    def takes(self, method: str, path: str) -> bool:
        """Counts a request if it is one of this rule's; whether the rule takes it."""
        if self._method not in (None, method) or not self._path.match(path):
            return False
        with self._hit:
            self._seen += 1
            done = self._times is not None and self._hits >= self._times
            if self._seen <= self._after or done:
                return False
            self._hits += 1
            self._hit.notify_all()
            return True

    def answer(
        self,
        status: int = 200,
        body: bytes | str | dict[str, Any] | list[Any] = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Rule:
        """Answers with these headers, and a `Content-Type` (JSON) and `Date` unless told."""
        if isinstance(body, dict | list):
            body = json.dumps(body)
        data = body.encode() if isinstance(body, str) else body
        usual = {"Content-Type": "application/json", "Date": formatdate(usegmt=True)}
        made = Answer(status, data, {**usual, **(headers or {})})
        return self._do(lambda _: made)

    def html(self, status: int = 200) -> Rule:
        """Answers with a page for people."""
        return self.answer(status, _PAGE, {"Content-Type": "text/html; charset=utf-8"})

    def echo(self, status: int) -> Rule:
        """Answers with an error in JSON that holds all that was sent, as helpful proxies do."""

        def handle(request: Request) -> Answer:
            body = json.dumps({"errors": [request.sent]}).encode()
            return Answer(status, body, {"Content-Type": "application/json"})

        return self._do(handle)

    def note(self, heard: list[str]) -> Rule:
        """Passes on, and appends to `heard` what was sent: request line, headers, body."""

        def handle(request: Request) -> Answer:
            heard.append(request.sent)
            return request.pass_on()

        return self._do(handle)

    def alter(self, change: Callable[[Answer], Answer]) -> Rule:
        """Passes on, and sends what `change` makes of the server's answer."""
        return self._do(lambda request: self._proxy.guarded(change, request.pass_on()))

    def without(self, header: str) -> Rule:
        """Passes on, and leaves one header out of the server's answer."""
        name = header.lower()
        return self.alter(
            lambda answer: replace(
                answer, headers={k: v for k, v in answer.headers.items() if k.lower() != name}
            )
        )

    def say_twice(self) -> Rule:
        """Sends the server's answer two times over, at once."""

        def handle(request: Request) -> Answer:
            request.send(2 * b"".join(_bytes(request.pass_on(), request.method)))
            raise Closed

        return self._do(handle)

    def say_again(self, cue: threading.Event, said: threading.Event) -> Rule:
        """Sends the server's answer, and once more when there is a `cue`; it is `said` then."""

        def handle(request: Request) -> Answer:
            answer = b"".join(_bytes(request.pass_on(), request.method))
            request.send(answer)
            while not cue.wait(0.02):
                if self._proxy.closing.is_set():
                    raise Closed
            request.send(answer)
            said.set()
            raise Closed

        return self._do(handle)

    def drip(self, seconds: float, part: str = "head") -> Rule:
        """Sends the server's answer a byte every `seconds`: from its "head" on, or its "body"."""

        def handle(request: Request) -> Answer:
            head, body = _bytes(request.pass_on(), request.method)
            if part == "body":
                request.send(head)
            for byte in body if part == "body" else head + body:
                if self._proxy.closing.wait(seconds):
                    break
                request.send(bytes([byte]))
            raise Closed

        return self._do(handle)

    def drop_before(self) -> Rule:
        """The server behind never sees the request."""

        def handle(request: Request) -> Answer:
            raise Closed

        return self._do(handle)

    def lose_reply(self) -> Rule:
        """The server behind does what was asked; who asked never hears of it."""

        def handle(request: Request) -> Answer:
            request.pass_on()
            raise Closed

        return self._do(handle)

    def hang(self) -> Rule:
        """Nothing happens until `release`; then the server behind gets the late request."""
        return self.delay_until(self._released)

    def delay_until(self, event: threading.Event) -> Rule:
        """Nothing happens until `event` is set; then the server behind gets the late request."""

        def handle(request: Request) -> Answer:
            while not (event.wait(0.02) or self._released.is_set()):
                if self._proxy.closing.is_set():
                    raise Closed
            return request.pass_on()

        return self._do(handle)

    def call(self, action: Callable[[], object]) -> Rule:
        """Runs `action` before the server behind sees the request."""

        def handle(request: Request) -> Answer:
            self._proxy.guarded(lambda _: action(), None)
            return request.pass_on()

        return self._do(handle)

    def _do(self, handle: Callable[[Request], Answer]) -> Rule:
        self.handle = handle
        self._proxy.remember(self)
        return self


class Misbehave:
    """The proxy: `address` is where to send requests.

    They are passed on to the real server `upstreams`; where there are several, to each in turn.
    """

    def __init__(self, *upstreams: str) -> None:
        self._upstreams = cycle([_host_and_port(upstream) for upstream in upstreams])
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._requests: list[tuple[str, str]] = []
        self._sockets: set[socket.socket] = set()
        self.errors: list[BaseException] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self) -> str:
        """Such as http://127.0.0.1:40123."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def upstream(self) -> tuple[str, int]:
        """Host and port of the server whose turn it is."""
        with self._lock:
            return next(self._upstreams)

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and path of every request so far, in order, as they were sent."""
        with self._lock:
            return list(self._requests)

    def when(
        self, *, method: str | None = None, path: str = "", times: int | None = None, after: int = 0
    ) -> Rule:
        """A rule for some requests; it takes effect with the misbehaviour that follows."""
        return Rule(self, method, path, times, after)

    def __enter__(self) -> Misbehave:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for open_socket in self._sockets:
                _cut(open_socket)
        self._server.server_close()  # joins the threads of all connections
        if self.errors and error is None:
            raise self.errors[0]

    def remember(self, rule: Rule) -> None:
        """Puts a rule into effect."""
        with self._lock:
            self._rules.insert(0, rule)

    def forget(self, rule: Rule) -> None:
        """Takes a rule out of effect."""
        with self._lock:
            self._rules = [other for other in self._rules if other is not rule]

    def rule_for(self, method: str, path: str) -> Rule | None:
        """Notes a request; the rule that takes it."""
        with self._lock:
            self._requests.append((method, path))
            return next((rule for rule in self._rules if rule.takes(method, path)), None)

    def guarded(self, function: Callable[[Any], Any], argument: object) -> Any:
        """Runs a piece of the test's own; what it raises, the test gets on leaving the `with`."""
        try:
            return function(argument)
        except Exception as error:
            self.errors.append(error)
            raise Closed from error

    def track(self, open_socket: socket.socket) -> None:
        """Remembers a socket to be cut at the end."""
        with self._lock:
            self._sockets.add(open_socket)
            if self.closing.is_set():
                _cut(open_socket)

    def untrack(self, open_socket: socket.socket) -> None:
        """A socket is about to be closed."""
        with self._lock:
            self._sockets.discard(open_socket)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close joins them
    request_queue_size = 128

    def __init__(self, proxy: Misbehave) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's own looks its name up

    def handle_error(self, *_: object) -> None:
        """A client that went away is nothing; anything else is a mistake here."""
        error = sys.exc_info()[1]
        if error and not isinstance(error, OSError):
            self.proxy.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.proxy.track(self.connection)

    def finish(self) -> None:
        self.server.proxy.untrack(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        pass

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve  # every method alike, LIST too
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        sent = f"{self.requestline}\n{self.headers}{body.decode('latin-1')}"
        request = Request(self.command, self.path, sent, lambda: self._pass_on(body), self._send)
        rule = self.server.proxy.rule_for(self.command, self.path)
        try:
            answer = rule.handle(request) if rule else request.pass_on()
            self._send(b"".join(_bytes(answer, self.command)))
        except (Closed, OSError, http.client.HTTPException):
            self.close_connection = True

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)

    def _pass_on(self, body: bytes) -> Answer:
        """One request to the server behind, on a connection of its own."""
        upstream = http.client.HTTPConnection(*self.server.proxy.upstream, timeout=60)
        upstream.connect()
        link = upstream.sock
        link.settimeout(None)
        self.server.proxy.track(link)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _HOP:
                    upstream.putheader(name, value)
            if "Content-Length" in self.headers:
                upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body or None)
            with upstream.getresponse() as response:
                return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            self.server.proxy.untrack(link)
            upstream.close()


def _host_and_port(upstream: str) -> tuple[str, int]:
    parts = urlsplit(upstream if "://" in upstream else f"http://{upstream}")
    return parts.hostname or "", parts.port or 80


def _bytes(answer: Answer, method: str) -> tuple[bytes, bytes]:
    """Head and body of a reply as they go over the wire."""
    reason = http.client.responses.get(answer.status, "Odd")
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    lines += [f"{k}: {v}" for k, v in answer.headers.items() if k.lower() not in _HOP]
    if answer.status not in (204, 304):
        lines.append(f"Content-Length: {len(answer.body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head, b"" if method == "HEAD" else answer.body


def _cut(open_socket: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        open_socket.shutdown(socket.SHUT_RDWR)

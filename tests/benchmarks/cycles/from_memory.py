"""A Vault that answers from memory, fast enough not to be what is measured.

`python -m tests.benchmarks.cycles.from_memory SECRETS [--refuse-at N …]`: an OpenBao as far as a
cycle asks for one, over a real socket, with as many secrets as wanted. Every folder holds the same
names, and every secret the same metadata: so each reply is made once, and again each second for its
`Date`. It tells its port, and serves until its standard input ends.

At each of the requests that `--refuse-at` numbers it begins to answer 429 to all of them, for
`REFUSING_S`, as a server under pressure does; what it saw of that is a line of JSON at its end.
`PUT /v1/bench/write` is a new version of the first `CHANGED` secrets.
"""

from __future__ import annotations

import argparse
import http.client
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.utils import formatdate
from typing import Any

import msgspec
import orjson

from tests.benchmarks.cycles.tree import IN_A_FOLDER, MOUNT, folders
from vsync_sm.local.process import HOST

REFUSING_S = 0.05
"""So long it goes on to refuse, seconds: shorter than anybody should wait before asking again."""

CHANGED = 3

_MADE = "2026-11-01T08:00:00.123456789Z"
_FRAME = {"request_id": "", "lease_id": "", "renewable": False, "lease_duration": 0}
_HEALTH = {
    "initialized": True,
    "sealed": False,
    "standby": False,
    "performance_standby": False,
    "replication_performance_mode": "disabled",
    "replication_dr_mode": "disabled",
    "version": "2.7.2",
}


class Pressed(msgspec.Struct, frozen=True):
    """What it was asked for while it refused.

    `bursts` are the times it began to refuse, `refused` the requests that met it, `most` those of
    one burst; `pause_s` is the shortest time from the last one refused to the next that was served,
    `served` all that were.
    """

    bursts: int
    refused: int
    most: int
    pause_s: float
    served: int


def _secret(version: int) -> dict[str, Any]:
    """The metadata of a secret, as OpenBao tells it."""
    one = {"created_time": _MADE, "deletion_time": "", "destroyed": False}
    return {
        "cas_required": False,
        "created_time": _MADE,
        "current_version": version,
        "custom_metadata": None,
        "delete_version_after": "0s",
        "max_versions": 0,
        "oldest_version": 0,
        "updated_time": _MADE,
        "versions": {str(version): one},
    }


class Replies:
    """What is answered, by what is asked."""

    def __init__(self, secrets: int) -> None:
        names = [f"secret-{number:02}" for number in range(min(secrets, IN_A_FOLDER))]
        mount = {"path": MOUNT, "type": "kv", "accessor": "kv_1", "options": {"version": "2"}}
        self._second = 0
        self._date = b""
        self._names = names
        self._version = 1
        self._root = _data({"keys": [f"{folder.split('/')[0]}/" for folder in folders(secrets)]})
        self._team = _data({"keys": ["app/"]})
        self._app = _data({"keys": names})
        self._detailed = self._first = _details({name: _secret(1) for name in names})
        self._secret = _data(_secret(1))
        self._others = {
            b"/v1/sys/health": _body(orjson.dumps(_HEALTH)),
            b"/v1/auth/token/lookup-self": _data({"ttl": 0, "renewable": False, "num_uses": 0}),
            f"/v1/sys/internal/ui/mounts/{MOUNT}".encode(): _data(mount),
        }
        self._nothing = b"HTTP/1.1 404 Not Found\r\nDate: ", _body(b'{"errors":[]}')[1]

    def to(self, method: bytes, path: bytes, body: bytes) -> bytes:
        """The whole reply."""
        now = int(time.time())
        if now != self._second:
            self._second, self._date = now, formatdate(now, usegmt=True).encode()
        before, after = self._parts(method, path.partition(b"?")[0], body)
        return before + self._date + after

    def refusal(self) -> bytes:
        """A 429, as OpenBao's quotas give it."""
        return b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 13\r\n\r\n" + b'{"errors":[]}'

    def _parts(self, method: bytes, path: bytes, body: bytes) -> tuple[bytes, bytes]:
        if method == b"GET" and path.startswith(_METADATA):
            return self._secret
        if method == b"LIST" and path.startswith(_METADATA):
            below = path[len(_METADATA) :].strip(b"/")
            deep = self._app if b"/" in below else self._team
            return deep if below else self._root
        if method == b"LIST":
            return self._first if b"/team-00000/" in path else self._detailed
        if method == b"DELETE":
            return b"HTTP/1.1 204 No Content\r\nDate: ", b"\r\n\r\n"
        return self._other(path, body)

    def _other(self, path: bytes, body: bytes) -> tuple[bytes, bytes]:
        if path == b"/v1/bench/write":
            self._write()
        if path == b"/v1/sys/capabilities-self":
            return _data({each: ["root"] for each in orjson.loads(body)["paths"]})
        return self._others.get(path) or self._others.get(path + b"/") or self._nothing

    def _write(self) -> None:
        self._version += 1
        changed = dict.fromkeys(self._names[:CHANGED], _secret(self._version))
        self._first = _details({name: _secret(1) for name in self._names} | changed)


_METADATA = f"/v1/{MOUNT}metadata/".encode()


def _details(secrets: dict[str, Any]) -> tuple[bytes, bytes]:
    return _data({"keys": [*secrets], "key_info": secrets})


def _data(data: dict[str, Any]) -> tuple[bytes, bytes]:
    return _body(orjson.dumps({**_FRAME, "data": data, "warnings": None}))


def _body(body: bytes) -> tuple[bytes, bytes]:
    head = b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    return b"HTTP/1.1 200 OK\r\nDate: ", head + body


class Server:
    """One thread, one loop: a request is answered as soon as it is whole."""

    def __init__(self, replies: Replies, refuse_at: Sequence[int]) -> None:
        self._replies = replies
        self._listener = socket.create_server((HOST, 0), backlog=256)
        self._poll = select.epoll()
        self._open: dict[int, tuple[socket.socket, bytearray]] = {}
        self._refuse_at = list(refuse_at)
        self._refused: list[int] = []  # by burst
        self._served = 0
        self._until = 0.0
        self._last_refused = 0.0
        self._pauses: list[float] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def serve(self) -> Pressed:
        """Serve until standard input ends."""
        listener, told = self._listener.fileno(), sys.stdin.fileno()
        self._poll.register(listener, select.EPOLLIN)
        self._poll.register(told, select.EPOLLIN | select.EPOLLHUP)
        while True:
            for at, _ in self._poll.poll():
                if at == told:
                    return self._pressed()
                if at == listener:
                    self._accept()
                else:
                    self._hear(at)

    def _pressed(self) -> Pressed:
        refused = self._refused or [0]
        return Pressed(
            bursts=len(self._refused),
            refused=sum(refused),
            most=max(refused),
            pause_s=min(self._pauses, default=0.0),
            served=self._served,
        )

    def _accept(self) -> None:
        peer, _ = self._listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[peer.fileno()] = peer, bytearray()
        self._poll.register(peer.fileno(), select.EPOLLIN)

    def _hear(self, at: int) -> None:
        peer, heard = self._open[at]
        try:
            came = peer.recv(1 << 16)
        except ConnectionError:
            came = b""
        if not came:
            self._poll.unregister(at)
            del self._open[at]
            peer.close()
            return
        heard += came
        head = heard.find(b"\r\n\r\n")
        if head < 0:
            return
        line, _, headers = bytes(heard[:head]).partition(b"\r\n")
        length = _length(headers) if line.startswith((b"POST", b"PUT")) else 0
        if len(heard) < head + 4 + length:
            return
        body = bytes(heard[head + 4 : head + 4 + length])
        heard.clear()  # who asks waits for the answer before it asks again
        method, path, _ = line.split(b" ")
        with suppress(ConnectionError):
            peer.sendall(self._answer(method, path, body))

    def _answer(self, method: bytes, path: bytes, body: bytes) -> bytes:
        if self._refuse_at or self._refused:
            now = time.monotonic()
            if self._refuse_at and self._served >= self._refuse_at[0]:
                self._refuse_at.pop(0)
                self._refused.append(0)
                self._until = now + REFUSING_S
            if now < self._until:
                self._refused[-1] += 1
                self._last_refused = now
                return self._replies.refusal()
            if self._last_refused:
                self._pauses.append(now - self._last_refused)
                self._last_refused = 0.0
        self._served += 1
        return self._replies.to(method, path, body)


def _length(headers: bytes) -> int:
    for line in headers.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


class FromMemory:
    """The server as a process of its own; `token` is anything, for it asks for none."""

    token = "any"

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._port = port
        self.address = f"http://{HOST}:{port}"
        self.pid = process.pid

    def write(self) -> None:
        """A new version of the first secrets, which only detailed lists show."""
        connection = http.client.HTTPConnection(HOST, self._port, timeout=60)
        connection.request("PUT", "/v1/bench/write")
        connection.getresponse().read()
        connection.close()

    def end(self) -> Pressed:
        """End it; what it saw while it refused."""
        told, _ = self._process.communicate()
        return msgspec.json.decode(told, type=Pressed)


@contextmanager
def from_memory(secrets: int, refuse_at: Sequence[int] = ()) -> Iterator[FromMemory]:
    """The server with so many secrets."""
    command = [sys.executable, "-m", "tests.benchmarks.cycles.from_memory", str(secrets)]
    if refuse_at:
        command += ["--refuse-at", *map(str, refuse_at)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield FromMemory(process, int(process.stdout.readline()))
        finally:
            if process.poll() is None:
                process.terminate()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("secrets", type=int)
    parser.add_argument("--refuse-at", type=int, nargs="*", default=[])
    told = parser.parse_args()
    server = Server(Replies(told.secrets), told.refuse_at)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdout.write(msgspec.json.encode(server.serve()).decode())


if __name__ == "__main__":
    main()

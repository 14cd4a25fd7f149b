"""An OpenBao of two nodes behind a round robin, and an origin that must not see it lag."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Self
from unittest.mock import patch

from tests.misbehave import Misbehave
from tests.support import ConsulKv, VaultApi
from tests.workshop import PATIENCE_S, Workshop
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.core.view import View
from vsync_sm.local import BaoServer, ConsulServer, find_bao, start_bao
from vsync_sm.operate.direct import ask_to_do
from vsync_sm.origin.inbox import Asker, Inbox, SignalCame
from vsync_sm.origin.orders import Mode
from vsync_sm.servers.vault import Vault

LAG_S = 0.3
"""So much later than it is written does a standby at least hear of a write."""

NEW_EVERY = 10
"""Every so many rounds a new secret is written, else a new version of one of these."""


class Cluster:
    """An active node, a standby that answers reads by itself, and what stands before both."""

    def __init__(self, active: BaoServer, standby: BaoServer, balancer: Misbehave) -> None:
        self.active = active
        self.standby = standby
        self.balancer = balancer
        self.api = VaultApi(active)


class SlowLink:
    """A TCP relay on the way to one server: what it is sent arrives `LAG_S` later."""

    def __init__(self) -> None:
        self.port = 0  # of the server
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []

    @property
    def address(self) -> str:
        """Where to reach the server through it."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._run(self._link, client)

    def _link(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self.port))
        except OSError:  # it does not listen yet
            client.close()
            return
        self._sockets.append(server)
        late: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
        self._run(self._receive, client, late)
        self._run(self._send, server, late)
        self._pass_back(server, client)

    def _receive(self, link: socket.socket, late: SimpleQueue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = link.recv(65_536)
            except OSError:
                data = b""
            late.put((time.monotonic() + LAG_S, data))

    def _send(self, link: socket.socket, late: SimpleQueue[tuple[float, bytes]]) -> None:
        with suppress(OSError):
            while not self._closing.is_set():
                due, data = late.get()
                if self._closing.wait(due - time.monotonic()) or not data:
                    link.shutdown(socket.SHUT_RDWR)
                    return
                link.sendall(data)

    def _pass_back(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


class _Laggard(BaoServer):
    """A standby to which the active node's news come late."""

    def __init__(self, directory: Path, active: BaoServer, link: SlowLink) -> None:
        super().__init__(find_bao(), directory, joins=active)
        self._link = link

    def _cluster_addr(self, port: int) -> str:
        self._link.port = port
        return self._link.address


@contextmanager
def cluster_in(directory: Path) -> Iterator[Cluster]:
    """A cluster of its own; some seconds to start."""
    with (
        start_bao(directory / "active", persistent=True) as active,
        SlowLink() as link,
        _Laggard(directory / "standby", active, link) as standby,
    ):
        standby.start()
        with Misbehave(active.address, standby.address) as balancer:
            yield Cluster(active, standby, balancer)


class Rounds:
    """An origin that runs in this process: each round writes a secret, and asks for a cycle.

    Attributes:
        seen: how many cycles have seen what was written right before them.
        stale: how many have not.
        aborted: how many were not complete; they are no rounds, and save nothing.
    """

    def __init__(self, cluster: Cluster, consul: ConsulServer, home: Path) -> None:
        self.seen = 0
        self.stale = 0
        self.aborted = 0
        self._cluster = cluster
        self._written = 0
        self._found: dict[str, int] = {}
        self._cycles: SimpleQueue[tuple[str, dict[str, int]]] = SimpleQueue()
        self._inbox = Inbox()
        shop = Workshop(cluster.api, ConsulKv(consul), ["secret/"], "rounds/", home)
        vault = {"address": cluster.balancer.address}
        self._running = wiring.engine(
            shop.settings(vault=vault, tick="8760h"),
            Mode.daemon,
            shop.journal,
            self._inbox,
            sinks=[self._note],
        )
        self._thread = threading.Thread(target=self._running.engine.run)

    def __enter__(self) -> Self:
        self._thread.start()
        self._cycles.get(timeout=PATIENCE_S)  # the first one comes by itself
        return self

    def __exit__(self, *_: object) -> None:
        self._inbox.post(SignalCame(15))
        self._thread.join(PATIENCE_S)
        self._running.close()

    def go(self, rounds: int) -> None:
        """So many complete cycles more."""
        until = self.seen + self.stale + rounds
        while self.seen + self.stale < until:
            path, version = self._write()
            done = ask_to_do(self._inbox, "sync", "", Asker("rounds", "test"))
            assert done.ok, done.words
            outcome, found = self._cycles.get(timeout=PATIENCE_S)
            if outcome not in {"saved", "unchanged"}:
                self.aborted += 1
            elif found.get(path) == version:
                self.seen += 1
            else:
                self.stale += 1

    def _write(self) -> tuple[str, int]:
        """A new secret, or a new version of one; its path and version."""
        newest, older = divmod(self._written, NEW_EVERY)
        name = f"{newest if older == 0 else (self._written * 7) % (newest + 1)}"
        self._written += 1
        return f"secret/data/{name}", self._cluster.api.put("secret/", name)

    def _note(self, record: Record, _: View) -> None:
        event = record.event
        if isinstance(event, e.InsightGenerated):
            self._found[event.path] = event.insight.version
        elif isinstance(event, e.CycleFinished):
            self._cycles.put((event.outcome, self._found))
            self._found = {}


@contextmanager
def without_the_rule() -> Iterator[None]:
    """Takes safety rule 10 out: what stands behind it is not asked."""
    with patch.object(Vault, "catch_up", return_value=False):
        yield

"""A server process on this machine: started on free ports, watched, frozen, killed, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

HOST = "127.0.0.1"
START_LIMIT = 60.0
"""Seconds a server may take to become ready (raft and a busy machine need a few)."""
STOP_LIMIT = 5.0
"""Seconds between SIGTERM and SIGKILL."""

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL = 0.02
_TRIES = 5
# Below the range from which the kernel takes ports for outgoing connections: a server that is
# stopped and started again finds its ports free.
_PORTS = range(20_000, 32_000)

# Runs in place of the server for a moment, then becomes it. What it leaves behind, a child of
# the server, waits on a pipe whose other end only the starting process holds: when that process
# is gone, for whatever reason, the pipe closes and the server is killed. Unlike a parent-death
# signal this does not depend on which thread started the server, and it is not Linux's alone.
_LIFELINE = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_SETMASK, ())
pipe, server = int(sys.argv[1]), os.getpid()
if os.fork() == 0:
    os.read(pipe, 1)
    if os.getppid() == server:
        os.kill(server, signal.SIGKILL)
    os._exit(0)
os.close(pipe)
os.execv(sys.argv[2], sys.argv[2:])
"""


class LocalServerError(Exception):
    """A local server is missing or did not start: a sentence for a human, without secrets."""


class _PortTakenError(Exception):
    """The server gave up at once because a port was taken in between."""


class LocalServer:
    """A server process, startable again on the same ports.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        token: what may do everything; empty where no token is needed.
        log: the file that holds everything the server printed.
    """

    name: ClassVar[str]
    _token_header: ClassVar[str]
    _running: ClassVar[bytes]  # what the server prints once its sockets are bound
    _port_count: ClassVar[int]

    def __init__(self, binary: Path, directory: Path, *, port: int = 0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        self.directory = directory.absolute()
        self.log = self.directory / f"{self.name.lower()}.log"
        self.token = ""
        self._binary = binary
        self._wanted_port = port
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._frozen = False

    @property
    def port(self) -> int:
        """The port of the HTTP interface."""
        return self._ports[0]

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the server as last started."""
        if self._process is None:
            raise LocalServerError(f"{self.name} was never started")
        return self._process.pid

    def start(self) -> None:
        """Starts the server and returns when it is ready; again on its old ports, if it had any."""
        if self.alive():
            return
        if self._ports:
            self._start_once()
            return
        for _ in range(_TRIES):
            self._ports = _free_ports(self._port_count, self._wanted_port)
            try:
                self._start_once()
            except _PortTakenError:
                continue
            return
        raise LocalServerError(f"{self.name} found no free ports on {HOST}; see {self.log}")

    def restart(self) -> None:
        """Stops the server and starts it on the same ports."""
        self.stop()
        self.start()

    def alive(self) -> bool:
        """Whether the process runs (a frozen one does)."""
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """Stops the process in its tracks (SIGSTOP); returns when it stands still."""
        if self.alive() and not self._frozen:
            os.kill(self.pid, signal.SIGSTOP)
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            self._frozen = True

    def thaw(self) -> None:
        """Lets a frozen process go on (SIGCONT), whoever froze it; nothing for one that runs."""
        if self.alive():
            os.kill(self.pid, signal.SIGCONT)
        self._frozen = False

    def kill(self) -> None:
        """Ends the process at once (SIGKILL)."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def stop(self) -> None:
        """Thaws and ends the process: SIGTERM, and after `STOP_LIMIT` SIGKILL."""
        self.thaw()
        if self._process is not None and self.alive():
            self._process.terminate()
            try:
                self._process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def http(
        self, method: str, path: str, body: bytes | None = None, *, token: str | None = None
    ) -> tuple[int, bytes]:
        """One request to the server: its status and body; OSError where it does not answer.

        Args:
            method: `GET`, `PUT`, `LIST` …
            path: from `/v1/` on, quoted already.
            body: sent as it is.
            token: instead of the server's own; empty for none.
        """
        used = self.token if token is None else token
        headers = {self._token_header: used} if used else {}
        connection = http.client.HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except http.client.HTTPException as broken:
            raise ConnectionError(f"{self.name} broke off its answer") from broken
        finally:
            connection.close()

    def json(self, method: str, path: str, body: object = None) -> Any:
        """Like `http` with JSON both ways; anything but 2xx is a `LocalServerError`."""
        sent = None if body is None else json.dumps(body).encode()
        status, answer = self.http(method, path, sent)
        if not 200 <= status < 300:
            said = answer.decode(errors="replace").strip()
            raise LocalServerError(f"{self.name}: {method} {path} answered {status}: {said}")
        return json.loads(answer) if answer else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _command(self) -> list[str]:
        """Writes the configuration for `_ports`; returns what follows the binary's name."""
        raise NotImplementedError

    def _become_ready(self, deadline: float) -> None:
        """Brings a server whose sockets are bound to where it can be used."""
        raise NotImplementedError

    def _start_once(self) -> None:
        said_before = self.log.stat().st_size if self.log.exists() else 0
        deadline = time.monotonic() + START_LIMIT
        try:
            # An interrupt while the process is made would lose it: nobody could stop it then.
            with _signals_wait():
                self._spawn()
            # The log, not the port: whoever answers on the port may be somebody else's server.
            while self._running not in self._said_since(said_before):
                self._still_starting(deadline, said_before)
            self._become_ready(deadline)
        except BaseException:
            self.kill()
            raise

    def _spawn(self) -> None:
        arguments = self._command()
        held_by_child, self._lifeline = os.pipe()
        try:
            with self.log.open("ab") as log:
                self.log.chmod(0o600)
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-I", "-S", "-c", _LIFELINE),
                        *(str(held_by_child), str(self._binary), *arguments),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self.directory,
                    # Nothing of the user's (VAULT_*, CONSUL_*, proxies) may change the server.
                    env={"HOME": str(self.directory), "PATH": os.defpath},
                    # Ctrl-C in the terminal is for the demo; it stops its servers in order.
                    start_new_session=True,
                    pass_fds=(held_by_child,),
                )
        finally:
            os.close(held_by_child)
        self._frozen = False

    def _said_since(self, position: int) -> bytes:
        with self.log.open("rb") as log:
            log.seek(position)
            return log.read()

    def _still_starting(self, deadline: float, said_before: int) -> None:
        """Waits a moment; raises when the server has given up or its time is over."""
        if not self.alive():
            said = self._said_since(said_before).decode(errors="replace")
            if "address already in use" in said and not self._wanted_port:
                raise _PortTakenError
            last = " / ".join(said.strip().splitlines()[-3:])
            raise LocalServerError(f"{self.name} ended while starting: {last} (log: {self.log})")
        self._wait_a_moment(deadline)

    def _wait_a_moment(self, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise LocalServerError(
                f"{self.name} was not ready after {START_LIMIT:.0f} s; see {self.log}"
            )
        time.sleep(_POLL)

    def _until(self, deadline: float, method: str, path: str, body: object = None) -> Any:
        """Repeats a request until it is answered with 2xx and something true."""
        while True:
            try:
                answer = self.json(method, path, body)
            except (OSError, LocalServerError):
                answer = None
            if answer:
                return answer
            self._wait_a_moment(deadline)

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._frozen = False


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Signals to this thread come after the block. What it starts inherits that they wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _free_ports(count: int, first: int) -> list[int]:
    """`count` ports that nobody listens on just now; `first` is taken as given unless 0."""
    found = [first] if first else []
    while len(found) < count:
        port = secrets.choice(_PORTS)
        if port not in found and _is_free(port):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True

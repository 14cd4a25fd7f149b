"""A service manager's end of its socket: what it is told, as systemd would hear it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from tests.workshop import PATIENCE_S


class Manager:
    """The service manager's end: what it was told, line by line."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)

    def close(self) -> None:
        """It is gone."""
        self._socket.close()

    def hear(self, limit_s: float = PATIENCE_S) -> list[str]:
        """The next datagram's lines; TimeoutError: there was none within the limit."""
        self._socket.settimeout(limit_s)
        lines = self._socket.recv(65_536).decode().split("\n")
        self.told += lines
        return lines

    def hear_until(self, wanted: Callable[[str], bool], times: int = 1) -> str:
        """Until so many more such lines have come; the last of them."""
        left, until = times, time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for line in filter(wanted, self.hear()):
                left -= 1
                if left == 0:
                    return line
        raise AssertionError(f"it never came: {self.told[-10:]}")

    def hear_all(self) -> None:
        """What lies there already."""
        self._socket.setblocking(False)
        while True:
            try:
                self.told += self._socket.recv(65_536).decode().split("\n")
            except BlockingIOError:
                return

    def hears_nothing(self, limit_s: float) -> bool:
        """Whether it would lose patience: nothing comes for so many seconds."""
        try:
            self.hear(limit_s)
        except TimeoutError:
            return True
        return False

"""What happens to the servers and to the daemon: stopped, frozen, sealed, restarted, killed."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support import VaultApi
from vsync_sm.local import BaoServer, ConsulServer, LocalServer


class Weather:
    """One trouble at a time, each of a random length; every server is well again after it.

    Attributes:
        seen: how often each trouble came.
    """

    def __init__(
        self, bao: BaoServer, consul: ConsulServer, kill: Callable[[], None], seed: int
    ) -> None:
        """`kill` ends the daemon at once (SIGKILL)."""
        self.seen: Counter[str] = Counter()
        self._chance = random.Random(seed)  # noqa: S311  it chooses the trouble, no secret
        self._troubles: dict[str, Callable[[], None]] = {
            "Vault frozen": lambda: self._frozen(bao),
            "Vault stopped": lambda: self._stopped(bao),
            "Vault killed": lambda: self._killed(bao),
            "Vault sealed": lambda: self._sealed(bao),
            "Consul frozen": lambda: self._frozen(consul),
            "Consul stopped": lambda: self._stopped(consul),
            "Consul killed": lambda: self._killed(consul),
            "both frozen": lambda: self._both_frozen(bao, consul),
            "daemon killed": kill,
        }

    def blow(self, seconds: float, *, kills: bool) -> Iterator[str]:
        """Trouble for so long, with calm in between; each trouble is named before it begins.

        Args:
            seconds: after which no further trouble begins.
            kills: whether the daemon is killed as well.
        """
        until = time.monotonic() + seconds
        names = [name for name in self._troubles if kills or name != "daemon killed"]
        while time.monotonic() < until:
            self._last(1, 6)
            name = self._chance.choice(names)
            self.seen[name] += 1
            yield name
            self._troubles[name]()

    def _last(self, shortest: float, longest: float) -> None:
        time.sleep(self._chance.uniform(shortest, longest))

    def _frozen(self, server: LocalServer) -> None:
        with _freezing(server):
            self._last(0.5, 8)

    def _both_frozen(self, bao: BaoServer, consul: ConsulServer) -> None:
        with _freezing(bao), _freezing(consul):
            self._last(0.5, 8)

    def _stopped(self, server: LocalServer) -> None:
        server.stop()
        self._last(0.5, 8)
        server.start()

    def _killed(self, server: LocalServer) -> None:
        server.kill()
        self._last(0, 3)
        server.start()

    def _sealed(self, bao: BaoServer) -> None:
        VaultApi(bao).seal()
        self._last(0.5, 8)
        bao.unseal()
        while bao.http("GET", "/v1/sys/health")[0] != 200:
            time.sleep(0.05)


@contextmanager
def _freezing(server: LocalServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()

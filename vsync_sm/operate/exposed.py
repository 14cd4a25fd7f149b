"""What an origin shows on a port: its metrics, whether it is healthy, whether it lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

from vsync_sm.core.events import Record
from vsync_sm.core.shapes import View
from vsync_sm.operate.health import LOOP_S, STARTING, health, live
from vsync_sm.operate.web import TEXT, Reply, Web, is_loopback

if TYPE_CHECKING:
    from vsync_sm.operate.metrics import JournalSize, Metrics


class Exposed:
    """A sink of the ledger, and a pulse of the loop. It listens from the moment it is made.

    Attributes:
        rest_s: the loop may rest for so long (seconds), so that it can be seen to live.
    """

    rest_s = LOOP_S / 3

    def __init__(
        self,
        address: str,
        journal: JournalSize,
        *,
        wall: Callable[[], int] = time.time_ns,
        mono: Callable[[], float] = time.monotonic,
    ) -> None:
        """`address` is `host:port`; port 0: any free one. Raises Fault: it cannot listen there."""
        host, _, port = address.rpartition(":")
        self._beyond = not is_loopback(host.strip("[]"))
        self._journal = journal
        self._wall = wall
        self._mono = mono
        self._view: View | None = None  # after this run's last record
        self._turned: float | None = None  # when the loop turned last
        self._metrics: Metrics | None = None
        self._web = Web(host.strip("[]"), int(port))
        self._web.start(
            {
                "/metrics": self._scrape,
                "/health": lambda accept: health(self._view, self._wall(), accept),
                "/live": lambda accept: live(self._silent_s(), accept),
            }
        )

    @property
    def address(self) -> str:
        """Where it listens: `127.0.0.1:9464`."""
        return self._web.address

    @property
    def warning(self) -> str:
        """What must be said of an address that others than this host can reach; else ""."""
        if not self._beyond:
            return ""
        return f"metrics.address: who reaches {self.address} reads there, without a password"

    def begin(self, view: View) -> None:
        """The journal is read, and tells this; the run is about to begin."""
        from vsync_sm.operate.metrics import Metrics  # noqa: PLC0415  60 ms for who has metrics

        self._metrics = Metrics(view, self._wall, self._journal)

    def __call__(self, record: Record, view: View) -> None:
        """Keep what a record tells."""
        self._view = view
        if self._metrics is not None:
            self._metrics(record, view)

    def turned(self, _: View) -> None:
        """The loop has turned once more."""
        self._turned = self._mono()

    def close(self) -> None:
        """Listen no more."""
        self._web.close()

    def _silent_s(self) -> float | None:
        turned = self._turned
        return None if turned is None else max(0.0, self._mono() - turned)

    def _scrape(self, accept: str) -> Reply:
        if self._metrics is None:
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, TEXT, f"{STARTING}\n".encode())
        body, content_type = self._metrics.scrape(accept)
        return Reply(HTTPStatus.OK, content_type, body)

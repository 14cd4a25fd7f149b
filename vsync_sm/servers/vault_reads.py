"""The metadata of many secrets at a time: what `Vault.read_metadata` asks and believes, but fast.

hvac asks for one thing at a time. So here the request is put together as hvac would (a test holds
the two alike, byte for byte), and the reply judged by what judges hvac's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from vsync_sm.core.errors import Fault
from vsync_sm.servers.http import Limit, Reply
from vsync_sm.servers.parallel import ParallelReads
from vsync_sm.servers.vault_client import Adapter
from vsync_sm.servers.vault_replies import Metadata

_K = TypeVar("_K")


class MetadataReads(Generic[_K]):
    """Reads under way; made by `Vault.reads`. All calls are one thread's."""

    def __init__(
        self,
        adapter: Adapter,
        most: int,
        *,
        url: Callable[[str, str], str],
        judge: Callable[[Reply, str, str], Metadata | None],
    ) -> None:
        """
        Args:
            url: of a mount and a path, what is asked; raises Fault: NOT_VAULT, there is none.
            judge: of a reply, a mount and a path, what it says; raises Fault.
        """
        self._adapter = adapter
        self._parallel: ParallelReads[tuple[_K, str, str]] = ParallelReads(adapter.transport, most)
        self._url = url
        self._judge = judge

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._parallel)

    def send(self, key: _K, mount: str, path: str, limit: Limit) -> None:
        """Begin to read a secret's metadata; `receive` gives its end with this key.

        Raises:
            Fault: nothing was sent: NOT_VAULT or CONFIGURATION, it cannot be; what `limit` raises.
        """
        self._parallel.send(
            (key, mount, path),
            self._url(mount, path),
            headers=self._adapter.headers(),
            limit=limit,
        )

    def receive(self, wait_s: float) -> list[tuple[_K, Metadata | Fault | None]]:
        """What has ended: what `Vault.read_metadata` returns, or the fault that it raises.

        Waits for something to happen, `wait_s` seconds at the most.

        Raises:
            Fault: SURPLUS_REPLY, Vault said more than it was asked: no end is to be believed.
        """
        return [
            (key, self._judged(answer, mount, path))
            for (key, mount, path), answer in self._parallel.receive(wait_s)
        ]

    def expect_silence(self) -> None:
        """As `Vault.expect_silence`, when nothing is under way. Raises the same."""
        self._parallel.expect_silence()

    def close(self) -> None:
        """Break off what is under way."""
        self._parallel.close()

    def _judged(self, answer: Reply | Fault, mount: str, path: str) -> Metadata | Fault | None:
        if isinstance(answer, Fault):
            return answer
        self._adapter.note(answer)
        try:
            return self._judge(answer, mount, path)
        except Fault as fault:
            return fault

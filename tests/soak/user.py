"""Somebody who adds, changes and deletes secrets, and remembers what Vault said of it."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from tests.support import VaultApi
from vsync_sm.local import LocalServerError

PAUSE_S = (0.05, 0.4)


class User:
    """Writes until it is told to stop; a server that is away is waited for.

    Attributes:
        changes: how many writes Vault said yes to.
        unsure: how many had no answer, so that nobody knows.
    """

    def __init__(self, vault: VaultApi, mounts: tuple[str, ...], secrets: int, seed: int) -> None:
        """`secrets` of them are written by `settle`, spread over the mounts."""
        self.changes = 0
        self.unsure = 0
        self._vault = vault
        self._mounts = mounts
        self._secrets = secrets
        self._chance = random.Random(seed)  # noqa: S311  it chooses what to change, no secret
        self._versions: dict[tuple[str, str], int | None] = {}  # None: deleted, or purged
        self._unknown: set[tuple[str, str]] = set()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work, name="user", daemon=True)

    def settle(self) -> None:
        """Write every secret once."""
        for number in range(self._secrets):
            mount = self._mounts[number % len(self._mounts)]
            name = (mount, f"app-{number % 17}/{number % 5}/secret {number}")
            self._versions[name] = self._vault.put(*name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more; returns when the last write has ended."""
        self._enough.set()
        self._thread.join()

    def wrong(self, saved: Mapping[str, tuple[int, str]]) -> list[str]:
        """What Consul holds otherwise than Vault said to this user, one line a secret.

        A write without an answer is left out: its secret may be either.
        """
        found = []
        for (mount, path), version in sorted(self._versions.items()):
            there = saved.get(f"{mount}data/{path}", (None, ""))[0]
            if (mount, path) not in self._unknown and there != version:
                found.append(f"{mount}{path}: Vault said {version}, Consul holds {there}")
        return found

    def _work(self) -> None:
        while not self._enough.wait(self._chance.uniform(*PAUSE_S)):
            name = self._pick()
            try:
                self._versions[name] = self._change(name)
            except (OSError, LocalServerError):
                self.unsure += 1
                self._unknown.add(name)
            else:
                self.changes += 1
                self._unknown.discard(name)

    def _pick(self) -> tuple[str, str]:
        if self._one_in(10) and len(self._versions) < 2 * self._secrets:
            name = (self._chance.choice(self._mounts), f"new/{len(self._versions)}")
            self._versions[name] = None
            return name
        return self._chance.choice(list(self._versions))

    def _change(self, name: tuple[str, str]) -> int | None:
        if self._versions[name] is None or not self._one_in(8):
            return self._vault.put(*name)
        if self._one_in(2):
            self._vault.delete(*name)
        else:
            self._vault.purge(*name)
        return None

    def _one_in(self, many: int) -> bool:
        return self._chance.randrange(many) == 0

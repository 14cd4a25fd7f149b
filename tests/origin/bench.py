"""An origin with a proxy in front of each server: where the safety rules are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from queue import Queue
from typing import Any

from tests.misbehave import Answer, Misbehave, Request, Rule
from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm.origin.clock import SystemClock

TREE = ("a", "b", "c/d", "c/e", "f/g/h", *(f"n/{number:02}" for number in range(15)))
"""Twenty secrets: enough that a wiped mount is more than the ten that may always vanish."""

HOUR = 3600.0

LEAST = {"data": [], "metadata": ["read", "list"]}
"""The least of `requiredCapabilities`: no right to any value."""


def many(count: int, first: int = 0) -> list[str]:
    """So many names."""
    return [f"{number:03}" for number in range(first, first + count)]


class Later(SystemClock):
    """The machine's clock, so many seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = int(seconds * 1e9)

    def now(self) -> int:
        """Nanoseconds since 1970."""
        return super().now() + self._ahead


class Late:
    """A write that a proxy keeps from Consul, to pass it on long after its sender is gone."""

    def __init__(self, proxy: Misbehave, path: str = "/v1/txn", after: int = 0) -> None:
        """The next PUT to `path` but so many."""
        self.rule = proxy.when(method="PUT", path=path, after=after, times=1).hang()
        self._answered: Queue[Answer] = Queue()
        keep = self.rule.handle

        def handle(request: Request) -> Answer:
            answer = keep(request)
            self._answered.put(answer)
            return answer

        self.rule.handle = handle

    def comes(self) -> Answer:
        """Consul gets it now; its answer."""
        self.rule.release()
        return self._answered.get(timeout=PATIENCE_S)


class Bench:
    """A workshop whose origin reaches Vault and Consul through proxies that misbehave on demand."""

    def __init__(self, shop: Workshop, vault: Misbehave, consul: Misbehave) -> None:
        self.shop = shop
        self.mount: str = shop.config["origin"]["mounts"][0]
        self.vault = vault
        self.consul = consul
        self.api = shop.vault
        origin = shop.config["origin"]
        origin["vault"]["address"] = vault.address
        origin["consul"]["address"] = consul.address

    def bypass(self) -> None:
        """Has the origin reach its servers without the proxies, where nothing misbehaves."""
        origin = self.shop.config["origin"]
        origin["vault"]["address"] = self.api.address
        origin["consul"]["address"] = self.shop.consul.address

    # --- what users do ---

    def fill(self, names: Iterable[str] = TREE, mount: str = "") -> None:
        """Writes a version of each of these secrets."""
        for name in names:
            self.api.put(mount or self.mount, name)

    def purge(self, names: Iterable[str], mount: str = "") -> None:
        """Removes these secrets for good."""
        for name in names:
            self.api.purge(mount or self.mount, name)

    def add_mounts(self, *mounts: str) -> None:
        """Has the origin replicate these mounts too."""
        self.shop.config["origin"]["mounts"] += mounts

    # --- what goes wrong ---

    def on_list(self, folder: str = "", **which: Any) -> Rule:
        """A rule for the lists of one folder ("" is the mount's root)."""
        return self.vault.when(method="LIST", path=f"/v1/{self.mount}metadata/{folder}$", **which)

    def on_read(self, path: str, **which: Any) -> Rule:
        """A rule for the reads of one secret's metadata (a regular expression)."""
        return self.vault.when(method="GET", path=f"/v1/{self.mount}metadata/{path}$", **which)

    def on_write(self, **which: Any) -> Rule:
        """A rule for the transactions of a save."""
        return self.consul.when(method="PUT", path="/v1/txn", **which)

    def on_tree(self, after: int = 0, **which: Any) -> Rule:
        """A rule for the reads of the whole sync info, once a run's checks have read it: the first
        of a cycle, then the settling one.
        """
        path = f"/v1/kv/{self.shop.prefix}[?].*recurse"
        return self.consul.when(method="GET", path=path, after=after + 1, **which)

    # --- what the origin does ---

    def once(self, **how: Any) -> Run:
        """One cycle."""
        return self.shop.once(**how)

    def saved(self, **how: Any) -> Run:
        """One cycle that must save; Consul then holds what Vault holds."""
        run = self.once(**how)
        assert (run.code, run.outcome) == (0, "saved"), run.faults
        assert self.shop.saved() == self.shop.alive()
        return run

    def begin(self, names: Iterable[str] = TREE, **how: Any) -> dict[str, bytes]:
        """Fills the mount, saves, changes one secret; gives Consul's bytes as of the save.

        From here on a cycle has something to write: a save that should not be is seen.
        """
        self.fill(names)
        self.saved(**how)
        self.api.put(self.mount, "a")
        return self.raw()

    def raw(self) -> dict[str, bytes]:
        """Consul's bytes under the prefix."""
        return self.shop.raw()

    def path(self, name: str) -> str:
        """A secret's absolute data path."""
        return f"{self.mount}data/{name}"

    def refuse(self, before: dict[str, bytes], **how: Any) -> Run:
        """One cycle whose save must be refused; Consul still holds what it held before."""
        run = self.once(**how)
        assert (run.code, run.outcome) == (3, "refused refused"), run.faults
        assert self.raw() == before
        return run


@contextmanager
def bench_of(shop: Workshop) -> Iterator[Bench]:
    """A bench around a workshop. In the end no request has ever asked for a secret's data, and
    the journal does not contradict itself.
    """
    with (
        Misbehave(shop.vault.address) as vault,
        Misbehave(shop.consul.address) as consul,
    ):
        yield Bench(shop, vault, consul)
        assert not [path for _, path in vault.requests if "/data/" in path]
        if shop.journal.exists():
            shop.replayed()

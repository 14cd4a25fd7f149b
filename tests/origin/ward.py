"""An origin on servers of its own that may be ill-treated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.misbehave import Misbehave, Rule
from tests.origin.scenes import until
from tests.support import ConsulKv, VaultApi, unique
from tests.workshop import Workshop
from vsync_sm.local import BaoServer, ConsulServer

TROUBLES = (
    "vault stopped",
    "vault frozen",
    "vault sealed",
    "consul stopped",
    "consul frozen",
    "consul leaderless",
)


class Ward:
    """An origin and its servers, and what can befall them."""

    def __init__(self, bao: BaoServer, consul: ConsulServer, home: Path) -> None:
        self.bao = bao
        self.consul = consul
        self.proxy = Misbehave(consul.address)
        self._rules: list[Rule] = []
        self.mount = f"{unique('kv')}/"
        vault = VaultApi(bao)
        vault.make_mount(self.mount)
        self.shop = Workshop(vault, ConsulKv(consul), [self.mount], f"{unique('vsync')}/", home)
        self.shop.config["origin"]["consul"]["address"] = self.proxy.address
        for number in range(12):
            vault.put(self.mount, f"secret-{number}")

    def strike(self, trouble: str) -> None:
        """Bring this trouble."""
        if trouble == "consul leaderless":
            rule = self.proxy.when(path="/v1/(kv|txn)").answer(500, "No cluster leader")
            self._rules.append(rule)
        else:
            ways: dict[str, Callable[[], None]] = {
                "vault stopped": self.bao.kill,
                "vault frozen": self.bao.freeze,
                "vault sealed": self.shop.vault.seal,
                "consul stopped": self.consul.kill,
                "consul frozen": self.consul.freeze,
            }
            ways[trouble]()

    def heal(self) -> None:
        """Take any trouble away."""
        for server in (self.bao, self.consul):
            server.thaw()
            server.start()
        self.bao.unseal()
        until(lambda: self.bao.http("GET", "/v1/sys/health")[0] == 200)
        while self._rules:
            self._rules.pop().remove()

"""Servers with many secrets in them, and what a process has taken of the machine."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import msgspec

from tests.benchmarks.cycles.from_memory import FromMemory, from_memory
from tests.benchmarks.cycles.tree import MOUNT, paths
from vsync_sm.local import BaoServer, ConsulServer, start_bao, start_consul
from vsync_sm.local.process import HOST

WRITERS = 4


class Vault(Protocol):
    """A server that a cycle reads from."""

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`."""

    @property
    def token(self) -> str:
        """What may do everything."""

    @property
    def pid(self) -> int:
        """The process whose CPU is the server's."""


class Field(msgspec.Struct, frozen=True):
    """Both servers, where so many secrets lie in Vault, and its audit log, if it writes one."""

    vault: Vault
    consul: ConsulServer
    secrets: int
    mount: str = MOUNT
    audit_log: Path | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The secrets, below the mount."""
        return paths(self.secrets)


@contextmanager
def real(home: Path, sizes: Sequence[int], *, audit: bool = False) -> Iterator[tuple[Field, ...]]:
    """One OpenBao and one Consul on loopback; a mount for each size, with so many secrets."""
    with (
        start_bao(home / "bao", audit=audit) as bao,
        start_consul(home / "consul") as consul,
    ):
        fields = tuple(
            Field(bao, consul, secrets, f"kv-{secrets}/", bao.audit_log) for secrets in sizes
        )
        for each in fields:
            bao.mount(each.mount)
            seed(bao, each.mount, each.paths)
        yield fields


@contextmanager
def imagined(
    home: Path, secrets: int, refuse_at: Sequence[int] = ()
) -> Iterator[tuple[Field, FromMemory]]:
    """A Vault that answers from memory, and a real Consul."""
    with from_memory(secrets, refuse_at) as vault, start_consul(home / "consul") as consul:
        yield Field(vault, consul, secrets), vault


def seed(bao: BaoServer, mount: str, below: Sequence[str]) -> None:
    """A new version of each secret."""
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda first: _write(bao, mount, below[first::WRITERS]), range(WRITERS)))


def _write(bao: BaoServer, mount: str, below: Sequence[str]) -> None:
    connection = http.client.HTTPConnection(HOST, bao.port, timeout=60)
    headers = {"X-Vault-Token": bao.token}
    body = json.dumps({"data": {"value": "x" * 32}})
    for path in below:
        connection.request("POST", f"/v1/{mount}data/{quote(path)}", body, headers)
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"seeding {path}: {answer.status} {told[:200]!r}")
    connection.close()


def cpu_s(pid: int) -> float:
    """The CPU seconds that a running process has taken so far, its threads' and the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return ticks / float(os.sysconf("SC_CLK_TCK"))

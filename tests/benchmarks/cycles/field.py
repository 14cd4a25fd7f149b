"""Real servers with many secrets in them, and what a process has taken of the machine."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec

from vsync_sm.local import BaoServer, ConsulServer, start_bao, start_consul
from vsync_sm.local.process import HOST

MOUNT = "secret/"
IN_A_FOLDER = 100
"""So many secrets lie in each folder."""

WRITERS = 4


class Field(msgspec.Struct, frozen=True):
    """Both servers, and the paths of the secrets (below the mount) that lie in Vault."""

    bao: BaoServer
    consul: ConsulServer
    paths: tuple[str, ...]


@contextmanager
def field(home: Path, secrets: int) -> Iterator[Field]:
    """Servers on loopback with so many secrets, each of two versions' worth of metadata."""
    with start_bao(home / "bao") as bao, start_consul(home / "consul") as consul:
        paths = tuple(
            f"team-{number // IN_A_FOLDER:04}/app/secret-{number:07}" for number in range(secrets)
        )
        with ThreadPoolExecutor(WRITERS) as pool:
            list(pool.map(lambda first: _seed(bao, paths[first::WRITERS]), range(WRITERS)))
        yield Field(bao, consul, paths)


def write(bao: BaoServer, paths: tuple[str, ...]) -> None:
    """A new version of each."""
    _seed(bao, paths)


def _seed(bao: BaoServer, paths: tuple[str, ...]) -> None:
    connection = http.client.HTTPConnection(HOST, bao.port, timeout=60)
    headers = {"X-Vault-Token": bao.token}
    body = json.dumps({"data": {"value": "x" * 32}})
    for path in paths:
        connection.request("POST", f"/v1/{MOUNT}data/{quote(path)}", body, headers)
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

"""What others take for one read a path: a load generator, and hvac as it comes."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import hvac
import msgspec

from tests.benchmarks.cycles.field import Field, cpu_s

HVAC_READS = 2_000
"""Enough to know its rate: all of them would take most of a benchmark's time."""

# Where the paths and the token lie is told by the environment: a token is in no process list.
_SCRIPT = """
local paths = {}
for line in io.lines(os.getenv("BENCH_PATHS")) do paths[#paths + 1] = line end
wrk.headers["X-Vault-Token"] = os.getenv("BENCH_TOKEN")
wrk.headers["X-Vault-Request"] = "true"
local at = 0
request = function()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
"""


class Measured(msgspec.Struct, frozen=True):
    """So many paths read in so many seconds, with the CPU seconds of both ends."""

    paths: int
    wall_s: float
    own_cpu_s: float
    server_cpu_s: float

    @property
    def rate(self) -> float:
        """Paths a second."""
        return self.paths / self.wall_s


def wrk_there() -> bool:
    """Whether the load generator is installed."""
    return shutil.which("wrk") is not None


def wrk(field: Field, workers: int, seconds: int = 4) -> Measured:
    """The load generator `wrk`, with a connection a worker: what the server can give at most."""
    with tempfile.TemporaryDirectory() as scratch:
        paths, script = Path(scratch, "paths"), Path(scratch, "read.lua")
        paths.write_text(
            "".join(f"/v1/{field.mount}metadata/{quote(each)}\n" for each in field.paths)
        )
        script.write_text(_SCRIPT)
        environment = {**os.environ, "BENCH_PATHS": str(paths), "BENCH_TOKEN": field.vault.token}
        server, own = cpu_s(field.vault.pid), _children_cpu_s()
        command = [
            "wrk",
            "-t2",
            f"-c{workers}",
            f"-d{seconds}s",
            f"-s{script}",
            field.vault.address,
        ]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    if "Non-2xx" in told.stdout:
        raise RuntimeError(told.stdout)
    found = re.search(r"(\d+) requests in ([\d.]+)s", told.stdout)
    assert found, told.stdout
    return Measured(
        paths=int(found[1]),
        wall_s=float(found[2]),
        own_cpu_s=_children_cpu_s() - own,
        server_cpu_s=cpu_s(field.vault.pid) - server,
    )


def hvac_default(field: Field, workers: int) -> Measured:
    """A loop over hvac's own client, in a process of its own."""
    server = cpu_s(field.vault.pid)
    paths = field.paths[:HVAC_READS]
    asked = {"address": field.vault.address, "token": field.vault.token, "workers": workers}
    asked["mount"] = field.mount.rstrip("/")
    told = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.cycles.yardsticks"],
        input=json.dumps({**asked, "paths": paths}),
        capture_output=True,
        text=True,
        check=True,
    )
    wall_s, own_cpu_s = json.loads(told.stdout)
    return Measured(
        paths=len(paths),
        wall_s=wall_s,
        own_cpu_s=own_cpu_s,
        server_cpu_s=cpu_s(field.vault.pid) - server,
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _loop() -> None:
    asked = json.load(sys.stdin)
    client = hvac.Client(url=asked["address"], token=asked["token"])

    def read(path: str) -> object:
        return client.secrets.kv.v2.read_secret_metadata(path, asked["mount"])

    with ThreadPoolExecutor(asked["workers"]) as pool:
        began, cpu = time.perf_counter(), time.process_time()
        for _ in pool.map(read, asked["paths"]):
            pass
        json.dump([time.perf_counter() - began, time.process_time() - cpu], sys.stdout)


if __name__ == "__main__":
    _loop()

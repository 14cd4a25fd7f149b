"""`vsync-sm demo`: an origin at work on local servers, with a user who keeps changing secrets.

All of it lives in a temporary directory and is gone afterwards, but for the demo's journal: that
one stays, so that `vsync-sm replay` can tell what happened.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, TypeVar
from urllib.parse import quote

import orjson
import platformdirs

from vsync_sm.config import Settings, load
from vsync_sm.local import (
    BaoServer,
    ConsulServer,
    LocalServerError,
    find_bao,
    find_consul,
    start_bao,
    start_consul,
)

RunOrigin = Callable[[Mapping[str, object], Path], int]
"""Runs an origin in the foreground until a signal: configuration (as a file has it) and journal
in, exit code out."""

Choice = TypeVar("Choice")

SYNC_PATH = "vsync/"
MOUNTS = ("teams/", "platform/", "sandbox/")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Names as people really give them.
_AWKWARD = (
    "on call/phone tree",
    "billing/why? #1",
    "billing/50%2F50 split",
    "größe/λ-service",
    "metadata",
    "tools",
    "tools/deploy",
    "a/b/c/d/e/f/g/h/i/j/k/l",
)


def run(run_origin: RunOrigin, *, tick: float = 3.0, secrets: int = 300, out: TextIO) -> int:
    """Starts servers and user, runs the origin until a signal, and takes everything down.

    Args:
        run_origin: runs the origin; it gets the signals.
        tick: seconds from one cycle to the next.
        secrets: how many secrets the tree begins with.
        out: where a human reads what goes on.

    Returns:
        The origin's exit code; 0 when a signal came before it ran; 1 when a server is missing or
        did not start, or the journal has no place.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in _SIGNALS}
    try:
        return _run(run_origin, tick, secrets, out)
    except KeyboardInterrupt:
        return 0
    except LocalServerError as missing:
        print(f"The demo cannot run. {missing}", file=out)
        return 1
    except OSError as trouble:
        print(f"The demo cannot run: {trouble}", file=out)
        return 1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(run_origin: RunOrigin, tick: float, secrets: int, out: TextIO) -> int:
    _find_servers()
    journal = _new_journal()
    with contextlib.ExitStack() as stack, _undisturbed_end(out):
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vsync-demo-")))
        print(f"Starting OpenBao and Consul in {directory} …", file=out, flush=True)
        bao = stack.enter_context(start_bao(directory / "openbao"))
        consul = stack.enter_context(start_consul(directory / "consul"))
        print(f"Writing {secrets} secrets into {', '.join(MOUNTS)} …", file=out, flush=True)
        tree = _Tree(bao)
        tree.plant(secrets)
        config = _config(bao, consul, directory, tick)
        print(_what_to_try(bao, consul, directory, journal), file=out, flush=True)
        stack.enter_context(_User(tree))
        code = run_origin(config, journal)
    told = _command("vsync-sm", "replay", str(journal))
    print(f"What happened, told from the journal:\n  {told}", file=out)
    return code


def settings_of(config: Mapping[str, object]) -> Settings:
    """The settings that `config` means, read as those of any file. Raises ConfigError."""
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        file.write(orjson.dumps(dict(config)))
        file.flush()
        return load(file=Path(file.name), environment={}, flags={}, cwd=Path.cwd())


def _find_servers() -> None:
    """Says about both servers at once what is missing."""
    missing = []
    for find in (find_bao, find_consul):
        try:
            find()
        except LocalServerError as error:
            missing.append(str(error))
    if missing:
        raise LocalServerError("\n".join(missing))


def _new_journal() -> Path:
    """A journal of this demo's own, among this user's state files."""
    folder = platformdirs.user_state_path("vsync-sm") / "demo"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}-{os.getpid()}.jsonl"


def _config(bao: BaoServer, consul: ConsulServer, directory: Path, tick: float) -> dict[str, Any]:
    """What a configuration file would say; the origin's token may do the least that works."""
    rules = "\n".join(
        f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}' for mount in MOUNTS
    )
    bao.json("PUT", "/v1/sys/policies/acl/vsync", {"policy": rules})
    made = bao.json("POST", "/v1/auth/token/create", {"policies": ["vsync"], "period": "24h"})
    return {
        "name": "demo",
        "numBuckets": 8,
        "origin": {
            "vault": {
                "address": bao.address,
                "tokenFile": str(
                    _private(directory / "origin-token", made["auth"]["client_token"])
                ),
                "requiredCapabilities": {"data": [], "metadata": ["read", "list"]},
            },
            "consul": {"address": consul.address},
            "mounts": list(MOUNTS),
            "syncPath": SYNC_PATH,
            "numWorkers": 2,
            "tick": f"{tick:g}s",
        },
    }


def _what_to_try(bao: BaoServer, consul: ConsulServer, directory: Path, journal: Path) -> str:
    # curl reads the header from a file: on its command line, everyone could read the token.
    header = _private(directory / "vault-header", f"X-Vault-Token: {bao.token}")
    curl = f"curl -s -H @{shlex.quote(str(header))}"
    return f"""
While it runs, try in another terminal:
  what lies in Consul   curl -s '{consul.address}/v1/kv/{SYNC_PATH}origin/?keys'
                        curl -s '{consul.address}/v1/kv/{SYNC_PATH}origin/index?raw'
  change a secret       {curl} -d '{{"data": {{"by": "you"}}}}' \\
                          {bao.address}/v1/teams/data/my/secret
  delete it             {curl} -X DELETE {bao.address}/v1/teams/data/my/secret
  a server that hangs   kill -STOP {bao.pid}; sleep 10; kill -CONT {bao.pid}
  watch on a screen     {_command("vsync-tui", "--attach", str(journal))}
  the story so far      {_command("vsync-sm", "replay", str(journal))}
Ctrl-C ends it.
"""


def _command(program: str, *arguments: str) -> str:
    """A command of ours, as it can be pasted here."""
    if shutil.which(program) is None:
        beside = Path(sys.executable).parent / program
        here = Path.cwd()
        program = str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
    return shlex.join([program, *arguments])


def _private(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text + "\n")
    return path


@contextlib.contextmanager
def _undisturbed_end(out: TextIO) -> Iterator[None]:
    """A signal ends what is inside; no other one disturbs what is then taken down outside."""
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        print("Taking the demo's servers down …", file=out, flush=True)


class _Tree:
    """The secrets of a company that does not exist."""

    def __init__(self, bao: BaoServer) -> None:
        self._bao = bao
        self.alive: list[tuple[str, str]] = []
        """Mount and path of what has not been deleted."""

    def plant(self, count: int) -> None:
        """Makes the mounts and `count` secrets, some of them odd ones."""
        for mount in MOUNTS:
            self._bao.mount(mount)
        for mount, path in itertools.islice(_names(), count):
            self.write(mount, path)
        # A metadata-only one (nothing to index), one that is deleted, one that soon will be.
        self._ask("POST", "platform/", "metadata", "planned/cache", {"max_versions": 5})
        self.write("platform/", "retired/ftp")
        self.delete("platform/", "retired/ftp")
        lasting = {"delete_version_after": "45s"}
        self._ask("POST", "platform/", "metadata", "visitors/wifi", lasting)
        self._ask("POST", "platform/", "data", "visitors/wifi", _value())

    def write(self, mount: str, path: str) -> None:
        """A new version of a secret, the first one if it is new."""
        self._ask("POST", mount, "data", path, _value())
        if (mount, path) not in self.alive:
            self.alive.append((mount, path))

    def delete(self, mount: str, path: str) -> None:
        """A soft delete of the current version."""
        self._ask("DELETE", mount, "data", path)
        self.alive.remove((mount, path))

    def _ask(self, method: str, mount: str, part: str, path: str, body: object = None) -> None:
        self._bao.json(method, f"/v1/{mount}{part}/{quote(path)}", body)


def _value() -> dict[str, object]:
    return {"data": {"note": "not a real secret", "written": time.time_ns()}}


def _names() -> Iterator[tuple[str, str]]:
    """Mount and path of every secret that the demo may begin with; more than anyone asks for."""
    yield from (("teams/", path) for path in _AWKWARD)
    teams = ("payments", "search", "identity", "logistics", "mobile", "analytics")
    apps = ("api", "worker", "frontend", "scheduler")
    stages = ("dev", "staging", "prod")
    kinds = ("database", "queue", "signing-key", "smtp")
    for number in itertools.count(1):
        region = "" if number == 1 else f"region-{number}/"
        for team, app, stage in itertools.product(teams, apps, stages):
            yield from (("teams/", f"{region}{team}/{app}/{stage}/{kind}") for kind in kinds)
            yield "platform/", f"{region}tls/{team}.{app}.{stage}"


class _User:
    """Someone who adds, changes and deletes secrets for as long as the demo runs."""

    def __init__(self, tree: _Tree) -> None:
        self._tree = tree
        self._chance = random.Random()  # noqa: S311  it chooses what to change, no secret
        # Deletions an hour; with more of them, rule 4 of the safety rules would refuse to save.
        self._deletions = max(8.0, len(tree.alive) * 0.12)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work, name="demo-user", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        # Not without end: its last request may wait for a server that somebody has frozen.
        self._thread.join(2)

    def _work(self) -> None:
        began = time.monotonic()
        deleted = 0
        numbers = itertools.count(1)
        while not self._enough.wait(self._chance.uniform(0.2, 1.2)):
            due = 1 + (time.monotonic() - began) * self._deletions / 3600
            # A server that someone has frozen or stopped to see what happens: the user waits.
            with contextlib.suppress(OSError, LocalServerError):
                if deleted + 1 <= due and self._chance.random() < 0.2:
                    deleted += 1
                    self._tree.delete(*self._pick(self._tree.alive))
                elif self._chance.random() < 0.2:
                    name = f"experiments/{next(numbers):03}"
                    self._tree.write(self._pick(("sandbox/", "teams/")), name)
                else:
                    self._tree.write(*self._pick(self._tree.alive))

    def _pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[self._chance.randrange(len(choices))]

"""`vsync-sm demo`: an origin at work on local servers, with a user who keeps changing secrets.

All of it lives in a temporary directory and is gone afterwards, but for the demo's journal: that
one stays, so that `vsync-sm replay` can tell what happened.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import orjson
import platformdirs

from vsync_sm.config import Settings, load
from vsync_sm.demo.hints import Place, command, told
from vsync_sm.demo.tree import MOUNTS, SANDBOX, SANDBOX_SECRETS, Tree, User
from vsync_sm.local import (
    BaoServer,
    ConsulServer,
    LocalServerError,
    find_bao,
    find_consul,
    start_bao,
    start_consul,
)

RunOrigin = Callable[[Mapping[str, object], Path, str], int]
"""Runs an origin in the foreground until a signal: configuration (as a file has it), journal and
hints (what to try, for a human) in, exit code out."""

SYNC_PATH = "vsync/"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        users = " and ".join(mount for mount in MOUNTS if mount != SANDBOX)
        print(
            f"Writing {secrets} secrets into {users}, {SANDBOX_SECRETS} into {SANDBOX} …",
            file=out,
            flush=True,
        )
        tree = Tree(bao)
        tree.plant(secrets)
        made = _origin_token(bao)
        token_file = _private(directory / "origin-token", made["client_token"])
        config = _config(bao, consul, token_file, tick)
        hints = _hints(bao, consul, directory, journal, made["accessor"])
        print(f"\nWhat to try. {hints}\nCtrl-C ends it.\n", file=out, flush=True)
        stack.enter_context(User(tree))
        code = run_origin(config, journal, hints)
    replay = command("vsync-sm", "replay", str(journal))
    print(f"What happened, told from the journal:\n  {replay}", file=out)
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


def _origin_token(bao: BaoServer) -> Mapping[str, str]:
    """A token that may do the least that works, as Vault tells of it."""
    rules = "\n".join(
        f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}' for mount in MOUNTS
    )
    bao.json("PUT", "/v1/sys/policies/acl/vsync", {"policy": rules})
    wanted = {"policies": ["vsync"], "period": "24h"}
    made: Mapping[str, str] = bao.json("POST", "/v1/auth/token/create", wanted)["auth"]
    return made


def _config(bao: BaoServer, consul: ConsulServer, token: Path, tick: float) -> dict[str, Any]:
    """What a configuration file would say; `token` is the file of the origin's token."""
    return {
        "name": "demo",
        "numBuckets": 8,
        "origin": {
            "vault": {
                "address": bao.address,
                "tokenFile": str(token),
                "requiredCapabilities": {"data": [], "metadata": ["read", "list"]},
            },
            "consul": {"address": consul.address},
            "mounts": list(MOUNTS),
            "syncPath": SYNC_PATH,
            "numWorkers": 2,
            "tick": f"{tick:g}s",
            # So that a frozen server shows soon.
            "requestTimeout": "3s",
        },
    }


def _hints(
    bao: BaoServer, consul: ConsulServer, directory: Path, journal: Path, accessor: str
) -> str:
    place = Place(
        vault=bao.address,
        vault_pid=bao.pid,
        consul=consul.address,
        consul_pid=consul.pid,
        curl=_private(directory / "vault", f'header = "X-Vault-Token: {bao.token}"'),
        accessor=accessor,
        index=f"{SYNC_PATH}origin/",
        journal=journal,
        text=directory / "hints",
    )
    hints = told(place)
    place.text.write_text(hints, encoding="utf-8")
    return hints


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

"""The real servers, once a test process, and what a test gets of them for itself."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import gettempdir, mkdtemp
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from syrupy.assertion import SnapshotAssertion

from tests.snapshots import JsonLinesSnapshot, TextSnapshot, runs_in_part
from tests.support import ConsulKv, VaultApi, heal, unique
from tests.workshop import Workshop
from vsync_sm.local import (
    BaoServer,
    ConsulServer,
    LocalServer,
    LocalServerError,
    find_bao,
    find_consul,
    start_bao,
    start_consul,
)

# A busy machine is no failing test, and what chance finds is no reason that other work cannot land:
# each run tries the same examples. `just hunt` tries others, and more of them.
_relaxed: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("vsync", derandomize=True, **_relaxed)
settings.register_profile("hunt", max_examples=1000, **_relaxed)
settings.load_profile("vsync")

_OWN_BASE = f"/pytest-of-{os.environ.get('USER', 'somebody')}/pytest-999"
LONGEST_BASE = 36
"""Below a longer folder for temporary files no socket stands beside its journal any more."""

ONE_CHANCE = ("test_safety", "test_attacks", "test_yes_in_doubt", "test_idle", "test_secrets")
"""Files whose tests are tried again (`--reruns`) only where they failed before anything was saved:
what saves wrong by chance saves wrong."""

_ABORTED = re.compile(r"^assert \(\d, 'aborted", re.MULTILINE)

_shared: list[LocalServer] = []

Server = TypeVar("Server", bound=LocalServer)


def pytest_configure(config: pytest.Config) -> None:
    """Ends the run at once where a server is missing: these tests are never skipped."""
    # Under nohup, or in a shell's background, signals are ignored, and so they would be by all
    # that the tests start: by programs whose ends by signals are what is tested.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        _keep_paths_short(config)
    try:
        find_bao()
        find_consul()
    except LocalServerError as missing:
        raise pytest.UsageError(str(missing)) from missing
    if runs_in_part(config):
        config.option.disable_unused_snapshots = True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    unsaved = pytest.mark.flaky(reruns=config.getoption("reruns") or 0, condition=_saved_nothing)
    for item in items:
        if item.path.name.startswith(ONE_CHANCE):
            item.add_marker(unsaved)


def _saved_nothing(error: BaseException) -> bool:
    """Whether a test failed only because it waited in vain, or because its cycle gave up."""
    return isinstance(error, OSError | LocalServerError) or bool(_ABORTED.search(str(error)))


def _keep_paths_short(config: pytest.Config) -> None:
    if config.option.basetemp:
        if len(str(Path(config.option.basetemp).absolute())) > LONGEST_BASE:
            raise pytest.UsageError(
                f"--basetemp leaves sockets no room: give a path of at most {LONGEST_BASE}"
                " characters, such as /tmp/vsync-tests"
            )
    elif len(gettempdir()) + len(_OWN_BASE) > LONGEST_BASE:
        config.option.basetemp = mkdtemp(prefix="vsync-tests-", dir="/tmp")


@pytest.fixture(autouse=True)
def _healed() -> Iterator[None]:
    """No test hands a frozen or dead shared server to the next one."""
    yield
    for server in _shared:
        heal(server)


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaoServer]:
    """An OpenBao that all tests of this process share; each works in mounts of its own."""
    with start_bao(tmp_path_factory.mktemp("bao")) as server:
        _shared.append(server)
        yield server
        _shared.remove(server)


@pytest.fixture(scope="session")
def consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """A Consul without ACLs that all tests of this process share, each under its sync path."""
    with start_consul(tmp_path_factory.mktemp("consul")) as server:
        _shared.append(server)
        yield server
        _shared.remove(server)


@pytest.fixture(scope="session")
def consul_acl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """A shared Consul that denies everything without a token; `token` may do everything."""
    with start_consul(tmp_path_factory.mktemp("consul-acl"), acl=True) as server:
        _shared.append(server)
        yield server
        _shared.remove(server)


@pytest.fixture
def own_bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., BaoServer]]:
    """Starts an OpenBao for one test (`persistent`, `audit`): to seal, stop, kill or look into."""
    yield from _own(lambda **how: start_bao(tmp_path_factory.mktemp("own-bao"), **how))


@pytest.fixture
def own_consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ConsulServer]]:
    """Starts a Consul for one test (`persistent`, `acl`, `dc`)."""
    yield from _own(lambda **how: start_consul(tmp_path_factory.mktemp("own-consul"), **how))


def _own(start: Callable[..., Server]) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def make(**how: Any) -> Server:
        server = start(**how)
        started.append(server)
        return server

    yield make
    for server in started:
        server.stop()


@pytest.fixture
def vault_api(bao: BaoServer) -> VaultApi:
    """What a user and an administrator of the shared OpenBao do."""
    return VaultApi(bao)


@pytest.fixture
def consul_kv(consul: ConsulServer) -> ConsulKv:
    """What an administrator of the shared Consul sees and does."""
    return ConsulKv(consul)


@pytest.fixture
def make_mount(vault_api: VaultApi) -> Iterator[Callable[..., str]]:
    """Makes KV mounts (`version`, 2 unless told) that are removed after the test."""
    made: list[str] = []

    def make(word: str = "kv", *, version: int = 2) -> str:
        path = f"{unique(word)}/"
        vault_api.make_mount(path, version=version)
        made.append(path)
        return path

    yield make
    heal(vault_api.server)
    for path in made:
        vault_api.remove_mount(path)


@pytest.fixture
def mount(make_mount: Callable[..., str]) -> str:
    """A KV v2 mount of the test's own, such as `kv-1a2b3c4d/`."""
    return make_mount()


@pytest.fixture
def sync_path(consul_kv: ConsulKv) -> Iterator[str]:
    """A sync path of the test's own in the shared Consul, such as `vsync-1a2b3c4d/`."""
    path = f"{unique('vsync')}/"
    yield path
    heal(consul_kv.server)
    consul_kv.delete_tree(path)


@pytest.fixture
def text_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compares a text with `snapshots/<test file>/<test>.txt`."""
    return snapshot.use_extension(TextSnapshot)


@pytest.fixture
def jsonl_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compares a journal with `snapshots/<test file>/<test>.jsonl`."""
    return snapshot.use_extension(JsonLinesSnapshot)


@pytest.fixture
def workshop(
    vault_api: VaultApi, consul_kv: ConsulKv, mount: str, sync_path: str, tmp_path: Path
) -> Workshop:
    """An origin with one mount and a sync path of the test's own, on the shared servers."""
    return Workshop(vault_api, consul_kv, [mount], sync_path, tmp_path)

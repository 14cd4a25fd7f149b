"""Where things are: what an address, a namespace, a mount or a path must look like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from vsync_sm.config.values import Wrong, WrongItems, items, secret, text

_DATACENTRE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*", re.ASCII)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s/?#@\\\[\]:]+)")


def namespace(value: object) -> str | None:
    """A Vault namespace, without the slashes around it; None for the root (`/`)."""
    return secret(value).strip("/") or None


def auth_path(value: object) -> str:
    """Where an auth method is mounted, without `auth/` before it and the slashes around it."""
    found = text(value).strip().strip("/").removeprefix("auth/")
    if not found:
        raise Wrong("is empty", "write it like approle, without auth/ before it")
    no_odd_segments(f"{found}/")
    return found


def host_name(value: object) -> str:
    """A server's name as it stands in its certificate."""
    found = text(value).strip()
    if not _NAME.fullmatch(found):
        raise Wrong("is no name of a server", "write it like vault.example.org")
    return found


def datacentre(value: object) -> str:
    """A Consul datacentre's name."""
    found = text(value)
    if not _DATACENTRE.fullmatch(found):
        raise Wrong("is no datacentre's name (letters, digits, - and _)", "write it like dc1")
    return found


def sync_path(value: object) -> str:
    """The sync path in Consul, with exactly one slash at its end."""
    found = text(value)
    if not found.strip() or found != found.strip():
        raise Wrong("is empty or has spaces around it", 'write it like "vsync/"')
    if found.startswith("/"):
        raise Wrong("begins with a slash; no key in Consul does", "leave the first slash out")
    return no_odd_segments(found if found.endswith("/") else found + "/")


def no_odd_segments(path: str) -> str:
    """A path that ends in a slash, as every server takes it."""
    segments = path[:-1].split("/")
    if "" in segments:
        raise Wrong("has an empty segment (//)", "write one slash")
    if "." in segments or ".." in segments:
        raise Wrong("has a segment . or .., which servers fold away", "write the whole path")
    return path


def mounts(value: object) -> tuple[str, ...]:
    """The mounts to index whole: each ends in a slash, none is inside another."""
    bad: list[tuple[str, object, Wrong]] = []
    good: list[str] = []
    for at, item in enumerate(items(value)):
        try:
            good.append(_mount(item, good))
        except Wrong as wrong:
            bad.append((f"[{at}]", item, wrong))
    if bad:
        raise WrongItems(bad)
    return tuple(good)


def _mount(value: object, former: Sequence[str]) -> str:
    mount = mount_path(value)
    if mount in former:
        raise Wrong("is there twice", "name it once")
    for other in former:
        if mount.startswith(other) or other.startswith(mount):
            raise Wrong(f"overlaps {other}: one is inside the other", "keep one of the two")
    return mount


def mount_path(value: object) -> str:
    """A mount, with its slash at the end."""
    mount = text(value)
    if not mount.strip("/ ") or mount != mount.strip():
        raise Wrong("is empty or has spaces around it", "write it like secret/")
    if mount.startswith("/"):
        raise Wrong("begins with a slash", "leave the first slash out")
    if not mount.endswith("/"):
        raise Wrong("lacks its slash at the end", f"write {mount}/")
    return no_odd_segments(mount)


def listen_address(value: object) -> str:
    """Where to listen: `host:port`, or a port alone, which is one of loopback."""
    like = "write it like 127.0.0.1:9464, or 0.0.0.0:9464 for every address of this host"
    found = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
    host, colon, port = found.strip().rpartition(":")
    if not colon:
        host = "127.0.0.1"
    elif not host:
        raise Wrong("has no host before its port", like)
    if not _HOST.fullmatch(host):
        raise Wrong("is no address to listen at", like)
    if not re.fullmatch("[0-9]{1,5}", port, re.ASCII) or int(port) > 65_535:
        raise Wrong("has no port from 0 to 65535", like)
    return f"{host}:{int(port)}"


def vault_address(value: object) -> str:
    """Vault's address: http(s)://host[:port], nothing behind it."""
    return _address(value, port=8200, bare=False)


def consul_address(value: object) -> str:
    """Consul's address: host:port, or http(s)://host[:port]."""
    return _address(value, port=8500, bare=True)


def _address(value: object, *, port: int, bare: bool) -> str:
    like = f"write it like http://127.0.0.1:{port}" + (f" or 127.0.0.1:{port}" if bare else "")
    found = text(value)
    if found != found.strip():
        raise Wrong("has spaces around it", "remove them")
    try:
        parts = urlsplit(found if "://" in found else f"//{found}")
        host, given_port = parts.hostname or "", parts.port
    except ValueError:
        raise Wrong("is no address of a server", like, hide="@" in found) from None
    if "@" in found or parts.query or parts.fragment:
        what = "holds a user, a password or a query; vsync logs in with a token only"
        raise Wrong(what, like, hide=True)
    if "://" not in found:
        if not bare:
            raise Wrong("lacks http:// or https://", like)
        if given_port is None:
            raise Wrong("lacks its port", like)
    elif parts.scheme not in {"http", "https"}:
        raise Wrong("is neither http:// nor https://", like)
    if parts.path not in {"", "/"}:
        raise Wrong("has a path behind the server", like)
    if (
        given_port == 0
        or parts.netloc.endswith(":")
        or not _HOST.fullmatch(f"[{host}]" if ":" in host else host)
    ):
        raise Wrong("is no address of a server", like)
    return found.rstrip("/")

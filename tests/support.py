"""What tests do to the real servers from the side: users, administrators and other programs.

Plain HTTP, none of the code under test and none of its libraries.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from vsync_sm.local import BaoServer, ConsulServer, LocalServer


def heal(server: LocalServer) -> None:
    """Makes a server usable again that a test froze, stopped or killed."""
    server.thaw()
    server.start()


def unique(word: str) -> str:
    """A name that no other test uses."""
    return f"{word}-{secrets.token_hex(4)}"


class VaultApi:
    """Root's view of a Vault: mounts, secrets, policies, tokens. Mounts end in their slash."""

    def __init__(self, server: BaoServer) -> None:
        self.server = server

    @property
    def address(self) -> str:
        """The server's address."""
        return self.server.address

    @property
    def token(self) -> str:
        """The root token."""
        return self.server.token

    def make_mount(self, path: str, *, version: int = 2) -> None:
        """Makes a KV mount that can be used at once."""
        if version == 2:
            self.server.mount(path)
        else:
            self.server.json("POST", f"/v1/sys/mounts/{quote(path.rstrip('/'))}", {"type": "kv"})

    def remove_mount(self, path: str) -> None:
        """Disables a mount; all that it held is gone."""
        self.server.json("DELETE", f"/v1/sys/mounts/{quote(path.rstrip('/'))}")

    def put(self, mount: str, path: str, data: dict[str, Any] | None = None) -> int:
        """Writes a new version of a secret; returns its number."""
        written = self._call("POST", mount, "data", path, {"data": data or {"value": "x"}})
        return int(written["data"]["version"])

    def delete(self, mount: str, path: str) -> None:
        """Soft-deletes the current version."""
        self._call("DELETE", mount, "data", path)

    def undelete(self, mount: str, path: str, *versions: int) -> None:
        """Takes a soft delete back."""
        self._call("POST", mount, "undelete", path, {"versions": versions})

    def destroy(self, mount: str, path: str, *versions: int) -> None:
        """Destroys versions for good; the path stays in lists."""
        self._call("POST", mount, "destroy", path, {"versions": versions})

    def purge(self, mount: str, path: str) -> None:
        """Removes a secret with all its versions and metadata; lists no longer name it."""
        self._call("DELETE", mount, "metadata", path)

    def set_metadata(self, mount: str, path: str, **fields: Any) -> None:
        """Sets metadata (`delete_version_after`, `custom_metadata` …); alone: no version."""
        self._call("POST", mount, "metadata", path, fields)

    def metadata(self, mount: str, path: str) -> dict[str, Any]:
        """A secret's metadata as the server tells it."""
        told: dict[str, Any] = self._call("GET", mount, "metadata", path)["data"]
        return told

    def walk(self, mount: str, folder: str = "") -> Iterator[str]:
        """Every path of a mount, deleted or not."""
        where = f"/v1/{quote(mount)}metadata/{quote(folder)}?list=true"
        status, body = self.server.http("GET", where)
        names = json.loads(body)["data"]["keys"] if status == 200 else []
        for name in names:
            if name.endswith("/"):
                yield from self.walk(mount, f"{folder}{name}")
            else:
                yield f"{folder}{name}"

    def make_token(self, rules: str, **fields: Any) -> str:
        """A token under a new policy of these rules (HCL); `fields` such as `ttl`, `period`.

        Without rules it may do nothing but look at itself, as every token may.
        """
        rules = rules or "# no rights"
        name = unique("policy")
        self.server.json("PUT", f"/v1/sys/policies/acl/{name}", {"policy": rules})
        made = self.server.json("POST", "/v1/auth/token/create", {"policies": [name], **fields})
        return str(made["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        """Ends a token."""
        self.server.json("POST", "/v1/auth/token/revoke", {"token": token})

    def seal(self) -> None:
        """Seals the server; whoever does it unseals it again."""
        self.server.json("PUT", "/v1/sys/seal")

    def unseal(self) -> None:
        """Unseals the server."""
        self.server.unseal()

    def _call(self, method: str, mount: str, part: str, path: str, body: object = None) -> Any:
        return self.server.json(method, f"/v1/{quote(mount)}{part}/{quote(path)}", body)


class ConsulKv:
    """The keys of a Consul, as an administrator with every right sees them."""

    def __init__(self, server: ConsulServer) -> None:
        self.server = server

    @property
    def address(self) -> str:
        """The server's address."""
        return self.server.address

    def get(self, key: str) -> bytes | None:
        """A key's bytes, None where there is none."""
        found = self._read(f"{quote(key)}?consistent")
        return _value(found[0]) if found else None

    def modify_index(self, key: str) -> int:
        """A key's ModifyIndex, 0 where there is none."""
        found = self._read(f"{quote(key)}?consistent")
        return int(found[0]["ModifyIndex"]) if found else 0

    def tree(self, prefix: str) -> dict[str, bytes]:
        """Every key under a prefix with its bytes."""
        return {
            row["Key"]: _value(row) for row in self._read(f"{quote(prefix)}?recurse&consistent")
        }

    def put(self, key: str, value: bytes) -> None:
        """Writes a key, whatever it held."""
        self._done("PUT", quote(key), value)

    def delete(self, key: str) -> None:
        """Deletes a key."""
        self._done("DELETE", quote(key))

    def delete_tree(self, prefix: str) -> None:
        """Deletes every key under a prefix."""
        self._done("DELETE", f"{quote(prefix)}?recurse")

    def make_token(self, rules: str) -> str:
        """A token under a new policy of these rules (HCL); the server must have ACLs."""
        name = unique("policy")
        self.server.json("PUT", "/v1/acl/policy", {"Name": name, "Rules": rules})
        made = self.server.json("PUT", "/v1/acl/token", {"Policies": [{"Name": name}]})
        return str(made["SecretID"])

    def _read(self, query: str) -> list[dict[str, Any]]:
        status, body = self.server.http("GET", f"/v1/kv/{query}")
        if status == 404:
            return []
        assert status == 200, body
        rows: list[dict[str, Any]] = json.loads(body)
        return rows

    def _done(self, method: str, query: str, value: bytes | None = None) -> None:
        status, body = self.server.http(method, f"/v1/kv/{query}", value)
        assert (status, body.strip()) == (200, b"true")


def _value(row: dict[str, Any]) -> bytes:
    return base64.b64decode(row["Value"] or "")

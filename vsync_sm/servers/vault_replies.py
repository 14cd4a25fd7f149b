"""What the Vault adapter hands out, and the shapes that a reply must have to be believed."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from vsync_sm.core.insight import VersionState
from vsync_sm.core.ready import ready


class MountFacts(msgspec.Struct, frozen=True):
    """A mount as the server tells it; `version` is "" where it has none (not a KV mount)."""

    path: str
    type: str
    version: str
    accessor: str


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """A secret's current version, and the server's clock then (`Date` header), ns since 1970."""

    state: VersionState
    server_now: int


class Health(msgspec.Struct, frozen=True):
    """A node's own word on its condition. An OpenBao is never a secondary."""

    initialized: bool
    sealed: bool
    standby: bool
    dr_secondary: bool
    performance_secondary: bool
    version: str
    hashicorp: bool = False

    @property
    def lists_in_detail(self) -> bool:
        """Whether `Vault.list_detailed` may be asked: OpenBao from 2.3.1 on.

        2.2.0 to 2.3.0 panic over a folder in a folder (openbao#1388). HashiCorp's Vault has no such
        list; it alone tells in its health whether it is the `enterprise` one.
        """
        match = _VERSION.fullmatch(self.version)
        if match is None or self.hashicorp:
            return False
        return (int(match[1]), int(match[2]), int(match[3]), not match[4]) >= (2, 3, 1, True)


_VERSION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-.*)?(?:\+.*)?", re.ASCII)
"""A pre-release has a hyphen after its numbers."""


class Grant(msgspec.Struct, frozen=True):
    """A token that Vault has just given or renewed.

    `lease_s`: seconds that it lives from now on, 0 for ever; `uses`: requests that it is good for,
    0 any number.
    """

    token: str
    lease_s: int
    renewable: bool
    uses: int = 0

    def __repr__(self) -> str:
        return f"Grant(lease_s={self.lease_s}, renewable={self.renewable})"  # never the token


class TokenFacts(msgspec.Struct, frozen=True):
    """What Vault knows of a token; `left_s`: seconds, 0 for ever; `uses`: as in `Grant`."""

    left_s: int
    renewable: bool
    uses: int = 0


class ErrorsReply(msgspec.Struct):
    errors: list[str]


class ListData(msgspec.Struct):
    keys: Annotated[list[str], msgspec.Meta(min_length=1)]


class MountData(msgspec.Struct):
    path: str
    type: str
    accessor: str
    options: dict[str, str] | None


class VersionData(msgspec.Struct, gc=False):
    deletion_time: str
    destroyed: bool


class SecretData(msgspec.Struct, gc=False):
    current_version: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    updated_time: str
    versions: dict[str, VersionData]


class ListReply(msgspec.Struct):
    data: ListData


class DetailedData(msgspec.Struct):
    keys: Annotated[list[str], msgspec.Meta(min_length=1)]
    key_info: dict[str, msgspec.Raw]


class DetailedReply(msgspec.Struct):
    data: DetailedData


class MountReply(msgspec.Struct):
    data: MountData


class SecretReply(msgspec.Struct):
    data: SecretData


class CapabilitiesReply(msgspec.Struct):
    data: dict[str, list[str]]


class TokenData(msgspec.Struct):
    ttl: int = 0
    renewable: bool = False
    num_uses: int = 0


class TokenReply(msgspec.Struct):
    data: TokenData


class HealthReply(msgspec.Struct):
    initialized: bool
    sealed: bool
    standby: bool
    version: str
    replication_dr_mode: str = ""
    replication_performance_mode: str = ""
    enterprise: bool | None = None


class AuthData(msgspec.Struct):
    client_token: str
    lease_duration: Annotated[int, msgspec.Meta(ge=0)]
    renewable: bool
    num_uses: int = 0


class LoginReply(msgspec.Struct):
    auth: AuthData


ready(
    ErrorsReply, ListReply, DetailedReply, MountReply, SecretData, SecretReply, CapabilitiesReply,
    TokenReply, HealthReply, LoginReply,
)  # fmt: skip

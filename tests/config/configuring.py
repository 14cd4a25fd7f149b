"""A configuration from a few words, as the tests of it need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from vsync_sm.config import ConfigError, Settings, load
from vsync_sm.logins import way
from vsync_sm.servers.vault import Vault

TOKEN = "s.madeUpForThisTest0000000"
LEAST = {"VAULT_TOKEN": "dev", "VSYNC_ORIGIN_MOUNTS": "secret/"}


def configure(
    cwd: Path,
    words: str | bytes | None = None,
    environment: Mapping[str, str] = LEAST,
    flags: Mapping[str, object] | None = None,
) -> Settings:
    """The settings from a `config.yaml` of these words, on the least that loads."""
    if words is not None:
        content = words if isinstance(words, bytes) else words.encode("utf-8", "surrogatepass")
        (cwd / "config.yaml").write_bytes(content)
    return load(file=None, environment=environment, flags=flags or {}, cwd=cwd)


def mistaken(
    cwd: Path,
    words: str | bytes | None = None,
    environment: Mapping[str, str] = LEAST,
    flags: Mapping[str, object] | None = None,
) -> ConfigError:
    """The error from such a configuration."""
    with pytest.raises(ConfigError) as caught:
        configure(cwd, words, environment, flags)
    assert TOKEN not in str(caught.value)
    return caught.value


def token_of(settings: Settings) -> str:
    """The token that an origin with these settings would use now."""
    vault = settings.origin.vault
    read = way(vault, Vault(address=vault.address)).read
    assert read is not None
    return read()


def origin(**keys: object) -> str:
    """A file with these keys under `origin`."""
    return json.dumps({"origin": keys})

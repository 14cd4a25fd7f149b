"""What the console remembers of how it was set: theme, times, mouse."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import platformdirs

from tui.times import Times


class Preferences(msgspec.Struct, frozen=True):
    """How the console is set; `theme` "" is the console's own first one."""

    theme: str = ""
    times: Times = Times.utc
    mouse: bool = True


def place() -> Path | None:
    """The file in which this user's preferences lie; None where there is no home for it."""
    try:
        return platformdirs.user_state_path("vsync-sm") / "console.json"
    except RuntimeError:
        return None


def load(path: Path | None) -> Preferences:
    """What is remembered; a file that is missing or damaged is as good as none."""
    if path is None:
        return Preferences()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Preferences)
    except (OSError, msgspec.DecodeError, UnicodeError):
        return Preferences()


def save(preferences: Preferences, path: Path | None) -> None:
    """Remember them, whole or not at all. A disk that takes nothing is no reason to complain."""
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(file, "wb") as writing:
                writing.write(msgspec.json.encode(preferences) + b"\n")
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)

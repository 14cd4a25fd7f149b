"""Where the secrets of a benchmark lie: the same tree in every server."""

from __future__ import annotations

from collections.abc import Iterator

MOUNT = "secret/"

IN_A_FOLDER = 100
"""So many secrets lie in each folder; each folder lies in one of its own."""


def folders(secrets: int) -> Iterator[str]:
    """The folders that hold so many secrets, below the mount."""
    return (f"team-{number:05}/app/" for number in range(-(-secrets // IN_A_FOLDER)))


def paths(secrets: int) -> tuple[str, ...]:
    """The secrets, below the mount. The last folder is full, too, where there are several."""
    within = range(min(secrets, IN_A_FOLDER))
    return tuple(f"{folder}secret-{number:02}" for folder in folders(secrets) for number in within)

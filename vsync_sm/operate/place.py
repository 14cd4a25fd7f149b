"""Where things of a running origin lie: its journal unless told otherwise, its control socket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.reach import SHELL, Reach

PATH_LIMIT = 100
"""A socket's path is no longer than this (bytes): the operating system takes 107."""


def default_journal(environment: Mapping[str, str]) -> Path:
    """Where the journal lies unless told otherwise: systemd's state directory, or the user's.

    Raises:
        Fault: there is neither (CONFIGURATION).
    """
    state = environment.get("STATE_DIRECTORY", "").split(":")[0]
    try:
        directory = Path(state) if state else platformdirs.user_state_path("vsync-sm")
    except RuntimeError:
        raise Fault(
            FaultKind.CONFIGURATION,
            "this user has no home directory for the journal",
            hint="name its place: --journal, or journal.file",
        ) from None
    return directory / "journal.jsonl"


def reach_of(journal: Path) -> Reach:
    """How a command in any shell of this user names a journal: not, where it is the default one."""
    try:
        usual = default_journal({}).absolute()
    except Fault:
        usual = None
    journal = journal.absolute()
    return SHELL if journal == usual else Reach(str(journal))


def socket_path(journal: Path, environment: Mapping[str, str]) -> Path:
    """Where the control socket of a journal's origin lies: beside it, where that path fits."""
    beside = beside_journal(journal)
    return beside if fits(beside) else in_runtime_directory(journal, environment)


def beside_journal(journal: Path) -> Path:
    """The journal's own path with `.sock` behind it."""
    return Path(f"{os.path.abspath(journal)}.sock")  # noqa: PTH100  `..` must count as written


def in_runtime_directory(journal: Path, environment: Mapping[str, str]) -> Path:
    """The place for a path that is too long: named by a digest of the journal's path."""
    name = os.fsencode(beside_journal(journal))
    directory = _runtime_directory(environment)
    return directory / f"{hashlib.sha256(name).hexdigest()[:16]}.sock"


def _runtime_directory(environment: Mapping[str, str]) -> Path:
    # Not platformdirs': it warns where there is none, and reads another environment than ours.
    systemd = environment.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if systemd:
        return Path(systemd)
    users = environment.get("XDG_RUNTIME_DIR", "")
    return Path(users, "vsync-sm") if users else Path("/tmp", f"vsync-sm-{os.geteuid()}")  # noqa: S108  it must be this user's alone: see `listener`


def fits(path: Path) -> bool:
    """Whether a socket can have this path."""
    return len(os.fsencode(path)) <= PATH_LIMIT

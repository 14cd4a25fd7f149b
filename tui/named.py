"""The journal that somebody has named: whether it can be one, and what to name instead."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from vsync_sm.journal.history import is_history
from vsync_sm.journal.segments import closed_number, journal_in

_BEGIN = b'{"v":'
"""So each line of a journal begins."""
_CONFIGURATIONS = {".yaml", ".yml", ".json"}


def mistaken(journal: Path, way: str) -> tuple[str, str] | None:
    """What is wrong with a journal that can be none, and what would do; None where it may be one.

    One that is not there yet may be one, and so may an empty one; what is damaged further on is
    for who reads it.

    Args:
        journal: the path that was named.
        way: the flag that it was named with, `--attach` or `--replay`; what is replayed may also be
            a directory with a journal in it, or one closed file of a journal.
    """
    if way == "--replay":
        journal = journal_in(journal)
    try:
        found = journal.stat()
        if stat.S_ISDIR(found.st_mode):
            return f"{journal} is a directory, and no journal", _within(journal, way)
        if not stat.S_ISREG(found.st_mode):
            return f"{journal} is not a file, and no journal", _NAMED
        with journal.open("rb") as file:
            begin = file.read(len(_BEGIN))
    except FileNotFoundError:
        return None
    except OSError as error:
        why = error.strerror or str(error)
        return f"cannot read the journal {journal}: {why}", _READABLE
    # What a crash has left may be zeros, which the next run mends.
    if _BEGIN.startswith(begin) or begin.startswith(b"\0") or _is_packed(journal, way):
        return None
    return f"{journal} is no journal: it does not begin as one", _instead(journal, way)


def _is_packed(journal: Path, way: str) -> bool:
    """Whether it is named as a closed file of a journal, or as what was kept of those."""
    return way == "--replay" and (closed_number(journal.name) is not None or is_history(journal))


def is_configuration(path: str) -> bool:
    """Whether it is named as configurations are."""
    return Path(path).suffix in _CONFIGURATIONS


def _within(directory: Path, way: str) -> str:
    for name in ("journal.jsonl", *sorted(each.name for each in _journals(directory))):
        if (directory / name).is_file():
            return f"did you mean {shlex.join(['vsync-tui', way, os.fspath(directory / name)])}?"
    return _NAMED


def _journals(directory: Path) -> list[Path]:
    try:
        return list(directory.glob("*.jsonl"))
    except OSError:
        return []


def _instead(journal: Path, way: str) -> str:
    if way == "--attach" and is_configuration(journal.name):
        words = ["vsync-tui", "--attach", "--config", str(journal)]
        return f"to follow the origin of a configuration: {shlex.join(words)}"
    return _NAMED


_NAMED = "name the journal's file: vsync-sm --headless says where it lies when it starts"
_READABLE = "a journal is for its owner's eyes: look as the user that the origin runs as, or root"

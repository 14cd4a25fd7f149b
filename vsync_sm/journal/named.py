"""The journal that somebody has named: whether it can be one, and what to name instead."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from vsync_sm.journal.history import is_history
from vsync_sm.journal.segments import (
    PACKED,
    UNREADABLE,
    closed_number,
    closed_segments,
    journal_in,
    open_source,
)

ATTACH = ("vsync-tui", "--attach")
REPLAY = ("vsync-tui", "--replay")

_BEGIN = b'{"v":'
"""So each line of a journal begins."""
_GZIP = b"\x1f\x8b"
_CONFIGURATIONS = {".yaml", ".yml", ".json"}


def mistaken(journal: Path, command: tuple[str, ...]) -> tuple[str, str] | None:
    """What is wrong with a journal that can be none, and what would do; None where it may be one.

    One that is not there yet may be one, and so may an empty one; what is damaged further on is
    for who reads it.

    Args:
        journal: the path that was named.
        command: the words that it was named with; but with `ATTACH` it may also be a directory
            with a journal in it, one closed file of a journal, or a packed one.
    """
    if command != ATTACH:
        journal = journal_in(journal)
    try:
        found = journal.stat()
        if stat.S_ISDIR(found.st_mode):
            return f"{journal} is a directory, and no journal", _within(journal, command)
        if not stat.S_ISREG(found.st_mode):
            return f"{journal} is not a file, and no journal", _NAMED
        with journal.open("rb") as file:
            begin = file.read(len(_BEGIN))
        if _may_go_on(journal, command, begin):
            return None
    except FileNotFoundError:
        return None
    except OSError as error:
        why = error.strerror or str(error)
        return f"cannot read the journal {journal}: {why}", _READABLE
    return f"{journal} is no journal: it does not begin as one", _instead(journal, command, begin)


def _may_go_on(journal: Path, command: tuple[str, ...], begin: bytes) -> bool:
    """Whether what begins so may be a journal. Raises OSError."""
    if command != ATTACH:
        if closed_number(journal.name) is not None or is_history(journal):
            return True
        if closed_segments(journal):  # much may be told though the last one does not begin well
            return True
        if begin.startswith(_GZIP) and journal.name.endswith(PACKED):
            begin = _unpacked(journal)
    # What a crash has left may be zeros, which the next run mends.
    return _BEGIN.startswith(begin) or begin.startswith(b"\0")


def _unpacked(journal: Path) -> bytes:
    """How the lines of a packed file begin; nothing where it is damaged: who reads it says so."""
    try:
        source = open_source(journal, packed=True)
    except (OSError, ValueError):
        return b""
    try:
        return source.read(0, len(_BEGIN))
    except UNREADABLE:
        return b""
    finally:
        source.close()


def is_configuration(path: str) -> bool:
    """Whether it is named as configurations are."""
    return Path(path).suffix in _CONFIGURATIONS


def _within(directory: Path, command: tuple[str, ...]) -> str:
    for name in ("journal.jsonl", *sorted(each.name for each in _journals(directory))):
        if (directory / name).is_file():
            return f"did you mean {shlex.join([*command, os.fspath(directory / name)])}?"
    return _NAMED


def _journals(directory: Path) -> list[Path]:
    try:
        return list(directory.glob("*.jsonl"))
    except OSError:
        return []


def _instead(journal: Path, command: tuple[str, ...], begin: bytes) -> str:
    if command == ATTACH and is_configuration(journal.name):
        words = [*ATTACH, "--config", str(journal)]
        return f"to follow the origin of a configuration: {shlex.join(words)}"
    if begin.startswith(_GZIP) and not journal.name.endswith(PACKED):
        unpack = f"gunzip -c {shlex.quote(os.fspath(journal))} > {journal.stem}-unpacked.jsonl"
        return f"it is packed (gzip): {unpack}, and name that"
    return _NAMED


_NAMED = "name the journal's file: vsync-sm --headless says where it lies when it starts"
_READABLE = "a journal is for its owner's eyes: look as the user that the origin runs as, or root"

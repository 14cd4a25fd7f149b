"""Looks one path up in a journal: fast, because the lines of other paths are passed over."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import orjson

from vsync_sm.core.errors import JournalError
from vsync_sm.core.whereabouts import Whereabouts, Word, near
from vsync_sm.journal.history import is_history
from vsync_sm.journal.reader import JournalReader

Progress = Callable[[float], None]
"""Is told often which share of the journal has been read; what it raises ends the looking."""

_OF_OTHERS = re.compile(
    rb'"type":"(?:insight_(?:generated|skipped|carried_forward|vanished|regressed)'
    rb"|path_(?:failed|abandoned)|retry_scheduled|workers_observed|folder_listed"
    rb'|bucket_reindexed|worker_(?:started|stopped))"'
)
"""The lines of a journal that there may be a million of, and what stands in them."""

_PATH = re.compile(rb'"path":("(?:[^"\\]|\\.)*")')
_SEQ = re.compile(rb'"seq":(\d+)')
_TS = re.compile(rb'"ts":"([^"]*)"')
_TOLD_EVERY = 1024 * 1024
_NEAR_BYTES = 64 * 1024 * 1024
_NEAR_PATHS = 100_000


def look_up(
    given: str,
    journal: Path,
    progress: Progress = lambda _: None,
    *,
    until: int | None = None,
) -> Whereabouts:
    """What a journal tells of a path. Takes about a second for a million lines.

    Args:
        given: the path as people write it.
        journal: its file; what is written while it is read may be missing.
        until: `seq` of the last record that counts; None: all do.
        progress: told every MiB, and at 1 while paths are sought that may be meant.

    Raises:
        JournalError: there is no such journal, or it cannot be read, or it is damaged; or it is a
            history, which names no paths.
    """
    if is_history(journal):
        message = "a history lacks the lines of single paths: only the journal itself knows them"
        raise JournalError(message, line=0, byte=0)
    where = Whereabouts(given)
    with JournalReader(journal) as reader:
        if not reader.exists():
            raise JournalError(f"no such journal: {journal}", line=0, byte=0)
        skip = _Skip(given, reader, progress, until)
        for record in reader.records(skip):
            if until is not None and record.seq > until:
                break
            where.note(record)
        if ts := _TS.search(skip.last):
            where.at = ts[1].decode()
    if where.mounts and where.verdict.word is Word.UNKNOWN:
        where.near = near(given, where.mounts, _paths(journal, progress, until))
    return where


class _Skip:
    """Whether a line is one of another path; `last` is the last one that was asked about."""

    def __init__(
        self, given: str, reader: JournalReader, progress: Progress, until: int | None
    ) -> None:
        # Whatever is meant, its last part ends it. The journal's writer quotes as orjson does.
        last = given.strip("/").rpartition("/")[2]
        self._end = b"/" + orjson.dumps(last.encode(errors="replace").decode())[1:]
        self._reader = reader
        self._progress = progress
        self._until = until
        self._read = 0
        self._told = 0
        self.last = b""

    def __call__(self, line: bytes) -> bool:
        if self._until is not None and self._reader.last_seq >= self._until:
            return False  # whoever asks ends with it
        self.last = line
        self._read += len(line) + 1
        if self._read - self._told >= _TOLD_EVERY:
            self._told = self._read
            self._progress(self._reader.share)
        return self._end not in line and _OF_OTHERS.search(line, 0, 400) is not None


def _paths(journal: Path, progress: Progress, until: int | None) -> set[str]:
    """The paths that the last part of a journal tells of, as many as may be looked at."""
    found: set[bytes] = set()
    left = _NEAR_BYTES
    if not journal.exists():  # only closed files were put here
        return set()
    with journal.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _NEAR_BYTES))
        for line in file:
            if left // _TOLD_EVERY != (left := left - len(line)) // _TOLD_EVERY:
                progress(1.0)
            if left < 0:
                break  # it grows faster than it is read
            match = _PATH.search(line)
            if match is not None and (until is None or _seq(line) <= until):
                found.add(match[1])
                if len(found) >= _NEAR_PATHS:
                    break
    return set(filter(None, map(_text, found)))


def _seq(line: bytes) -> int:
    match = _SEQ.search(line)
    return int(match[1]) if match is not None else 0


def _text(raw: bytes) -> str:
    try:
        return str(orjson.loads(raw))
    except ValueError:  # no UTF-8
        return ""

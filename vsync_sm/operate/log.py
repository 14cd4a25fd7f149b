"""The log on stderr: each record in plain words, for people or as JSON lines, and progress."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import TextIO

import msgspec
import orjson

from vsync_sm.core import events as e
from vsync_sm.core.present import count, printable, refusal, sentence, severity, time_of_day
from vsync_sm.core.view import View

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31"}
_MARKS = {logging.DEBUG: " ", logging.INFO: "·", logging.WARNING: "!", logging.ERROR: "✖"}
_CLEAR = "\r\x1b[K"
_PROGRESS_NS = 100_000_000


class Log:
    """A sink of the ledger. It shows what is in the journal, and nothing else."""

    def __init__(
        self, stream: TextIO, *, level: str, json: bool, allow_command: Callable[[str], str]
    ) -> None:
        """`allow_command` gives the exact command that allows a refusal's id."""
        self._progress = not json and stream.isatty()
        self._json = json
        self._stream = stream
        self._allow_command = allow_command
        self._shown = ""
        self._drawn = 0
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_Json() if json else _Plain(colour=self._progress))
        handler.terminator = "\n"
        self._logger = logging.Logger("vsync", _LEVELS[level])
        self._logger.addHandler(handler)
        logging.raiseExceptions = False  # a closed stderr must not disturb the loop

    def __call__(self, record: e.Record, view: View) -> None:
        """Log one record; on a terminal, redraw the progress."""
        level = _LEVELS[severity(record.event)]
        if self._logger.isEnabledFor(level):
            self._clear()
            self._logger.log(level, "%s", self._words(record), extra={"record": record})
        if self._progress:
            self._draw(record, view)

    def say(self, level: str, words: str) -> None:
        """Log something that is no record (before the journal is open, or about it)."""
        self._clear()
        self._logger.log(_LEVELS[level], "%s", words)

    def _words(self, record: e.Record) -> str:
        event = record.event
        if isinstance(event, e.SaveRefused):
            return refusal(event, allow_command=self._allow_command(event.allowance))
        words = sentence(record)
        if isinstance(event, e.FaultRaised) and event.hint and event.hint not in words:
            words = f"{words} ({printable(event.hint)})"
        return words

    def _draw(self, record: e.Record, view: View) -> None:
        if isinstance(record.event, e.CycleFinished):
            self._clear()
            return
        if record.mono - self._drawn < _PROGRESS_NS or view.cycle is None:
            return
        self._drawn = record.mono
        self._shown = progress(view)
        self._write(f"{_CLEAR}{self._shown}")

    def _clear(self) -> None:
        if self._shown:
            self._shown = ""
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._progress = False


def progress(view: View) -> str:
    """One line on what the running cycle is at; "" outside cycles."""
    cycle = view.cycle
    if cycle is None:
        return ""
    head = f"cycle {cycle.number} {view.state.name}"
    if cycle.listed is None:
        return f"{head}: {count(cycle.tally.folders, 'folder')} listed"
    tally = cycle.tally
    ended = tally.generated + tally.skipped + tally.failed
    return f"{head}: {ended} of {count(cycle.listed, 'path')}"


def log_to_stderr(*, level: str, kind: str, allow_command: Callable[[str], str]) -> Log:
    """The log of a run: `kind` is `console`, `json`, or `auto` (JSON unless a terminal)."""
    json = kind == "json" or (kind == "auto" and not sys.stderr.isatty())
    return Log(sys.stderr, level=level, json=json, allow_command=allow_command)


class _Plain(logging.Formatter):
    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        told: e.Record | None = getattr(record, "record", None)
        when = time_of_day(told.ts) if told else ""
        mark = _MARKS.get(record.levelno, " ")
        line = f"{when} {mark} {record.getMessage()}".lstrip()
        colour = _COLOURS.get(record.levelno)
        return f"\x1b[{colour}m{line}\x1b[0m" if self._colour and colour else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told: e.Record | None = getattr(record, "record", None)
        line: dict[str, object] = {
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if told is not None:
            line |= {"ts": told.ts, "seq": told.seq, "run": told.run}
            if told.cycle is not None:
                line["cycle"] = told.cycle
            line |= msgspec.to_builtins(told.event)
        return orjson.dumps(line).decode()

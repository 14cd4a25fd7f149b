"""The log on stderr: each record in plain words, for people or as JSON lines, and progress."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import msgspec
import orjson

from vsync_sm.core import events as e
from vsync_sm.core.present import count, printable, refusal, sentence, severity, time_of_day
from vsync_sm.core.view import View
from vsync_sm.operate.outlet import Outlet

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31"}
_MARKS = {logging.DEBUG: " ", logging.INFO: "·", logging.WARNING: "!", logging.ERROR: "✖"}
DRAIN_S = 0.5
"""At the end the last lines have so many seconds to be written."""

EACH = 20
"""Of one cycle's paths that failed, or went backwards, or are carried, so many are told each.

A restored snapshot would else fill a log with all its paths, cycle after cycle.
"""

_ENDS = (e.CycleFinished, e.RunFinished)
_OF_PATHS = (e.PathFailed, e.InsightCarriedForward, e.InsightRegressed)

_CLEAR = "\r\x1b[K"
_PROGRESS_NS = 100_000_000


class Stream(Protocol):
    """Where the log goes."""

    def write(self, text: str, /) -> object:
        """Take text."""
        ...

    def flush(self) -> None:
        """Hand it on."""
        ...

    def isatty(self) -> bool:
        """Whether it leads to a terminal."""
        ...


class Progress:
    """A sink that keeps one line on a terminal about the running cycle; elsewhere it is silent."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._draws = is_terminal(stream)
        self._shown = False
        self._drawn = 0

    def __call__(self, record: e.Record, view: View) -> None:
        """Redraw the line, ten times a second at most; a cycle's end clears it."""
        if type(record.event) in _ENDS:
            self.clear()
        elif self._draws and record.mono - self._drawn >= _PROGRESS_NS and view.cycle is not None:
            self._drawn = record.mono
            self._shown = True
            self._write(f"{_CLEAR}{progress(view)}")

    def clear(self) -> None:
        """Leave an empty line for something else to be written."""
        if self._shown:
            self._shown = False
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._draws = False


class Waiting:
    """A sink that says once what the start-up checks wait for, where there is no log."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._said = ("", "")

    def __call__(self, record: e.Record, _: View) -> None:
        """Say it, when it is something else than before."""
        event = record.event
        if isinstance(event, e.ChecksPostponed) and self._said != (event.server, event.kind):
            self._said = (event.server, event.kind)
            with suppress(OSError, ValueError):
                self._stream.write(f"{sentence(event)}\n")
                self._stream.flush()


class Log:
    """A sink of the ledger. It shows what is in the journal, and nothing else."""

    def __init__(
        self,
        stream: Stream,
        *,
        level: str,
        json: bool,
        colour: bool = False,
        progress: Progress | None = None,
        allow_command: Callable[[str], str],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`allow_command` gives the exact command that allows a refusal's id."""
        self.close = close
        self._refused = ""  # told in full once, not in each cycle anew
        self._json = json  # where every field stands beside the sentence
        self._progress = progress
        self._allow_command = allow_command
        self._live = False
        self._cycle: int | None = None
        self._of_paths: Counter[type] = Counter()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_Json() if json else _Plain(colour=colour))
        handler.terminator = "\n"
        self._logger = logging.Logger("vsync", _LEVELS[level])
        self._logger.addHandler(handler)
        logging.raiseExceptions = False  # a closed stderr must not disturb the loop

    def __call__(self, record: e.Record, view: View) -> None:
        """Log one record; on a terminal, redraw the progress."""
        level = _LEVELS[severity(record.event)]
        if level >= self._logger.level:
            words = self._words(record)
            if words:
                self._log(level, words, record)
        if self._progress is not None:
            self._progress(record, view)

    def insights(self, records: Sequence[e.Record], view: View) -> None:
        """Log insights, where the log is so detailed; on a terminal, redraw the progress."""
        if _LEVELS[severity(records[0].event)] >= self._logger.level:
            for record in records:
                self(record, view)
        elif self._progress is not None:
            self._progress(records[-1], view)

    def allow_live(self, command: Callable[[str], str]) -> None:
        """From now on name this command for a refusal's id: the origin hears it while it runs."""
        self._allow_command, self._live = command, True

    def say(self, level: str, words: str) -> None:
        """Log something that is no record (before the journal is open, or about it)."""
        self._log(_LEVELS[level], printable(words), None)

    def _log(self, level: int, words: str, record: e.Record | None) -> None:
        if self._progress is not None:
            self._progress.clear()
        self._logger.log(level, "%s", words, extra={"record": record})

    def _words(self, record: e.Record) -> str:
        event = record.event
        if isinstance(event, _OF_PATHS) and not self._logger.isEnabledFor(logging.DEBUG):
            return self._of_path(record)
        if isinstance(event, e.SaveRefused):
            if event.allowance == self._refused:
                return f"{sentence(record)}: as before"
            self._refused = event.allowance
            command = self._allow_command(event.allowance)
            return refusal(event, allow_command=command, live=self._live)
        words = sentence(record)
        if isinstance(event, e.FaultRaised) and event.context and not self._json:
            told = ", ".join(f"{name} {value}" for name, value in event.context.items())
            words = f"{words} [{printable(told)}]"
        if isinstance(event, e.CheckPassed) and event.note:
            words = f"{words}. {printable(event.note)}"
        return words

    def _of_path(self, record: e.Record) -> str:
        """The words for one path of maybe many; "" past `EACH` of them."""
        if record.cycle != self._cycle:
            self._cycle = record.cycle
            self._of_paths.clear()
        kind = type(record.event)
        self._of_paths[kind] += 1
        if self._of_paths[kind] > EACH + 1:
            return ""
        if self._of_paths[kind] <= EACH:
            return sentence(record)
        return (
            f"{sentence(record)}; more like this are in the journal, and here with log.level debug"
        )


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


def is_terminal(stream: Stream) -> bool:
    """Whether a line on it can be drawn anew."""
    return stream.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def log_to_stderr(*, level: str, kind: str, allow_command: Callable[[str], str]) -> Log:
    """The log of a run: `kind` is `console`, `json`, or `auto` (JSON unless a terminal).

    A console log on a terminal shows progress, and colours warnings unless NO_COLOR is set.
    """
    stream = Outlet(sys.stderr.fileno())
    json = kind == "json" or (kind == "auto" and not stream.isatty())
    return Log(
        stream,
        level=level,
        json=json,
        colour=is_terminal(stream) and not os.environ.get("NO_COLOR"),
        progress=None if json else Progress(stream),
        allow_command=allow_command,
        close=lambda: stream.drain(DRAIN_S),
    )


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
            "ts": told.ts if told else _now(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if told is not None:
            line |= {"seq": told.seq, "run": told.run}
            if told.cycle is not None:
                line["cycle"] = told.cycle
            # An event's own `message` is part of the sentence, which says more.
            line = {**line, **msgspec.to_builtins(told.event), **line}
        return orjson.dumps(line).decode()


def _now(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

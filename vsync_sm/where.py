"""`vsync-sm where`: "I changed it at 14:02: is it out?", asked of a journal."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import orjson

from vsync_sm.core.answer import Now
from vsync_sm.core.errors import JournalError
from vsync_sm.core.whereabouts import Whereabouts, Word
from vsync_sm.flags import (
    FATAL,
    NOT_SAVED,
    OK,
    USAGE,
    Write,
    complain,
    is_no_journal,
    journal_meant,
)
from vsync_sm.journal.lookup import look_up
from vsync_sm.operate.place import reach_of

_CODES = {
    Word.OUT: OK,
    Word.REMOVED: OK,
    Word.NOT_YET: NOT_SAVED,
    Word.REFUSED: NOT_SAVED,
    Word.NOT_READ: NOT_SAVED,
    Word.NOT_CHOSEN: NOT_SAVED,
    Word.UNKNOWN: FATAL,
    Word.AMBIGUOUS: USAGE,
}


def run(options: argparse.Namespace, write: Write) -> int:
    """Tell where the path is; the exit code says whether it is out."""
    if not options.path.strip("/ "):
        complain("where needs a path", "vsync-sm where secret/app/db")
        return USAGE
    journal = journal_meant(options)
    if journal is None or is_no_journal(journal, "where", options.path, "--journal"):
        return USAGE
    try:
        where = _look_up(options.path, journal)
    except JournalError as error:
        if error.line:
            complain(f"the journal is damaged: {error.message}", "vsync-sm replay tells the rest")
            return FATAL
        complain(error.message, "--journal names the file; a run names it when it starts")
        return USAGE
    now, reach = Now(wall=time.time_ns(), mono=0), reach_of(journal)
    if options.json:
        document = orjson.dumps(where.document(now, reach), option=orjson.OPT_INDENT_2)
        write([document.decode(), "\n"])
    else:
        write(f"{line}\n" for line in where.lines(now, reach))
    return _CODES[where.verdict.word]


def _look_up(path: str, journal: Path) -> Whereabouts:
    if not sys.stderr.isatty():
        return look_up(path, journal)
    told = False

    def progress(share: float) -> None:
        nonlocal told
        told = True
        sys.stderr.write(f"\rreading the journal: {share:.0%} ")
        sys.stderr.flush()

    try:
        return look_up(path, journal, progress)
    finally:
        if told:
            sys.stderr.write("\r" + " " * 30 + "\r")
            sys.stderr.flush()

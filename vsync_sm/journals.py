"""`vsync-sm journal`: how large a journal is and how long it lasts; a span cut out of it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson

from vsync_sm.core.errors import JournalError
from vsync_sm.core.words import clock, count, duration, number, printable, size
from vsync_sm.export import MAKE_A_KEY, NoKey, disguise_meant, span_meant
from vsync_sm.flags import FATAL, OK, USAGE, Write, complain, is_no_journal, journal_meant
from vsync_sm.journal.account import Account, account
from vsync_sm.journal.cutting import NoSuchSpan, is_the_journals, records_of, write
from vsync_sm.journal.keeping import BUDGET_BYTES
from vsync_sm.journal.last_run import last_run_started


def run(options: argparse.Namespace, say: Write) -> int:
    """Do what the command line says; its exit code."""
    journal = journal_meant(options)
    if journal is None or is_no_journal(journal, "journal", "--journal"):
        return USAGE
    try:
        if options.word == "cut":
            return _cut(journal, options, say)
        return _tell(journal, say, json=options.json)
    except JournalError as error:
        if error.line:
            complain(f"the journal is damaged: {error}", "vsync-sm replay tells what can be read")
            return FATAL
        complain(error.message, "--journal names the file; a run names it when it starts")
        return USAGE
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}", "let this user read and write there")
        return FATAL


def _tell(journal: Path, say: Write, *, json: bool) -> int:
    budget = _budget(journal)
    taken = account(journal, budget)
    if not taken.usage.segments:
        complain(f"there is no journal {journal}", "a run names its journal when it starts")
        return USAGE
    if json:
        document = {
            "journal": str(journal),
            "budget_bytes": budget,
            **msgspec.to_builtins(taken),
        }
        say([orjson.dumps(document, option=orjson.OPT_INDENT_2).decode(), "\n"])
    else:
        say(f"{printable(line)}\n" for line in _lines(journal, taken, budget))
    return OK


def _budget(journal: Path) -> int:
    """What the last run was told to keep, as it says itself."""
    started = last_run_started(journal)
    told = started.config.get("journal") if started is not None else None
    budget = told.get("budget") if isinstance(told, dict) else None
    return budget if isinstance(budget, int) else BUDGET_BYTES


def _lines(journal: Path, taken: Account, budget: int) -> Iterator[str]:
    used = taken.usage
    yield str(journal)
    closed = used.segments - 1
    files = f"{count(used.segments, 'file')}, {size(used.bytes)} on the disk"
    yield f"  size     {files}: {size(used.closed_bytes)} in {number(closed)} closed"
    if taken.first:
        span = f"{clock(taken.first)} to {clock(taken.last)}"
        yield f"  tells    {count(taken.events, 'event')}, {span}"
    yield f"  budget   {size(budget)} for closed files{_lasts(taken)}"
    if taken.history:
        days = count(taken.history, "day")
        yield f"  history  of {days} before: vsync-sm replay {journal}.history-DAY.gz"


def _lasts(taken: Account) -> str:
    if taken.hours is None or taken.hours_left is None:
        return "; too little is there to tell how long it lasts"
    lasts = f", about {duration(taken.hours * 3600)} at the present rate"
    if not taken.hours_left:
        return f"{lasts}; it is full, and the oldest file goes for each new one"
    return f"{lasts}; {duration(taken.hours_left * 3600)} of it are left"


def _cut(journal: Path, options: argparse.Namespace, say: Write) -> int:
    to = options.out
    if is_the_journals(to, journal):
        complain(f"{to} is a file of this journal", "give another name: --out FILE")
        return USAGE
    try:
        span = span_meant(journal, options)
        records = records_of(journal, span)
        names = disguise_meant(options)
        if names is not None:
            names.learn(records_of(journal, span))
            records = names.records(records)
        lines = write(records, to, force=options.force)
    except NoKey as unfit:
        complain(str(unfit), MAKE_A_KEY)
        return USAGE
    except NoSuchSpan as missing:
        complain(f"{journal}: {missing}", "vsync-sm replay tells which cycles there are")
        return FATAL
    except FileExistsError:
        complain(f"{to} is there already", "give another name, or --force to replace it")
        return USAGE
    say([f"{count(lines, 'line')} in {printable(str(to))}: vsync-sm replay tells them\n"])
    return OK

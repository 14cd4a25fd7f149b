"""`vsync-sm ctl`: a look at a running origin, and a word to it, through its control socket."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import orjson

from vsync_sm.core.answer import Health
from vsync_sm.core.consequence import KINDS
from vsync_sm.core.reach import SHELL
from vsync_sm.core.sync_info import mount_of
from vsync_sm.core.words import number, printable
from vsync_sm.flags import FATAL, NOT_SAVED, OK, USAGE, Write, complain, journal_meant
from vsync_sm.journal.last_run import last_run_started
from vsync_sm.operate.client import Remote, Unreachable
from vsync_sm.operate.place import reach_of
from vsync_sm.operate.protocol import VERSION, Answer, Request

_CODES = {Health.healthy: OK, Health.failing: FATAL, Health.refused: NOT_SAVED}


def run(options: argparse.Namespace, write: Write) -> int:
    """Do what the command line says; its exit code."""
    if options.word == "allow" and not options.yes and not sys.stdin.isatty():
        complain(
            "allow shows what would vanish and asks on a terminal, and there is none",
            f"in a script, once you have looked: {_allowing(options)}",
        )
        return USAGE
    journal = journal_meant(options)
    if journal is None:
        return USAGE
    remote = Remote(journal, os.environ, lambda: _named(journal))
    try:
        if options.word == "status":
            return _status(remote, write, json=options.json)
        if options.word == "allow":
            look = reach_of(journal).shell("ctl", "status")
            return _allow(remote, write, options.id, look=look, asks=not options.yes)
        return _do(remote, write, options.word, getattr(options, "why", None) or "")
    except Unreachable as unreachable:
        complain(
            unreachable.why,
            f"does the origin run (vsync-sm --headless), and is {printable(str(journal))} its "
            "journal? --journal names another; vsync-sm replay tells what a journal holds",
        )
        return FATAL


def _allowing(options: argparse.Namespace) -> str:
    """The same command, without asking."""
    reach = reach_of(Path(options.journal)) if options.journal is not None else SHELL
    return reach.shell("ctl", "allow", options.id, "--yes")


def _named(journal: Path) -> str:
    started = last_run_started(journal)
    return started.control if started is not None else ""


# --- what is done ----------------------------------------------------------------------------


def _status(remote: Remote, write: Write, *, json: bool) -> int:
    told = remote.status()
    if not told.ok:
        return _not_done(told.words)
    if json:
        write([orjson.dumps(told.document, option=orjson.OPT_INDENT_2).decode(), "\n"])
    else:
        write(f"{printable(line)}\n" for line in told.lines)
    return _CODES.get(Health(told.health), FATAL) if told.health in set(Health) else FATAL


def _do(remote: Remote, write: Write, command: str, argument: str) -> int:
    done = remote.ask(Request(v=VERSION, command=command, argument=argument))
    if not done.ok:
        return _not_done(done.words)
    write([f"{printable(done.words)}\n"])
    return OK


def _not_done(why: str) -> int:
    complain(printable(why))
    return FATAL


# --- allow -----------------------------------------------------------------------------------


def _allow(remote: Remote, write: Write, allowance: str, *, look: str, asks: bool) -> int:
    refused = remote.refusal(allowance)
    if not refused.ok or refused.refused is None:
        complain(printable(refused.words), f"{look} tells the id of what is refused")
        return FATAL
    write(_shown(refused))
    if asks:
        wanted = printable(refused.to_type or _at_stake(refused.refused) or allowance)
        write([f"\nType {wanted} to allow it, anything else to leave it: "])
        if sys.stdin.readline().strip() != wanted:
            complain("nothing was allowed")
            return FATAL
    return _do(remote, write, "allow", allowance)


def _shown(refused: Answer) -> Iterator[str]:
    """All that would happen, in full."""
    for kind, found in groupby(refused.refused or (), key=lambda line: line.partition(" ")[0]):
        lines = list(found)
        words = KINDS.get(kind, f"is refused by the rule {kind}")
        yield f"{number(len(lines))} {printable(words)}:\n"
        yield from (f"  {printable(line.partition(' ')[2] or line)}\n" for line in lines)
    yield from (f"{printable(each)}\n" for each in refused.consequences)


def _at_stake(lines: tuple[str, ...]) -> str:
    """The mount with most paths at stake; "" where no mount is concerned."""
    paths = (line.partition(" ")[2] for line in lines)
    mounts = Counter(mount for path in paths if (mount := mount_of(path, ())))
    return min(mounts, key=lambda mount: (-mounts[mount], mount)) if mounts else ""

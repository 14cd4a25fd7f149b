"""`vsync-sm replay`: the story of a journal, or of a span of one, to look at or to take along."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vsync_sm.flags import FATAL, OK, USAGE, Write, complain

if TYPE_CHECKING:
    from vsync_sm.journal.cutting import Span
    from vsync_sm.journal.disguise import Disguise
    from vsync_sm.journal.taking import Form

# What a form needs is imported where it is told: no other waits for it.


def run(options: argparse.Namespace, write: Write) -> int:
    """Do what the command line says; its exit code."""
    from vsync_sm.core.errors import JournalError  # noqa: PLC0415
    from vsync_sm.journal.cutting import WHOLE, NoSuchSpan, records_of  # noqa: PLC0415
    from vsync_sm.journal.reader import JournalReader  # noqa: PLC0415
    from vsync_sm.journal.segments import journal_in  # noqa: PLC0415
    from vsync_sm.journal.taking import Taking  # noqa: PLC0415

    file = journal_in(options.file)
    try:
        with JournalReader(file) as reader:
            there = reader.exists()
        if not there:
            complain(f"there is no journal {file}", "a run names its journal when it starts")
            return USAGE
        span = WHOLE if _in_detail(options) else span_meant(file, options)
        names = disguise_meant(options)
        if names is not None:
            names.learn(records_of(file, span))
        cycle = options.cycle[0] if _in_detail(options) else None
        told = Taking(_form(options), records_of(file, span), file, names=names, cycle=cycle)
        code = put(told.chunks(), options, file, write)
    except NoSuchSpan as missing:
        hint = "replay without --cycle, --since and --until tells what there is"
        complain(f"{options.file}: {missing}", hint)
        return FATAL
    except NoKey as unfit:
        complain(str(unfit), MAKE_A_KEY)
        return USAGE
    except JournalError as error:
        if error.line:
            complain(f"the journal is damaged: {error}", "replay without a span tells the rest")
            return FATAL
        complain(error.message, "give the file of a journal that this user may read")
        return USAGE
    if told.damage:
        complain(f"the journal is damaged: {told.damage}", "this is of what stands before it")
    if not told.found:
        complain(
            f"{options.file} has no cycle {cycle}",
            "replay without --cycle tells which cycles there are",
        )
    return code or (OK if told.ok and told.found else FATAL)


def _form(options: argparse.Namespace) -> Form:
    from vsync_sm.journal.taking import Form  # noqa: PLC0415

    said = {
        Form.MARKDOWN: options.markdown,
        Form.PICTURE: options.svg,
        Form.JSON: options.json,
        Form.JSON_LINES: options.json_lines,
    }
    return next((form for form, wanted in said.items() if wanted), Form.TEXT)


MAKE_A_KEY = "make one: (umask 077; head -c 32 /dev/urandom > FILE)"
"""What helps where there is no key."""


class NoKey(Exception):  # noqa: N818  what is to be said to who named it
    """The file with the key of the pseudonyms is of no use: one sentence."""


def disguise_meant(options: argparse.Namespace) -> Disguise | None:
    """What puts pseudonyms in place of names, where they are wanted. Raises NoKey."""
    if not options.pseudonyms:
        return None
    from vsync_sm.core.pseudonyms import LEAST_KEY, Pseudonyms  # noqa: PLC0415
    from vsync_sm.journal.disguise import Disguise  # noqa: PLC0415

    file, key = options.pseudonym_key_file, os.urandom(32)
    if file is not None:
        try:
            key = file.read_bytes()
        except OSError as error:
            raise NoKey(f"{file} cannot be read: {error.strerror}") from None
        if len(key) < LEAST_KEY:
            raise NoKey(f"{file} is no key: it has {len(key)} bytes, fewer than {LEAST_KEY}")
    return Disguise(Pseudonyms(key))


def span_meant(journal: Path, options: argparse.Namespace) -> Span:
    """The span that was asked for. Raises NoSuchSpan, JournalError."""
    from vsync_sm.core.moments import OfCycle  # noqa: PLC0415
    from vsync_sm.journal.cutting import span_of  # noqa: PLC0415

    if options.cycle is not None:
        return span_of(journal, *map(OfCycle, options.cycle))
    return span_of(journal, options.since, options.until)


def _in_detail(options: argparse.Namespace) -> bool:
    """One cycle told event by event: all of the journal is checked for it."""
    return (
        options.cycle is not None
        and len({*options.cycle}) == 1
        and not (options.markdown or options.svg)
    )


def put(chunks: Iterable[str], options: argparse.Namespace, journal: Path, write: Write) -> int:
    """Write text where `--out` says, else to stdout; 0, or the exit code."""
    from vsync_sm.journal.cutting import is_the_journals, write_out  # noqa: PLC0415

    to = options.out
    if to is None:
        write(chunks)
        return OK
    if is_the_journals(to, journal):
        complain(f"{to} is a file of this journal", "give another name: --out FILE")
        return USAGE
    try:
        encoded = (chunk.encode("utf-8", "backslashreplace") for chunk in chunks)
        write_out(encoded, to, force=options.force)
    except FileExistsError:
        complain(f"{to} is there already", "give another name, or --force to replace it")
        return USAGE
    except OSError as error:
        complain(f"{to} cannot be written: {error.strerror}", "choose another place: --out FILE")
        return FATAL
    sys.stderr.write(f"vsync-sm: written to {to}\n")
    return OK

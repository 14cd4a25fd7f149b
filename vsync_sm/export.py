"""`vsync-sm replay`: the story of a journal, or of a span of one, to look at or to take along."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vsync_sm.flags import FATAL, OK, USAGE, Write, complain

if TYPE_CHECKING:
    from vsync_sm.core.events import Record
    from vsync_sm.journal.cutting import Span
    from vsync_sm.journal.disguise import Disguise

# What a form needs is imported where it is told: no other waits for it.


def run(options: argparse.Namespace, write: Write) -> int:
    """Do what the command line says; its exit code."""
    from vsync_sm.core.errors import JournalError  # noqa: PLC0415
    from vsync_sm.journal.cutting import WHOLE, NoSuchSpan, records_of  # noqa: PLC0415
    from vsync_sm.journal.reader import JournalReader  # noqa: PLC0415
    from vsync_sm.journal.segments import journal_in  # noqa: PLC0415

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
        told = _Told(options, file, names)
        code = put(told.chunks(records_of(file, span)), options, file, write)
    except NoSuchSpan as missing:
        hint = "replay without --cycle, --since and --until tells what there is"
        complain(f"{options.file}: {missing}", hint)
        return FATAL
    except NoKey as unfit:
        complain(str(unfit), MAKE_A_KEY)
        return USAGE
    except JournalError as error:
        complain(error.message, "give the file of a journal that this user may read")
        return USAGE
    return code or told.code()


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
    from vsync_sm.journal.cutting import write_out  # noqa: PLC0415

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


def is_the_journals(to: Path, journal: Path) -> bool:
    """Whether a file is the journal itself, or of it by its name."""
    name = to.resolve().name
    beside = to.resolve().parent == journal.resolve().parent
    return beside and (name == journal.resolve().name or name.startswith(f"{journal.name}."))


class _Told:
    """The form that was asked for; `code` when it has been told."""

    def __init__(self, options: argparse.Namespace, file: Path, names: Disguise | None) -> None:
        self._options = options
        self._file = file
        self._names = names
        self._ok = self._found = True

    def chunks(self, records: Iterator[Record]) -> Iterator[str]:
        """The whole text, as it comes."""
        if self._names is not None:
            records = self._names.records(records)
        if self._options.markdown:
            yield from self._markdown(records)
        elif self._options.svg:
            yield from self._svg(records)
        else:
            yield from self._story(records)

    def code(self) -> int:
        """The exit code, and a complaint where there is no such cycle."""
        if not self._found:
            complain(
                f"{self._options.file} has no cycle {self._options.cycle[0]}",
                "replay without --cycle tells which cycles there are",
            )
        return OK if self._ok and self._found else FATAL

    def _story(self, records: Iterator[Record]) -> Iterator[str]:
        from vsync_sm.journal.replay import replay  # noqa: PLC0415

        options = self._options
        story = replay(
            records,
            history=self._history(),
            json=options.json or options.json_lines,
            lines=options.json_lines,
            cycle=options.cycle[0] if _in_detail(options) else None,
        )
        yield from story
        self._ok, self._found = story.ok, story.found

    def _markdown(self, records: Iterator[Record]) -> Iterator[str]:
        from vsync_sm.journal.markdown import markdown  # noqa: PLC0415
        from vsync_sm.journal.postmortem import Postmortem  # noqa: PLC0415

        told = Postmortem()
        told.read(records, history=self._history())
        self._ok = told.ok
        name = self._file.name if self._names is None else self._names.name(self._file.name)
        yield from markdown(told, journal=name)

    def _svg(self, records: Iterator[Record]) -> Iterator[str]:
        from vsync_sm.core.errors import JournalError  # noqa: PLC0415
        from vsync_sm.journal.cutting import NoSuchSpan  # noqa: PLC0415
        from vsync_sm.journal.picture import picture  # noqa: PLC0415
        from vsync_sm.journal.sketch import sketch_of  # noqa: PLC0415

        def readable() -> Iterator[Record]:
            try:
                yield from records
            except JournalError as error:
                self._ok = False
                complain(f"the journal is damaged: {error}", "this is of what stands before it")

        sketch = sketch_of(readable())
        if sketch is None:
            raise NoSuchSpan("there is no cycle in it")
        yield from picture(sketch)

    def _history(self) -> bool:
        from vsync_sm.journal.history import is_history  # noqa: PLC0415

        return is_history(self._file)

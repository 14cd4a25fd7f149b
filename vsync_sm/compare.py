"""`vsync-sm replay --compare`: two moments of a journal side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vsync_sm.core.comparing import Comparison
from vsync_sm.core.differences import Said, differences, place
from vsync_sm.core.errors import JournalError
from vsync_sm.core.moments import MomentError
from vsync_sm.core.pairs import EXAMPLES, Pair, pair_of
from vsync_sm.core.path_changes import MEANING, Change
from vsync_sm.core.side_by_side import rows, titles
from vsync_sm.core.words import number, printable
from vsync_sm.export import put
from vsync_sm.flags import FATAL, USAGE, Write, complain
from vsync_sm.journal.comparing import Compared, NoSuchMoment, compare
from vsync_sm.journal.segments import journal_in

_NAMED = 20
_MARK = {"error": "!", "warning": "!"}


def run(options: argparse.Namespace, write: Write) -> int:
    """Tell what is different; its exit code says whether the moments were there."""
    journal = journal_in(options.file)
    try:
        pair = pair_of(options.compare)
    except MomentError as error:
        complain(str(error).rstrip("."), f"--compare takes {EXAMPLES}")
        return USAGE
    try:
        found = _compare(journal, pair)
    except JournalError as error:
        if error.line:
            complain(f"the journal is damaged: {error}", "replay tells what can be read")
            return FATAL
        complain(error.message, "a run names its journal when it starts")
        return USAGE
    except NoSuchMoment as missing:
        complain(missing.message, missing.hint)
        return FATAL
    told = _json(found) if options.json else _text(found.comparison)
    code = put(told, options, journal, write)
    if not code and found.damage is not None:
        complain(f"the journal is damaged: {found.damage}", "what stands before it was compared")
        return FATAL
    return code


def _compare(journal: Path, pair: Pair) -> Compared:
    if not sys.stderr.isatty():
        return compare(journal, pair)

    def progress(share: float) -> None:
        sys.stderr.write(f"\rreading the journal: {share:.0%} ")
        sys.stderr.flush()

    try:
        return compare(journal, pair, progress=progress)
    finally:
        sys.stderr.write("\r" + " " * 30 + "\r")
        sys.stderr.flush()


# --- for a person ----------------------------------------------------------------------------


def _text(found: Comparison) -> Iterator[str]:
    for line in _lines(found):
        yield f"{line.rstrip()}\n"


def _lines(found: Comparison) -> Iterator[str]:
    yield f"first:  {place(found.first)}"
    yield f"second: {place(found.second)}"
    yield ""
    said = differences(found)
    yield from map(_line, said)
    if not said:
        yield "  Nothing that a journal tells is different."
    yield from _table(found)
    yield from _paths(found)


def _line(said: Said) -> str:
    return f"{_MARK.get(said.severity, ' ')} {said.words}"


def _table(found: Comparison) -> Iterator[str]:
    told = rows(found)
    if not told:
        return
    first, second = titles(found)
    widths = [
        max(len(text) for text in column) + 2
        for column in (
            [each.name for each in told],
            [first, *(each.first for each in told)],
            [second, *(each.second for each in told)],
        )
    ]
    yield ""
    yield f"  {'':{widths[0]}}{first:{widths[1]}}{second}"
    for each in told:
        cells = zip((each.name, each.first, each.second), widths, strict=True)
        line = "".join(f"{text:{width}}" for text, width in cells)
        yield f"{'!' if each.stands_out else ' '} {line}{each.note}"


def _paths(found: Comparison) -> Iterator[str]:
    for kind, paths in found.paths.kinds.items():
        if paths.count <= 3:  # the sentence names them
            continue
        yield ""
        yield f"  {_head(kind)} ({number(paths.count)}):"
        yield from (f"    {printable(name)}" for name in paths.names[:_NAMED])
        if paths.count > _NAMED:
            yield f"    and {number(paths.count - _NAMED)} more"


def _head(kind: Change) -> str:
    return f"paths that {MEANING[kind]}"


# --- for a program ---------------------------------------------------------------------------


def _json(found: Compared) -> Iterator[str]:
    document = {
        "differences": msgspec.to_builtins(differences(found.comparison)),
        **msgspec.to_builtins(found.comparison),
        "whole": found.comparison.whole and found.damage is None,
    }
    yield f"{json.dumps(document, indent=2)}\n"

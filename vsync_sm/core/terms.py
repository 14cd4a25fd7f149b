"""The terms of a sieve: what may stand in one, and what each of them looks for in a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from fnmatch import translate
from typing import get_args

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.finding import Finder, paths
from vsync_sm.core.insight import KV_V2
from vsync_sm.core.patterns import Pattern, PatternError, pattern
from vsync_sm.core.present import Severity, severity

SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least grave to the gravest."""

KEYS = ("type", "severity", "path", "worker", "cycle", "run")
"""The words that may stand before a colon."""


class SieveError(ValueError):
    """A term that cannot be understood: one sentence that names it and says what would do."""


class Term(msgspec.Struct, frozen=True):
    """One term: its test, whether it is turned round, and what a matching line must look like.

    `may` looks at a line's bytes; False means that no record of this line passes `holds`. It is
    there only where a line can be judged so without being read.
    """

    text: str
    holds: Callable[[e.Record], bool]
    negated: bool = False
    may: Callable[[bytes], bool] | None = None


class Word(msgspec.Struct, frozen=True):
    """A term as it was typed: turned round or not, its key ("": none), and what is behind it."""

    text: str
    negated: bool
    key: str
    value: str
    regex: bool
    quoted: bool


def empty(word: Word) -> str:
    """What to say of a term that lacks what it is about."""
    if word.key:
        return (
            f"“{word.text}” lacks what should stand behind the colon, as in {_example(word.key)}."
        )
    if word.regex:
        return "“//” is an empty regular expression: write one between the slashes."
    return f"“{word.text}” turns nothing round: put a term behind it, as in !type:insight_*."


_EXAMPLES = {
    "type": "type:insight_*",
    "severity": "severity:warning",
    "path": "path:secret/app",
    "worker": "worker:3",
    "cycle": "cycle:12",
    "run": "run:ab12",
}


def _example(key: str) -> str:
    return _EXAMPLES.get(key.lower(), "path:secret/app")


def either(names: Sequence[str]) -> str:
    """`a, b or c`."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def mean(word: str, names: Sequence[str]) -> str:
    """How a sentence ends that says that there is no such word: with the nearest one."""
    close = get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else "."


def _plain_only(word: Word) -> str:
    if word.regex:
        raise SieveError(
            f"“{word.text}”: {word.key} takes no regular expression; "
            f"write it as in {_example(word.key)}."
        )
    return word.value


# --- words in texts ---


def _found(word: Word) -> Finder:
    if word.regex:
        return Finder(pattern=_pattern(word))
    return Finder(word=word.value.lower())


def _pattern(word: Word) -> Pattern:
    try:
        return pattern(word.value)
    except PatternError as error:
        raise SieveError(f"“{word.text}” {error}.") from None


def anywhere(word: Word) -> Term:
    """A word, or a regular expression, that is looked for in all texts of a record."""
    return Term(word.text, _found(word).holds, word.negated)


def _path(word: Word) -> Term:
    found = _found(word)

    def holds(record: e.Record) -> bool:
        return any(found.within(path) for path in paths(record.event))

    may = None if word.regex or word.negated else _pieces(found.word)
    return Term(word.text, holds, word.negated, may)


_OURS = b'{"v":%d,' % e.VERSION


def _pieces(wanted: str) -> Callable[[bytes], bool] | None:
    """A line that has a path with `wanted` in it has the pieces of `wanted` between its slashes."""
    if not wanted.isascii() or any(each in wanted for each in '"\\') or not wanted.isprintable():
        return None
    pieces = [piece.encode() for piece in wanted.split("/") if piece]

    def may(line: bytes) -> bool:
        # Beyond ASCII, upper and lower case are more than one byte each; behind a backslash
        # anything may stand.
        if not line.startswith(_OURS) or not line.isascii() or b"\\" in line:
            return True
        lowered = line.lower()
        return all(piece in lowered for piece in pieces)

    return may


# --- keys ------------------------------------------------------------------------------------

# As this program writes a line. What is laid out otherwise is read before it is judged.
_LINE = re.compile(
    rb'\{"v":%d,"seq":\d+,"ts":"[^"\\]*","mono":\d+,"run":"([^"\\]*)",'
    rb'(?:"cycle":(\d+),)?"type":"([a-z_]+)"' % e.VERSION
)


_INSIGHT = b'"type":"%s"}' % KV_V2.encode()


def _laid_out(line: bytes) -> re.Match[bytes] | None:
    # Of two fields with one name the last wins, and behind a backslash anything may stand. An
    # insight has a type of its own, its last field: something of the line's must follow it.
    match = _LINE.match(line)
    if match is None or b"\\" in line or line.count(b'"v"') > 1:
        return None
    if line.count(b'"cycle"') != (match[2] is not None):
        return None
    inner = line.count(_INSIGHT + b",") + line.count(_INSIGHT + b"}")
    return match if line.count(b'"type"') == 1 + inner else None


def _by_type(may: Callable[[str], bool]) -> Callable[[bytes], bool]:
    verdicts = {name.encode(): may(name) for name in e.EVENTS}

    def judge(line: bytes) -> bool:
        match = _laid_out(line)
        return True if match is None else verdicts.get(match[3], True)

    return judge


def _type(word: Word) -> Term:
    if word.regex:
        return _type_term(word, _pattern(word).within)
    names = [name.lower() for name in word.value.split(",") if name]
    if not names:
        raise SieveError(empty(word))
    for name in names:
        if name not in e.EVENTS and not any(each in name for each in "*?["):
            known = sorted(e.EVENTS)
            raise SieveError(
                f"there is no type “{name}”{mean(name, known)} "
                "A * stands for any letters, as in type:insight_*."
            )
    patterns = [re.compile(translate(name)) for name in names]
    return _type_term(word, lambda name: any(each.match(name.lower()) for each in patterns))


def _type_term(word: Word, matches: Callable[[str], bool]) -> Term:
    known = {name: matches(name) for name in e.EVENTS}

    def holds(record: e.Record) -> bool:
        name = record.event.type
        told = known.get(name)
        return matches(name) if told is None else told

    return Term(
        word.text, holds, word.negated, _by_type(lambda name: known[name] is not word.negated)
    )


_ALWAYS_DEBUG = frozenset(
    {
        *("insight_generated", "insight_skipped", "path_abandoned", "workers_observed"),
        *(
            "insights_unchanged",
            "insight_vanished",
            "folder_listed",
            "bucket_reindexed",
            "worker_started",
        ),
    }
)


def _severity(word: Word) -> Term:
    value = _plain_only(word).lower()
    exact = value.startswith("=")
    name = value.removeprefix("=")
    if name not in SEVERITIES:
        raise SieveError(
            f"“{name}” in “{word.text}” is none of {either(SEVERITIES)}{mean(name, SEVERITIES)} "
            "severity:warning takes what is graver too, severity:=warning does not."
        )
    at = SEVERITIES.index(name)
    wanted = frozenset(SEVERITIES[at : at + 1] if exact else SEVERITIES[at:])

    def holds(record: e.Record) -> bool:
        return severity(record.event) in wanted

    debug = ("debug" in wanted) is not word.negated
    may = None if debug else _by_type(lambda name: name not in _ALWAYS_DEBUG)
    return Term(word.text, holds, word.negated, may)


def _numbers(word: Word) -> list[tuple[int, float]]:
    spans: list[tuple[int, float]] = []
    for part in _plain_only(word).split(","):
        match = re.fullmatch(r"(\d{1,15})(?:(-)(\d{0,15}))?", part, re.ASCII)
        if match is None:
            raise SieveError(
                f"“{part}” in “{word.text}” is no number: write {_example(word.key)}, "
                f"or a range as in {word.key}:10-20."
            )
        first = int(match[1])
        last = float(match[3] or "inf") if match[2] else float(first)
        spans.append((first, last))
    return spans


def _cycle(word: Word) -> Term:
    spans = _numbers(word)

    def holds(record: e.Record) -> bool:
        n = record.cycle
        return n is not None and any(first <= n <= last for first, last in spans)

    def may(line: bytes) -> bool:
        match = _laid_out(line)
        if match is None:
            return True
        told = match[2]
        inside = told is not None and any(first <= int(told) <= last for first, last in spans)
        return inside is not word.negated

    return Term(word.text, holds, word.negated, may)


def _worker(word: Word) -> Term:
    spans = _numbers(word)

    def holds(record: e.Record) -> bool:
        event = record.event
        if isinstance(event, e.WorkersObserved):
            workers: list[object] = [busy.worker for busy in event.busy]
        elif isinstance(event, e.Unknown):
            workers = [event.fields.get("worker")]
        else:
            workers = [getattr(event, "worker", None)]
        return any(
            isinstance(n, int) and first <= n <= last for n in workers for first, last in spans
        )

    return Term(word.text, holds, word.negated)


def _run(word: Word) -> Term:
    wanted = _plain_only(word).lower()

    def holds(record: e.Record) -> bool:
        return record.run.lower().startswith(wanted)

    return Term(word.text, holds, word.negated)


MAKERS: dict[str, Callable[[Word], Term]] = {
    "type": _type,
    "severity": _severity,
    "path": _path,
    "worker": _worker,
    "cycle": _cycle,
    "run": _run,
}
"""What makes a term of a word, by its key."""

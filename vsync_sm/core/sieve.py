"""The language in which people say which lines of a journal they want to see.

Terms stand between spaces, and all of them must hold; `!` or `-` before a term turns it round:

    type:insight_*  type:fault_raised,path_failed   what kind of event
    severity:warning  severity:=error               that grave or graver; just that
    path:secret/app                                 in a path that the event is about
    worker:3  cycle:12  cycle:10-20  run:ab12       numbers, ranges, a run by its first letters
    word  "two words"  /regular expression/         anywhere in sentence, path and type
    path:/^secret.*key$/                            the same in a path alone; type:/…/ too

Upper and lower case are the same. Regular expressions that could take for ever are refused
(`patterns`): this runs in the process that it watches.
"""

from __future__ import annotations

import re

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.finding import Finder
from vsync_sm.core.terms import (
    KEYS,
    MAKERS,
    SieveError,
    Term,
    Word,
    anywhere,
    either,
    empty,
    mean,
)

__all__ = ["Sieve", "SieveError", "Term", "faults", "parse", "searching"]


class Sieve(msgspec.Struct, frozen=True):
    """What lets some records pass. The empty sieve lets all of them pass."""

    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return " ".join(term.text for term in self.terms)

    def __and__(self, other: Sieve) -> Sieve:
        """What lets pass what both do."""
        return Sieve((*self.terms, *other.terms))

    def passes(self, record: e.Record) -> bool:
        """Whether all terms hold for this record."""
        return all(term.holds(record) is not term.negated for term in self.terms)

    def may_pass(self, line: bytes) -> bool:
        """False where it can be seen without reading the line that its record does not pass."""
        return all(term.may is None or term.may(line) for term in self.terms)


def parse(text: str) -> Sieve:
    """The sieve that these words ask for.

    Raises:
        SieveError: a term cannot be understood.
    """
    return Sieve(tuple(_term(word) for word in _words(text)))


def faults() -> Sieve:
    """What went wrong: each a thing that somebody may have to mend."""
    return parse(f"type:{','.join(_FAULTS)}")


_FAULTS = (
    *("fault_raised", "check_failed", "save_refused", "save_failed", "save_uncertain"),
    *("path_failed", "run_recovered", "journal_repaired"),
)


def searching(found: Finder, text: str) -> Sieve:
    """A sieve that lets pass what the finder finds."""
    return Sieve((Term(text, found.holds),))


# --- words -----------------------------------------------------------------------------------

# A term ends at a space, unless it stands in quotes or between slashes.
_TERM = re.compile(
    r"""(?P<not>[!-]*)
        (?:(?P<key>[^\W\d]\w*):)?
        (?:"(?P<quoted>[^"]*)"(?=\s|$)
          |/(?P<regex>(?:[^/\\]|\\.|/(?!\s|$))*)/(?=\s|$)
          |(?P<plain>\S*))""",
    re.VERBOSE,
)


def _words(text: str) -> list[Word]:
    words: list[Word] = []
    at = 0
    while True:
        while at < len(text) and text[at].isspace():
            at += 1
        match = _TERM.match(text, at)
        if at >= len(text) or match is None:
            return words
        at = match.end()
        regex, quoted = match["regex"], match["quoted"]
        value = next(each for each in (regex, quoted, match["plain"], "") if each is not None)
        words.append(
            Word(
                match[0],
                len(match["not"]) % 2 == 1,
                match["key"] or "",
                value,
                regex is not None,
                quoted is not None,
            )
        )


def _term(word: Word) -> Term:
    if not word.value:
        raise SieveError(empty(word))
    key = word.key.lower()
    if not word.regex and not word.quoted and key in ("", *KEYS) and word.value[0] in '"/':
        _unclosed(word)
    if not key:
        return anywhere(word)
    make = MAKERS.get(key)
    if make is None:
        raise SieveError(
            f"“{word.key}:” in “{word.text}” is none of {either(KEYS)}{mean(key, KEYS)} "
            'In quotes ("…") it is a word like any other.'
        )
    return make(word)


def _unclosed(word: Word) -> None:
    if word.value[0] == '"':
        raise SieveError(f'“{word.text}” begins a quotation that does not end: put a " behind it.')
    if word.key or "/" not in word.value[1:]:
        raise SieveError(
            f"“{word.text}” begins a regular expression that does not end: put a / behind it, "
            'or the words in quotes ("…").'
        )

"""Regular expressions that a person types, and none that could take for ever.

Python's own know no time limit and let nothing else run beside them, and the process that they run
in may be the origin itself. Measured: two repetitions at odds over 1,024 characters take 1.4 s,
three over 512 take 20 s, one in another more than a lifetime. So a pattern may hold few of them,
none within another, and the more it holds the less of a text it sees.
"""

from __future__ import annotations

import re
import warnings

import msgspec

SEEN = (4096, 2048, 512)
"""So many characters of a text a pattern sees that holds none, one or two repetitions."""

_LONGEST = 500
_MOST_CHOICES = 6
_FEW = 8

_REPEAT = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")
_ATOM = re.compile(
    r"""\\. | \[\^?\]?(?:\\.|[^\]\\])*\]    # an escape, a set of characters
    | \(\?\#[^)]*\) | \(\?P=\w+\) | \(\?[aiLmsux]+\)  # what begins like a group and is none
    | \((?:\?(?:P<\w+>|<?[=!]|>|[aiLmsux-]*:|\())?   # a group begins
    | .""",
    re.VERBOSE | re.DOTALL,
)

_UNREAD = re.compile(r"\(\?(\(|[aiLmsu]*x)")  # conditions, and letters that may be comments


class PatternError(ValueError):
    """Why a regular expression is not taken: the end of a sentence."""


class Pattern(msgspec.Struct, frozen=True):
    """A regular expression, and how much of a text it sees."""

    compiled: re.Pattern[str]
    seen: int

    def within(self, text: str) -> bool:
        """Whether it matches anywhere in what it sees of the text."""
        return self.compiled.search(text[: self.seen]) is not None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it matches: from, to. Matches of nothing are left out."""
        found = (match.span() for match in self.compiled.finditer(text[: self.seen]))
        return [(start, end) for start, end in found if end > start]


def pattern(text: str) -> Pattern:
    """The regular expression of that text; upper and lower case are the same.

    Raises:
        PatternError: it is none, or it could take for ever.
    """
    if len(text) > _LONGEST:
        raise PatternError(f"is longer than {_LONGEST} characters")
    _compiled(text)  # what is said of a mistake is said of what was typed
    bare = _bare(text)
    repeats = _Cost().of(bare)
    if repeats is None or repeats >= len(SEEN):
        raise PatternError(
            "could take for ever: it repeats what repeats or varies, or has more than "
            f"{len(SEEN) - 1} repetitions (*, +, {{n,}}); several terms do the same"
        )
    return Pattern(_compiled(bare), SEEN[repeats])


def _compiled(text: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a later Python may read otherwise
            return re.compile(text, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"is no regular expression: {error}") from None


def _bare(text: str) -> str:
    # `.*` at either end finds nothing that the rest does not find, and costs a repetition.
    text = text.removeprefix(".*") if not re.match(r"\.\*[*+?{]", text) else text
    return text.removesuffix(".*") if not text.endswith("\\.*") else text


class _Group(msgspec.Struct):
    """What was met within a group: repetitions of any length, and whether it can vary."""

    repeats: int = 0
    varies: bool = False


class _Cost:
    """Reads a pattern's own text. Where in doubt it rather counts too much."""

    def __init__(self) -> None:
        self._open = [_Group()]
        self._last = _Group()  # the atom that was just read
        self._repeats = 0
        self._choices = 0

    def of(self, text: str) -> int | None:
        """How many repetitions of any length it holds; None: it could take for ever."""
        at = 0
        while at < len(text):
            repeat = _REPEAT.match(text, at)
            if repeat is not None and _counts(repeat):
                at = repeat.end()
                if not self._repeat(repeat):
                    return None
                continue
            atom = _ATOM.match(text, at)
            if atom is None or _UNREAD.match(atom[0]):
                return None
            at = atom.end()
            self._atom(atom[0])
        return self._repeats if self._choices <= _MOST_CHOICES else None

    def _repeat(self, repeat: re.Match[str]) -> bool:
        least, most = _bounds(repeat)
        if most > 1 and (self._last.repeats or self._last.varies):
            return False
        group = self._open[-1]
        if most > _FEW:
            self._repeats += 1
            group.repeats += 1
        elif least != most:
            self._choices += 1
            group.varies = True
        return True

    def _atom(self, atom: str) -> None:
        if atom.startswith("(?#"):
            return  # what repeats behind it repeats what stands before it
        self._last = _Group()
        if atom[0] == "(" and not atom.endswith(")"):
            self._open.append(_Group())
        elif atom == ")" and len(self._open) > 1:
            self._last = self._open.pop()
            outer = self._open[-1]
            outer.repeats += self._last.repeats
            outer.varies = outer.varies or self._last.varies
        elif atom == "|" and len(self._open) > 1:
            self._choices += not self._open[-1].varies
            self._open[-1].varies = True


def _counts(repeat: re.Match[str]) -> bool:
    # `{}` and `{,x` are letters.
    return repeat[0] in "*+?" or bool(repeat[1] or repeat[2])


def _bounds(repeat: re.Match[str]) -> tuple[int, float]:
    if repeat[0] in "*+?":
        return (1 if repeat[0] == "+" else 0), (1 if repeat[0] == "?" else float("inf"))
    least = int(repeat[1] or 0)
    if not repeat[2]:
        return least, least
    return least, float(repeat[3] or "inf")

"""Regular expressions that a person types, and none that could take for ever.

Python's own know no time limit and let nothing else run beside them, and the process that they run
in may be the origin itself. Measured: two repetitions at odds over 1,024 characters take 1.4 s,
three over 512 take 20 s, one in another more than a lifetime. So a pattern may hold few of them,
none within another, and the more it holds the less of a text it sees. What may stand there or not,
or a few times, multiplies the ways in which each beginning can be read: it lessens that too.
"""

from __future__ import annotations

import math
import re
import warnings

import msgspec

SEEN = (4096, 2048, 512)
"""So many characters of a text a pattern sees at most: with none, one or two repetitions."""

LEAST_SEEN = 128
"""A pattern that could see no more than this of a text is not worth having."""

_STEPS = 25_000_000
"""A pattern takes about so many steps at the worst: some tenths of a second."""

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
    seen = _Cost().of(bare)
    if seen < LEAST_SEEN:
        raise PatternError(
            "could take for ever: it repeats what repeats, has more than "
            f"{len(SEEN) - 1} repetitions (*, +, {{n,}}), or can be read in too many ways; "
            "several terms do the same"
        )
    return Pattern(_compiled(bare), seen)


def _seen(repeats: int, ways: int) -> int:
    """How much of a text may be seen: each repetition may end anywhere behind the one before."""
    if repeats >= len(SEEN) or ways > _STEPS:
        return 0
    length = repeats + 1
    afforded = (_STEPS * math.factorial(length) / ways) ** (1 / length)
    return min(SEEN[repeats], int(afforded))


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
    """What was met within a group: repetitions of any length, and in how many ways it can match.

    `ways` are those of the choice that is being read, `others` those of the choices before it.
    """

    repeats: int = 0
    ways: int = 1
    others: int = 0

    @property
    def all_ways(self) -> int:
        return self.ways + self.others


class _Cost:
    """Reads a pattern's own text. Where in doubt it rather counts too much."""

    def __init__(self) -> None:
        self._open = [_Group()]
        self._last = _Group()  # the atom that was just read
        self._choices = 0

    def of(self, text: str) -> int:
        """How many characters of a text it may see; 0: it could take for ever."""
        at = 0
        while at < len(text):
            repeat = _REPEAT.match(text, at)
            if repeat is not None and _counts(repeat):
                at = repeat.end()
                if not self._repeat(repeat):
                    return 0
                continue
            atom = _ATOM.match(text, at)
            if atom is None or _UNREAD.match(atom[0]):
                return 0
            at = atom.end()
            self._atom(atom[0])
        if self._choices > _MOST_CHOICES:
            return 0
        # Of a pattern that ends within a group `re` would have said so.
        return _seen(self._open[0].repeats, self._open[0].all_ways)

    def _repeat(self, repeat: re.Match[str]) -> bool:
        least, most = _bounds(repeat)
        last, group = self._last, self._open[-1]
        inner = last.all_ways
        if (most > 1 and last.repeats) or (most > _FEW and inner > 1):
            return False
        if most > _FEW:
            group.repeats += 1
            return True
        # So often at most, each time in each of its ways; or less often.
        group.ways = group.ways // inner * inner ** int(most) * (int(most) - least + 1)
        self._choices += least != most
        return group.ways <= _STEPS

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
            outer.ways *= self._last.all_ways
        elif atom == "|":
            group = self._open[-1]
            group.others, group.ways = group.all_ways, 1


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

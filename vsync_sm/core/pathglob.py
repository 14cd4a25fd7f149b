"""Patterns over paths, and what a walk wants to know of a folder before it asks for it.

`*` stands for any characters within one segment (a part between slashes), `?` for one of them,
`**` alone between slashes for any number of segments, at the end for at least one. A pattern that
ends in a slash means a folder: all that lies below it. Everything else stands for itself, case
and all; a backslash takes a character's meaning away.

No library on the index answers the second question (may anything below this folder match?), and
those for gitignore files know other rules: there a name alone fits at any depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

_MEANT_ELSEWHERE = "[]{}!"
"""What other programs' patterns give a meaning to: here it is not taken silently for itself."""


class PatternError(ValueError):
    """A pattern that will not do: what is wrong, without repeating it, and what would do."""

    def __init__(self, wrong: str, hint: str) -> None:
        super().__init__(f"{wrong}: {hint}")
        self.wrong = wrong
        self.hint = hint


class PathGlob:
    """One pattern. Compared segment by segment, so that a folder can be judged by itself.

    Whatever is matched, the time it takes grows with the product of the two lengths at most.
    """

    def __init__(self, text: str) -> None:
        """Raises PatternError."""
        self.text = text
        self._parts = tuple(_parts(text))
        self._end = len(self._parts)
        self._reach = tuple(self._reached(at) for at in range(self._end + 1))

    def matches(self, path: str) -> bool:
        """Whether this very path is meant. A path does not end in a slash."""
        return self._end in self._after(path.split("/"))

    def may_match_below(self, folder: str) -> bool:
        """Whether a path can be made below this folder ("", or ending in `/`) that is meant."""
        return any(at < self._end for at in self._after(_segments(folder)))

    def takes_all_below(self, folder: str) -> bool:
        """Whether the pattern ends in a folder, and this one is it or lies within it."""
        return self._parts[-1] is None and self._end - 1 in self._after(_segments(folder))

    def _after(self, segments: Iterable[str]) -> AbstractSet[int]:
        """How many parts these segments may use up: in each of the ways in which they fit."""
        states: AbstractSet[int] = self._reach[0]
        for segment in segments:
            states = self._step(states, segment)
        return states

    def _step(self, states: AbstractSet[int], segment: str) -> set[int]:
        after: set[int] = set()
        for at in states:
            part = self._parts[at] if at < self._end else _NOTHING
            if part is None:
                after |= self._reach[at]
                if at == self._end - 1:
                    after.add(self._end)
            elif part.fullmatch(segment):
                after |= self._reach[at + 1]
        return after

    def _reached(self, at: int) -> frozenset[int]:
        # `**` may stand for no segment at all, but for the last one: `a/**` is not `a`.
        reached = {at}
        while at < self._end - 1 and self._parts[at] is None:
            at += 1
            reached.add(at)
        return frozenset(reached)


_NOTHING = re.compile(r"(?!)")


def _segments(folder: str) -> list[str]:
    return folder.removesuffix("/").split("/") if folder else []


def _parts(text: str) -> Iterator[re.Pattern[str] | None]:
    """The parts between slashes; None for `**`, which never stands twice in a row."""
    if not text:
        raise PatternError("is empty", 'write it like "team-a/*" or "tmp/"')
    if text.startswith("/"):
        hint = "leave the first slash out: patterns begin below the folder"
        raise PatternError("begins with a slash", hint)
    segments = text.split("/")
    if not segments[-1]:
        segments[-1] = "**"
    if "" in segments:
        raise PatternError("has an empty segment (//)", "write one slash")
    if "." in segments or ".." in segments:
        raise PatternError("has a segment . or .., which no path has", "write the whole path")
    while segments[-2:] in (["**", "*"], ["**", "**"]):
        del segments[-1]  # all of these mean at least one segment
    former = ""
    for segment in segments:
        if segment != "**":
            yield _segment(segment)
        elif former != "**":
            yield None
        former = segment


def _segment(text: str) -> re.Pattern[str]:
    chunks = [""]
    characters = iter(text)
    stars = 0
    for character in characters:
        if character == "*":
            stars += 1
            if stars > 1:
                hint = "write ** alone between slashes (a/**/b), or one * within a segment"
                raise PatternError("has ** beside something else", hint)
            chunks.append("")
            continue
        stars = 0
        if character == "\\":
            character = next(characters, "")  # noqa: PLW2901  the one that is meant
            if not character:
                hint = "write \\\\ for the backslash itself; a slash is no part of a name"
                raise PatternError("has a backslash before nothing", hint)
            chunks[-1] += re.escape(character)
        elif character in _MEANT_ELSEWHERE:
            hint = f"patterns know *, ** and ? only; for the character itself write \\{character}"
            raise PatternError(f"holds {character}", hint)
        else:
            chunks[-1] += "." if character == "?" else re.escape(character)
    # The first place where a middle chunk fits is as good as any later one: it is never left
    # again (`?>`), or the time would grow with a power of the length.
    first, *rest = chunks
    if rest:
        *middle, last = rest
        first += "".join(f"(?>.*?{chunk})" for chunk in middle) + f".*{last}"
    return re.compile(first, re.DOTALL)

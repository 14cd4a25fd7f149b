"""Where the words of a record are looked for, and what looks for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.patterns import Pattern, pattern
from vsync_sm.core.present import sentence


def anywhere(record: e.Record) -> tuple[str, ...]:
    """The texts of a record in which a bare word is looked for: sentence, type, paths."""
    return sentence(record), record.event.type, *paths(record.event)


def paths(event: e.Event | e.Unknown) -> tuple[str, ...]:
    """The paths that an event is about, as they stand in it and as people type them."""
    if isinstance(event, e.Unknown):
        told = event.fields.get("path")
        return _readings(told) if isinstance(told, str) else ()
    found = [path for path in (getattr(event, "path", ""),) if path]
    more = _PATHS.get(type(event))
    if more is not None:
        found += more(event)
    return tuple(each for path in found for each in _readings(path))


_PATHS: dict[type, Callable[..., Sequence[str]]] = {
    e.MountChecked: lambda event: [event.mount],
    e.FolderListed: lambda event: [f"{event.mount.rstrip('/')}/{event.folder}"],
    e.DetailedListFailed: lambda event: [f"{event.mount.rstrip('/')}/{event.folder}"],
    e.RetryScheduled: lambda event: [event.what],
    e.WorkersObserved: lambda event: [busy.path for busy in event.busy],
    e.SaveRefused: lambda event: event.sample,
    e.FaultRaised: lambda event: [event.context["path"]] if "path" in event.context else [],
}


def _readings(path: str) -> tuple[str, ...]:
    # The journal has `secret/data/app`, people say `secret/app`. Where the mount ends cannot be
    # seen from here: each `data/` may be the one.
    parts = path.split("/data/")
    without = ("/data/".join(parts[:at]) + "/" + "/data/".join(parts[at:]) for at in _seams(parts))
    return (path, *without)


def _seams(parts: Sequence[str]) -> range:
    return range(1, min(len(parts), 5))


class Finder(msgspec.Struct, frozen=True):
    """Looks for a word, or for what a regular expression describes, in a text."""

    word: str = ""
    pattern: Pattern | None = None

    def within(self, text: str) -> bool:
        """Whether it is there."""
        if self.pattern is not None:
            return self.pattern.within(text)
        return self.word in text.lower()

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it is: from, to."""
        if self.pattern is not None:
            return self.pattern.spans(text)
        if not self.word:
            return []
        return [each.span() for each in re.finditer(re.escape(self.word), text, re.IGNORECASE)]

    def holds(self, record: e.Record) -> bool:
        """Whether it is in one of the record's texts."""
        return any(self.within(text) for text in anywhere(record))


def finder(text: str) -> Finder:
    """What looks for `text` as it is; between slashes it is a regular expression.

    Raises:
        PatternError: the regular expression is none, or could take for ever.
    """
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        return Finder(pattern=pattern(text[1:-1]))
    return Finder(word=text.lower())

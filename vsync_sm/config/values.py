"""What each kind of configuration value must look like: pure checks, one function a kind.

Every check takes what a file, a variable or a flag gave, returns the plain value, and raises
`Wrong` (or `WrongItems` for a list) with what is wrong and what would do. None of their messages
repeats the value: whoever reports it knows whether it is a secret.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Sequence

import durationpy

_DURATION = re.compile(
    r"[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+", re.ASCII
)
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?((?:[KMGT]i)?)B?", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER = re.compile(r"[!-~]+", re.ASCII)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S+")

# The words of the Go program's logger, and what each means here.
_LEVELS = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "warn": "warning",
    "warning": "warning",
    "error": "error",
    "fatal": "error",
    "panic": "error",
    "disabled": "error",
}
_DETAILS = {"all": "all", "changes": "changes"}
_DETAILED = {"auto": "auto", "off": "off"}
_TYPES = {"auto": "auto", "console": "console", "json": "json"}
_TRUTH = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
_CAPABILITIES = ("create", "read", "update", "patch", "delete", "list", "sudo")


class Wrong(ValueError):  # noqa: N818  the word a person reads in the report
    """One value that will not do.

    Args:
        wrong: what is wrong with it, without repeating it.
        hint: what would do.
        hide: the value may hold a secret although its field is none.
    """

    def __init__(self, wrong: str, hint: str, *, hide: bool = False) -> None:
        super().__init__(wrong)
        self.wrong = wrong
        self.hint = hint
        self.hide = hide


class WrongItems(ValueError):  # noqa: N818  as above
    """Items of a list that will not do: where (`[0]`), the item as given, what is wrong."""

    def __init__(self, items: Sequence[tuple[str, object, Wrong]]) -> None:
        super().__init__(f"{len(items)} wrong items")
        self.items = tuple(items)


class Pairs(list[tuple[object, object]]):
    """A mapping as it stands in a file: in order, with keys that come twice."""


def kind(value: object) -> str:
    """What a person calls this type of value."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        ((Pairs, dict), "a mapping"),
        ((list, tuple), "a list"),
    )
    return next((name for types, name in names if isinstance(value, types)), "of another type")


def text(value: object) -> str:
    """Any text that can be written as UTF-8 and handed to the system."""
    if not isinstance(value, str):
        scalar = isinstance(value, bool | int | float)
        hint = "put quotes around it" if scalar else "give one text"
        raise Wrong(f"must be text, is {kind(value)}", hint)
    if _SURROGATE.search(value):
        raise Wrong("holds half a character (a lone surrogate)", "write the character itself")
    if _CONTROL.search(value):
        raise Wrong("holds a control character (NUL, a line end, a tab …)", "remove it")
    return value


def secret(value: object) -> str:
    """A token or an id that travels in a header: printable ASCII without spaces."""
    found = text(value.strip() if isinstance(value, str) else value)
    if not _HEADER.fullmatch(found):
        raise Wrong("is empty, or holds a space or a character that is not ASCII", "copy it again")
    return found


def whole(least: int, most: int) -> Callable[[object], int]:
    """A check for a whole number from `least` to `most`, both included."""

    def check(value: object) -> int:
        limits = f"write a whole number from {least} to {most}"
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number, is {kind(value)}", limits)
        if not least <= value <= most:
            raise Wrong(f"must be from {least} to {most}", limits)
        return value

    return check


def size(least: str, most: str) -> Callable[[object], int]:
    """A check for a size in bytes from `least` to `most`: `64MiB`, `2GiB`, or the bare number."""
    lowest, highest = _bytes(least), _bytes(most)

    def check(value: object) -> int:
        like = f'write it like "64MiB" or "2GiB", or in bytes; from {least} to {most}'
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Wrong(f"must be a size, is {kind(value)}", like)
        found = _bytes(str(value).strip())
        if found is None:
            raise Wrong("is no size", like)
        if lowest is None or highest is None or not lowest <= found <= highest:
            raise Wrong(f"must be from {least} to {most}", like)
        return found

    return check


def _bytes(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    return int(float(match[1]) * 1024 ** ("", "ki", "mi", "gi", "ti").index(match[2].lower()))


def share(value: object) -> float:
    """A share of a whole as a fraction from 0 to 1."""
    hint = "write a fraction from 0 to 1: 0.2 is one in five"
    if isinstance(value, str) and value.strip().endswith("%"):
        raise Wrong("is a percentage", _as_fraction(value.strip()[:-1]) or hint)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"must be a fraction from 0 to 1, is {kind(value)}", hint)
    if not 0 <= value <= 1:
        raise Wrong("must be a fraction from 0 to 1", _as_fraction(str(value)) or hint)
    return float(value)


def jitter(value: object) -> float:
    """A share of the tick, half of it at the most."""
    found = share(value)
    if found > 0.5:
        raise Wrong(
            "is more than half of the tick", "write a fraction from 0 to 0.5: 0.05 is usual"
        )
    return found


def rate(value: object) -> float:
    """Requests a second, a fraction too; 0: no ceiling.

    Fewer than one in two seconds would look as if Vault did not answer (`core.stall`).
    """
    hint = "write a number: 50 a second, 0.5 is one in two seconds, 0 is no ceiling"
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong(f"must be a number, is {kind(value)}", hint)
    if not (value == 0 or 0.5 <= value <= 1_000_000):
        raise Wrong("must be 0, or from 0.5 to 1000000", hint)
    return float(value)


def _as_fraction(percent: str) -> str:
    if not _NUMBER.fullmatch(percent.strip()) or not 0 <= float(percent) <= 100:
        return ""
    return f"for {percent.strip()} percent write {float(percent) / 100:g}"


def flag(value: object) -> bool:
    """True or false, in the spellings that the Go program takes."""
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    if word not in _TRUTH:
        raise Wrong(f"must be true or false, is {kind(value)}", "write true or false")
    return _TRUTH[word]


def seconds(most: str) -> Callable[[object], float]:
    """A check for a Go duration longer than nothing, up to `most` (itself a Go duration)."""
    limit = float(durationpy.from_str(most).total_seconds())

    def check(value: object) -> float:
        like = 'write it like "30s", "1m30s" or "1.5h" (units: ns us µs ms s m h)'
        bare = str(value).strip()
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Wrong(f"must be a duration, is {kind(value)}", like)
        if _NUMBER.fullmatch(bare) and float(bare) > 0:
            raise Wrong("is a duration without its unit", f"write {bare.lstrip('+')}s")
        if _NUMBER.fullmatch(bare):
            raise Wrong("must be longer than nothing", like)
        # durationpy takes more than Go does: days, years, and rubbish between the parts.
        if not _DURATION.fullmatch(bare):
            raise Wrong("is no duration of Go's", like)
        return _in_limits(bare, limit, most, like)

    return check


def _in_limits(duration: str, limit: float, most: str, like: str) -> float:
    try:
        found = float(durationpy.from_str(duration).total_seconds())
    except (ValueError, OverflowError):
        raise Wrong("is too long", f"{most} is the longest") from None
    if found <= 0:
        raise Wrong("must be longer than nothing", like)
    if found > limit:
        raise Wrong("is too long", f"{most} is the longest")
    return found


def detail(value: object) -> str:
    """How much of a cycle is written down: all, or changes."""
    return _word(value, _DETAILS, "all, or changes to leave unchanged paths out")


def level(value: object) -> str:
    """A log level: debug, info, warning or error, from the words of the Go program's logger."""
    return _word(value, _LEVELS, "debug, info, warn or error")


def log_type(value: object) -> str:
    """How log lines look: auto, console or json."""
    return _word(value, _TYPES, "auto, console or json")


def detailed_metadata(value: object) -> str:
    """auto or off; YAML makes False of an `off` without quotes."""
    return "off" if value is False else _word(value, _DETAILED, "auto or off")


def _word(value: object, words: dict[str, str], told: str) -> str:
    found = words.get(text(value).strip().lower())
    if found is None:
        raise Wrong("is none of the words that are known here", f"write {told}")
    return found


def items(value: object) -> list[object]:
    """A list; from one text: a JSON array, or parts with commas between them."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        return _array(value)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, Pairs) or not isinstance(value, list | tuple):
        raise Wrong(f"must be a list, is {kind(value)}", "write [first, second]")
    return list(value)


def _array(value: str) -> list[object]:
    try:
        found: object = json.loads(value, object_pairs_hook=Pairs)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise Wrong("starts with [ but is no JSON array", 'write ["first", "second"]')
    return found


def capabilities(*needed: str) -> Callable[[object], tuple[str, ...]]:
    """A check for a list of Vault capabilities that must hold the `needed` ones."""

    def check(value: object) -> tuple[str, ...]:
        found = items(value)
        known = "known are " + ", ".join(_CAPABILITIES)
        bad = [
            (f"[{at}]", item, Wrong("is no capability that can be required", known))
            for at, item in enumerate(found)
            if item not in _CAPABILITIES
        ]
        if bad:
            raise WrongItems(bad)
        missing = [word for word in needed if word not in found]
        if missing:
            least = f"write at least [{', '.join(needed)}]"
            raise Wrong(f"lacks {' and '.join(missing)}: no cycle works without", least)
        return tuple(str(item) for item in found)

    return check


def command(value: object) -> tuple[str, ...]:
    """A program and its arguments; one text is split as a shell splits words."""
    found: list[object]
    if isinstance(value, str) and not value.lstrip().startswith("["):
        try:
            found = list(shlex.split(text(value)))
        except ValueError as error:
            if isinstance(error, Wrong):
                raise
            raise Wrong("has a quote that is never closed", "close it, or give a list") from None
    else:
        found = items(value)
    words = tuple(_argument(item) for item in found)
    if words and (not words[0].strip() or "=" in words[0].rpartition("/")[2]):
        hint = "name a program first; variables are set by: env NAME=value program"
        raise Wrong("does not begin with a program", hint)
    return words


def _argument(item: object) -> str:
    if not isinstance(item, str):
        raise Wrong(f"must hold text only, one item is {kind(item)}", "put quotes around it")
    if "\0" in item or _SURROGATE.search(item):
        raise Wrong("holds a NUL or half a character", "remove it")
    return item


def urls(value: object) -> tuple[str, ...]:
    """Apprise's URLs; in one text they are parted by spaces, or it is a JSON array."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        value = value.split()
    given = items(value)
    bad = [(f"[{at}]", item, wrong) for at, item in enumerate(given) if (wrong := _no_url(item))]
    if bad:
        raise WrongItems(bad)
    return tuple(str(item) for item in given)


def _no_url(item: object) -> Wrong | None:
    like = "write it like slack://… or mailto://…, as apprise has it"
    try:
        found = text(item)
    except Wrong as wrong:
        return wrong
    return None if _URL.fullmatch(found) else Wrong("is no URL", like)

"""`origin.paths`: the parts of mounts that are synced, and how they go together with the mounts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from vsync_sm.config.addresses import mount_path, no_odd_segments
from vsync_sm.config.values import Pairs, Wrong, WrongItems, items, kind, text
from vsync_sm.core.choice import Part
from vsync_sm.core.pathglob import PathGlob, PatternError

_KEYS = tuple(field.name for field in msgspec.structs.fields(Part))
_LIKE = "{mount: kv/, under: team-a/}"


def parts(value: object) -> tuple[Part, ...]:
    """The parts of mounts: mappings of a mount, a folder in it, and patterns."""
    if isinstance(value, str) and not value.lstrip().startswith("["):
        hint = 'write [{"mount": "kv/", "under": "team-a/"}]'
        raise Wrong("must be a list; in a variable, a JSON array", hint)
    bad: list[tuple[str, object, Wrong]] = []
    good: list[Part] = []
    for at, item in enumerate(items(value)):
        try:
            good.append(_part(item))
        except Wrong as wrong:
            bad.append((f"[{at}]", item, wrong))
        except WrongItems as wrong:
            bad += ((f"[{at}]{where}", each, why) for where, each, why in wrong.items)
    if bad:
        raise WrongItems(bad)
    return tuple(good)


def between(mounts: Sequence[str], chosen: Sequence[Part]) -> Iterator[tuple[str, str, str, Wrong]]:
    """What is wrong with mounts and parts that are each right by themselves.

    Yields:
        The field, the item's place in it, its value, and what is wrong.
    """
    if not mounts and not chosen:
        hint = "write the mounts to replicate, like [secret/], or parts of them in origin.paths"
        yield "origin.mounts", "", "", Wrong("names no mount", hint)
    for at, part in enumerate(chosen):
        wrong = _beside(part, mounts, chosen[:at])
        if wrong is not None:
            yield "origin.paths", f"[{at}]", part.root, wrong


def _beside(part: Part, mounts: Sequence[str], former: Iterable[Part]) -> Wrong | None:
    if part.mount in mounts:
        hint = "take it out of one of the two"
        return Wrong("is in origin.mounts too: a mount is synced whole or in parts", hint)
    for other in (*mounts, *(each.mount for each in former)):
        if other != part.mount and _nested(other, part.mount):
            wrong = f"overlaps the mount {other}: no mount lies in another"
            return Wrong(wrong, "a folder in a mount is named by under")
    for at, each in enumerate(former):
        if _nested(each.root, part.root):
            wrong = f"overlaps origin.paths[{at}]: {each.root}"
            return Wrong(wrong, "keep one of the two, with the patterns of both")
    return None


def _nested(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _part(value: object) -> Part:
    given = _keys(value)
    fields: dict[str, object] = {}
    bad: list[tuple[str, object, Wrong]] = []
    for key, below in given.items():
        try:
            fields[key] = _CHECKS[key](below)
        except Wrong as wrong:
            bad.append((f".{key}", below, wrong))
        except WrongItems as wrong:
            bad += ((f".{key}{where}", each, why) for where, each, why in wrong.items)
    if "mount" not in given:
        bad.append(("", value, Wrong("names no mount", f"write it like {_LIKE}")))
    if bad:
        raise WrongItems(bad)
    return msgspec.convert(fields, Part)


def _keys(value: object) -> dict[str, object]:
    """The known keys of a part, in any case, but for those that are given nothing."""
    if isinstance(value, str):
        mount, _, folder = value.partition("/")
        like = f"{{mount: {mount}/, under: {folder.strip('/')}/}}" if folder else _LIKE
        raise Wrong("must be a mapping, is text", f"write it like {like}")
    if not isinstance(value, Pairs | dict):
        raise Wrong(f"must be a mapping, is {kind(value)}", f"write it like {_LIKE}")
    pairs: Iterable[tuple[object, object]] = value if isinstance(value, Pairs) else value.items()
    found: dict[str, object] = {}
    bad: list[tuple[str, object, Wrong]] = []
    for key, below in pairs:
        name = str(key).lower()
        if name not in _KEYS:
            close = difflib.get_close_matches(name[:40], _KEYS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(_KEYS)}"
            bad.append(("", value, Wrong(f"holds the unknown key {str(key)[:40]!r}", hint)))
        elif name in found:
            bad.append((f".{name}", below, Wrong("stands there twice", "keep one of the two")))
        else:
            found[name] = below
    if bad:
        raise WrongItems(bad)
    return {name: below for name, below in found.items() if below is not None}


def _under(value: object) -> str:
    folder = text(value)
    if not folder:
        return folder
    if folder.startswith("/"):
        raise Wrong("begins with a slash", "leave the first slash out")
    if not folder.endswith("/"):
        raise Wrong("lacks its slash at the end: it is a folder", f"write {folder}/")
    if "*" in folder or "?" in folder:
        hint = "name the folder above, and give the rest as a pattern to include"
        raise Wrong("holds * or ?, and a folder is given by its own name", hint)
    return no_odd_segments(folder)


def _include(value: object) -> tuple[str, ...]:
    found = _patterns(value)
    if not found:
        raise Wrong("names no pattern", "leave it out to include everything")
    return found


def _exclude(value: object) -> tuple[str, ...]:
    found = _patterns(value)
    for at, pattern in enumerate(found):
        if PathGlob(pattern).takes_all_below(""):
            wrong = Wrong("leaves nothing to be synced", "name what is to be left out")
            raise WrongItems([(f"[{at}]", pattern, wrong)])
    return found


def _patterns(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        raise Wrong("must be a list, is text", "write it in [ ]")
    found = items(value)
    bad: list[tuple[str, object, Wrong]] = []
    for at, item in enumerate(found):
        try:
            PathGlob(text(item))
        except Wrong as wrong:
            bad.append((f"[{at}]", item, wrong))
        except PatternError as error:
            bad.append((f"[{at}]", item, Wrong(error.wrong, error.hint)))
        if item in found[:at]:
            bad.append((f"[{at}]", item, Wrong("is there twice", "name it once")))
    if bad:
        raise WrongItems(bad)
    return tuple(str(item) for item in found)


_CHECKS = {"mount": mount_path, "under": _under, "include": _include, "exclude": _exclude}


def plain(part: Part) -> Mapping[str, object]:
    """A part as the configuration's file has it."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in msgspec.to_builtins(part).items()
    }

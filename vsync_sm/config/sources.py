"""Where configuration comes from: a file, the environment, the command line.

Nothing here knows what a value means. Every source becomes a flat mapping from a field's dotted
name (`origin.vault.address`) to what was given and where; every mistake on the way is collected.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vsync_sm.config.mistakes import HIDDEN, Mistake, printable, shown
from vsync_sm.config.schema import Schema, Tree, squash, variable_of
from vsync_sm.config.values import Pairs, kind

FLAG, ENVIRONMENT, FILE, ECOSYSTEM = range(4)
"""The sources by rank: the lower one wins."""

_LIKE_A_SECRET = re.compile("token|secret|passw|key|cred|auth|login", re.IGNORECASE)


class Given(NamedTuple):
    """What one source gave for a field. `name` is what a person must change; empty: the field."""

    value: object
    rank: int
    name: str = ""


@dataclass
class Found:
    """What the sources gave, by dotted field, with the mistakes and the unused keys so far."""

    given: dict[str, Given] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    def offer(self, name: str, given: Given) -> None:
        """Keeps what a higher source said; nothing (null) is no offer."""
        if given.value is not None and (
            name not in self.given or given.rank < self.given[name].rank
        ):
            self.given[name] = given

    def mistake(self, name: str, value: str, wrong: str, hint: str) -> None:
        self.mistakes.append(Mistake(name, value, wrong, hint))


def take_file(found: Found, schema: Schema, pairs: Pairs) -> None:
    """Adds what a file gave; keys match in any case."""
    _take(found, schema, pairs, "", schema.tree)


def _take(found: Found, schema: Schema, pairs: Pairs, prefix: str, tree: Tree) -> None:
    names = {name.lower(): name for name in tree}
    seen: dict[str, str] = {}
    for key, value in pairs:
        if not isinstance(key, str):
            hint = "put quotes around it"
            found.mistake(f"{prefix}{shown(key)}", "", f"a key must be text, is {kind(key)}", hint)
            continue
        if key.lower() in seen:
            wrong = f"stands there twice: as {_key(seen[key.lower()])} and as {_key(key)}"
            told = _told(schema, prefix + names.get(key.lower(), key), value)
            found.mistake(prefix + _key(key), told, wrong, "keep one of the two")
        elif key.lower() not in names:
            _unknown(found, schema, prefix, key, value)
        else:
            _known(found, schema, prefix + names[key.lower()], value, tree[names[key.lower()]])
        seen.setdefault(key.lower(), key)


def _known(found: Found, schema: Schema, name: str, value: object, below: Tree | None) -> None:
    if below is None:
        found.offer(name, Given(value, FILE))
    elif isinstance(value, Pairs):
        _take(found, schema, value, name + ".", below)
    elif value is not None:
        told = HIDDEN if schema.holds_secrets(name) else shown(value)
        hint = f"write {next(iter(below))}: … and its neighbours under it"
        found.mistake(name, told, f"must hold keys, is {kind(value)}", hint)


def _key(key: str) -> str:
    """A key fit to be shown: of `token:s.secret` (a space is missing) only `token`."""
    return printable(re.split(r"[:=\s]", key, maxsplit=1)[0][:60] or "(nameless)")


def _told(schema: Schema, name: str, value: object) -> str:
    hide = schema.holds_secrets(name) or _LIKE_A_SECRET.search(name)
    return HIDDEN if hide else shown(value)


def _unknown(found: Found, schema: Schema, prefix: str, key: str, value: object) -> None:
    name = prefix + key
    if _old(found, schema, name, value, ""):
        return
    hint = schema.meant(key, prefix) or "remove it, or see docs/configuration.md for the keys"
    if _key(key) != key and re.search("[:=]", key):
        hint = "put a space after the colon"
    near = hint.removeprefix("did you mean ").removesuffix("?")
    told = HIDDEN if near in schema.secrets else _told(schema, name, value)
    found.mistake(prefix + _key(key), told, "is no key of vsync", hint)


def _old(found: Found, schema: Schema, name: str, value: object, variable: str) -> bool:
    """Whether `name` is a key of the Go program's that has no use here, or moved."""
    squashed = squash(name)
    for old, successor in schema.successors.items():
        if squash(old) == squashed:
            if value not in (None, ""):
                label = f"{old} ({variable})" if variable else old
                wrong = f"was replaced by {successor}"
                hint = f"use {variable_of(successor) if variable else successor}"
                found.mistake(label, shown(value), wrong, hint)
            return True
    for old in schema.unused:
        # Of what vsync does not read, the environment holds the single values.
        if squashed == squash(old) or (variable and squashed.startswith(squash(old))):
            found.unused.append(variable or old)
            return True
    return False


def take_environment(found: Found, schema: Schema, environment: Mapping[str, str]) -> None:
    """Adds the VSYNC_* variables; an empty one counts as not set."""
    for variable in sorted(environment):
        value = environment[variable]
        if not variable.startswith("VSYNC_") or not value:
            continue
        name = schema.field_of(variable)
        if name is None:
            if not _old(found, schema, variable.removeprefix("VSYNC_"), value, variable):
                meant = schema.meant_variable(variable)
                hint = f" (did you mean {meant}?)" if meant else ""
                found.unused.append(printable(variable) + hint)
            continue
        former = found.given.get(name)
        if former is not None and former.rank == ENVIRONMENT and former.value != value:
            told = (
                HIDDEN if schema.holds_secrets(name) else f"{shown(former.value)}, {shown(value)}"
            )
            label = f"{name} ({former.name}, {variable})"
            found.mistake(label, told, "is set twice, to different values", "set one of the two")
        found.offer(name, Given(value, ENVIRONMENT, variable))


def take_flags(found: Found, schema: Schema, flags: Mapping[str, object]) -> None:
    """Adds what the command line gave (None: not given). No flag takes a secret's value."""
    names = {name.lower(): name for name in schema.fields} | {"journal": "journal.file"}
    for flag, value in flags.items():
        name = names.get(flag.lower())
        label = f"{name or flag} (command line)"
        if value is None:
            continue
        if name is None:
            found.mistake(
                label, HIDDEN, "is no key of vsync", schema.meant(flag, "") or "remove it"
            )
        elif name in schema.secrets:
            hint = f"set {variable_of(name)}: a command line can be read by everyone"
            found.mistake(label, HIDDEN, "no flag takes a secret's value", hint)
        else:
            plain = os.fspath(value) if isinstance(value, os.PathLike) else value
            found.offer(name, Given(plain, FLAG, "command line"))


def take_ecosystem(
    found: Found, variables: Mapping[str, str], environment: Mapping[str, str]
) -> None:
    """Adds the ecosystem's own variables (variable → field), below all else."""
    for variable, name in variables.items():
        if environment.get(variable):
            found.offer(name, Given(environment[variable], ECOSYSTEM, variable))

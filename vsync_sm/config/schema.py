"""The known fields by name: which are secret, which are old, and which one was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

Tree = Mapping[str, "Tree | None"]
"""The known keys: a section's own tree, or None for a value."""


class Schema:
    """The known fields, what became of old ones, and the search for what was meant.

    Args:
        tree: the known keys.
        secrets: dotted names whose values are never shown.
        unused: dotted names that are accepted and said to be unused.
        successors: dotted names that are refused, and what stands in their place.
    """

    def __init__(
        self,
        tree: Tree,
        *,
        secrets: frozenset[str],
        unused: frozenset[str],
        successors: Mapping[str, str],
    ) -> None:
        self.tree = tree
        self.secrets = secrets
        self.unused = unused
        self.successors = successors
        self.fields = tuple(_leaves(tree, ""))
        self._by_variable = {squash(name): name for name in self.fields}

    def field_of(self, variable: str) -> str | None:
        """The field that a VSYNC_* variable's name means (underscores do not count)."""
        return self._by_variable.get(squash(variable.removeprefix("VSYNC_")))

    def holds_secrets(self, name: str) -> bool:
        """Whether the field is a secret, or a section with one in it."""
        return any(secret == name or secret.startswith(name + ".") for secret in self.secrets)

    def meant(self, key: str, prefix: str) -> str:
        """`did you mean …?` for an unknown key under `prefix`, or an empty text."""
        wanted = squash(key)
        siblings = {squash(name): prefix + name for name in _at(self.tree, prefix)}
        for pool in (siblings, self._by_variable):
            if wanted in pool:
                return f"did you mean {pool[wanted]}?"
        elsewhere = [n for n in self.fields if squash(n.rpartition(".")[2]) == wanted]
        for pool in (siblings, {squash(n.rpartition(".")[2]): n for n in self.fields}):
            close = difflib.get_close_matches(wanted[:40], pool, n=1)
            elsewhere = elsewhere or [pool[name] for name in close]
        return f"did you mean {' or '.join(elsewhere)}?" if elsewhere else ""

    def meant_variable(self, variable: str) -> str:
        """The variable that was meant by an unknown VSYNC_* one, or an empty text."""
        wanted = squash(variable.removeprefix("VSYNC_"))
        close = difflib.get_close_matches(wanted[:60], self._by_variable, n=1, cutoff=0.8)
        return variable_of(self._by_variable[close[0]]) if close else ""


def variable_of(name: str) -> str:
    """The environment variable of a field, as the documentation spells it."""
    return "VSYNC_" + name.replace(".", "_").upper()


def squash(name: str) -> str:
    return re.sub(r"[._-]", "", name).lower()


def _leaves(tree: Tree, prefix: str) -> Iterator[str]:
    for name, below in tree.items():
        if below is None:
            yield prefix + name
        else:
            yield from _leaves(below, f"{prefix}{name}.")


def _at(tree: Tree, prefix: str) -> Tree:
    for name in prefix.split(".")[:-1]:
        tree = tree[name] or {}
    return tree

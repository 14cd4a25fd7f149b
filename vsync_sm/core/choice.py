"""What is synced: whole mounts, or parts of them, by folder and by patterns.

Whatever is not chosen is as if Vault did not hold it, but that nobody asks: no folder that can
hold nothing chosen is listed, no secret that is not chosen is read. So a token needs no right to
it, and a choice that was narrowed makes paths vanish without a word of Vault's: safety rule 4
asks a human.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from vsync_sm.core.pathglob import PathGlob, PatternError
from vsync_sm.core.ready import ready


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part of a mount: what lies below `under` ("": all of it), as the patterns have it.

    Patterns (see `pathglob`) begin below `under`. Without `include` all is included; what
    `exclude` matches is left out whatever includes it.
    """

    mount: str
    under: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def root(self) -> str:
        """Mount and folder: `kv/team-a/`."""
        return f"{self.mount}{self.under}"

    @property
    def words(self) -> str:
        """For a person: `kv/team-a/ (include: a, b; exclude: c)`."""
        kinds = (("include", self.include), ("exclude", self.exclude))
        patterns = "; ".join(f"{name}: {', '.join(those)}" for name, those in kinds if those)
        return f"{self.root} ({patterns})" if patterns else self.root


ready(Part)


class _Sieve:
    """A part with its patterns ready to be asked."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.include = tuple(map(PathGlob, part.include))
        self.exclude = tuple(map(PathGlob, part.exclude))

    def takes(self, path: str) -> bool:
        """Whether a path below the folder is chosen."""
        if not self.include and not self.exclude:
            return True
        return (not self.include or any(glob.matches(path) for glob in self.include)) and not any(
            glob.matches(path) for glob in self.exclude
        )

    def enters(self, folder: str) -> bool:
        """Whether anything below this folder, itself below the part's one, may be chosen."""
        return (
            not self.include or any(glob.may_match_below(folder) for glob in self.include)
        ) and not any(glob.takes_all_below(folder) for glob in self.exclude)

    def idle(self, paths: Iterable[str]) -> Iterator[str]:
        """What of it none of the chosen paths fits: its folder, or patterns that include."""
        wanted = {glob.text: glob for glob in self.include} or {"": PathGlob("**")}
        for path in paths:
            below = path.removeprefix(self.part.under)
            if path.startswith(self.part.under):
                wanted = {text: glob for text, glob in wanted.items() if not glob.matches(below)}
            if not wanted:
                return
        for text in wanted:
            yield f"{self.part.root} include {text}" if text else self.part.root


class Choice:
    """All that is chosen. No two parts overlap: the configuration sees to it."""

    def __init__(self, parts: Iterable[Part]) -> None:
        """Raises PatternError."""
        self.parts = tuple(parts)
        self.mounts = tuple(dict.fromkeys(part.mount for part in self.parts))
        self._sieves: dict[str, list[_Sieve]] = {mount: [] for mount in self.mounts}
        for part in self.parts:
            self._sieves[part.mount].append(_Sieve(part))

    @property
    def whole(self) -> bool:
        """Whether every mount is chosen whole."""
        return all(part == Part(part.mount) for part in self.parts)

    def roots(self, mount: str) -> tuple[str, ...]:
        """The folders of a mount at which a walk begins ("": the mount's own root)."""
        return tuple(sieve.part.under for sieve in self._sieves[mount])

    def belongs(self, mount: str, path: str) -> bool:
        """Whether a path of a mount is chosen."""
        for sieve in self._sieves.get(mount, ()):  # asked of each path of each cycle
            under = sieve.part.under
            if path.startswith(under) and sieve.takes(path[len(under) :]):
                return True
        return False

    def may_hold(self, mount: str, folder: str) -> bool:
        """Whether anything in or below a folder, at a root or below one, may be chosen."""
        return any(
            folder.startswith(sieve.part.under) and sieve.enters(folder[len(sieve.part.under) :])
            for sieve in self._sieves.get(mount, ())
        )

    def holds(self, path: str) -> bool:
        """Whether an absolute data path is chosen."""
        return any(
            path.startswith(f"{mount}data/") and self.belongs(mount, path[len(mount) + 5 :])
            for mount in self.mounts
        )

    def leaves_out(self, path: str) -> str:
        """Why an absolute data path is not chosen, in words; "": it is."""
        if self.holds(path):
            return ""
        if any(path.startswith(f"{mount}data/") for mount in self.mounts):
            return "origin.paths leaves it out"
        return "it lies in none of the mounts that are configured"

    def idle(self, paths: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
        """What of the parts (not of whole mounts) none of these chosen paths fits, in words.

        Args:
            paths: by mount, those within it; gone through once for each part.
        """
        return tuple(
            idle
            for sieves in self._sieves.values()
            for sieve in sieves
            if sieve.part != Part(sieve.part.mount)
            for idle in sieve.idle(paths.get(sieve.part.mount, ()))
        )


def whole(mounts: Iterable[str]) -> tuple[Part, ...]:
    """These mounts, all of each."""
    return tuple(map(Part, mounts))


def choice_in(config: Mapping[str, Any]) -> Choice | None:
    """The choice that a run was configured with, as its `run_started` tells it; None: it does not.

    Journals of before there was a choice name mounts alone.
    """
    origin = config.get("origin")
    if not isinstance(origin, dict):
        return None
    try:
        mounts = msgspec.convert(origin.get("mounts", []), tuple[str, ...])
        parts = msgspec.convert(origin.get("paths", []), tuple[Part, ...])
        return Choice((*whole(mounts), *parts))
    except (msgspec.ValidationError, PatternError):
        return None

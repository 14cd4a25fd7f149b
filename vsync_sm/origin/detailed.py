"""A folder's metadata in one request, where the server offers it: OpenBao's detailed lists.

They only ever save reads. What there is, Vault's plain lists say; a path whose metadata no detailed
list gave, for whatever reason, is read by itself, and so is every path that was never saved before
and that the token may not surely read: a detailed list shows what a policy hides.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Container, Iterator, Sequence, Set

import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import DetailedListFailed
from vsync_sm.core.sync_info import data_path
from vsync_sm.origin.access import Access
from vsync_sm.origin.scope import Scope
from vsync_sm.servers.vault import Health, Metadata, Vault

PAGE = 250
"""So many names are asked for at once: 100 kB of body and 160 kB of audit log, measured on
OpenBao 2.7.2 with one version a secret. A device that takes no such line makes it a 500."""

LEAST_WANTED = 3
"""Fewer paths of a page are read one by one: two requests are no more than a list and its risk."""

_SHARE = 4  # so is less than one in four: the server reads all of them for a page

ASKED_AT_ONCE = 250
"""So many paths go into one question about capabilities; OpenBao takes no thousand."""

STRIKES = 3
"""So many folders of a mount in a row that could not be listed so: it is not tried any more."""

_TWICE = frozenset({FaultKind.SERVER_ERROR, FaultKind.UNREACHABLE})
_FALLS_BACK = _TWICE | {
    FaultKind.FORBIDDEN,
    FaultKind.NOT_FOUND,
    FaultKind.MOUNT_CHANGED,
    FaultKind.BAD_REQUEST,
    FaultKind.NOT_VAULT,
    FaultKind.TOO_LARGE,
    FaultKind.TIMEOUT,
}
"""After these the reads are asked: they know what to do where the server itself is in trouble. What
may be over in a moment is tried twice (a server that panics only closes the connection)."""


class DetailedLists:
    """Which mounts are listed in detail: learnt at the start, and kept for the run.

    Safe to share between threads.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._offered = False
        self._allowed: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._row: Counter[str] = Counter()
        self._left: set[tuple[str, str]] = set()

    @property
    def offered(self) -> bool:
        """Whether the server has such lists, and the configuration wants them."""
        return self._offered

    def meet(self, health: Health) -> None:
        """Take note of the server."""
        self._offered = self._wanted and health.lists_in_detail

    def allow(self, mount: str, *, may: bool) -> None:
        """Take note of whether the token may list in detail below one more folder of a mount."""
        self._allowed[mount] = may and self._allowed.get(mount, True)

    def serve(self, mount: str, folder: str = "") -> bool:
        """Whether a folder is worth asking so."""
        if not self._offered or not self._allowed.get(mount, False):
            return False
        with self._lock:
            return self._row[mount] < STRIKES and (mount, folder) not in self._left

    def worked(self, mount: str) -> None:
        """A list was answered."""
        with self._lock:
            if self._row[mount] < STRIKES:
                self._row[mount] = 0

    def failed(self, mount: str, folder: str) -> int:
        """A list was not: the folder is left alone. Returns how many were not, in a row."""
        with self._lock:
            self._left.add((mount, folder))
            self._row[mount] += 1
            return self._row[mount]


class Given(msgspec.Struct, frozen=True):
    """What detailed lists gave of a folder: metadata by name, and how many lists it took."""

    metadata: dict[str, Metadata]
    lists: int = 0


class Details:
    """One cycle's detailed lists."""

    def __init__(self, scope: Scope, vault: Vault, access: Access, lists: DetailedLists) -> None:
        self._scope = scope
        self._vault = vault
        self._access = access
        self._lists = lists

    def of(
        self,
        mount: str,
        folder: str,
        names: Sequence[str],
        wanted: Set[str],
        saved: Container[str],
    ) -> Given:
        """The metadata of those secrets of a folder that are `wanted`, as far as they are given.

        Args:
            names: all that the plain list named, in its order.
            wanted: those of them that are chosen.
            saved: the paths (data paths) that were saved before; of every other one the token must
                surely be able to read the metadata.
        """
        found: dict[str, Metadata] = {}
        lists = 0
        for after, page in _pages(names):
            if not self._lists.serve(mount, folder):
                break
            many = sum(name in wanted for name in page)
            if many < LEAST_WANTED or many * _SHARE < len(page):
                continue
            lists += 1
            given = self._page(mount, folder, after, len(page))
            found.update((name, told) for name, told in given.items() if name in wanted)
        within = data_path(mount, folder)
        fresh = {
            f"{mount}metadata/{folder}{name}": name
            for name in found
            if f"{within}{name}" not in saved
        }
        for path in fresh.keys() - self._surely_readable([*fresh]):
            del found[fresh[path]]
        return Given(found, lists)

    def _surely_readable(self, paths: Sequence[str]) -> frozenset[str]:
        sure: frozenset[str] = frozenset()
        limit = self._scope.budget.vault
        for at in range(0, len(paths), ASKED_AT_ONCE):
            some = paths[at : at + ASKED_AT_ONCE]
            try:
                sure |= self._scope.patience.call(
                    "ask for capabilities",
                    lambda some=some: self._access.call(  # type: ignore[misc]
                        lambda: self._vault.readable(some, limit), limit
                    ),
                )
            except Fault as fault:
                if fault.kind not in _FALLS_BACK:
                    raise
                break
        return sure

    def _page(self, mount: str, folder: str, after: str, most: int) -> dict[str, Metadata]:
        limit = self._scope.budget.vault
        tries = 0

        def ask() -> dict[str, Metadata] | Fault:
            nonlocal tries
            tries += 1
            try:
                return self._access.call(
                    lambda: self._vault.list_detailed(
                        mount, folder, after=after, most=most, limit=limit
                    ),
                    limit,
                )
            except Fault as fault:
                if fault.kind not in _FALLS_BACK or (fault.kind in _TWICE and tries == 1):
                    raise
                return fault

        try:
            answer = self._scope.patience.call(f"list {mount}{folder} with metadata", ask)
        except Fault as fault:
            if fault.kind not in _FALLS_BACK:  # no more retries are left in this cycle
                raise
            answer = fault
        if not isinstance(answer, Fault):
            self._lists.worked(mount)
            return answer
        row = self._lists.failed(mount, folder)
        if row > STRIKES:  # others were still under way when it was given up
            return {}
        self._scope.tell(
            (
                DetailedListFailed(
                    mount=mount,
                    folder=folder,
                    kind=answer.kind.word,
                    message=answer.message,
                    over=row == STRIKES,
                ),
            )
        )
        return {}


def _pages(names: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """A folder's names in parts of `PAGE`, each with the name before its first."""
    for at in range(0, len(names), PAGE):
        yield (names[at - 1] if at else ""), names[at : at + PAGE]

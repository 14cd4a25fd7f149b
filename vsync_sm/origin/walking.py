"""The walk of a listing: as many threads as there are workers take folders from one stack."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from vsync_sm.core.events import FolderListed
from vsync_sm.origin.listing import Folder, Lister, Walked
from vsync_sm.origin.scope import Scope

WAIT_S = 0.02
"""How often who waits for the others looks whether the cycle is over, seconds."""

TELL_S = 0.05
"""How often the loop is told of folders, seconds: it works by the batch as well as by the one."""


class Walk:
    """All folders of all mounts, each listed once.

    What is found does not depend on who was faster. The first failure of any thread ends the walk.
    """

    def __init__(self, scope: Scope, lister: Lister, *, workers: int) -> None:
        self._scope = scope
        self._lister = lister
        self._changed = threading.Condition()
        self._stack: list[tuple[str, str]] = []  # bounded: the folders that lists have named
        self._busy = 0
        self._idle = 0
        self._hired = 0
        self._failure: BaseException | None = None
        self._found: dict[tuple[str, str], Folder] = {}
        self._untold: list[FolderListed] = []
        self.threads = [
            threading.Thread(target=self._work, name=f"lister-{number}", daemon=True)
            for number in range(1, workers + 1)
        ]

    def run(self) -> Walked:
        """All that is found, in the order of a walk by one alone.

        Raises what listing a folder raises; Cancelled when the cycle is over.
        """
        choice = self._lister.choice
        with self._changed:
            self._push([(mount, root) for mount in choice.mounts for root in choice.roots(mount)])
        while not self._ended():
            self._tell()
            self._scope.check()
        self._tell()
        if self._failure is not None:
            raise self._failure
        folders = {mount: list(self._in_order(mount)) for mount in choice.mounts}
        self._found.clear()
        return Walked(
            paths={m: tuple(path for each in f for path in each.paths) for m, f in folders.items()},
            unchosen={m: sum(each.unchosen for each in f) for m, f in folders.items()},
            pruned={m: sum(each.pruned for each in f) for m, f in folders.items()},
        )

    def _ended(self) -> bool:
        """Wait for the end, but not for long; whether it has come."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._failure is not None or not (self._stack or self._busy), TELL_S
            )

    def _tell(self) -> None:
        count = len(self._untold)
        self._scope.tell(self._untold[:count])
        del self._untold[:count]

    # --- on a thread of the walk ---

    def _work(self) -> None:
        try:
            while (taken := self._take()) is not None:
                folder = self._lister.enter(*taken)
                # One alone tells each when it comes: `check` takes the times between them for a
                # request's. What comes late is counted, and dropped.
                if len(self.threads) == 1 or self._scope.cancelled.is_set():
                    self._scope.tell((folder.listed,))
                else:
                    self._untold.append(folder.listed)
                self._came(taken, folder)
        except Exception as failure:  # noqa: BLE001  the listing raises it
            with self._changed:
                self._failure = self._failure or failure
                self._changed.notify_all()

    def _take(self) -> tuple[str, str] | None:
        """The next folder; None when there will be none, or the walk is over."""
        with self._changed:
            while self._failure is None:
                self._scope.check()
                if self._stack:
                    self._busy += 1
                    return self._stack.pop()
                if not self._busy:
                    return None
                self._idle += 1
                self._changed.wait(WAIT_S)
                self._idle -= 1
        return None

    def _came(self, taken: tuple[str, str], folder: Folder) -> None:
        with self._changed:
            self._found[taken] = folder
            self._busy -= 1
            self._push([(taken[0], below) for below in folder.folders])

    def _push(self, folders: list[tuple[str, str]]) -> None:
        # The last one is taken first: the stack stays as small as the tree is deep and wide.
        self._stack.extend(reversed(folders))
        free = self._idle
        while free < len(self._stack) and self._hired < len(self.threads):
            self.threads[self._hired].start()
            self._hired += 1
            free += 1
        self._changed.notify_all()

    # --- once all have ended ---

    def _in_order(self, mount: str) -> Iterator[Folder]:
        folders = [*reversed(self._lister.choice.roots(mount))]
        while folders:
            found = self._found[mount, folders.pop()]
            yield found
            folders.extend(reversed(found.folders))

"""What lies in the demo's Vault: secrets of a company that does not exist; who changes them."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar
from urllib.parse import quote

from vsync_sm.local import BaoServer, LocalServerError

MOUNTS = ("teams/", "platform/", "sandbox/")
SANDBOX = "sandbox/"
"""The mount that is left to the person who tries the demo: nobody else changes it."""
SANDBOX_SECRETS = 24
"""So many secrets lie in it, named from 1: enough that all of them may not just vanish."""

Choice = TypeVar("Choice")

# Names as people really give them.
AWKWARD = (
    "on call/phone tree",
    "billing/why? #1",
    "billing/50%2F50 split",
    "größe/λ-service",
    "metadata",
    "tools",
    "tools/deploy",
    "a/b/c/d/e/f/g/h/i/j/k/l",
)


class Tree:
    """The secrets of a company that does not exist."""

    def __init__(self, bao: BaoServer) -> None:
        self._bao = bao
        self.alive: list[tuple[str, str]] = []
        """Mount and path of what has not been deleted."""

    def plant(self, count: int) -> None:
        """Makes the mounts, `count` secrets, some of them odd ones, and those of the sandbox."""
        for mount in MOUNTS:
            self._bao.mount(mount)
        for mount, path in itertools.islice(_names(), count):
            self.write(mount, path)
        for number in range(1, SANDBOX_SECRETS + 1):
            self._ask("POST", SANDBOX, "data", str(number), _value())
        # A metadata-only one (nothing to index), one that is deleted, one that soon will be.
        self._ask("POST", "platform/", "metadata", "planned/cache", {"max_versions": 5})
        self.write("platform/", "retired/ftp")
        self.delete("platform/", "retired/ftp")
        lasting = {"delete_version_after": "45s"}
        self._ask("POST", "platform/", "metadata", "visitors/wifi", lasting)
        self._ask("POST", "platform/", "data", "visitors/wifi", _value())

    def write(self, mount: str, path: str) -> None:
        """A new version of a secret, the first one if it is new."""
        self._ask("POST", mount, "data", path, _value())
        if (mount, path) not in self.alive:
            self.alive.append((mount, path))

    def delete(self, mount: str, path: str) -> None:
        """A soft delete of the current version."""
        self._ask("DELETE", mount, "data", path)
        self.alive.remove((mount, path))

    def _ask(self, method: str, mount: str, part: str, path: str, body: object = None) -> None:
        self._bao.json(method, f"/v1/{mount}{part}/{quote(path)}", body)


def _value() -> dict[str, object]:
    return {"data": {"note": "not a real secret", "written": time.time_ns()}}


def _names() -> Iterator[tuple[str, str]]:
    """Mount and path of every secret that the demo may begin with; more than anyone asks for."""
    yield from (("teams/", path) for path in AWKWARD)
    teams = ("payments", "search", "identity", "logistics", "mobile", "analytics")
    apps = ("api", "worker", "frontend", "scheduler")
    stages = ("dev", "staging", "prod")
    kinds = ("database", "queue", "signing-key", "smtp")
    for number in itertools.count(1):
        region = "" if number == 1 else f"region-{number}/"
        for team, app, stage in itertools.product(teams, apps, stages):
            yield from (("teams/", f"{region}{team}/{app}/{stage}/{kind}") for kind in kinds)
            yield "platform/", f"{region}tls/{team}.{app}.{stage}"


class User:
    """Someone who adds, changes and deletes secrets for as long as the demo runs."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._chance = random.Random()  # noqa: S311  it chooses what to change, no secret
        # Deletions an hour; with more of them, rule 4 of the safety rules would refuse to save.
        self._deletions = max(8.0, len(tree.alive) * 0.12)
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work, name="demo-user", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        # Not without end: its last request may wait for a server that somebody has frozen.
        self._thread.join(2)

    def _work(self) -> None:
        began = time.monotonic()
        deleted = 0
        numbers = itertools.count(1)
        while not self._enough.wait(self._chance.uniform(0.2, 1.2)):
            due = 1 + (time.monotonic() - began) * self._deletions / 3600
            # A server that someone has frozen or stopped to see what happens: the user waits.
            with contextlib.suppress(OSError, LocalServerError):
                if deleted + 1 <= due and self._chance.random() < 0.2:
                    deleted += 1
                    self._tree.delete(*self._pick(self._tree.alive))
                elif self._chance.random() < 0.2:
                    name = f"experiments/{next(numbers):03}"
                    self._tree.write(self._pick(("platform/", "teams/")), name)
                else:
                    self._tree.write(*self._pick(self._tree.alive))

    def _pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[self._chance.randrange(len(choices))]

"""`vsync-sm` as a person or a supervisor starts it: in a process and an environment of its own."""

from __future__ import annotations

import codecs
import io
import os
import pty
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import orjson

from tests.workshop import PATIENCE_S, Workshop
from vsync_sm import cli

COMMAND = (sys.executable, "-m", "vsync_sm.cli")
OF_OTHERS = ("VSYNC_", "VAULT_", "CONSUL_")


def environment(home: Path, **more: str) -> dict[str, str]:
    """A user's environment: a home of its own, the scripts on PATH, nothing that configures."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OF_OTHERS)}
    for name in ("STATE_DIRECTORY", "NO_COLOR", "XDG_STATE_HOME", "PYTHONUNBUFFERED"):
        kept.pop(name, None)
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    return {**kept, "HOME": str(home), "PATH": path, "TERM": "xterm", **more}


def vsync(
    home: Path, *arguments: str | Path, env: Mapping[str, str] | None = None, **how: Any
) -> subprocess.CompletedProcess[str]:
    """Runs `vsync-sm` to its end, in `home`, without a terminal."""
    how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **how}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=home,
        env=environment(home, **(env or {})),
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        **how,
    )


def replayed(*arguments: str | Path) -> str:
    """What `vsync-sm replay` writes, stderr too, in this process: it asks no environment."""
    told = io.StringIO()
    with redirect_stdout(told), redirect_stderr(told):
        cli.main(["replay", *map(str, arguments)])
    return told.getvalue()


def on(workshop: Workshop, **origin: Any) -> list[str]:
    """The flags for a workshop's own configuration and journal."""
    config = workshop.write_config(**origin)
    return ["--config", str(config), "--journal", str(workshop.journal)]


def logged(stderr: str) -> list[dict[str, Any]]:
    """The lines of a JSON log; each must be one."""
    return [orjson.loads(line) for line in stderr.splitlines()]


def complaint(told: str) -> tuple[str, str]:
    """The two lines of a complaint: what is wrong, what would do."""
    wrong, hint = told.splitlines()
    assert wrong.startswith("vsync-sm: ")
    assert hint.startswith("  → ")
    return wrong.removeprefix("vsync-sm: "), hint.removeprefix("  → ")


class Terminal:
    """`vsync-sm` on a terminal of its own; `shown` is all that it wrote there.

    With `typing` somebody sits there: what is typed is what it reads.
    """

    def __init__(
        self,
        home: Path,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        typing: bool = False,
    ) -> None:
        self._ours, theirs = pty.openpty()
        try:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=home,
                env=environment(home, **(env or {})),
                stdin=theirs if typing else subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=typing,
            )
        finally:
            os.close(theirs)
        self.shown = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def read_until(self, words: str) -> None:
        """Until it has written these words."""
        for chunk in self._chunks():
            self.shown += chunk
            if words in self.shown:
                return
        raise AssertionError(f"it never said {words!r}: {self.shown!r}")

    def type(self, words: str) -> int:
        """Type these words; read on until it ends; the exit code."""
        os.write(self._ours, f"{words}\n".encode())
        return self.read()

    def read(self) -> int:
        """Until it ends; the exit code."""
        for chunk in self._chunks():
            self.shown += chunk
        return self.process.wait(PATIENCE_S)

    def _chunks(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder("utf-8")()  # a character may come in two pieces
        while True:
            try:
                chunk = os.read(self._ours, 65_536)
            except OSError:  # how Linux tells that nobody has the other end any more
                return
            if not chunk:
                return
            yield decoder.decode(chunk)

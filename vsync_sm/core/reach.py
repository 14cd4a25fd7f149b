"""How whoever reads reaches the origin: what to type or to press for what he is told to do."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec


class Reach(msgspec.Struct, frozen=True):
    """From where somebody reads what to do next.

    `journal` is the journal's path, as a command must name it from there; "" where it lies in the
    default place, so that no command need name it. `keys` are the keys that give a command, by its
    name, where somebody sits at a console that may; what is not among them is told as a command
    for a shell. `config` is the file of the configuration; "" where nobody knows it: the journal
    does not tell, so that whoever is to start the origin is told to do it with his own. `demo`:
    it is a demo's, whose servers end with it.
    """

    journal: str = ""
    keys: Mapping[str, str] = {}
    config: str = ""
    demo: bool = False

    def ask(self, command: str, argument: str = "") -> str:
        """How one of `COMMANDS` is given: `press p`, or `vsync-sm ctl resume --journal FILE`."""
        key = self.keys.get(command)
        return f"press {key}" if key else self.shell("ctl", command, *filter(None, [argument]))

    def start(self, *more: str) -> str:
        """How the origin is started again, with these flags and, where it is known, `config`."""
        return self.shell("--headless", *more, *self._config())

    def console(self) -> str:
        """How a console that runs the origin itself is started again."""
        return self._command("vsync-tui", *self._config())

    def shell(self, *words: str) -> str:
        """A command of vsync-sm's about this journal, ready to be pasted."""
        return self._command("vsync-sm", *words)

    def _config(self) -> tuple[str, ...]:
        return ("--config", self.config) if self.config else ()

    def _command(self, *words: str) -> str:
        journal = ["--journal", self.journal] if self.journal else []
        return shlex.join([*words, *journal])


SHELL = Reach()
"""A shell, and a journal in the default place."""

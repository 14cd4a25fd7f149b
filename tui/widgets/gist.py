"""Workers, changes and faults in some lines, for a screen too small for a panel of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from textual.content import Content

from tui.glance import Glance
from tui.theme import MUTED
from tui.widgets.changes import changes_gist
from tui.widgets.faults import faults_gist
from tui.widgets.panel import Line, Panel, Rows
from tui.widgets.workers import workers_gist

_NAME = 9  # cells of a line's name


class GistPanel(Panel):
    """What most deserves a line of each: the workers that hang, the last save, the newest fault.

    Each of the three has a line, whatever the room; what is left goes round among them.
    """

    TITLE = "workers, changes, faults"

    def rows(self, glance: Glance, width: int) -> Rows:
        room = width - _NAME
        told = {
            "workers": workers_gist(glance, room),
            "changes": changes_gist(glance, room),
            "faults": faults_gist(glance, room),
        }
        # A worker that hangs says more than what to do about a fault, and that more than old saves.
        turns = ("workers", "faults", "changes")
        taken = shared({name: len(told[name]) for name in turns}, self.depth)
        return Rows([Line(each) for name in told for each in _named(name, told[name], taken[name])])


def shared(wanted: Mapping[str, int], room: int) -> dict[str, int]:
    """How many lines each gets: one whatever the room, then one more in turn, as far as it goes."""
    taken = dict.fromkeys(wanted, 1)
    for _ in range(room):
        for name, lines in wanted.items():
            if taken[name] < lines and sum(taken.values()) < room:
                taken[name] += 1
    return taken


def _named(name: str, lines: list[Content], taken: int) -> Iterator[Content]:
    for at, line in enumerate(lines[:taken]):
        yield Content.assemble((("" if at else name).ljust(_NAME), MUTED), line)

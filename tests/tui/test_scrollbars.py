"""A panel has a scrollbar while it has more lines than place, however it came to that."""

from __future__ import annotations

from textual.pilot import Pilot

from tests.tui.stage import Stage, glance, play, until
from tui.glance import Glance
from tui.widgets.panel import Line, Panel, Rows
from tui.widgets.text import said
from vsync_sm.core.view import View

LOOK = glance(View())


class Lines(Panel):
    """So many lines."""

    count = 0

    def rows(self, glance: Glance, width: int) -> Rows:
        assert (glance, width > 0) == (LOOK, True)
        return Rows([Line(said(f"line {number}")) for number in range(self.count)])


def test_the_scrollbar_comes_and_goes_with_the_lines() -> None:
    panel = Lines()

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        depth = panel.depth
        for more in (1, 0, 1, 0):
            panel.count = depth + more
            panel.paint(LOOK)
            await until(pilot, lambda: panel.show_vertical_scrollbar == (panel.count > depth))

    play(panel, act)

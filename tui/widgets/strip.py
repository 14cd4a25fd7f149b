"""The machine's states with the current one, the next tick, and how Vault and Consul were seen."""

from __future__ import annotations

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, GOOD, MUTED, STATE, WARN, Look, marked
from tui.times import tell
from tui.widgets.top import GAP, Top, apart, joined
from vsync_sm.core.answer import next_tick_in, seconds_since
from vsync_sm.core.machine import State
from vsync_sm.core.words import duration, printable

SERVERS = ("Vault", "Consul")

UNKNOWN = Look("?", WARN)
"""A state that this version has no name for: the journal is of another one, or forged."""


class Strip(Top):
    """One line where all fits into it, two where there is room, else folded to one."""

    DEFAULT_CSS = """
    Strip {
        height: auto;
        padding: 0 1;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def lines(self, glance: Glance, width: int, *, short: bool) -> Content:
        """The states and what stands beside them."""
        states = _states(glance)
        when, servers = _when(glance), _servers(glance)
        beside = joined([when, servers], Content(GAP))
        if states.cell_length + beside.cell_length + len(GAP) <= width:
            return apart(states, beside, width)
        if not short and states.cell_length <= width:
            return Content.assemble(states, "\n", apart(when, servers, width))
        name = glance.view.state.name
        current = marked(STATE.get(name, UNKNOWN), printable(name))
        return apart(joined([current, when], Content(" ")), _servers(glance, brief=True), width)


def _states(glance: Glance) -> Content:
    parts = []
    for state in map(str, State):
        if state == glance.view.state.name:
            look = STATE[state]
            parts.append(Content.styled(f" {look.glyph} {state} ", f"{look.style} reverse"))
        else:
            parts.append(Content.styled(state, MUTED))
    return Content(" ").join(parts)


def _when(glance: Glance) -> Content:
    view = glance.view
    if view.run is None:
        return Content()
    since = Content(duration(int(seconds_since(view.state.since.mono, glance.now))))
    if view.pause is not None and view.ended is None:
        return joined([since, Content.styled("‖ paused: no tick", WARN)])
    tick = next_tick_in(view, glance.now)
    if tick is None:
        return since
    due = f"next tick in {duration(int(tick))}" if tick >= 1 else "the tick is due"
    return joined([since, Content.styled(due, MUTED)])


def _servers(glance: Glance, *, brief: bool = False) -> Content:
    return Content(GAP).join([_server(glance, name, brief=brief) for name in SERVERS])


def _server(glance: Glance, name: str, *, brief: bool) -> Content:
    seen = glance.view.conditions.get(name)
    if seen is None:
        return Content.styled(f"· {name}" if brief else f"· {name} not asked yet", MUTED)
    if seen.word == "answering":
        return Content.styled(f"✔ {name}" if brief else f"✔ {name} answers", GOOD)
    word = printable(seen.word).replace("_", " ")
    since = "" if brief else f" since {tell(seen.ts, glance.times, glance.now)}"
    return Content.styled(f"✖ {name} {word}{since}", BAD)

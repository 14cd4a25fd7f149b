"""The machine's states with the current one, the next tick, and how Vault and Consul were seen."""

from __future__ import annotations

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, GOOD, MUTED, STATE, WARN, Look, marked
from tui.times import tell
from tui.widgets.top import GAP, Top, apart, joined
from vsync_sm.core.answer import ANSWERING, age, next_tick_in, next_try_in
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import View
from vsync_sm.core.stall import stall
from vsync_sm.core.words import duration, printable

SERVERS = ("Vault", "Consul")

UNKNOWN = Look("?", WARN)
"""A state that may have been left since, or that this version has no name for."""


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
        current = marked(_mark(glance, name), printable(name))
        if glance.view.run is None:
            current = Content()
        return apart(joined([current, when], Content(" ")), _servers(glance, brief=True), width)


def _states(glance: Glance) -> Content:
    parts = []
    for state in map(str, State):
        if glance.view.run is not None and state == glance.view.state.name:
            look = _mark(glance, state)
            parts.append(Content.styled(f" {look.glyph} {state} ", f"{look.style} reverse"))
        else:
            parts.append(Content.styled(state, MUTED))
    return Content(" ").join(parts)


def _mark(glance: Glance, state: str) -> Look:
    """What marks the current state; one that may have been left since is marked as unknown."""
    old = glance.lost or glance.damage
    return UNKNOWN if old else STATE.get(state, UNKNOWN)


def _when(glance: Glance) -> Content:
    view = glance.view
    if view.run is None:
        return Content()
    since = Content(duration(int(glance.state_s)))
    if glance.now.end:
        end = Content.styled("at the journal's end", MUTED)
        return end if view.ended is not None else joined([since, end], Content(" "))
    again = None if glance.stale else next_try_in(view, glance.now)
    if again is not None:
        due = f"next try in {duration(int(again))}" if again >= 1 else "it is being tried"
        return joined([since, Content.styled(due, MUTED)])
    if view.pause is not None and view.ended is None:
        return joined([since, Content.styled("‖ paused: no tick", WARN)])
    tick = None if glance.stale else next_tick_in(view, glance.now)
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
    good, word = seen.word == ANSWERING, printable(seen.word).replace("_", " ")
    asked = _asked_until(glance)
    if asked:
        when = (
            ""
            if brief
            else f" {'answered' if good else word} {tell(asked, glance.times, glance.now)}"
        )
        return Content.styled(f"? {name}{when}", MUTED if good else WARN)
    stalled = stall(glance.view.cycle, glance.now.mono, glance.view.now.mono)
    if stalled is not None and stalled.server == name and good:
        silent = "" if brief else f" silent for {duration(int(stalled.seconds))}"
        return Content.styled(f"! {name}{silent}", WARN)
    if good:
        return Content.styled(f"✔ {name}" if brief else f"✔ {name} answers", GOOD)
    since = "" if brief else f" since {tell(seen.ts, glance.times, glance.now)}"
    return Content.styled(f"✖ {name} {word}{since}", BAD)


def _asked_until(glance: Glance) -> str:
    """When a server was known to be as it was last seen; "" where that is how it is now."""
    view = glance.view
    if not glance.known:
        return view.now.ts
    if view.run is None or view.cycle is not None or view.pause is None:
        return ""
    # Nobody asks it anything while it is paused.
    asked = _last_asked(view)
    since = age(asked, glance.now)
    return asked if since is not None and since > view.run.tick_s else ""


def _last_asked(view: View) -> str:
    return view.history[-1].finished if view.history else view.state.since.ts

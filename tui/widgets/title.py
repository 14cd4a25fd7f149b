"""The title: where the view comes from, the state in words, whose origin, which journal."""

from __future__ import annotations

import os
from pathlib import Path

from textual.content import Content

from tui.glance import Badge, Glance
from tui.theme import BAD, BADGE, BOLD, MARK, MUTED, SEVERITY, WARN, marked
from tui.widgets.text import folded, said
from tui.widgets.top import GAP, Top, apart, joined
from vsync_sm.core.marks import Mark
from vsync_sm.core.present import clock, duration, printable, sentence, severity

_MOST = 4
"""So many lines tell what a place in a journal is."""

NO_LOAD = "reads only the journal: no load on Vault or Consul"


class Title(Top):
    """One line at every size, and a second one where there is more to say."""

    DEFAULT_CSS = """
    Title {
        height: auto;
        padding: 0 1;
        background: $panel;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """

    def lines(self, glance: Glance, width: int, *, short: bool) -> Content:
        """The line, and what else must be said."""
        state = _state(glance)
        journal = shortened(glance.source, max(1, width - state.cell_length - len(GAP)))
        first = apart(state, Content.styled(journal, MUTED), width)
        marks = glance.place.marks
        if not short and _more(glance).cell_length > width and marks and not glance.now.end:
            lines = [_damage(glance), _silence(glance), *_marks(glance)]
            told = [line for each in lines if each for line in folded(each, width, indent=2)]
            return Content("\n").join([first, *told[:_MOST]])
        more = _more(glance)
        if more and more.cell_length > width:
            # What hinders comes first; that nothing is wrong may go unsaid.
            more = _more(glance, only_trouble=True).truncate(width, ellipsis=True)
        return Content.assemble(first, "\n", more) if more else first


def _state(glance: Glance) -> Content:
    view = glance.view
    badge = marked(BADGE[glance.badge], str(glance.badge))
    if view.run is None:
        return Content.assemble(badge, GAP, Content.styled(nothing_yet(glance), MUTED))
    since = duration(int(glance.state_s))
    if glance.now.end and view.ended is not None:
        since = ""
    if glance.silent:
        badge = joined([badge, marked(BADGE[Badge.LOST], Badge.LOST)], Content(" "))
    # Together they are the title that a test, and an operator's eye, look for.
    state = said(f"{view.state.name} {since}".rstrip(), BOLD)
    return Content.assemble(badge, " ", state, GAP, _name(glance))


def nothing_yet(glance: Glance) -> str:
    """What to say where no run has begun: `awaiting the journal`, `nothing yet`, or why not."""
    if glance.badge is Badge.REPLAY:
        if glance.damage and not glance.view.seq:
            return "nothing of it can be read"
        return "no run that this version knows" if glance.view.seq else "the journal is empty"
    return "awaiting the journal" if glance.note else "nothing yet"


def _end(glance: Glance) -> Content:
    """Until when a replayed journal tells, and whether its last run has ended by itself."""
    view = glance.view
    if not glance.now.end or not view.now.ts:
        return Content()
    if view.ended is None:
        return Content.styled(f"! ends {clock(view.now.ts)}, not finished", WARN)
    ended = f"{clock(view.ended.ts)}, exit code {view.ended.exit_code}"
    return Content.styled(f"ended {ended}", MUTED)


def _name(glance: Glance) -> Content:
    run = glance.view.run
    if run is None:
        return Content()
    name = run.config.get("name")
    host = said(f"{run.host} ({run.pid})", MUTED)
    if not isinstance(name, str) or not name:
        return host
    return Content.assemble(said(name), Content.styled(" on ", MUTED), host)


def shortened(path: str, width: int) -> str:
    """A path in so many cells: the home directory as `~`, and its end rather than its beginning."""
    home = os.path.expanduser("~")  # noqa: PTH111  Path.home() raises where there is none
    if home not in {"~", "/"} and Path(path).is_relative_to(home):
        path = f"~/{Path(path).relative_to(home)}"
    path = printable(path)
    return path if len(path) <= width else f"…{path[1 - width :]}"


def _place(glance: Glance) -> Content:
    """What a moment in the middle of a journal is: what its record marks, else what it says."""
    record = glance.place.record
    if record is None or glance.place.marks:
        return joined(_marks(glance))
    look = SEVERITY[severity(record.event)]
    glyph = "" if severity(record.event) == "debug" else f"{look.glyph} "
    return Content.styled(f"{glyph}{sentence(record)}", look.style or MUTED)


def _marks(glance: Glance) -> list[Content]:
    return [marked(MARK[mark.kind], _named(mark)) for mark in glance.place.marks]


def _named(mark: Mark) -> str:
    words, kind = printable(mark.words), str(mark.kind)
    return words if words.startswith(kind) else f"{kind}: {words}"


def _damage(glance: Glance) -> Content:
    words = f"✖ the journal can be read no further: {printable(glance.damage)}"
    return Content.styled(words, BAD) if glance.damage else Content()


def _silence(glance: Glance) -> Content:
    return Content.styled(f"! {printable(glance.note)}", WARN) if glance.note else Content()


def _more(glance: Glance, *, only_trouble: bool = False) -> Content:
    if glance.known_until is not None:
        return joined([_damage(glance), _silence(glance), _place(glance)])
    parts = [*_marks(glance), _end(glance), _damage(glance)]
    if glance.note:
        parts.append(Content.styled(f"! {printable(glance.note)}", WARN))
    if glance.unable and glance.unable not in glance.note:  # else it is said already
        parts.append(Content.styled(f"read-only: {printable(glance.unable)}", MUTED))
    if glance.badge is Badge.ATTACHED and not only_trouble:
        parts.append(Content.styled(NO_LOAD, MUTED))
    return joined(parts)

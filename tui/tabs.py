"""The tabs and the panels in them: which there are, and where each of them stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TabbedContent, TabPane

from tui.widgets.buckets import BucketsPanel
from tui.widgets.changes import ChangesPanel
from tui.widgets.cycle import CyclePanel
from tui.widgets.cycles import CyclesPanel
from tui.widgets.faults import FaultsPanel
from tui.widgets.gist import GistPanel
from tui.widgets.journal import JournalPanel
from tui.widgets.path import PathPanel
from tui.widgets.workers import WorkersPanel


class Tab(NamedTuple):
    """A tab: its id, which is also its word, and what it is for."""

    id: str
    about: str


TABS = (
    Tab("now", "the running cycle, its workers, what changed, the last faults"),
    Tab("journal", "every line, to search and to sift"),
    Tab("cycles", "how the last cycles ended, and where their time went"),
    Tab("faults", "what went wrong, and what to do"),
    Tab("changes", "what the last saves changed, and what was refused"),
    Tab("path", "all that the journal knows of one path"),
    Tab("buckets", "what lies in each bucket, and how full it is"),
)


class Pane(TabPane):
    """A tab's place. Focus within it shows it no more: the focus of a tab just left comes late."""

    def _on_descendant_focus(self, event: events.DescendantFocus) -> None:
        event.prevent_default()


def compose(journal: Path) -> ComposeResult:
    """All tabs, with their panels."""
    with TabbedContent(initial=TABS[0].id, id="tabs"):
        for number, tab in enumerate(TABS, start=1):
            with Pane(Content(f"{number} {tab.id}"), id=tab.id):
                yield from _PANELS[tab.id](journal)


def shown(screen: Screen[object]) -> TabPane | None:
    """The pane of the tab that is shown; None while the screen is made or taken down."""
    # By queries, since `TabbedContent.active_pane` raises where parts of it are gone already.
    for every in screen.query(TabbedContent):
        for pane in every.query(TabPane):
            if pane.id == every.active:
                return pane
    return None


def _now(_: Path) -> Iterator[Widget]:
    yield Container(
        CyclePanel(id="now-cycle"),
        WorkersPanel(id="now-workers"),
        ChangesPanel(brief=True, id="now-changes"),
        FaultsPanel(brief=True, id="now-faults"),
        GistPanel(id="now-gist"),
        id="now-grid",
    )


_PANELS: dict[str, Callable[[Path], Iterator[Widget]]] = {
    "now": _now,
    "journal": lambda journal: iter([JournalPanel(journal, id="journal-panel")]),
    "cycles": lambda _: iter([CyclesPanel(id="cycles-panel")]),
    "faults": lambda _: iter([FaultsPanel(id="faults-panel")]),
    "changes": lambda _: iter([ChangesPanel(id="changes-panel")]),
    "path": lambda journal: iter([PathPanel(journal, id="path-panel")]),
    "buckets": lambda _: iter([BucketsPanel(id="buckets-panel")]),
}

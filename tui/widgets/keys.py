"""The footer: help and quit first, then the commands, then the keys of the panel in focus."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from tui.steer import COMMAND_ACTIONS

_FIRST = ("help", "leave")


class Keys(Footer):
    """Textual's footer in another order: what always works is not pushed out of a small screen."""

    def compose(self) -> ComposeResult:
        """Textual's keys, in our order."""
        yield from sorted(super().compose(), key=_rank)


def _rank(each: Widget) -> int:
    action = each.action if isinstance(each, FooterKey) else ""
    action = action.rpartition(".")[2]
    if action in _FIRST:
        return _FIRST.index(action)
    return len(_FIRST) + (action not in COMMAND_ACTIONS)

"""The footer: help and quit first, then the commands, then the keys of the panel in focus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from tui.steer import COMMANDS

_FIRST = ("help", "leave")
_COMMANDS = tuple(each.action for each in COMMANDS)


class _Key(NamedTuple):
    """A key as it stands here; a click on it is as good as to press it."""

    key: str
    action: str
    shown: str
    about: str
    tooltip: str

    @property
    def width(self) -> int:
        """So many cells, with a space after it."""
        return cell_len(f"{self.shown} {self.about} ")


class Keys(Widget, can_focus=False):
    """The keys that do something now, on one line, as far as there is room; `?` has them all.

    Not Textual's footer: that has a widget for each key, and makes all of them anew whenever the
    focus moves, which took longer than to show another tab.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"keys--key", "keys--pointed"}
    DEFAULT_CSS = """
    Keys {
        dock: bottom;
        height: 1;
        text-wrap: nowrap;
        color: $footer-description-foreground;
        background: $footer-background;
        & > .keys--key { color: $footer-key-foreground; text-style: bold; }
        & > .keys--pointed { color: $footer-key-foreground; background: $block-hover-background; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: tuple[_Key, ...] = ()
        self._pointed: _Key | None = None

    def on_mount(self) -> None:
        """Begin to hear of keys."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        foremost = getattr(self.app, "FOREMOST", _COMMANDS)
        keys = tuple(sorted(_keys(screen), key=partial(_rank, foremost)))
        if keys != self._keys:
            self._keys = keys
            self._pointed = None
            self.refresh()

    def render(self) -> Content:
        """As many keys as there is room for."""
        style = self.get_visual_style("keys--key", partial=True)
        pointed = self.get_visual_style("keys--pointed", partial=True)
        line: list[Content] = []
        for _, key in self._placed():
            piece = Content.assemble((key.shown, style), f" {key.about}")
            line.append(piece.stylize(pointed) if key == self._pointed else piece)
        return Content(" ").join(line)

    def _placed(self) -> Iterator[tuple[int, _Key]]:
        """The keys that find room, and where each begins."""
        at = 0
        for key in self._keys:
            if at + key.width - 1 > self.size.width:
                return
            yield at, key
            at += key.width

    # --- the mouse ---

    def _under(self, x: int) -> _Key | None:
        return next((key for at, key in self._placed() if at <= x < at + key.width - 1), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """What is pointed at stands out, and says what it does."""
        self._point(self._under(event.x))

    def on_leave(self) -> None:
        """Nothing is pointed at."""
        self._point(None)

    def _point(self, key: _Key | None) -> None:
        if key != self._pointed:
            self._pointed = key
            self.tooltip = key.tooltip if key is not None else None
            self.refresh()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A click presses the key."""
        key = self._under(event.x)
        if key is not None:
            self.app.simulate_key(key.key)


def _keys(screen: Screen[object]) -> Iterator[_Key]:
    """The keys that a screen shows now; of several for one action the first."""
    seen = set()
    for _, binding, enabled, tooltip in screen.active_bindings.values():
        if binding.show and enabled and binding.action not in seen:
            seen.add(binding.action)
            shown = screen.app.get_key_display(binding)
            about = binding.description
            yield _Key(binding.key, binding.action, shown, about, tooltip or about)


def _rank(foremost: Sequence[str], key: _Key) -> int:
    action = key.action.removeprefix("app.")
    first = (*_FIRST, *foremost)
    return first.index(action) if action in first else len(first)

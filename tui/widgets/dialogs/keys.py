"""Every key that works, by place: read from the classes that bind them, so never stale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import format_key
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Button, Input

_NAMES = {
    "Browse": "cycles and faults, opened",
    "Field": "a line to type on",
    "JournalLines": "the journal's lines",
    "Panel": "panels",
    "ReplayConsole": "back in time, with --replay",
    "RecordScreen": "an event, opened whole",
    "Choices": "the buttons of a dialog",
    "Pick": "a choice of a dialog",
    "Confirm": "a question",
    "Dialog": "every dialog",
    "AllowDialog": "allowing",
    "ComparedDialog": "two moments compared",
    "FatalScreen": "a fatal fault",
    "HelpScreen": "this help",
    "RefusedRows": "the list of all that was refused",
    "Button": "buttons",
    "DataTable": "tables",
    "Input": "text fields",
    "OptionList": "lists",
    "Screen": "focus",
    "ScrollableContainer": "what scrolls",
    "Tabs": "tabs",
}
_ENDS = re.compile(r"(Panel|Screen|Dialog)$")
_SIGNS = {
    "escape": "Esc",
    "enter": "Enter",
    "space": "Space",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "backspace": "Backspace",
    "delete": "Del",
    "ctrl": "Ctrl",
    "shift": "Shift",
    "super": "Super",
    "alt": "Alt",
}
_UNTOLD = {"help_quit": "Say how to quit"}


Kind = Literal["console", "dialog", "widget"]


class Key(msgspec.Struct, frozen=True):
    """Keys that do the same, as people write them, and what they do."""

    keys: tuple[str, ...]
    does: str


class Place(msgspec.Struct, frozen=True):
    """Where keys work: everywhere, or in one panel, dialog or kind of widget."""

    name: str
    keys: tuple[Key, ...]
    kind: Kind


def places(app: App[Any]) -> tuple[Place, ...]:
    """All places where keys work: the app, its panels and dialogs, and the widgets in them.

    A place has what its own class binds; what it takes from Textual stands under the name of that
    widget.
    """
    everywhere = Place("everywhere", _keys(_everywhere(app)), "console")
    apart = [Place(name_of(cls), keys_of(cls), "console") for cls in _apart(app)]
    ours = [
        Place(name_of(cls), _keys_in(cls, app), "dialog" if _in_dialog(cls) else "console")
        for cls in _ours()
    ]
    taken = taken_by(app)
    theirs = [
        Place(name_of(cls), _keys([b for b in bindings_of(cls) if b.key not in taken]), "widget")
        for cls in _theirs(app)
    ]
    return (*apart, everywhere, *ours, *theirs)


def bindings_of(cls: type[DOMNode]) -> list[Binding]:
    """The bindings that a class itself makes, one a key."""
    return list(Binding.make_bindings(vars(cls).get("BINDINGS", [])))


def keys_of(cls: type[DOMNode]) -> tuple[Key, ...]:
    """The keys that a class itself binds, those together that do the same."""
    return _keys(bindings_of(cls))


def taken_by(app: App[Any]) -> frozenset[str]:
    """The keys that the app takes before any widget hears of them."""
    apart = [each for cls in _apart(app) for each in bindings_of(cls)]
    return frozenset(each.key for each in (*_everywhere(app), *apart) if each.priority)


def name_of(cls: type[DOMNode]) -> str:
    """The name of the place where a class's keys work: `JournalPanel` is `journal`."""
    words = _ENDS.sub("", cls.__name__)
    return _NAMES.get(cls.__name__) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words).lower()


def written(binding: Binding) -> str:
    """A binding's key as people write it."""
    if binding.key_display:
        return binding.key_display
    return "+".join(_SIGNS.get(part, format_key(part)) for part in binding.key.split("+"))


def does(binding: Binding) -> str:
    """What a binding does, in words."""
    words = binding.action.rpartition(".")[2].partition("(")[0]
    return (
        binding.tooltip
        or binding.description
        or _UNTOLD.get(words)
        or words.replace("_", " ").capitalize()
    )


def _keys(bindings: list[Binding]) -> tuple[Key, ...]:
    together: dict[str, list[Binding]] = {}
    for each in bindings:
        together.setdefault(each.action, []).append(each)
    return tuple(
        Key(
            tuple(dict.fromkeys(map(written, found))),
            does(next((each for each in found if each.tooltip), found[0])),
        )
        for found in together.values()
    )


def _everywhere(app: App[Any]) -> list[Binding]:
    # The nearest class that binds a key has it; there it may do one thing or another.
    found: list[Binding] = []
    gone = {each.key for cls in _apart(app) for each in bindings_of(cls)}
    never: frozenset[str] = getattr(app, "NEVER", frozenset())
    for cls in type(app).__mro__:
        if issubclass(cls, DOMNode) and cls not in _apart(app):
            taken = {each.key for each in found} | gone
            found += [
                each
                for each in bindings_of(cls)
                if each.key not in taken and each.action not in never
            ]
    palette = app.COMMAND_PALETTE_BINDING
    if app.ENABLE_COMMAND_PALETTE and all(each.key != palette for each in found):
        found.append(Binding(palette, "command_palette", "Command palette: every command by name"))
    return found


def _apart(app: App[Any]) -> list[type[App[Any]]]:
    """The app's classes whose keys are told under a name of their own."""
    return [cls for cls in type(app).__mro__ if issubclass(cls, App) and "APART" in vars(cls)]


def _keys_in(cls: type[Widget], app: App[Any]) -> tuple[Key, ...]:
    """The keys of a panel that the app leaves to it; where one types or reads, that is all."""
    gone = {each.key for app_cls in _apart(app) for each in bindings_of(app_cls)}
    if issubclass(cls, Screen | Input) or _in_dialog(cls):
        gone = set()
    return _keys([each for each in bindings_of(cls) if each.key not in gone])


def _ours() -> list[type[Widget]]:
    """The console's own widgets that bind keys: panels first, then dialogs and their parts."""
    found = {cls for cls in _below(Widget) if cls.__module__.partition(".")[0] == "tui"}
    return sorted(
        (cls for cls in found if bindings_of(cls)),
        key=lambda cls: (_in_dialog(cls), cls.__module__, cls.__name__),
    )


def _in_dialog(cls: type[DOMNode]) -> bool:
    return ".dialogs." in cls.__module__ or ".replay." in cls.__module__


def _theirs(app: App[Any]) -> list[type[DOMNode]]:
    """Textual's widgets that are used and bind keys."""
    used: set[type[DOMNode]] = {Button, Input, Screen, *_ours()}
    mounted = (each for screen in app.screen_stack for each in screen.query("*"))
    used |= {type(each) for each in mounted if each.can_focus}
    bases = {base for cls in used for base in cls.__mro__ if issubclass(base, Widget)}
    theirs = [cls for cls in bases if cls.__module__.startswith("textual.") and bindings_of(cls)]
    return sorted(theirs, key=name_of)


def _below(cls: type[Widget]) -> Iterator[type[Widget]]:
    for each in cls.__subclasses__():
        yield each
        yield from _below(each)

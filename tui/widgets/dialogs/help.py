"""Help: every key that works, and what the words, badges and signs mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button, Static

from tui.glance import Badge
from tui.theme import ANSWER, BADGE, MARK, OUTCOME, SEVERITY, Look, marked
from tui.widgets.dialogs.base import Dialog
from tui.widgets.dialogs.keys import Place
from vsync_sm.core.answer import MEANING
from vsync_sm.core.marks import Kind

BADGES = {
    Badge.LIVE: "the origin runs in this process",
    Badge.ATTACHED: "follows the journal of an origin that runs elsewhere",
    Badge.REPLAY: "a journal that is looked at afterwards; nothing runs",
    Badge.LOST: "nobody listens at its socket, or it has written nothing for longer than it should",
}
"""What the badges mean."""

PLACES = {
    Kind.DAMAGE: "the journal cannot be read here",
    Kind.CONTRADICTION: "the journal contradicts the machine, or its own sums",
    Kind.FAULT: "a fault was raised",
    Kind.CRASH: "a run ended without a word",
    Kind.REFUSAL: "a safety rule forbade a save",
    Kind.REPAIR: "a torn end of the journal was mended",
    Kind.GAP: "lines are missing, or nobody wrote for long",
    Kind.RUN: "a run begins",
    Kind.SAVE: "a save ended",
}
"""What the marks on the position bar mean."""

_KEYS = 16
_WORD = 10
_PLACE = 14
_NARROWEST = 70


class HelpScreen(Dialog[None]):
    """Lists every key by its place, and explains what is on the screen.

    `places` are `keys.places(app)`; `live` says that the origin runs in this process, `past` that
    a journal is looked at afterwards.
    """

    DEFAULT_CSS = """
    HelpScreen {
        & > #box { max-width: 96; height: 100%; }
        & #body { height: 1fr; scrollbar-gutter: stable; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,q", "leave", "Close the help", show=False),
        Binding("g,home", "to_top", "To the top", show=False),
        Binding("G,end", "to_end", "To the end", show=False),
        Binding("space", "scroll_words(10)", "Page down", show=False),
    ]

    def __init__(
        self, places: tuple[Place, ...], *, live: bool = False, past: bool = False
    ) -> None:
        super().__init__()
        self._places = places
        self._live = live
        self._past = past
        self._width = _NARROWEST

    def heading(self) -> str:
        """Its name."""
        return "Help"

    def words(self) -> Content:
        """The keys of the console, what is on the screen, and the keys of dialogs and widgets."""
        lines = [
            *_wrapped(_ABOUT, self._width),
            *_wrapped(self._quits(), self._width),
        ]
        for place in self._places:
            if place.kind == "console":
                lines += self._keys(place)
        lines += self._meanings()
        for place in self._places:
            if place.kind != "console":
                lines += self._keys(place)
        return Content("\n").join(lines)

    def _quits(self) -> str:
        if self._past:
            return _PAST
        return _LIVE if self._live else _APART

    def _keys(self, place: Place) -> Iterator[Content]:
        if place.keys:
            yield from _title(f"Keys: {place.name}")
        for key in place.keys:
            yield from self._row(Content.styled(" ".join(key.keys), "bold"), _KEYS, key.does)

    def _meanings(self) -> Iterator[Content]:
        yield from _title("The answer on top: the first that holds")
        for word, meaning in MEANING.items():
            yield from self._meant(ANSWER[word], word, meaning)
        yield from _title("Badges: where it comes from")
        for badge, meaning in BADGES.items():
            yield from self._meant(BADGE[badge], badge, meaning)
        if self._past:
            yield from _title("Places on the position bar")
            for kind, look in MARK.items():
                yield from self._meant(look, kind, PLACES[kind], _PLACE)
        yield from _title("Signs")
        for severity, look in SEVERITY.items():
            yield from self._meant(look, severity, _GRAVE[severity])
        for outcome, look in OUTCOME.items():
            yield from self._meant(look, outcome, f"the cycle: {_OUTCOMES[outcome]}")

    def _meant(self, look: Look, word: str, meaning: str, width: int = _WORD) -> Iterator[Content]:
        yield from self._row(marked(look, f"{word:<{width}}"), width + 2, meaning)

    def _row(self, left: Content, width: int, right: str) -> Iterator[Content]:
        """A row in two columns, the right one wrapped within itself."""
        head = left.pad_right(max(0, width - left.cell_length))
        if left.cell_length > width:
            yield Content.assemble("  ", left)
            head = Content(" " * width)
        for line in _wrapped(right, self._width - width - 4):
            yield Content.assemble("  ", head, "  ", line)
            head = Content(" " * width)

    def on_resize(self) -> None:
        """Wrap anew, once it is known how wide that is."""
        self.call_after_refresh(self._wrap)

    def _wrap(self) -> None:
        words = self.query_one("#words", Static)
        if words.content_size.width and words.content_size.width != self._width:
            self._width = words.content_size.width
            words.update(self.words())

    def choices(self) -> Iterable[Button]:
        """Close."""
        yield Button(Content("Close (Esc)"), id="close", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Enter closes it."""
        self.query_one("#close").focus()

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.action_leave()

    def action_to_top(self) -> None:
        """Scroll to the top."""
        self.query_one("#body").scroll_home(animate=False)

    def action_to_end(self) -> None:
        """Scroll to the end."""
        self.query_one("#body").scroll_end(animate=False)


def _title(words: str) -> list[Content]:
    return [Content(""), Content.styled(words, "bold $text-accent")]


def _wrapped(text: str, width: int) -> list[Content]:
    return [Content(line) for line in wrap(text, max(20, width))]


_ABOUT = "Every key by its place, and what the answers, badges and signs mean."
_LIVE = "q quits: the origin runs here, so that is to halt it. It asks first."
_APART = "q quits this console only; the origin goes on."
_PAST = "q quits. Nothing runs here: a journal is looked at, whose clock you move."
_GRAVE = {
    "debug": "a step on the way",
    "info": "worth knowing",
    "warning": "something to watch; vsync goes on by itself",
    "error": "something for a human",
}
_OUTCOMES = {
    "saved": "saved to Consul",
    "unchanged": "complete, nothing to save",
    "refused": "a safety rule forbade its save",
    "aborted": "it did not come to its end",
}

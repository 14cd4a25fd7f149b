"""The answer on top: one word, why it is that, what to do, and how old the last look is."""

from __future__ import annotations

from textual.content import Content

from tui.glance import Badge, Glance
from tui.theme import ANSWER, BAD, BOLD, GOOD, MUTED, WARN, Look
from tui.widgets.title import nothing_yet
from tui.widgets.top import GAP, Top, apart, joined
from vsync_sm.core.answer import STUCK_AFTER, Answer, Now, Word
from vsync_sm.core.words import count, duration, printable

_LINE = Content("\n")

OLD = Look("?", f"{MUTED} reverse")
"""An answer that may be so no longer."""


class AnswerBar(Top):
    """The word first and coloured, then the rest in two or three lines."""

    DEFAULT_CSS = """
    AnswerBar {
        height: auto;
        max-height: 6;
        padding: 0 1;
    }
    """

    def lines(self, glance: Glance, width: int, *, short: bool) -> Content:
        """Word and why; what to do; the ages."""
        if glance.view.run is None:
            return _nothing(glance)
        answer = glance.answer
        look = _look(glance, answer.word)
        word = Content.styled(f" {look.glyph} {answer.word} ", look.style)
        over = glance.now.end and answer.word is Word.HALTED
        old = f"{glance.stale}: " if glance.stale and not over else ""
        because = Content.styled(printable(f"{old}{answer.because}"), BOLD)
        todo = _arrow(_todo(glance, answer))
        first = Content.assemble(word, "  ", because)
        ages = _ages(answer, glance)
        if first.cell_length + ages.cell_length + len(GAP) <= width:
            return joined([apart(first, ages, width), todo], _LINE)
        if ages.cell_length > width or (short and todo):
            ages = _ages(answer, glance, brief=True)
        return joined([first, todo, ages], _LINE)


def _nothing(glance: Glance) -> Content:
    """No run has begun: what to start, and which journal is looked at."""
    word = Content.styled(f"? {nothing_yet(glance)}: {printable(glance.source)}", BOLD)
    if glance.badge is Badge.REPLAY:
        return word
    start = f"Start the origin that writes it with your configuration: {glance.reach.start()}"
    return joined([word, _arrow(start)], _LINE)


def _look(glance: Glance, word: Word) -> Look:
    # What ended badly did so for good; that all is well is only known of now.
    if glance.now.end and not glance.damage and word is not Word.IN_SYNC:
        return ANSWER[word]
    return OLD if glance.stale else ANSWER[word]


def _todo(glance: Glance, answer: Answer) -> str:
    if glance.lost:
        return glance.todo
    if glance.damage:
        if glance.badge is Badge.REPLAY:
            return "Nothing that came later can be read."
        status = glance.reach.shell("ctl", "status")
        return f"Nothing newer can be read here; ask the origin itself: {status}"
    return answer.todo or glance.todo


def _arrow(todo: str) -> Content:
    return Content.styled(f"→ {printable(todo)}", WARN) if todo else Content()


def _ages(answer: Answer, glance: Glance, *, brief: bool = False) -> Content:
    return joined(
        [
            _age("look" if brief else "last complete look", answer.complete_s, glance.now),
            _age("save" if brief else "last save", answer.save_s, glance.now),
            _failures(answer.failed_in_row, GOOD if glance.known else MUTED),
        ]
    )


def _age(what: str, seconds: float | None, now: Now) -> Content:
    when = "none yet" if seconds is None else f"{duration(int(seconds))} {now.ago}"
    return Content.assemble(Content.styled(f"{what} ", MUTED), when)


def _failures(in_row: int, good: str) -> Content:
    if not in_row:
        return Content.styled("✔ no cycle failed since", good)
    style = BAD if in_row >= STUCK_AFTER else WARN
    return Content.styled(f"! {count(in_row, 'failure')} in a row", style)

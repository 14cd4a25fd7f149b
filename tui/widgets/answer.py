"""The answer on top: one word, why it is that, what to do, and how old the last look is."""

from __future__ import annotations

from textual.content import Content

from tui.glance import Glance
from tui.theme import ANSWER, BAD, BOLD, GOOD, MUTED, WARN
from tui.widgets.top import GAP, Top, apart, joined
from vsync_sm.core.answer import STUCK_AFTER, Answer
from vsync_sm.core.words import count, duration, printable


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
            return Content.styled("Nothing is known yet.", MUTED)
        answer = glance.answer
        look = ANSWER[answer.word]
        word = Content.styled(f" {look.glyph} {answer.word} ", look.style)
        because = Content.styled(printable(answer.because), BOLD)
        todo = Content.styled(f"→ {printable(answer.todo)}", WARN) if answer.todo else Content()
        first = Content.assemble(word, "  ", because)
        ages = _ages(answer)
        if first.cell_length + ages.cell_length + len(GAP) <= width:
            return joined([apart(first, ages, width), todo], Content("\n"))
        if not short or not todo:
            return joined([first, todo, ages], Content("\n"))
        return joined([first, todo, _ages(answer, brief=True)], Content("\n"))


def _ages(answer: Answer, *, brief: bool = False) -> Content:
    return joined(
        [
            _age("look" if brief else "last complete look", answer.complete_s),
            _age("save" if brief else "last save", answer.save_s),
            _failures(answer.failed_in_row),
        ]
    )


def _age(what: str, seconds: float | None) -> Content:
    when = "none yet" if seconds is None else f"{duration(int(seconds))} ago"
    return Content.assemble(Content.styled(f"{what} ", MUTED), when)


def _failures(in_row: int) -> Content:
    if not in_row:
        return Content.styled("✔ no failure since", GOOD)
    style = BAD if in_row >= STUCK_AFTER else WARN
    return Content.styled(f"! {count(in_row, 'failure')} in a row", style)

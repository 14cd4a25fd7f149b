"""A line to type on: what is pressed there is text; how to leave it stands in the footer."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class Field(Input):
    """Textual's input, which says how to leave it. It leaves nothing itself: its owner hears of it.

    Letters and digits are text here, so the keys that they are elsewhere are not offered.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "OK", tooltip="Take what is typed"),
        Binding("escape", "give_up", "Leave", tooltip="Leave the line"),
    ]

    class GivenUp(Message):
        """Nothing more shall be typed."""

        def __init__(self, field: Field) -> None:
            super().__init__()
            self.field = field

        @property
        def control(self) -> Field:
            """The line that is left."""
            return self.field

    def action_give_up(self) -> None:
        """Leave it."""
        self.post_message(self.GivenUp(self))

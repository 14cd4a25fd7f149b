"""Takes a journal, or a span of it, along: in each form in which it is told, and as a journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.pseudonyms import Pseudonyms
from vsync_sm.journal.codec import encode
from vsync_sm.journal.cutting import NoSuchSpan, Span, is_the_journals, records_of, write_out
from vsync_sm.journal.disguise import Disguise
from vsync_sm.journal.history import is_history
from vsync_sm.journal.markdown import markdown
from vsync_sm.journal.picture import picture
from vsync_sm.journal.postmortem import Postmortem
from vsync_sm.journal.replay import replay
from vsync_sm.journal.sketch import sketch_of


class Form(StrEnum):
    """In which form; the value is how its file's name ends."""

    MARKDOWN = "md"
    PICTURE = "svg"
    JOURNAL = "jsonl"
    TEXT = "txt"
    JSON = "json"
    JSON_LINES = "ndjson"


class Taking:
    """One form of a journal: iterate over `chunks`, once.

    While they come, and after them:

    Attributes:
        ok: nothing contradicted and nothing was damaged in what was told.
        found: the cycle that was asked for has come.
        damage: where the journal could not be read any further, "" where it could; told apart,
            since a picture has no place for it.

    Args:
        form: which.
        records: of the journal, or of a span.
        journal: the file: its name stands in the page.
        names: puts pseudonyms in place of names, having learnt them; None: they stay.
        cycle: for a text or JSON: this cycle alone, in detail.
    """

    def __init__(
        self,
        form: Form,
        records: Iterable[Record],
        journal: Path,
        *,
        names: Disguise | None = None,
        cycle: int | None = None,
    ) -> None:
        self.ok = self.found = True
        self.damage = ""
        self._form = form
        self._records = records if names is None else names.records(records)
        self._name = journal.name if names is None else names.name(journal.name)
        self._journal = journal
        self._history = is_history(journal)
        self._cycle = cycle

    def chunks(self) -> Iterator[str]:
        """Text, of whole lines each. Raises NoSuchSpan: there is nothing to draw."""
        match self._form:
            case Form.MARKDOWN:
                return self._markdown()
            case Form.PICTURE:
                return self._picture()
            case Form.JOURNAL:
                return (encode(record).decode() for record in self._records)
            case _:
                return self._story()

    def _story(self) -> Iterator[str]:
        story = replay(
            self._records,
            history=self._history,
            json=self._form is not Form.TEXT,
            lines=self._form is Form.JSON_LINES,
            cycle=self._cycle,
            journal=self._journal,
        )
        yield from story
        self.ok, self.found = story.ok, story.found

    def _markdown(self) -> Iterator[str]:
        told = Postmortem()
        told.read(self._records, history=self._history, journal=self._journal)
        self.ok = told.ok
        yield from markdown(told, journal=self._name)

    def _picture(self) -> Iterator[str]:
        sketch = sketch_of(self._readable())
        if sketch is None:
            raise NoSuchSpan("there is no cycle in it")
        yield from picture(sketch)

    def _readable(self) -> Iterator[Record]:
        try:
            yield from self._records
        except JournalError as error:
            self.ok, self.damage = False, str(error)


def take(
    journal: Path,
    span: Span,
    form: Form,
    to: Path,
    *,
    pseudonyms: bool,
    heed: Callable[[Record], None],
) -> Taking:
    """Write one form into a new file (0600), which is whole or not there at all.

    Args:
        journal: the journal, one of its closed files, or a file of its history.
        span: what of it.
        form: in which form.
        to: the file.
        pseudonyms: whether names are replaced, by a key that is forgotten.
        heed: called with each record before it is told; what it raises ends it.

    Raises:
        NoSuchSpan: there is nothing to draw.
        JournalError: it cannot be read; or, as a journal, it is damaged.
        FileExistsError: something lies at `to` already, or it is a file of the journal.
        OSError: it cannot be written.
    """

    if is_the_journals(to, journal):
        raise FileExistsError(to)

    def records() -> Iterator[Record]:
        for record in records_of(journal, span):
            heed(record)
            yield record

    names = None
    if pseudonyms:
        names = Disguise(Pseudonyms(os.urandom(32)))
        names.learn(records())
    taking = Taking(form, records(), journal, names=names)
    write_out((chunk.encode("utf-8", "backslashreplace") for chunk in taking.chunks()), to)
    return taking

"""A journal's story: it folds, tells and checks, streaming, in memory that does not grow with it.

The same journal gives the same bytes, on any machine and in any time zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.view import Folded, View
from vsync_sm.journal import telling
from vsync_sm.journal.audit import Audit, Contradiction
from vsync_sm.journal.onward import Onward, ends_early, onward
from vsync_sm.journal.story import Close, Damage, Item, Story

KEPT = 100
"""So many contradictions are told one by one; the others are counted."""


class Replay:
    """The story of one journal: iterate over it for chunks of text, each of whole lines.

    While it goes on, and after it:

    Attributes:
        ok: nothing contradicted and nothing was damaged so far.
        empty: no record has been read.
        found: the cycle that was asked for has come; always true when none was.
        contradictions: the first `KEPT` of them.
        damage: where the journal could not be read any further.
    """

    def __init__(
        self,
        records: Iterable[Record],
        *,
        json: bool,
        lines: bool,
        cycle: int | None,
        history: bool,
        journal: Path | None = None,
    ) -> None:
        self.contradictions: list[Contradiction] = []
        self.damage: Damage | None = None
        self._fold = Folded()
        self._records = records
        self._json = json
        self._lines = lines
        self._journal = journal
        self._read = 0
        self._untold = 0
        self._audit = None if history else Audit()
        self._story = Story(cycle)

    @property
    def view(self) -> View:
        """The fold of all that was read."""
        return self._fold.view

    @property
    def ok(self) -> bool:
        """Nothing contradicted and nothing was damaged so far."""
        return not self.contradictions and self.damage is None

    @property
    def empty(self) -> bool:
        """No record has been read."""
        return self._read == 0

    @property
    def found(self) -> bool:
        """The cycle that was asked for has come; always true when none was."""
        return self._story.found

    def __iter__(self) -> Iterator[str]:
        if not self._json:
            yield from map(telling.text, self.items())
        elif self._lines:
            yield from (f"{telling.json(item)}\n" for item in self.items())
        else:
            yield from self._document()

    def _document(self) -> Iterator[str]:
        separator = '{"story":[\n'
        for item in self.items():
            yield f"{separator}{telling.json(item)}"
            separator = ",\n"
        yield f'\n],"ok":{"true" if self.ok else "false"}}}\n'

    def items(self) -> Iterator[Item]:
        """The story's items themselves, for who tells them in another way; once, as they come."""
        try:
            yield from self._facts()
        except JournalError as error:
            behind = self._onward(error)
            self.damage = Damage(error.line, error.byte, error.message, error.file, behind)
        yield from self._story.finish(self.view)
        if self.damage is not None:
            yield self.damage
        yield Close(
            records=self._read,
            runs=self.view.runs,
            cycles=self.view.last_cycle,
            outcomes=self.view.outcomes,
            contradictions=tuple(self.contradictions),
            untold=self._untold,
            ok=self.ok,
            checked=self._audit is not None,
            early=self._journal is not None and ends_early(self._journal),
        )

    def _onward(self, error: JournalError) -> Onward | None:
        return None if self._journal is None else onward(self._journal, error, self._fold.view.seq)

    def _facts(self) -> Iterator[Item]:
        fold, audit, story = self._fold, self._audit, self._story
        for line, record in enumerate(self._records, start=1):
            self._read = line
            told = story.may_tell(record)
            if told:
                before = fold.view
            fold.take(record)
            if audit is not None:
                for contradiction in audit.check(line, record):
                    yield from self._contradicted(contradiction)
            if told:
                yield from story.note(line, record, fold.view, before)

    def _contradicted(self, contradiction: Contradiction) -> Iterator[Item]:
        if len(self.contradictions) == KEPT:
            self._untold += 1
            return
        self.contradictions.append(contradiction)
        yield from self._story.contradiction(contradiction)


def replay(
    records: Iterable[Record],
    *,
    json: bool = False,
    lines: bool = False,
    cycle: int | None = None,
    history: bool = False,
    journal: Path | None = None,
) -> Replay:
    """The story of a journal, to be printed as it goes.

    Args:
        records: from `journal.reader.read_journal`; read once, streaming. What it raises as
            `JournalError` is the end of the story, and part of it.
        json: for a program: one document `{"story": [...], "ok": ...}`; else text for a person.
        lines: with `json`: the items of the story, one object a line.
        cycle: tell this cycle alone, in detail; everything is checked all the same.
        history: the records are those of a history (`journal.history`): nothing is checked, since
            the lines of single paths are gone.
        journal: the file that they are read from, if it is one: it is looked at again to tell
            what stands behind a damage, and whether its end is there.
    """
    return Replay(records, json=json, lines=lines, cycle=cycle, history=history, journal=journal)

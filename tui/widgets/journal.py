"""The journal itself, as a list that one can walk, sift and search."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui.glance import Badge, Glance
from tui.known import lines_until
from tui.sifting import Behind, Matches, Seek, Sift
from tui.theme import BAD, MUTED
from tui.widgets.field import Field
from tui.widgets.lines import JournalLines
from tui.widgets.record import RecordScreen
from vsync_sm.core.finding import Finder, finder
from vsync_sm.core.patterns import PatternError
from vsync_sm.core.present import count, number, printable, share, size
from vsync_sm.core.sieve import Sieve, SieveError, faults, parse, searching
from vsync_sm.journal.pages import Pages, Row

_BUDGET = 512 * 1024
_FILTER_HELP = (
    "type:insight_*  severity:warning  path:secret/app  worker:3  cycle:10-20  run:ab12  "
    'word  "two words"  /regex/  !not'
)
_BEFORE = "what was written until then lies in files before those that are shown: vsync-sm replay"
_SEARCH_HELP = "a word, several words, or /a regular expression/"


class JournalPanel(Vertical):
    """Every line of the journal, as many as there are.

    It reads the file by itself: `paint` looks for new lines, and a thread of its own looks through
    the whole file where something is filtered or sought.
    """

    DEFAULT_CSS = """
    JournalPanel {
        height: 1fr;
        border: round $foreground 30%;
        border-title-color: $foreground;
        border-title-style: bold;
        border-subtitle-color: $text-muted;
        &:focus-within { border: round $border; }
        & > #journal-asked, & > #journal-said { display: none; height: 1; }
        & > #journal-said { height: auto; max-height: 3; padding: 0 1; }
        &.-asking > #journal-asked, &.-said > #journal-said { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("F", "filter", "Filter", tooltip="Show only some lines"),
        Binding("ampersand", "filter", "Filter", show=False),
        Binding("slash", "search", "Search", key_display="/", tooltip="Search for words"),
        Binding("n", "again(1)", "Next match (newer)", show=False),
        Binding("N", "again(-1)", "Previous match (older)", show=False),
        Binding("x", "faults", "Faults", tooltip="Only faults, or all again"),
        Binding("left_square_bracket", "fault(-1)", "Fault before", key_display="["),
        Binding("right_square_bracket", "fault(1)", "Next fault", show=False, key_display="]"),
        Binding("space", "hold", "Hold", tooltip="Hold the list still while the journal grows"),
        Binding("c", "copy", "Copy the line", show=False),
        Binding("escape", "leave", "Stop what is typed or sought", show=False),
    ]

    def __init__(self, journal: Path, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name for it
        super().__init__(id=id)
        self.journal = journal
        self.filter = Sieve()
        self.faults_only = False
        self._pages = Pages(journal)
        self._behind = Behind(self._pages)
        self.lines = JournalLines(self._pages, id="journal-lines")
        self._over = False
        self._glance: Glance | None = None
        self._asking = ""  # "filter" or "search", while somebody types
        self._sought: Finder | None = None
        self._sought_text = ""
        self._what = ""  # what is being sought now, in words
        self._turn_round = False  # where nothing older is found, look for newer ones
        self._turned = False
        self._generation = self._pages.generation
        self._until: tuple[int | None, int, int] = (None, 0, 0)
        self._note = ""
        self._titles: tuple[Content, Content] = (Content(), Content())

    def compose(self) -> ComposeResult:
        """The list, and a line to type on."""
        yield self.lines
        yield Static(id="journal-said")
        yield Field(id="journal-asked", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Begin to look through the file."""
        self._behind.start()

    def on_unmount(self) -> None:
        """End."""
        self._over = True
        self._behind.stop()
        self._pages.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While one types, what is a key elsewhere is text, and is not offered."""
        if self._asking and action != "leave":
            return False
        if action == "hold" and self._past:
            return False  # what has ended does not grow
        return super().check_action(action, parameters)

    # --- painting ---

    @property
    def _past(self) -> bool:
        """Whether the journal is looked at afterwards."""
        return self._glance is not None and self._glance.badge is Badge.REPLAY

    def paint(self, glance: Glance) -> None:
        """Show what is new."""
        if self._over:
            return
        self._glance = glance
        self._pages.refresh(_BUDGET)
        if self._pages.generation != self._generation:
            self._generation = self._pages.generation
            self._begin_sifting()
        self._limit(glance.known_until)
        self._take()
        self._arrive()
        self._behind.wake()
        self.lines.show_lines(glance, self._empty())
        self._tell()

    def _limit(self, seq: int | None) -> None:
        """Let the lines end where they ended then."""
        until = (seq, self._pages.generation, len(self._pages))
        if until != self._until:
            self._until = until
            self.lines.limit = None if seq is None else lines_until(self._pages, seq)

    def _take(self) -> None:
        sift, lines = self._behind.sift, self.lines
        if sift is None:
            return
        fresh, found = sift.take()
        if fresh or lines.matches is None:
            lines.matches = Matches()
        lines.matches.add(found)
        sift.enough = lines.matches.full

    def _empty(self) -> str:
        pages, sift = self._pages, self._behind.sift
        if pages.missing:
            return f"waiting for the journal {printable(str(self.journal))} …"
        if pages.trouble:
            return printable(pages.trouble)
        if not self.lines.known:
            before = pages.files_before and len(pages)
            return _BEFORE if before else "nothing is in the journal yet"
        if sift is not None and not sift.done:
            return f"no line found yet that passes {self._sieve_words()} …"
        return f"no line passes {self._sieve_words()}"

    def _sieve_words(self) -> str:
        words = [printable(str(self.filter))] if self.filter else []
        return " and ".join([*words, *(["only faults"] if self.faults_only else [])])

    # --- what stands in the border ---

    def _tell(self) -> None:
        trouble = self._behind.trouble
        below = Content.styled(f"✖ {trouble}", BAD) if trouble else None
        titles = (Content(self._title()), below or Content(self._note or self._doing()))
        if titles != self._titles:
            self._titles = titles
            self.border_title, self.border_subtitle = titles

    def _title(self) -> str:
        lines = self.lines
        parts = ["journal", count(lines.known, "line")]
        if before := self._pages.files_before:
            parts.append(f"{count(before, 'file')} before them: vsync-sm replay")
        if self.filter:
            parts.append(f"filter {printable(str(self.filter))}")
        if self.faults_only:
            parts.append("only faults")
        if lines.held is not None:
            news = lines.known - lines.held
            parts.append(f"HELD, {number(news)} new" if news else "HELD")
        elif lines.follow:
            parts.append("TAIL")
        return " · ".join(parts)

    def _doing(self) -> str:
        pages, seek, sift = self._pages, self._behind.seek, self._behind.sift
        if seek is not None and self._what:
            return f"looking for {self._what}: {share(int(seek.progress * 100) / 100)} · Esc stops"
        if pages.progress < 1:
            return f"counting the lines: {share(int(pages.progress * 100) / 100)} of the file"
        told = [self._sifted(sift)] if sift is not None else []
        if self._sought is not None:
            told.append(f"marked: {printable(self._sought_text)} · n newer, N older")
        if not told and not self.lines.follow and self.lines.count:
            lines = self.lines
            told.append(f"line {number(lines.position + 1)} of {number(lines.count)}")
        return " · ".join(told)

    def _sifted(self, sift: Sift) -> str:
        matches = self.lines.matches
        if matches is None:
            return ""
        found = len(matches) if self.lines.limit is None else self.lines.count
        told = f"{number(found)} of {number(self.lines.known)} match"
        if sift.enough:
            return f"{told}; only the newest {number(len(matches))} are kept"
        if sift.done:
            return told
        done = sift.looked_at / max(1, len(self._pages))
        return f"{told}, {share(int(done * 100) / 100)} looked through"

    # --- sifting ---

    def show_only(self, sieve: Sieve) -> None:
        """Show only the lines that pass; those that stood around the selected one stay in sight."""
        self.filter = sieve
        self._sift()

    def _sift(self) -> None:
        self._begin_sifting()
        self._repaint()

    def _begin_sifting(self) -> None:
        whole = self._whole()
        self._behind.sift = Sift(self._pages, whole) if whole else None
        self.lines.matches = Matches() if whole else None
        self._behind.wake()

    def _whole(self) -> Sieve:
        return self.filter & faults() if self.faults_only else self.filter

    def _repaint(self) -> None:
        if self._glance is not None:
            self.paint(self._glance)

    def action_faults(self) -> None:
        """Only faults, or everything again."""
        self.faults_only = not self.faults_only
        self._sift()

    def action_hold(self) -> None:
        """Hold the list, or let it go on."""
        lines = self.lines
        lines.held = lines.known if lines.held is None else None
        self._repaint()

    # --- seeking ---

    def action_again(self, step: int) -> None:
        """The next line, newer or older, with what is searched for."""
        if self._sought is None:
            self.action_search()
            return
        self._seek(searching(self._sought, self._sought_text), f"“{self._sought_text}”", step)

    def action_fault(self, step: int) -> None:
        """The next fault, newer or older."""
        self._seek(faults(), "a fault", step)

    def _seek(self, wanted: Sieve, what: str, step: int, *, here: bool = False) -> None:
        lines = self.lines
        if not lines.count:
            return
        self._note = ""
        self._what = printable(what)
        last = lines.known if lines.held is None else lines.held
        after = min(lines.cursor, last) - (step if here else 0)
        self._behind.seek = Seek(
            self._pages, self._whole() & wanted, after=after, step=step, last=last
        )
        self._behind.wake()
        self._tell()

    def _arrive(self) -> None:
        seek = self._behind.seek
        if seek is None or not seek.done:
            return
        self._behind.seek = None
        turn_round, self._turn_round = self._turn_round, False
        if seek.found:
            self.lines.select_line(seek.found)
        elif turn_round:
            self.action_again(1)
            self._turned = True
            return
        else:
            self._note = self._nothing(seek.step)
        self._what, self._turned = "", False

    def _nothing(self, step: int) -> str:
        if self._turned:
            return f"no line with {self._what}"
        way, other = ("newer", "older") if step > 0 else ("older", "newer")
        return f"no {way} line with {self._what}; there may be {other} ones"

    # --- the line to type on ---

    def action_search(self) -> None:
        """Ask what to search for."""
        self._ask("search", self._sought_text)

    def action_filter(self) -> None:
        """Ask what to show."""
        self._ask("filter", str(self.filter))

    def _ask(self, what: str, text: str) -> None:
        self._asking = what
        self._note = ""
        asked = self.query_one("#journal-asked", Field)
        asked.value = text
        asked.cursor_position = len(text)
        self.add_class("-asking")
        self._explain()
        asked.focus()

    def _explain(self) -> None:
        about = _FILTER_HELP if self._asking == "filter" else _SEARCH_HELP
        self._say(Content.styled(f"{self._asking}: {about}", MUTED))

    def _say(self, words: Content | None) -> None:
        self.set_class(words is not None, "-said")
        if words is not None:
            self.query_one("#journal-said", Static).update(words)

    @on(Field.Changed, "#journal-asked")
    def _typed(self, event: Field.Changed) -> None:
        event.stop()
        if not self._asking:
            return
        try:
            self._understood(event.value)
        except (SieveError, PatternError) as error:
            self._say(Content.styled(f"✖ {printable(self._complaint(error))}", BAD))
            return
        self._explain()

    def _understood(self, text: str) -> Sieve | Finder | None:
        """What the typed words mean; while one searches they are marked at once."""
        if self._asking == "filter":
            return parse(text)
        found = finder(text) if text else None
        self.lines.marks = found
        self.lines.settle()
        return found

    def _complaint(self, error: SieveError | PatternError) -> str:
        return str(error) if isinstance(error, SieveError) else f"this {error}"

    @on(Field.Submitted, "#journal-asked")
    def _asked(self, event: Field.Submitted) -> None:
        event.stop()
        asking = self._asking
        try:
            meant = self._understood(event.value)
        except (SieveError, PatternError):
            return  # it says so already, and waits for better words
        self._close()
        if asking == "filter" and isinstance(meant, Sieve):
            self.show_only(meant)
        elif asking == "search":
            self._sought = meant if isinstance(meant, Finder) else None
            self._sought_text = event.value
            if self._sought is not None:
                self._turn_round = True
                found = searching(self._sought, event.value)
                self._seek(found, f"“{event.value}”", -1, here=True)
        self._tell()

    def _close(self) -> None:
        self._asking = ""
        self.remove_class("-asking")
        self._say(None)
        self.lines.focus()

    @on(Field.GivenUp, "#journal-asked")
    def _given_up(self, event: Field.GivenUp) -> None:
        event.stop()
        self.action_leave()

    def action_leave(self) -> None:
        """Leave what is being typed; else stop what is being sought; else take the marks away."""
        lines = self.lines
        self._note = ""
        if self._asking:
            self._close()
            lines.marks = self._sought
        elif self._behind.seek is not None:
            self._behind.seek = None
            self._what, self._turn_round, self._turned = "", False, False
        else:
            self._sought, self._sought_text, lines.marks = None, "", None
        lines.settle()
        self._tell()

    # --- one line ---

    def action_copy(self) -> None:
        """Copy the selected line through the terminal."""
        row = self.lines.row()
        if row is None:
            return
        self.app.copy_to_clipboard(row.raw.decode("utf-8", "replace"))
        self._note = f"copied line {number(row.line)} ({size(len(row.raw))})"
        self._tell()

    @on(JournalLines.Opened)
    def _opened(self, event: JournalLines.Opened) -> None:
        event.stop()
        row = self.lines.row()
        if row is not None and self._glance is not None:
            self.app.push_screen(RecordScreen(row, self._glance, step=self._step))

    def _step(self, step: int) -> Row | None:
        lines = self.lines
        place = lines.position + step
        if not 0 <= place < lines.count:
            return None
        lines.select(place)
        return lines.row()

    @on(JournalLines.Moved)
    def _moved(self, event: JournalLines.Moved) -> None:
        event.stop()
        self._note = ""
        self._tell()

"""What changed in the last saves, and what was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, OUTCOME, Look
from tui.times import tell
from tui.widgets.marks import CHANGE, nothing, tallied
from tui.widgets.panel import Key, Line, Panel, PathChosen, PathKey, Rows
from tui.widgets.text import flow, folded, said, shorten
from vsync_sm.core.refusal import rules
from vsync_sm.core.shapes import Changes, Finished, LastRefusal
from vsync_sm.core.words import count, number

EMPTY = "nothing changed in the saves that this journal knows"
_WOULD = {"vanished": "that would vanish", "regressed": "that would go back"}
_KINDS = ("vanished", "regressed", "added", "updated", "carried")


class ChangesPanel(Panel):
    """The refusal that stands, then the last saves with their paths; `brief`: in a few lines."""

    TITLE = "changes"
    CHOOSES = True

    def __init__(
        self,
        brief: bool = False,
        *,
        id: str | None = None,  # noqa: A002  Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._brief = brief
        self._made: tuple[object, ...] = ()
        self._all = Rows()

    def rows(self, glance: Glance, width: int) -> Rows:
        view = glance.view
        made = (view.refusal, view.saves, width, self.depth if self._brief else 0)
        if not _same(made, self._made):
            self._made = made
            lines = list(self._lines(view.refusal, view.saves, width))
            self._all = Rows(lines[: max(1, self.depth)] if self._brief else lines)
        return self._all

    def chosen(self, key: Key) -> None:
        if isinstance(key, PathKey):
            self.post_message(PathChosen(key.path))

    def _lines(
        self, refusal: LastRefusal | None, saves: tuple[Finished, ...], width: int
    ) -> Iterator[Line]:
        if refusal is not None:
            yield from self._refused(refusal, width)
        if not saves:
            yield Line(nothing(EMPTY))
        for save in reversed(saves):
            yield from self._saved(save, width)

    # --- a save ---

    def _saved(self, save: Finished, width: int) -> Iterator[Line]:
        yield Line(partial(self._save_head, save, width))
        facts = save.facts
        totals = {kind: getattr(facts, kind) for kind in _KINDS}
        if not any(totals.values()):
            yield Line(nothing("  no path changed; what lay in Consul was mended"))
        yield from path_lines(save.changes, totals, save.number, width)

    def _save_head(self, save: Finished, width: int) -> Content:
        return _save_head(save, self._when(save.finished), width)

    def _when(self, ts: str) -> str:
        glance = self._glance
        return "" if glance is None else tell(ts, glance.times, glance.now)

    # --- the refusal that stands ---

    def _refused(self, refusal: LastRefusal, width: int) -> Iterator[Line]:
        event = refusal.event
        yield Line(partial(self._refused_head, refusal))
        for each in rules(event):
            for line in folded(said(f"  {each}"), width, indent=4):
                yield Line(line)
        for line in _by_mount(refusal, width):
            yield Line(line)
        words = f"  allowance id {event.allowance}; destinations keep what they have"
        yield Line(said(words, MUTED))
        totals = {"vanished": sum(event.vanished.values())}
        totals["regressed"] = sum(event.regressed.values())
        if refusal.changes.vanished or refusal.changes.regressed:
            sample = refusal.changes
        else:
            sample = Changes(vanished=event.sample)
        yield from path_lines(sample, totals, refusal.cycle, width, would=True)
        yield Line(Content(""))

    def _refused_head(self, refusal: LastRefusal) -> Content:
        return _refused_head(refusal, self._when(refusal.ts))


def changes_gist(glance: Glance, width: int) -> list[Content]:
    """The refusal that stands, then the last saves, a line each."""

    def when(ts: str) -> str:
        return tell(ts, glance.times, glance.now)

    view = glance.view
    lines: list[Content] = []
    if view.refusal is not None:
        event = view.refusal.event
        numbers = {"vanished": sum(event.vanished.values())}
        numbers["regressed"] = sum(event.regressed.values())
        lines.append(_on_one(_refused_head(view.refusal, when(view.refusal.ts)), numbers, width))
    lines += [_save_head(save, when(save.finished), width) for save in reversed(view.saves)]
    return lines or [nothing(EMPTY).truncate(width, ellipsis=True)]


def _save_head(save: Finished, when: str, width: int) -> Content:
    head = Content.assemble((f"✔ cycle {number(save.number)} ", OUTCOME["saved"].style), when)
    return _on_one(head, {kind: getattr(save.facts, kind) for kind in _KINDS}, width)


def _refused_head(refusal: LastRefusal, when: str) -> Content:
    return Content.assemble((f"✖ REFUSED in cycle {number(refusal.cycle)} ", f"bold {BAD}"), when)


def _on_one(head: Content, numbers: dict[str, int], width: int) -> Content:
    """A head and its counts on one line; where they find no room there, without their words."""
    told = flow([head, *tallied(numbers)], width)
    return told[0] if len(told) == 1 else Content(" ").join([head, *tallied(numbers, bare=True)])


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(
        a is b or (isinstance(a, int) and a == b) for a, b in zip(one, other, strict=True)
    )


def _by_mount(refusal: LastRefusal, width: int) -> Iterator[Content]:
    event = refusal.event
    for mount in sorted(event.vanished.keys() | event.regressed.keys()):
        parts = [said(f"  {mount}", BOLD)]
        if gone := event.vanished.get(mount, 0):
            parts.append(Content.assemble((f"-{number(gone)}", BAD), " would vanish"))
        if back := event.regressed.get(mount, 0):
            parts.append(Content.assemble((f"<{number(back)}", BAD), " would go back"))
        if mount in event.insights:
            parts.append(Content.styled(f"{number(event.insights[mount])} would stay", MUTED))
        yield from flow(parts, width)


def path_lines(
    changes: Changes, totals: dict[str, int], cycle: int, width: int, *, would: bool = False
) -> Iterator[Line]:
    """The sampled paths, a line each, made when it comes into sight; and how many there are not.

    `would`: it has not happened, and will not unless somebody allows it.
    """
    for kind in _KINDS:
        paths: tuple[str, ...] = getattr(changes, kind)
        total = totals.get(kind, 0)
        for at, path in enumerate(paths if total else ()):
            yield Line(_path_line(CHANGE[kind], path, width), PathKey(path, (cycle, kind, at)))
        if total > len(paths):
            words = _WOULD.get(kind, kind) if would else kind
            left = f"{number(len(paths))} of {count(total, 'path')} {words} shown"
            yield Line(partial(_left_out, CHANGE[kind], left, cycle))


def _path_line(look: Look, path: str, width: int) -> Callable[[], Content]:
    return partial(_path_content, look, path, width)


def _path_content(look: Look, path: str, width: int) -> Content:
    return Content.assemble("  ", (look.glyph, look.style), " ", shorten(path, width - 4))


def _left_out(look: Look, left: str, cycle: int) -> Content:
    words = f"{left}; vsync-sm replay --cycle {cycle} tells all"
    return Content.assemble("  ", (look.glyph, look.style), " ", (words, MUTED))

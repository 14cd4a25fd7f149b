"""What a benchmark found, as tables: for a terminal, for the docs, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

Cell = float | str | None


class Column(msgspec.Struct, frozen=True):
    """A column: the key of its cells in a row, what stands above them, how a number is written."""

    key: str
    head: str
    form: str = ",.0f"


class Verdict(msgspec.Struct, frozen=True):
    """A figure that has a goal: `least` and `most` are the limits that it should keep."""

    what: str
    value: float
    least: float | None = None
    most: float | None = None
    form: str = ".2f"
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether it keeps its limits."""
        enough = self.least is None or self.value >= self.least
        return enough and (self.most is None or self.value <= self.most)

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.least is not None and self.most is not None:
            return f"{self._number(self.least)} to {self._number(self.most)}"
        if self.least is not None:
            return f"at least {self._number(self.least)}"
        return f"at most {self._number(self.most or 0.0)}"

    @property
    def found(self) -> str:
        """The figure in words."""
        return self._number(self.value)

    def _number(self, value: float) -> str:
        return f"{value:{self.form}}{self.unit}"


class Table(msgspec.Struct, frozen=True):
    """One table: its rows as they were measured, and what they are held against.

    `command` is what gives it again.
    """

    title: str
    command: str
    columns: tuple[Column, ...]
    rows: tuple[dict[str, Cell], ...]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """Tables by name, when they were made, and on what."""

    when: str
    machine: str
    tables: dict[str, Table]


GOAL = ("", "found", "goal", "")


def text(table: Table) -> Iterator[str]:
    """A table as lines for a terminal."""
    yield ""
    yield f"{table.title}   ({table.command})"
    yield from _aligned([[each.head for each in table.columns], *cells(table)])
    if table.verdicts:
        yield ""
        yield from _aligned([GOAL, *_judged(table.verdicts, "missed")])
    yield from table.notes


def markdown(table: Table) -> str:
    """A table as it stands in the docs."""
    parts = [
        f"`{table.command}`: {table.title}",
        _piped([[each.head for each in table.columns], *cells(table)]),
    ]
    if table.verdicts:
        parts.append(_piped([GOAL, *_judged(table.verdicts, "**missed**")]))
    return "\n\n".join([*parts, *table.notes])


def cells(table: Table) -> list[list[str]]:
    """The rows in words, column by column."""
    return [[_cell(row, column) for column in table.columns] for row in table.rows]


def _cell(row: Mapping[str, Cell], column: Column) -> str:
    value = row.get(column.key)
    if value is None:
        return ""
    return value if isinstance(value, str) else format(value, column.form)


def _judged(verdicts: Sequence[Verdict], missed: str) -> list[list[str]]:
    return [[v.what, v.found, v.goal, "met" if v.met else missed] for v in verdicts]


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        first, *others = (
            f"{cell:<{width}}" if number == 0 else f"{cell:>{width}}"
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        yield "  ".join([first, *others]).rstrip()


def _piped(lines: Sequence[Sequence[str]]) -> str:
    head, *rows = (f"| {' | '.join(line)} |" for line in lines)
    rule = f"| --- |{' ---: |' * (len(lines[0]) - 1)}"
    return "\n".join([head, rule, *rows])

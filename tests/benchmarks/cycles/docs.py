"""The figures in the docs: put where their marks are, between `<!-- bench:NAME -->` and its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.cycles.picture import Series, picture
from tests.benchmarks.cycles.tables import Report, Table, markdown

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "performance.md"
PICTURE = DOCS / "performance.svg"

_MARKED = re.compile(r"(<!-- bench:([a-z]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def marks(page: str) -> list[str]:
    """The names that a page has a place for, in order."""
    return [name for _, name, _ in _MARKED.findall(page)]


def rewritten(page: str, report: Report) -> str:
    """The page with the report's tables, each in its place; other places stay as they are."""

    def place(match: re.Match[str]) -> str:
        before, name, after = match.groups()
        if name == "made":
            return f"{before}{report.when}, {report.machine}.\n{after}"
        table = report.tables.get(name)
        return f"{before}{markdown(table)}\n{after}" if table else match[0]

    return _MARKED.sub(place, page)


def series(report: Report) -> Iterator[Series]:
    """The lines of the picture, from the tables of growth and of reads."""
    growth = report.tables["growth"]
    names = dict.fromkeys(str(row["way"]) for row in growth.rows)
    for name in names:
        yield Series(name, tuple(_points(growth, name)))
    sizes = [float(row["secrets"] or 0) for row in growth.rows]
    reads = report.tables.get("reads")
    for row in reads.rows if reads else ():
        if not str(row["way"]).startswith("vsync"):
            rate = float(row["rate"] or 0)
            line = tuple((size, size / rate) for size in (min(sizes), max(sizes)))
            yield Series(str(row["way"]), line, dashed=True)


def _points(growth: Table, name: str) -> Iterator[tuple[float, float]]:
    for row in growth.rows:
        if row["way"] == name:
            yield float(row["secrets"] or 0), float(row["seconds"] or 0)


def write(report: Report) -> list[Path]:
    """Write the page and the picture anew; which files those are."""
    PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")
    if "growth" not in report.tables:
        return [PAGE]
    PICTURE.write_text(picture(list(series(report))), encoding="utf-8")
    return [PAGE, PICTURE]

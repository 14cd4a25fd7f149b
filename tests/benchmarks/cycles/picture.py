"""Time against size, both on logarithmic scales, as an SVG for light and dark pages. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

import msgspec

WIDTH, HEIGHT = 760, 430
LEFT, RIGHT, TOP, BOTTOM = 62, 210, 20, 44
COLOURS = ("#2f81f7", "#d29922", "#3fb950", "#8b949e", "#8b949e")
"""Readable on white and on black alike."""

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.grid { stroke: #d0d7de; stroke-width: 1; }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3; } .grid { stroke: #30363d; } }
""".strip()


class Series(msgspec.Struct, frozen=True):
    """A line: its name, and points of secrets and seconds. Dashed: by arithmetic, not by cycles."""

    name: str
    points: tuple[tuple[float, float], ...]
    dashed: bool = False


class _Scale(msgspec.Struct, frozen=True):
    """Whole decades, from the first power of ten to the last, onto pixels."""

    first: int
    last: int
    start: float
    end: float

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return self.start + share * (self.end - self.start)

    def decades(self) -> Iterator[tuple[int, float]]:
        for power in range(self.first, self.last + 1):
            yield power, self.at(10.0**power)


def _scale(values: Sequence[float], start: float, end: float) -> _Scale:
    first, last = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return _Scale(first, max(last, first + 1), start, end)


def picture(series: Sequence[Series]) -> str:
    """The whole file. Values are above 0; each series has a point at least."""
    points = [point for each in series for point in each.points]
    across = _scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [*_grid(across, up)]
    places = _apart([up.at(each.points[-1][1]) for each in series])
    for each, colour, place in zip(series, COLOURS, places, strict=False):
        spots = [(across.at(x), up.at(y)) for x, y in each.points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        dash = ' stroke-dasharray="5 4"' if each.dashed else ""
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        )
        if not each.dashed:
            parts += (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>' for x, y in spots
            )
        # The names stand in a column of their own, each led to from the end of its line.
        x, y = spots[-1]
        parts.append(
            f'<path d="M{x + 6:.1f} {y:.1f} L{WIDTH - RIGHT + 8} {place:.1f}" fill="none" '
            f'stroke="{colour}" stroke-width="1" opacity="0.5"/>'
        )
        parts.append(
            f'<text x="{WIDTH - RIGHT + 12}" y="{place + 4:.1f}">{escape(each.name)}</text>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Seconds a cycle takes, against the number of secrets">\n'
        f"<style>\n{_STYLE}\n</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _grid(across: _Scale, up: _Scale) -> Iterator[str]:
    for power, x in across.decades():
        yield f'<path class="grid" d="M{x:.1f} {TOP} V{HEIGHT - BOTTOM}"/>'
        label = f"{10**power:,}" if power >= 0 else f"{10.0**power:g}"
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label}</text>'
    for power, y in up.decades():
        yield f'<path class="grid" d="M{LEFT} {y:.1f} H{WIDTH - RIGHT}"/>'
        label = f"{10**power:,} s" if power >= 0 else f"{10.0**power:g} s"
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    middle = (LEFT + WIDTH - RIGHT) / 2
    yield f'<text x="{middle:.1f}" y="{HEIGHT - 8}" text-anchor="middle">secrets</text>'


def _apart(places: Sequence[float], least: float = 16.0) -> list[float]:
    """The same places, moved down where two would stand closer than `least`."""
    moved = [0.0] * len(places)
    last = -math.inf
    for number in sorted(range(len(places)), key=places.__getitem__):
        last = moved[number] = max(places[number], last + least)
    return moved

"""A cycle's phases as a picture (SVG): readable in light and dark, and by who cannot see it.

It holds no script and no link, and asks for nothing from elsewhere. The same cycle gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from vsync_sm.core.insight import NS
from vsync_sm.core.outcome import CRASHED, CUT_OFF
from vsync_sm.core.present import clock, count, duration, printable, summary
from vsync_sm.journal.sketch import Bar, DrawnMark, Sketch

_WIDTH, _LEFT, _RIGHT = 1000, 120, 90
_PLOT = _WIDTH - _LEFT - _RIGHT
_LEAST = 1_000_000  # ns: what lasted no time at all has a picture, too
_TOP, _ROW = 92, 26
_ORDER = ("listing", "working", "reindexing", "saving", "aborted")
_MOST_WORKERS = 32
_STEPS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)

_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2430 }
.page { fill: #ffffff } .big { font-size: 18px; font-weight: 600 } .small { font-size: 12px }
.muted { fill: #5b6270 } .end { text-anchor: end } .mid { text-anchor: middle }
.grid { stroke: #d5d9e0 } .lane { fill: #eef0f4 } .late { stroke: #b3261e; stroke-dasharray: 5 4 }
.listing { fill: #2f74b5 } .working { fill: #1d8a7d } .reindexing { fill: #7c5cc4 }
.saving { fill: #3f8f2c } .aborted { fill: #8d94a1 } .read { fill: #62b3a8 }
.fault { fill: #b3261e } .retry { fill: #b26a00 } .save { fill: #3f8f2c } .lost { fill: #b3261e }
@media (prefers-color-scheme: dark) {
text { fill: #e6e9ef } .page { fill: #14171d } .muted { fill: #a2a9b6 }
.grid { stroke: #333945 } .lane { fill: #20252e } .late { stroke: #ff8a80 }
.listing { fill: #5aa2e0 } .working { fill: #3cbfae } .reindexing { fill: #a98bf0 }
.saving { fill: #74c365 } .aborted { fill: #78808e } .read { fill: #2b7d73 }
.fault { fill: #ff8a80 } .retry { fill: #f2b04c } .save { fill: #74c365 } .lost { fill: #ff8a80 }
}
"""
_SHAPES = {
    "fault": ("fault", "M{x} {t}l7 7l-7 7l-7 -7z"),
    "refusal": ("fault", "M{x} {t}l7 7l-7 7l-7 -7z"),
    "crash": ("fault", "M{x} {t}m-7 2l2 -2l5 5l5 -5l2 2l-5 5l5 5l-2 2l-5 -5l-5 5l-2 -2l5 -5z"),
    "retry": ("retry", "M{x} {t}l6 12h-12z"),
    "failed path": ("lost", "M{x} {t}m-1.5 2h3v4h4v3h-4v4h-3v-4h-4v-3h4z"),
    "save": ("save", "M{x} {t}m-6 7a6 6 0 1 0 12 0a6 6 0 1 0 -12 0z"),
}


def picture(sketch: Sketch) -> Iterator[str]:
    """The picture, in chunks of whole lines."""
    yield from _Picture(sketch).lines()


class _Picture:
    def __init__(self, sketch: Sketch) -> None:
        self.sketch = sketch
        self.lasted = max(sketch.lasted, _LEAST)
        self.phases = [name for name in _ORDER if name in {each.name for each in sketch.phases}]
        self.workers = sorted(sketch.workers)[:_MOST_WORKERS]
        self.kinds = [kind for kind in _SHAPES if sketch.counts[kind]]

    def x(self, at: int) -> float:
        return _LEFT + _PLOT * min(at, self.lasted) / self.lasted

    def lines(self) -> Iterator[str]:
        rows = len(self.phases) + len(self.kinds)
        lanes = _TOP + _ROW * rows + (14 if self.workers else 0)
        bottom = lanes + _ROW * len(self.workers)
        hidden = len(self.sketch.workers) - len(self.workers)
        height = bottom + (70 if hidden else 52)
        name = f"vsync-cycle-{self.sketch.number}"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc">\n'
        )
        yield f'<title id="{name}-title">{_text(self.title())}</title>\n'
        yield f'<desc id="{name}-desc">{_text(self.described())}</desc>\n'
        yield f'<style>{_STYLE}</style>\n<rect class="page" width="{_WIDTH}" height="{height}"/>\n'
        yield _words(24, 34, self.title(), "big")
        yield _words(24, 56, self.subtitle(), "muted")
        if self.sketch.fault:
            yield _words(24, 76, _clipped(self.sketch.fault, 140), "small fault")
        yield from self.axis(bottom)
        for row, phase in enumerate(self.phases):
            yield from self.phase(_TOP + _ROW * row, phase)
        for row, kind in enumerate(self.kinds, start=len(self.phases)):
            yield from self.marks(_TOP + _ROW * row, kind)
        for row, worker in enumerate(self.workers):
            yield from self.worker(lanes + _ROW * row, worker)
        if hidden:
            yield _words(24, bottom + 54, f"and {count(hidden, 'worker')} more", "muted")
        yield "</svg>\n"

    # --- in words ---

    def title(self) -> str:
        sketch = self.sketch
        outcome = sketch.outcome
        words = {
            "saved": "saved in",
            "unchanged": "found nothing to save in",
            "refused": "was refused after",
            "aborted": "was aborted after",
            CRASHED: "was cut short by a crash after",
            CUT_OFF: "was cut off by the end of its run after",
            "": "is still running, or crashed: the journal has",
        }
        took = duration(self.lasted / NS)
        of_it = "" if outcome else " of it"
        return f"Cycle {sketch.number} {words.get(outcome, f'{outcome} after')} {took}{of_it}"

    def subtitle(self) -> str:
        sketch = self.sketch
        host = f"vsync on {sketch.host}, " if sketch.host else ""
        done = sketch.finished
        listed = f", {count(done.listed, 'path')} listed" if done is not None else ""
        return f"{host}from {clock(sketch.ts)}{listed}"

    def described(self) -> str:
        sketch = self.sketch
        took: dict[str, float] = {}
        for bar in sketch.phases:
            took[bar.name] = took.get(bar.name, 0.0) + self.seconds(bar)
        parts = [f"{self.subtitle()}."]
        if took:
            parts.append(f"Phases: {', '.join(f'{n} {duration(s)}' for n, s in took.items())}.")
        if sketch.fault:
            parts.append(f"First trouble: {sketch.fault}.")
        if sketch.counts:
            said = ", ".join(count(n, kind) for kind, n in sorted(sketch.counts.items()))
            parts.append(f"Marks: {said}.")
        if sketch.finished is not None:
            seconds = self.lasted / NS
            parts.append(f"{summary(sketch.finished, cycle=sketch.number, seconds=seconds)}.")
        return " ".join(parts)

    def seconds(self, bar: Bar) -> float:
        return ((self.lasted if bar.end is None else bar.end) - bar.begin) / NS

    # --- rows ---

    def axis(self, bottom: int) -> Iterator[str]:
        step = round(_step(self.lasted / NS) * NS)
        for at in range(0, self.lasted + 1, step):
            x = self.x(at)
            yield f'<path class="grid" d="M{x:.1f} {_TOP - 4}V{bottom + 8}"/>\n'
            yield _words(x, bottom + 26, duration(at / NS), "small muted mid")
        deadline = round(self.sketch.deadline_s * NS)
        if deadline <= self.lasted:
            x = self.x(deadline)
            yield f'<path class="late" d="M{x:.1f} {_TOP - 4}V{bottom + 8}"/>\n'
            yield _words(x, bottom + 42, "deadline", "small fault mid")

    def phase(self, y: int, phase: str) -> Iterator[str]:
        yield _words(_LEFT - 12, y + 15, phase, "end")
        end = 0
        for bar in self.sketch.phases:
            if bar.name == phase:
                end = self.lasted if bar.end is None else bar.end
                yield self.bar(y, bar, phase, f"{phase}: {duration(self.seconds(bar))}")
        took = sum(self.seconds(each) for each in self.sketch.phases if each.name == phase)
        yield _words(self.x(end) + 8, y + 15, duration(took), "small muted")

    def bar(self, y: int, bar: Bar, style: str, words: str, height: int = 18) -> str:
        begin, end = self.x(bar.begin), self.x(self.lasted if bar.end is None else bar.end)
        return (
            f'<rect class="{style}" x="{begin:.1f}" y="{y + (22 - height) / 2:.1f}" '
            f'width="{max(1.5, end - begin):.1f}" height="{height}" rx="3">'
            f"<title>{_text(words)}</title></rect>\n"
        )

    def marks(self, y: int, kind: str) -> Iterator[str]:
        style, shape = _SHAPES[kind]
        yield _words(_LEFT - 12, y + 15, kind, "end")
        last = -10.0
        for mark in self.sketch.marks:
            if mark.kind == kind and self.x(mark.at) - last >= 2:
                last = self.x(mark.at)
                yield (
                    f'<path class="{style}" d="{shape.format(x=f"{last:.1f}", t=y + 3)}">'
                    f"<title>{_text(self.told(mark))}</title></path>\n"
                )
        n = self.sketch.counts[kind]
        if n > 1:
            yield _words(_WIDTH - _RIGHT + 14, y + 15, f"× {n:,}", "small muted")

    def told(self, mark: DrawnMark) -> str:
        return f"{duration(mark.at / NS)}: {mark.words}"

    def worker(self, y: int, worker: int) -> Iterator[str]:
        lane = self.sketch.workers[worker]
        yield _words(_LEFT - 12, y + 15, lane.name, "end small muted")
        yield self.bar(y, lane, "lane", f"{lane.name}: {duration(self.seconds(lane))}")
        for read in self.sketch.reads_of(worker):
            if read.stuck or self.x(read.end or 0) - self.x(read.begin) >= 2:
                words = f"{read.name}: {duration(self.seconds(read))}"
                yield self.bar(y, read, "retry" if read.stuck else "read", words, 12)


def _step(seconds: float) -> float:
    """How far the ticks are apart: at most ten of them."""
    wanted = seconds / 10
    if wanted > 1:
        return next((each for each in _STEPS if each >= wanted), -(-wanted // 3600) * 3600)
    power = 1.0
    while power / 10 >= wanted:
        power /= 10
    return next(power * share for share in (0.2, 0.5, 1.0) if power * share >= wanted)


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _words(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{_text(text)}</text>\n'


def _text(text: str) -> str:
    return escape(printable(text))

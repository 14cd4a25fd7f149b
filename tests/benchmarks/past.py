"""A journal of a million lines whose clock is moved: `just bench-past [--events N]`.

How long until its end is on the screen, how long until all of it is indexed, what a jump takes, and
how much memory: without an index beside the journal, and with one. Each in a process of its own, in
seconds of CPU time, beside a plain fold from the start in the same run: on a noisy machine the
ratios hold, the times do not.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from tests.benchmarks.flood import Writer
from tests.benchmarks.journal import MIB, memory, told
from vsync_sm.core.marks import Kind
from vsync_sm.core.view import View, apply
from vsync_sm.journal.index_file import index_path
from vsync_sm.journal.past import Past
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.segments import usage

JUMPS = 500


def write(journal: Path, events: int, segment_bytes: int) -> None:
    """A journal of so many lines; in one file, unless a file may hold less."""
    writer = Writer(journal, segment_bytes=segment_bytes)
    writer.write(events)
    writer.end()
    used = usage(journal)
    told(f"{events:,} lines in {used.segments} files, {used.bytes / MIB:.0f} MiB")


def fold(journal: Path) -> float:
    """A plain fold from the start; its seconds."""
    began = time.process_time()
    view = View()
    for record in read_journal(journal):
        view = apply(view, record)
    took = time.process_time() - began
    told(f"a plain fold from the start: {took:.2f} s; memory {memory()}")
    return took


def look_back(journal: Path, folded: float) -> None:
    """Open, index and jump."""
    there = index_path(journal).exists()
    told(f"{'with' if there else 'without'} an index beside it:")
    began = time.process_time()
    past = Past(journal)
    view = past.view_at(past.known)
    first, share = time.process_time() - began, view.seq / past.last
    past.index(lambda: past.ready(past.last))
    last = time.process_time() - began
    told(f"  a view to show after {first:.3f} s, {share:.0%} far in it; its end: {last:.2f} s")
    began = time.process_time()
    past.index(lambda: False)
    took = time.process_time() - began
    told(f"  indexed, or proved, in {took:.2f} s: {took / folded:.2f} of a plain fold")
    rng = random.Random(1)  # noqa: S311  no secret
    jump("jumps anywhere", past, [rng.randint(past.first, past.last) for _ in range(JUMPS)], folded)
    middle = past.last // 2
    jump("steps of one event", past, list(range(middle, middle + JUMPS)), folded)
    began = time.process_time()
    mark, marks = past.following(0, Kind.CYCLE), 0
    while mark is not None and marks < JUMPS:
        mark, marks = past.following(mark.seq, Kind.CYCLE), marks + 1
    each = (time.process_time() - began) / max(1, marks)
    told(f"  {marks} steps of a cycle: {each * 1000:.1f} ms each")
    told(f"  memory {memory()}; the index file {index_path(journal).stat().st_size / MIB:.1f} MiB")


def jump(what: str, past: Past, seqs: list[int], folded: float) -> None:
    """What so many jumps took: CPU time, so that nobody else's counts."""
    took = []
    for seq in seqs:
        began = time.process_time()
        past.view_at(seq)
        took.append(time.process_time() - began)
    worst = max(took)
    most = quantiles(took, n=100)[98]
    told(
        f"  {what}: median {median(took) * 1000:.1f} ms, 99 % {most * 1000:.1f} ms, worst "
        f"{worst * 1000:.1f} ms: {folded / worst:.0f} times less than a fold"
    )


def main() -> None:
    """Write, fold and look back, each in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--segment", type=int, default=2**40, help="bytes of a file")
    parser.add_argument("--phase", choices=("write", "look"), help=argparse.SUPPRESS)
    parser.add_argument("--journal", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folded", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.phase == "write":
        write(asked.journal, asked.events, asked.segment)
        return
    if asked.phase == "look":
        look_back(asked.journal, asked.folded)
        return
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as directory:
        here = ["--journal", f"{directory}/journal.jsonl", "--segment", str(asked.segment)]
        command = [sys.executable, "-m", "tests.benchmarks.past", *here]
        subprocess.run([*command, "--phase", "write", "--events", str(asked.events)], check=True)
        folded = fold(Path(directory) / "journal.jsonl")
        for _ in range(2):
            subprocess.run([*command, "--phase", "look", "--folded", str(folded)], check=True)


if __name__ == "__main__":
    main()

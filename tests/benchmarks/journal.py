"""A journal of ten million lines: `just bench-journal [--events N]`.

It is written as the engine's loop writes (journal, memory, view), closed file by file and packed
beside it, then recalled as a start does, and replayed whole. Each in a process of its own, which
says how much memory it took after a tenth, a half and all of the lines.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.flood import Writer
from vsync_sm.core.events import Record
from vsync_sm.journal.account import account
from vsync_sm.journal.keeping import BUDGET_BYTES, Bounds
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.segments import closed_segments, usage
from vsync_sm.journal.writer import SEGMENT_BYTES
from vsync_sm.wiring import recall

MIB = 1024 * 1024
MOMENTS = (0.1, 0.5, 1.0)
_PATIENCE_S = 120.0


def memory() -> str:
    """What this process takes now, and took at most."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    now, most = (int(lines[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now} MiB, at most {most} MiB"


def told(words: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def say(what: str, events: int, began: float) -> None:
    """One line of the result."""
    passed = time.perf_counter() - began
    rate = f", {events / passed:,.0f} a second" if events else ""
    told(f"  {what}: {passed:.1f} s{rate}; memory {memory()}")


def write(journal: Path, events: int, segment_bytes: int) -> None:
    """Write so many lines, and wait until the last file is packed."""
    told("written:")
    began, done = time.perf_counter(), 0
    writer = Writer(journal, segment_bytes=segment_bytes, bounds=Bounds())
    slowest = 0.0
    for moment in MOMENTS:
        while done < events * moment:
            before = time.perf_counter()
            writer.write(1_000)
            slowest = max(slowest, time.perf_counter() - before)
            done += 1_000
        say(f"{done:,} events", done, began)
    told(f"  the longest thousand events took {slowest * 1000:.0f} ms")
    deadline = time.perf_counter() + _PATIENCE_S
    while not all(each.packed for each in closed_segments(journal)):
        if time.perf_counter() > deadline:
            break
        time.sleep(0.1)
    writer.break_off()


def tell(journal: Path, events: int) -> None:
    """Recall as a start does, take stock, and replay all of it."""
    used = usage(journal)
    told(f"on the disk: {used.segments} files, {used.bytes / MIB:.0f} MiB")
    began = time.perf_counter()
    recall(journal)
    say("recalled, as a start does", 0, began)
    taken = account(journal, BUDGET_BYTES)
    told(f"  {taken.events:,} lines from {taken.first} to {taken.last}")
    told("replayed:")
    began = time.perf_counter()
    marks = {int(events * moment) for moment in MOMENTS}

    def watched() -> Iterator[Record]:
        for number, record in enumerate(read_journal(journal), start=1):
            yield record
            if number in marks:
                say(f"{number:,} events", number, began)

    story = replay(watched())
    last = "".join(list(story)[-1:])
    told(f"  {last.strip()}")
    if not story.ok:
        raise SystemExit("the journal contradicts itself")


def main() -> None:
    """Write and tell, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--segment", type=int, default=SEGMENT_BYTES, help="bytes of a file")
    parser.add_argument("--phase", choices=("write", "tell"), help=argparse.SUPPRESS)
    parser.add_argument("--journal", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.phase == "write":
        write(asked.journal, asked.events, asked.segment)
        return
    if asked.phase == "tell":
        tell(asked.journal, asked.events)
        return
    with tempfile.TemporaryDirectory(prefix="vsync-bench-") as directory:
        for phase in ("write", "tell"):
            here = ["--phase", phase, "--journal", f"{directory}/journal.jsonl"]
            command = [sys.executable, "-m", "tests.benchmarks.journal", *here]
            command += ["--events", str(asked.events), "--segment", str(asked.segment)]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()

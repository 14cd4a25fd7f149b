"""However long a journal is, who writes it and who tells it need no more memory."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.workshop import PATIENCE_S


def test_memory_is_flat_over_many_files() -> None:
    told = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.journal"),
            *("--events", "60000", "--segment", str(1024 * 1024)),
        ],
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,
        check=True,
    ).stdout
    files = re.search(r"on the disk: (\d+) files", told)
    assert files is not None
    assert int(files[1]) > 10
    assert "Nothing contradicts" in told
    written, _, replayed = told.partition("on the disk")
    for phase in (written, replayed):
        tenth, half, whole = re.findall(r"events: .* at most (\d+) MiB", phase)
        assert int(whole) - int(tenth) < 24, (tenth, half, whole)

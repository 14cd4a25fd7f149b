"""No answer older than the cycle: a write, a cycle at once, and did it see the write?

`python -m tests.benchmarks.fresh` (`just bench-fresh`) does so a thousand times on two OpenBao
nodes with raft behind a round robin, and prints how many cycles did not: `1000 rounds, 0 stale`.
`--without` takes safety rule 10 out, to see what it is for.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.cluster import Rounds, cluster_in, without_the_rule
from vsync_sm.local import start_consul


def main() -> int:
    """The exit code: 1 where a cycle did not see what was written before it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--without", action="store_true", help="take safety rule 10 out")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vsync-fresh-") as folder, ExitStack() as stack:
        home = Path(folder)
        if chosen.without:
            stack.enter_context(without_the_rule())
        cluster = stack.enter_context(cluster_in(home))
        consul = stack.enter_context(start_consul(home / "consul"))
        rounds = stack.enter_context(Rounds(cluster, consul, home))
        began = time.monotonic()
        rounds.go(chosen.rounds)
        took = time.monotonic() - began
    rule = "without the rule, " if chosen.without else ""
    aborted = f", {rounds.aborted} more cycles aborted" if rounds.aborted else ""
    sys.stdout.write(
        f"{rule}{chosen.rounds} rounds, {rounds.stale} stale{aborted} ({took:.0f} s)\n"
    )
    return 1 if rounds.stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a yes lifts, and for how long: safety rule 4's allowances on the real servers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys

import pytest

from tests.origin.bench import HOUR, TREE, Bench, Later, many
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind


def test_a_yes_to_something_unknown_is_a_mistake(bench: Bench) -> None:
    before = bench.begin()
    with pytest.raises(Fault) as unknown:
        bench.once(allow="0123456789ab")
    assert unknown.value.kind is FaultKind.CONFIGURATION
    assert "An id serves for one save" in unknown.value.hint
    bench.purge(TREE[5:])
    allowance = bench.refuse(before).one(e.SaveRefused).allowance
    for wrong in ("0123456789ab", allowance[:-1]):
        with pytest.raises(Fault) as unknown:
            bench.once(allow=wrong)
        assert unknown.value.kind is FaultKind.CONFIGURATION
        assert allowance not in unknown.value.hint, "nobody allows what he has not looked at"
    assert bench.raw() == before


def test_a_yes_is_spent_by_the_save(bench: Bench) -> None:
    bench.bypass()
    bench.fill(many(40))
    bench.saved()
    bench.purge(many(20))
    allowance = bench.refuse(bench.raw()).one(e.SaveRefused).allowance
    bench.saved(allow=allowance)
    bench.fill(many(20))
    bench.saved()
    bench.purge(many(20))
    bench.refuse(bench.raw())


def test_a_yes_is_spent_by_a_save_whose_end_is_known_only_later(bench: Bench) -> None:
    bench.fill(many(40))
    bench.saved()
    bench.purge(many(20))
    allowance = bench.refuse(bench.raw()).one(e.SaveRefused).allowance
    bench.on_write(times=1).lose_reply()
    bench.on_tree(after=1, times=1).drop_before()
    assert len(bench.once(allow=allowance).all(e.SaveUncertain)) == 1
    assert bench.once().one(e.SaveReconciled).outcome == "committed"
    bench.fill(many(20))
    bench.saved()
    bench.purge(many(20))
    bench.refuse(bench.raw())


def test_a_yes_covers_a_part_but_not_more(bench: Bench) -> None:
    bench.bypass()
    bench.fill(many(60))
    bench.saved()
    before = bench.raw()
    bench.purge(many(20))
    small = bench.refuse(before).one(e.SaveRefused).allowance
    bench.purge(many(20, 20))
    large = bench.refuse(before).one(e.SaveRefused).allowance
    assert large != small
    # The older id covers the first twenty only; the others are judged as ever.
    refused = bench.refuse(before, allow=small)
    assert refused.one(e.SaveRefused).allowance == large
    # A part of what was refused is covered: some came back.
    bench.fill(many(25))
    bench.saved(allow=large)


def test_an_older_yes_with_few_paths_more_is_enough(bench: Bench) -> None:
    bench.bypass()
    bench.fill(many(60))
    bench.saved()
    bench.purge(many(20))
    older = bench.refuse(bench.raw()).one(e.SaveRefused).allowance
    bench.purge(many(5, 20))
    bench.refuse(bench.raw())
    run = bench.saved(allow=older)
    assert run.one(e.SaveStarted).vanished == {bench.mount: 5}  # unasked: they count along


@pytest.mark.parametrize(("later", "outcome"), [(HOUR - 60, "saved"), (HOUR + 60, "refused")])
def test_a_yes_lasts_an_hour(bench: Bench, later: float, outcome: str) -> None:
    bench.fill(many(30))
    bench.saved()
    before = bench.raw()
    bench.purge(many(30))
    allowance = bench.refuse(before).one(e.SaveRefused).allowance
    rule = bench.on_list().html(200)
    aborted = bench.once(allow=allowance)  # given, but that cycle comes to no save
    assert (aborted.outcome, len(aborted.all(e.AllowanceGranted))) == ("aborted fault", 1)
    rule.remove()
    if outcome == "saved":
        bench.saved(clock=Later(later))
        return
    run = bench.refuse(before, clock=Later(later))
    assert run.one(e.AllowanceSpent).why == "expired"


def test_the_command_that_a_refusal_prints_is_the_one_that_works(bench: Bench) -> None:
    before = bench.begin()
    bench.purge([f"n/{number:02}" for number in range(15)])
    with bench.shop.start("--once") as daemon:
        assert daemon.wait() == 3
        assert daemon.process.stderr
        told = [json.loads(line) for line in daemon.process.stderr]
    (refusal,) = (line for line in told if line.get("type") == "save_refused")
    assert f"{bench.path('n/00')}" in refusal["message"]
    assert f"{bench.mount}: 15" in refusal["message"] or "15 of 20" in refusal["message"]
    command = re.search(r"vsync-sm --headless .*--allow [0-9a-f]{12}", refusal["message"])
    assert command
    assert bench.raw() == before
    words = shlex.split(command[0])[1:]
    run = [sys.executable, "-m", "vsync_sm.cli"]
    wrong = subprocess.run(
        [*run, *words[:-1], "0123456789ab"], check=False, capture_output=True, text=True
    )
    assert wrong.returncode == 2
    assert words[-1] not in wrong.stderr  # nobody allows what he has not looked at
    assert bench.raw() == before
    assert subprocess.run([*run, *words], check=False, capture_output=True).returncode == 0
    assert bench.shop.saved() == bench.shop.alive()

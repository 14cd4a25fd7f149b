"""Safety rule 6 on the real servers: how large a bucket may be, and what is said before it is."""

from __future__ import annotations

import re

from tests.origin.bench import Bench
from vsync_sm.core import events as e


def test_a_bucket_too_large_aborts_with_the_number_that_would_do(bench: Bench) -> None:
    # The index must fit as well, 67 bytes a bucket: the limit leaves room for 8 times as many.
    bench.fill(f"{number:02}" for number in range(100))
    limit = {"kvMaxValueSize": 2_200}
    run = bench.once(consul=limit)
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["too_large"])
    assert bench.raw() == {}
    fault = run.one(e.FaultRaised)
    assert "every destination" in fault.hint
    would_do = re.search(r"numBuckets: (\d+) would do \(now 4\)", fault.hint)
    assert would_do
    assert not bench.saved(consul=limit, numBuckets=int(would_do[1])).faults


def test_a_bucket_nearly_too_large_is_told_and_saved(bench: Bench) -> None:
    bench.fill(["a"])
    bench.saved(numBuckets=1)
    one = len(bench.raw()[f"{bench.shop.prefix}0"])
    names = [f"{number:02}" for number in range(1024 // one + 1)]
    bench.fill(names)
    bench.saved(numBuckets=1)
    size = len(bench.raw()[f"{bench.shop.prefix}0"])
    # A nanosecond's last zeros are left out: the same bucket may be some bytes longer or shorter.
    for limit, faults in ((size * 10 // 8 + 40, []), (size + 40, ["too_large"])):
        bench.api.put(bench.mount, "a")
        run = bench.saved(numBuckets=1, consul={"kvMaxValueSize": limit})
        assert run.faults == faults
    fault = run.one(e.FaultRaised)
    assert not fault.fatal
    assert re.search("9[0-9] % of Consul's value limit", fault.message)
    bench.api.put(bench.mount, "a")
    run = bench.once(numBuckets=1, consul={"kvMaxValueSize": size - 40})
    assert (run.outcome, run.faults) == ("aborted fault", ["too_large"])


def test_a_413_counts_like_a_bucket_too_large(bench: Bench) -> None:
    before = bench.begin()
    rule = bench.on_write().answer(413, b"Request body too large, max size: 1024 bytes")
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["too_large"])
    hint = run.one(e.FaultRaised).hint
    assert "kvMaxValueSize" in hint
    assert "numBuckets" in hint
    assert "every destination" in hint
    assert not run.one(e.SaveFailed).written
    assert bench.raw() == before
    rule.remove()
    bench.saved()

"""Safety rule 4 on the real servers: shrinking needs a yes, and nothing else lifts a refusal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.origin.bench import HOUR, TREE, Bench, Later, many
from tests.workshop import Run
from vsync_sm.core import events as e

Arrange = Callable[[Bench], object]


def rules(run: Run) -> list[tuple[str, str, int, int]]:
    """What the one refusal refuses."""
    refused = run.one(e.SaveRefused)
    return [(rule.rule, rule.mount, rule.count, rule.of) for rule in refused.refusals]


def recreate(bench: Bench, mount: str) -> None:
    """Disables a mount and makes it anew."""
    bench.api.remove_mount(mount)
    bench.api.make_mount(mount)


def rewrite(bench: Bench, names: list[str]) -> None:
    """Has secrets begin again at version 1."""
    bench.purge(names)
    bench.fill(names)


def each(action: Callable[..., None], mount: str, names: list[str], *rest: int) -> None:
    """Does the same to each of these secrets."""
    for name in names:
        action(mount, name, *rest)


def delete_keys(bench: Bench, *names: str) -> None:
    for name in names:
        bench.shop.consul.delete(bench.shop.prefix + name)


def both(*actions: Arrange) -> Arrange:
    """One after the other."""

    def arrange(bench: Bench) -> None:
        for action in actions:
            action(bench)

    return arrange


def exclude(bench: Bench, *patterns: str) -> None:
    """Has the origin leave these out, and nothing else."""
    part = {"mount": bench.mount, "exclude": [*patterns]}
    bench.shop.config["origin"].update(mounts=[], paths=[part])


def garble(bench: Bench, name: str, value: bytes = b'{"a": ') -> None:
    bench.shop.consul.put(bench.shop.prefix + name, value)


# --- one mount of so many paths, something happens: does a cycle save? ---------------------------


@dataclass(frozen=True)
class Case:
    """What happens to a mount of `paths` secrets, all of version `version`.

    `refused` are the rules that refuse the save; none: it is saved. What was refused is saved
    once it has been allowed.
    """

    name: str
    arrange: Arrange
    refused: tuple[str, ...] = ()
    paths: int = 20
    version: int = 1
    config: dict[str, Any] = field(default_factory=dict)


SHRINK = ("shrink", "shrink_mount")
BACKWARDS = ("backwards", "backwards_mount")

CASES = (
    # A wiped mount, and the limits to the path.
    Case("the only mount wiped", lambda b: b.purge(many(20)), SHRINK),
    Case("10 of 20 vanish", lambda b: b.purge(many(10))),
    Case("11 of 20 vanish", lambda b: b.purge(many(11)), SHRINK),
    Case("12 of 60 vanish", lambda b: b.purge(many(12)), paths=60),
    Case("13 of 60 vanish", lambda b: b.purge(many(13)), SHRINK, paths=60),
    Case(
        "added paths do not count against vanished ones",
        both(lambda b: b.purge(many(11)), lambda b: b.fill(many(40, 500))),
        SHRINK,
    ),
    Case("11 soft-deleted", lambda b: each(b.api.delete, b.mount, many(11)), SHRINK),
    Case("11 destroyed", lambda b: each(b.api.destroy, b.mount, many(11), 1), SHRINK),
    Case(
        "11 vanish where half may",
        lambda b: b.purge(many(11)),
        paths=22,
        config={"maxShrink": 0.5},
    ),
    Case(
        "11 of 60 vanish where none may",
        lambda b: b.purge(many(11)),
        SHRINK,
        paths=60,
        config={"maxShrink": 0.0},
    ),
    Case(
        "a mount taken out",
        lambda b: b.shop.config["origin"].update(mounts=["secret/"]),
        SHRINK,
    ),
    # A choice that was narrowed, while Vault holds all.
    Case("10 of 20 not chosen any more", lambda b: exclude(b, "00?")),
    Case("11 of 20 not chosen any more", lambda b: exclude(b, "00?", "010"), SHRINK),
    Case(
        "10 not chosen any more, and one vanishes",
        both(lambda b: exclude(b, "00?"), lambda b: b.purge(["010"])),
        SHRINK,
    ),
    # A mount made anew.
    Case(
        "a mount made anew, and one path lacks",
        both(lambda b: recreate(b, b.mount), lambda b: b.fill(many(19))),
        ("mount_replaced",),
    ),
    Case(
        "a mount made anew, and empty",
        lambda b: recreate(b, b.mount),
        ("mount_replaced", *SHRINK),
    ),
    Case(
        "a mount made anew, and all is there",
        both(lambda b: recreate(b, b.mount), lambda b: b.fill(many(20))),
    ),
    # A restored snapshot.
    Case("10 of 20 go backwards", lambda b: rewrite(b, many(10)), version=2),
    Case("11 of 20 go backwards", lambda b: rewrite(b, many(11)), BACKWARDS, version=2),
    Case("12 of 60 go backwards", lambda b: rewrite(b, many(12)), paths=60, version=2),
    Case("13 of 60 go backwards", lambda b: rewrite(b, many(13)), BACKWARDS, paths=60, version=2),
    Case("purged and written anew", lambda b: rewrite(b, many(20))),  # the same version, later
    # What lies in Consul.
    Case("the index deleted", lambda b: delete_keys(b, "index")),
    Case("a bucket deleted", lambda b: delete_keys(b, "2"), ("missing_bucket",)),
    Case("all of it deleted", lambda b: delete_keys(b, *"0123", "index"), ("missing_sync_info",)),
    Case("a bucket garbled", lambda b: garble(b, "2"), ("undecodable",)),
    Case("a bucket emptied", lambda b: garble(b, "2", b""), ("undecodable",)),
    Case("the index garbled", lambda b: garble(b, "index"), ("undecodable",)),
    Case(
        "the index of another program",
        lambda b: garble(b, "index", b'["not a digest"]'),
        ("undecodable",),
    ),
    Case(
        "a bucket of another program",
        lambda b: garble(b, "1", b'{"x":{"version":0,"updateTime":"","type":"kvV2"}}'),
        ("undecodable",),
    ),
    Case("more buckets", lambda b: b.shop.config.update(numBuckets=7), ("num_buckets",)),
    Case("fewer buckets", lambda b: b.shop.config.update(numBuckets=2), ("num_buckets",)),
    Case(
        "fewer buckets and a wiped mount",
        both(lambda b: b.shop.config.update(numBuckets=2), lambda b: b.purge(many(20))),
        (*SHRINK, "num_buckets"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_may_be_saved_and_what_is_refused(bench: Bench, case: Case) -> None:
    bench.bypass()
    for _ in range(case.version):
        bench.fill(many(case.paths))
    bench.saved()
    bench.fill(["new"])  # so that there is something to save in any case
    case.arrange(bench)
    before = bench.raw()
    if not case.refused:
        bench.saved(**case.config)
        return
    refused = bench.refuse(before, **case.config)
    assert tuple(rule for rule, *_ in rules(refused)) == case.refused
    event = refused.one(e.SaveRefused)
    # The whole set stands before it in the journal, an event a path; the refusal counts it.
    vanished = [told.path for told in refused.all(e.InsightVanished)]
    regressed = [told.path for told in refused.all(e.InsightRegressed)]
    assert sum(event.vanished.values()) == len(vanished)
    assert sum(event.regressed.values()) == len(regressed)
    assert list(event.sample) == [*vanished, *regressed][:10]
    # Nothing but a yes lifts it, and the yes is spent by the save.
    again = bench.refuse(before, **case.config).one(e.SaveRefused)
    assert again.allowance == event.allowance
    saved = bench.saved(allow=event.allowance, **case.config)
    assert saved.one(e.SaveStarted).allowance == event.allowance
    spent = saved.one(e.AllowanceSpent)
    assert (spent.allowance, spent.why) == (event.allowance, "saved")
    assert bench.once(**case.config).outcome == "unchanged"


# --- several mounts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sizes", "gone", "refused"),
    [
        ((40, 40, 12), 12, [("shrink_mount", 12, 12)]),  # wiped: 13 % of all
        ((40, 40, 40), 12, [("shrink_mount", 12, 40)]),  # 30 % of it, 10 % of all
        ((50, 50, 50), 10, []),
        ((30, 30, 11), 11, [("shrink_mount", 11, 11)]),
        ((30, 30, 10), 10, []),  # ten may always
    ],
)
def test_one_mount_of_three(
    bench: Bench,
    make_mount: Callable[..., str],
    sizes: tuple[int, int, int],
    gone: int,
    refused: list[tuple[str, int, int]],
) -> None:
    bench.bypass()
    others = [make_mount("kv/team"), make_mount("größe x")]
    bench.add_mounts(*others)
    last = others[-1]
    for mount, size in zip([bench.mount, *others], sizes, strict=True):
        bench.fill(many(size), mount)
    bench.saved()
    bench.purge(many(gone), last)
    if not refused:
        bench.saved()
        return
    run = bench.refuse(bench.raw())
    assert rules(run) == [(rule, last, count, of) for rule, count, of in refused]
    event = run.one(e.SaveRefused)
    assert event.vanished == {last: gone}
    bench.saved(allow=event.allowance)


def test_a_mount_taken_out_of_three(bench: Bench, make_mount: Callable[..., str]) -> None:
    bench.bypass()
    others = [make_mount(), make_mount()]
    bench.add_mounts(*others)
    for mount, size in zip([bench.mount, *others], (60, 60, 11), strict=True):
        bench.fill(many(size), mount)
    bench.saved()
    out = bench.shop.config["origin"]["mounts"].pop()
    run = bench.refuse(bench.raw())
    assert rules(run) == [("shrink_mount", out, 11, 11)]
    # Put back, nothing is asked; taken out again, a yes is needed again.
    bench.add_mounts(out)
    assert bench.once().outcome == "unchanged"
    bench.shop.config["origin"]["mounts"].pop()
    bench.saved(allow=run.one(e.SaveRefused).allowance)
    assert not [path for path in bench.shop.saved() if path.startswith(out)]


# --- small steps --------------------------------------------------------------------------------


def test_small_steps_add_up_within_the_hour(bench: Bench) -> None:
    bench.bypass()
    bench.fill(many(60))
    bench.saved()
    bench.purge(many(7))
    bench.saved()
    before = bench.raw()
    bench.purge(many(7, 7))
    run = bench.refuse(before)
    assert rules(run) == [("shrink", "", 14, 60), ("shrink_mount", bench.mount, 14, 60)]
    # It is the steps within one hour that count.
    bench.refuse(before, clock=Later(HOUR - 60))
    bench.saved(clock=Later(HOUR + 60))


def test_who_takes_no_step_is_not_refused_for_earlier_ones(bench: Bench) -> None:
    bench.bypass()
    bench.fill(many(60))
    bench.saved()
    bench.purge(many(12))
    bench.saved()
    # By a stricter limit the step taken is too large: that refuses the next one, not this cycle.
    bench.fill(["new"])
    bench.saved(maxShrink=0.1)
    bench.purge(["new"])
    bench.refuse(bench.raw(), maxShrink=0.1)


def test_what_was_allowed_does_not_count_along(bench: Bench) -> None:
    bench.bypass()
    bench.fill(many(60))
    bench.saved()
    bench.purge(many(30))
    refused = bench.refuse(bench.raw()).one(e.SaveRefused)
    bench.saved(allow=refused.allowance)
    bench.purge(many(7, 30))
    bench.saved()


# --- without the journal ------------------------------------------------------------------------


def test_an_empty_consul_is_a_first_save_to_a_fresh_journal(bench: Bench) -> None:
    bench.begin()
    delete_keys(bench, *"0123", "index")
    bench.refuse({})
    bench.shop.journal.rename(bench.shop.home / "old.jsonl")
    bench.saved()


def test_a_fresh_journal_still_refuses_a_wiped_mount(bench: Bench) -> None:
    before = bench.begin()
    bench.shop.journal.unlink()
    bench.purge([*TREE])
    assert rules(bench.refuse(before))[0][0] == "shrink"


def test_an_index_seen_in_consul_counts_like_a_commit(bench: Bench) -> None:
    bench.begin()
    bench.shop.journal.unlink()
    rule = bench.on_list().html(200)
    assert bench.once().outcome == "aborted fault"  # it has read Consul, and that is all
    rule.remove()
    delete_keys(bench, *"0123", "index")
    assert rules(bench.refuse({})) == [("missing_sync_info", "", 0, 0)]

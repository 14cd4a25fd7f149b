"""What an attacker tried: late writes, hidden names, a former sync info half lost, and yeses for
something else. Whatever the cycle says, what lies in Consul decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.misbehave import Answer
from tests.origin.bench import HOUR, LEAST, Bench, Late, Later, many
from tests.origin.scenes import Scene, came, entered, until
from tests.support import unique
from tests.workshop import Run, Workshop, events
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.choice import Choice, whole
from vsync_sm.core.errors import Fault
from vsync_sm.core.sync_info import bucket_of
from vsync_sm.origin import budget
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.inbox import Asker, CommandCame, Inbox
from vsync_sm.origin.listing import Lister
from vsync_sm.origin.scope import Scope


def rules(run: Run) -> set[str]:
    """The rules by which the save was refused."""
    return {refusal.rule for refusal in run.one(e.SaveRefused).refusals}


# --- late writes -----------------------------------------------------------------------------


@contextmanager
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A save that hangs does not last long; others may, on a busy machine."""
    with monkeypatch.context() as patched:
        patched.setattr(budget, "SAVE_LIMIT_S", 1.0)
        yield


@pytest.fixture
def late(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Late]:
    """A save that says `a` is gone hangs on its way; then `a` is alive again."""

    def begin(path: str = "/v1/txn", outcome: type[e.Event] = e.SaveFailed) -> Late:
        bench.fill()
        bench.saved()
        bench.api.delete(bench.mount, "a")
        held = Late(bench.consul, path)
        with impatient(monkeypatch):
            run = bench.once()
        assert (run.code, len(run.all(outcome))) == (3, 1), run.faults
        bench.api.undelete(bench.mount, "a", 1)
        return held

    return begin


def comes_to_nothing(bench: Bench, held: Late) -> None:
    """Consul refuses the late write, and goes on holding what Vault holds."""
    assert bench.shop.saved() == bench.shop.alive()
    before = bench.raw()
    answer = held.comes()
    assert answer.status == 409 or answer.body.strip() == b"false", answer
    assert bench.raw() == before


def test_a_late_save_after_a_cycle_that_found_nothing_new(
    bench: Bench, late: Callable[..., Late]
) -> None:
    """Its keys are as it knew them, for nothing has changed: they are written anew all the same."""
    held = late()
    assert bench.once().outcome == "saved"
    comes_to_nothing(bench, held)
    assert bench.once().outcome == "unchanged", "once is enough"


def test_a_late_save_whose_reading_back_failed_too(bench: Bench, late: Callable[..., Late]) -> None:
    bench.on_tree(after=3, times=1).drop_before()
    held = late(outcome=e.SaveUncertain)
    settled = bench.once()
    assert (settled.outcome, settled.one(e.SaveReconciled).outcome) == ("saved", "failed")
    comes_to_nothing(bench, held)


def test_a_late_save_while_another_sync_path_is_saved(
    bench: Bench, late: Callable[..., Late]
) -> None:
    """With one journal for both: what the other one saves settles nothing here."""
    held = late()
    assert beside(bench).once().outcome == "saved"
    assert bench.once().outcome == "saved"
    comes_to_nothing(bench, held)


def beside(bench: Bench) -> Workshop:
    """An origin of the same mount and journal with a sync path of its own."""
    shop = bench.shop
    path = f"{shop.config['origin']['syncPath']}production/"
    return Workshop(shop.vault, shop.consul, [bench.mount], path, shop.home)


def test_a_late_save_of_a_bucket_that_no_index_fences(
    bench: Bench, late: Callable[..., Late], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket too large for a transaction goes by `PUT ?cas=`, its own ModifyIndex alone."""
    monkeypatch.setattr("vsync_sm.core.save.TRANSACTION_BYTES", 400)
    own = bucket_of(bench.path("a"), 4)
    held = late(f"/v1/kv/{bench.shop.prefix}{own}[?]")
    other = next(name for name in many(50) if bucket_of(bench.path(name), 4) != own)
    bench.fill([other])
    bench.saved()
    comes_to_nothing(bench, held)


def test_a_yes_is_spent_though_its_save_came_late(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.fill(many(40))
    bench.saved()
    bench.purge(many(20))
    allowance = bench.refuse(bench.raw()).one(e.SaveRefused).allowance
    held = Late(bench.consul)
    with impatient(monkeypatch):
        assert bench.once(allow=allowance).all(e.SaveFailed)
    assert held.comes().status == 200
    bench.fill(many(20))
    bench.saved(allow=allowance)  # nothing to lift, and spent by it
    bench.purge(many(20))
    bench.refuse(bench.raw())


# --- a former sync info half lost ------------------------------------------------------------

EVERYTHING = ("index", "0", "1", "2", "3")


def lose(bench: Bench, *names: str) -> None:
    """Somebody deletes these keys."""
    for name in names:
        bench.shop.consul.delete(bench.shop.prefix + name)


def empty(bench: Bench) -> None:
    """Somebody writes empty buckets over what the index names."""
    for name in EVERYTHING[1:]:
        bench.shop.consul.put(bench.shop.prefix + name, b"{}")


DAMAGE: dict[str, Callable[[Bench], None]] = {
    "index and buckets deleted": lambda bench: lose(bench, "index", "1", "2", "3"),
    "buckets written over": empty,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_wipe_is_seen_though_the_former_sync_info_is_lost(bench: Bench, damage: str) -> None:
    """What lies in Consul no longer tells what vanished; the last commit does."""
    bench.fill(many(80))
    bench.saved()
    DAMAGE[damage](bench)
    bench.purge(name for name in many(80) if bucket_of(bench.path(name), 4) != 0)
    assert "lost" in rules(bench.refuse(bench.raw()))


def test_another_number_of_buckets_is_seen_though_the_index_is_lost(bench: Bench) -> None:
    bench.fill(many(20))
    bench.saved()
    lose(bench, "index")
    assert rules(bench.refuse(bench.raw(), numBuckets=9)) == {"num_buckets"}


@pytest.mark.parametrize("damage", ["undecodable", "missing_sync_info"])
def test_a_yes_to_damage_is_none_to_a_wipe(bench: Bench, damage: str) -> None:
    """It was given when eighty secrets would have been saved; it is held against that."""
    bench.fill(many(80))
    bench.saved(numBuckets=1)
    if damage == "undecodable":
        bench.shop.consul.put(f"{bench.shop.prefix}0", b"garbage")
    else:
        lose(bench, "index", "0")
    before = bench.raw()
    refused = bench.refuse(before, numBuckets=1)
    assert rules(refused) == {damage}
    assert refused.one(e.SaveRefused).insights == {bench.mount: 80}
    allowance = refused.one(e.SaveRefused).allowance
    bench.purge(many(80))
    wiped = bench.refuse(before, numBuckets=1, allow=allowance)
    assert rules(wiped) == {damage, "lost"}
    assert wiped.one(e.SaveRefused).allowance != allowance
    bench.saved(numBuckets=1, allow=wiped.one(e.SaveRefused).allowance)


def test_a_yes_to_a_lost_sync_info_is_none_to_its_next_loss(bench: Bench) -> None:
    """Though nothing else differs: somebody must look at this one too."""
    ids = []
    bench.saved()
    for _ in range(2):
        lose(bench, *EVERYTHING)
        refused = bench.refuse({})
        assert rules(refused) == {"missing_sync_info"}
        ids.append(refused.one(e.SaveRefused).allowance)
        bench.saved(allow=ids[-1])
    assert ids[0] != ids[1]


# --- a yes for something else ----------------------------------------------------------------


@pytest.mark.parametrize("what", ["wiped", "lost"])
def test_a_yes_holds_for_its_own_sync_path_only(bench: Bench, what: str) -> None:
    """Two sync paths with one journal: what was refused here is not allowed there."""
    bench.bypass()
    bench.fill(many(40))
    shop = bench.shop
    other = beside(bench)
    bench.saved()
    assert other.once().outcome == "saved"
    if what == "wiped":
        bench.purge(many(20))
    else:
        shop.consul.delete_tree(shop.prefix)
        shop.consul.delete_tree(other.prefix)
    before = other.raw()
    allowance = bench.refuse(bench.raw()).one(e.SaveRefused).allowance
    with pytest.raises(Fault, match="was refused under"):
        other.once(allow=allowance)
    scene = Scene(shop)
    ops = Asker("ops", "control socket")
    allow = CommandCame("allow", allowance, ops, lambda _: None)
    scene.on(came(e.CheckPassed), lambda: scene.inbox.ask(allow))
    abort = CommandCame("abort", "", ops, lambda _: None)
    scene.on(entered("listing"), lambda: scene.inbox.ask(abort))
    scene.on(came(e.CycleFinished), scene.signal)
    assert scene.run(tick="1h").outcome == "aborted operator"
    refused = other.once()
    assert (refused.code, refused.outcome) == (3, "refused refused")
    assert other.raw() == before
    bench.saved()  # where it was refused, the yes is good


def test_a_yes_from_the_future_is_none(bench: Bench) -> None:
    """The clock was ten hours fast when it was given; eight hours later it is still not over."""
    bench.fill(many(30))
    bench.saved()
    before = bench.raw()
    bench.purge(many(30))
    fast = Later(10 * HOUR)
    allowance = bench.refuse(before, clock=fast).one(e.SaveRefused).allowance
    rule = bench.on_list().html(200)
    assert bench.once(allow=allowance, clock=fast).outcome == "aborted fault"
    rule.remove()
    run = bench.refuse(before, clock=Later(8 * HOUR))
    assert run.one(e.AllowanceSpent).why == "expired"


# --- what Vault can be made to say -----------------------------------------------------------

SEES_ALL = 'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}\n'
FILTERS = """
path "{mount}metadata/" {{
  capabilities = ["list", "read"]
  list_scan_response_keys_filter_path = "{mount}metadata/{{{{ .key }}}}"
}}
"""
MAY_READ = 'path "{mount}metadata/{name}" {{ capabilities = ["read"] }}\n'


@pytest.mark.parametrize("seen", [0, 49], ids=["hides all", "hides some"])
def test_a_policy_that_hides_names_from_lists(bench: Bench, seen: int) -> None:
    """OpenBao filters a list by what the token may read: eleven of sixty are few enough to go."""
    bench.fill(many(60))
    mount, server = bench.mount, bench.api.server
    token = bench.api.make_token(SEES_ALL.format(mount=mount))
    how: dict[str, Any] = {"vault": {"token": token, "requiredCapabilities": LEAST}}
    assert bench.once(**how).outcome == "saved"
    before = bench.raw()
    policy = server.json("POST", "/v1/auth/token/lookup", {"token": token})["data"]["policies"][-1]
    filtered = FILTERS.format(mount=mount) + "".join(
        MAY_READ.format(mount=mount, name=name) for name in many(seen)
    )
    server.json("PUT", f"/v1/sys/policies/acl/{policy}", {"policy": filtered})
    run = bench.once(**how)
    assert (run.code, run.outcome, {*run.faults}) == (3, "aborted fault", {"list_incomplete"})
    assert bench.raw() == before


def test_a_secret_that_is_denied_and_then_deleted(bench: Bench) -> None:
    """Nobody can tell it from one that a list hides: nothing is saved until somebody says which."""
    bench.fill(many(9))
    mount, server = bench.mount, bench.api.server
    token = bench.api.make_token(SEES_ALL.format(mount=mount))
    how: dict[str, Any] = {"vault": {"token": token, "requiredCapabilities": LEAST}}
    assert bench.once(**how).outcome == "saved"
    before = bench.raw()
    policy = server.json("POST", "/v1/auth/token/lookup", {"token": token})["data"]["policies"][-1]
    denied = f'path "{mount}metadata/003" {{ capabilities = ["deny"] }}\n'
    allowed = SEES_ALL.format(mount=mount)
    server.json("PUT", f"/v1/sys/policies/acl/{policy}", {"policy": allowed + denied})
    bench.purge(["003"])
    assert bench.once(**how).outcome == "aborted fault"
    assert bench.raw() == before
    (fault,) = events(bench.shop.records(), e.FaultRaised)
    assert fault.message == f"{mount}data/003 may not be read, and no list names it any more"
    assert fault.hint.startswith("It may have been deleted: ")
    assert f"read on {mount}metadata/003, " in fault.hint
    assert "origin.paths" in fault.hint
    server.json("PUT", f"/v1/sys/policies/acl/{policy}", {"policy": allowed})
    assert bench.once(**how).outcome == "saved"  # as the hint says


def test_a_namespace(bench: Bench) -> None:
    """OpenBao refuses `sys/health` inside one; and one that is deleted has no empty lists."""
    namespace = unique("namespace")
    server = bench.api.server
    server.json("POST", f"/v1/sys/namespaces/{namespace}")
    kv = {"type": "kv", "options": {"version": "2"}}
    server.json("POST", f"/v1/{namespace}/sys/mounts/kv", kv)
    until(lambda: server.http("GET", f"/v1/{namespace}/kv/config")[0] == 200)
    bench.fill(many(20), f"{namespace}/kv/")
    how: dict[str, Any] = {"mounts": ["kv/"], "vault": {"namespace": namespace}}
    assert bench.once(**how).outcome == "saved"
    assert {path.removeprefix("kv/data/") for path in bench.shop.saved()} == set(many(20))
    before = bench.raw()
    deleted = bench.vault.when(method="GET", path="/v1/kv/metadata/003", times=1)
    deleted.call(lambda: server.http("DELETE", f"/v1/sys/namespaces/{namespace}"))
    run = bench.once(**how)
    assert deleted.hits == 1
    assert (run.code, run.outcome) in {(3, "aborted fault"), (1, "aborted fatal")}
    assert bench.raw() == before


def test_a_key_whose_number_has_too_many_digits(bench: Bench) -> None:
    """No program's bucket; Python would not even read the number."""
    bench.begin(many(20))
    odd = bench.shop.prefix + "9" * 4400
    bench.shop.consul.put(odd, b"x")
    assert bench.once().outcome == "saved"
    assert bench.shop.consul.get(odd) == b"x"
    bench.shop.consul.delete(odd)
    assert bench.shop.saved() == bench.shop.alive()


def test_a_secret_in_a_thousand_folders_that_is_gone(bench: Bench) -> None:
    """Each folder above is asked for, one after the other, as deep as anyone may dig."""
    depth = 1_100
    lists = f"/v1/{bench.mount}metadata/"
    bench.vault.when(method="LIST", path=lists).answer(404, {"errors": []})
    clock = SystemClock()
    servers = wiring.servers(bench.shop.settings(), Inbox(), clock, lambda: 0.0)
    servers.access.begin(lambda: 10.0)
    budget = Budget(clock, deadline=clock.mono() + int(60e9), request_timeout_s=10)
    scope = Scope(1, Inbox(), budget, clock, lambda: 0.0)
    assert Lister(scope, servers.vault, servers.access, Choice(whole([bench.mount]))).gone(
        bench.mount, "d/" * depth, "x"
    )
    assert len([path for _, path in bench.vault.requests if path.startswith(lists)]) > depth


def test_a_list_of_another_cluster(bench: Bench) -> None:
    """A balancer that sends one list elsewhere: nineteen of a hundred are few enough to go."""
    bench.fill(many(100))
    bench.saved()
    bench.api.put(bench.mount, "000")
    before = bench.raw()

    def less(answer: Answer) -> Answer:
        keys = b",".join(b'"%s"' % name.encode() for name in many(81))
        return Answer(answer.status, b'{"data":{"keys":[%s]}}' % keys, answer.headers)

    rule = bench.on_list().alter(less)
    assert {*bench.once().faults} == {"list_incomplete"}
    assert bench.raw() == before
    rule.remove()
    bench.saved()

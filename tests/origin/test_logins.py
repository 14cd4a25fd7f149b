"""An origin that logs in: one login a token's life, and a life after it without a gap."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.auths import Auths, Issuer, Kubernetes, answered, asked
from tests.misbehave import Misbehave
from tests.origin.bench import Bench
from tests.support import ConsulKv, VaultApi
from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.view import View
from vsync_sm.local import BaoServer
from vsync_sm.origin.inbox import Inbox, SignalCame, TokenTold
from vsync_sm.origin.orders import Mode

LEAST = {"data": [], "metadata": ["read", "list"]}
NAMES = ("a", "b", "c/d", *(f"n/{number}" for number in range(20)))
LOGIN, RENEWAL = "auth/approle/login", "auth/token/renew-self"
COMPLETE = {"saved", "unchanged"}


@pytest.fixture
def server(own_bao: Callable[..., BaoServer]) -> BaoServer:
    """One whose requests can be counted."""
    return own_bao(audit=True)


@pytest.fixture
def auths(server: BaoServer) -> Auths:
    return Auths(server)


@pytest.fixture
def shop(
    server: BaoServer, auths: Auths, consul_kv: ConsulKv, sync_path: str, tmp_path: Path
) -> Workshop:
    """An origin without a token."""
    shop = Workshop(VaultApi(server), consul_kv, ["secret/"], sync_path, tmp_path)
    vault = shop.config["origin"]["vault"]
    del vault["token"]
    vault["requiredCapabilities"] = LEAST
    for name in NAMES:
        shop.vault.put("secret/", name)
    return shop


@pytest.fixture
def proxy(shop: Workshop) -> Iterator[Misbehave]:
    """Stands before the origin's Vault."""
    with Misbehave(shop.vault.address) as running:
        shop.config["origin"]["vault"]["address"] = running.address
        yield running


def put(file: Path, token: str) -> None:
    """A new token in its file, whole at once: it is read at this very moment."""
    fresh = file.with_suffix(".new")
    fresh.write_text(token)
    fresh.replace(file)


def complete(run: Run) -> None:
    assert (run.code, run.faults) == (0, [])
    assert run.one(e.CycleFinished).outcome in COMPLETE


def daemon(shop: Workshop, enough: Callable[[e.Record], bool], **origin: Any) -> Run:
    """A daemon in this process, asked to stop once a record comes that is `enough`."""
    inbox = Inbox()

    def stop(record: e.Record, _: View) -> None:
        if enough(record):
            inbox.post(SignalCame(signal.SIGTERM))

    # What never comes fails the test instead of holding it.
    late = threading.Timer(PATIENCE_S, lambda: inbox.post(SignalCame(signal.SIGTERM)))
    late.start()
    try:
        return shop.once(mode=Mode.daemon, inbox=inbox, sinks=[stop], **origin)
    finally:
        late.cancel()


def after(count: int, wanted: Callable[[e.Event | e.Unknown], bool]) -> Callable[[e.Record], bool]:
    """The end of a cycle after so many events that are wanted; then never again."""
    left = [count]

    def enough(record: e.Record) -> bool:
        left[0] -= wanted(record.event)
        if left[0] > 0 or not isinstance(record.event, e.CycleFinished):
            return False
        left[0] = sys.maxsize
        return True

    return enough


def is_login(event: e.Event | e.Unknown) -> bool:
    return isinstance(event, e.TokenRenewed) and event.login


def no_gap(run: Run) -> None:
    """Every cycle was complete, and nothing went wrong."""
    assert {event.outcome for event in run.all(e.CycleFinished)} <= COMPLETE
    assert (run.code, run.faults) == (0, [])


def test_an_approle_outlives_its_max_ttl_without_a_gap(shop: Workshop, auths: Auths) -> None:
    # The first token dies after its max TTL, whatever is renewed. A machine that is too busy to
    # tend tokens of seconds shows nothing: they then live for longer.
    for ttl, max_ttl in ((2, 3), (8, 12)):
        approle = auths.approle(f"of-{ttl}-s", token_ttl=f"{ttl}s", token_max_ttl=f"{max_ttl}s")
        before = answered(auths.server)
        run = daemon(shop, after(3, is_login), tick="200ms", vault={"approle": approle})
        counted = answered(auths.server) - before
        if not (run.faults or counted["auth/token/lookup-self"]):
            break
    no_gap(run)
    assert run.records[-1].mono > max_ttl * 1e9
    told = [event.login for event in run.all(e.TokenRenewed)]
    # The stop may come between the last one and its being told.
    assert counted[f"auth/of-{ttl}-s/login"] - told.count(True) in {0, 1}
    assert counted[RENEWAL] - told.count(False) in {0, 1}
    assert False in told
    assert counted["auth/token/lookup-self"] == 0  # no token was ever dead
    assert counted["auth/token/revoke-self"] == 1
    shop.replayed()


def test_without_renewal_a_token_that_dies_is_followed_by_another(
    shop: Workshop, auths: Auths
) -> None:
    approle = auths.approle(token_ttl="1s", token_max_ttl="1s")
    run = daemon(
        shop, after(3, is_login), tick="200ms", renewToken=False, vault={"approle": approle}
    )
    no_gap(run)
    assert run.records[-1].mono > 1e9
    counted = asked(auths.server)
    assert counted[RENEWAL] == 0
    # The last cycle may be slow: a fourth comes within it, or after the last that is told.
    assert 3 <= len(run.all(e.TokenRenewed)) <= counted[LOGIN]


def test_of_many_workers_with_a_dead_token_one_logs_in(
    shop: Workshop, auths: Auths, proxy: Misbehave
) -> None:
    approle, dead = auths.approle(), threading.Event()
    sent = proxy.when(method="GET", path=r"/v1/secret/metadata/n/1\d$", times=6).delay_until(dead)

    def revoke() -> None:
        sent.wait_for_hit(hits=6)  # with the token that now dies
        auths.ask("POST", "sys/leases/revoke-prefix/auth/approle/login")
        dead.set()

    proxy.when(method="GET", path=r"/v1/secret/metadata/n/5$", times=1).call(revoke)
    run = shop.once(numWorkers=8, vault={"approle": approle})
    complete(run)
    assert answered(auths.server)[LOGIN] == 2  # at the start, and after
    assert [event.login for event in run.all(e.TokenRenewed)] == [True, True]
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_of_many_workers_one_is_refused_and_then_the_run_ends(
    shop: Workshop, auths: Auths, proxy: Misbehave
) -> None:
    approle = auths.approle()

    def revoke() -> None:
        auths.ask("DELETE", "auth/approle/role/r")  # its tokens end, and so do its secret ids
        auths.ask("POST", "sys/leases/revoke-prefix/auth/approle/login")

    proxy.when(method="GET", path=r"/v1/secret/metadata/n/5$", times=1).call(revoke)
    run = shop.once(numWorkers=8, vault={"approle": approle})
    assert (run.code, run.outcome, set(run.faults)) == (1, "aborted fatal", {"authentication"})
    fault = run.all(e.FaultRaised)[0]
    assert "refuses the login at auth/approle" in fault.message
    assert asked(auths.server)[LOGIN] == 2  # who insists is locked out
    shop.replayed()


@pytest.mark.parametrize("mode", [Mode.check, Mode.plan, Mode.once], ids=lambda mode: mode.value)
def test_each_way_to_run_logs_in_once_and_gives_the_token_back(
    shop: Workshop, auths: Auths, mode: Mode
) -> None:
    run = shop.once(mode=mode, vault={"approle": auths.approle(token_ttl="1h")})
    assert (run.code, run.faults) == (0, [])
    (checked,) = [each for each in run.all(e.CheckPassed) if each.check == "Vault token"]
    assert checked.detail == "logged in with approle; it lives for 1 h, renewable"
    counted = answered(auths.server)
    assert (counted[LOGIN], counted["auth/token/revoke-self"], counted[RENEWAL]) == (1, 1, 0)


def test_a_token_of_few_requests_is_warned_of(shop: Workshop, auths: Auths) -> None:
    run = shop.once(mode=Mode.check, vault={"approle": auths.approle(token_num_uses=30)})
    (checked,) = [each for each in run.all(e.CheckPassed) if each.check == "Vault token"]
    assert "good for 30 requests" in checked.note


def test_a_jwt_is_read_anew_at_each_login(shop: Workshop, auths: Auths, proxy: Misbehave) -> None:
    issuer, file = Issuer(), shop.home / "jwt"
    auths.jwt(issuer, "team/oidc")
    file.write_text(issuer.token())

    def replace() -> None:
        put(file, issuer.token())
        auths.ask("POST", "sys/leases/revoke-prefix/auth/team/oidc/login")

    proxy.when(method="GET", path=r"/v1/secret/metadata/n/5$", times=1).call(replace)
    first = file.read_text()
    complete(shop.once(vault={"jwt": {"path": "team/oidc", "tokenFile": str(file)}}))
    assert first != file.read_text()
    assert answered(auths.server)["auth/team/oidc/login"] == 2


def test_a_pods_service_account(shop: Workshop, auths: Auths) -> None:
    file = shop.home / "token"
    with Kubernetes(trustme.CA()) as cluster:
        cluster.auth_method(auths)
        file.write_text(cluster.token())
        complete(shop.once(vault={"kubernetes": {"role": "r", "tokenFile": str(file)}}))
    assert cluster.reviewed == 1


def test_a_nested_namespace(shop: Workshop, server: BaoServer) -> None:
    within = Auths(server, "team/sub/")
    server.json("POST", "/v1/team/sub/secret/data/of-the-namespace", {"data": {"x": "y"}})
    vault = {"namespace": "team/sub", "approle": within.approle("its/own")}
    complete(shop.once(vault=vault))
    assert list(shop.saved()) == ["secret/data/of-the-namespace"]


def test_a_token_file_is_looked_into_while_the_token_lives(shop: Workshop, auths: Auths) -> None:
    file, fresh = shop.home / "sink", auths.token()
    file.write_text(auths.token())

    def enough(record: e.Record) -> bool:
        if isinstance(record.event, e.CycleStarted):
            put(file, fresh)
        return isinstance(record.event, e.TokenRenewed)

    run = daemon(shop, enough, tick="1h", renewToken=False, vault={"tokenFile": str(file)})
    no_gap(run)
    renewed = run.one(e.TokenRenewed)
    assert (renewed.method, renewed.login, renewed.lease_s) == ("token file", True, None)
    counted = answered(auths.server)
    assert (counted["auth/token/revoke-self"], counted[RENEWAL]) == (0, 0)  # not ours to end


def test_a_given_token_is_renewed_told_of_before_its_end_and_then_fatal(
    shop: Workshop, auths: Auths
) -> None:
    # A machine that is too busy to renew in time shows nothing: the token then lives for longer.
    for ttl in (3, 12):
        token = auths.token(ttl=f"{ttl}s", explicit_max_ttl=f"{2 * ttl}s")
        before = answered(auths.server)
        run = daemon(shop, lambda _: False, tick="1h", vault={"token": token})
        counted = answered(auths.server) - before
        if len(run.faults) == 2:
            break
    assert run.code == 1
    renewed = run.all(e.TokenRenewed)
    assert {(each.method, each.login) for each in renewed} == {("token", False)}
    assert renewed[0].lease_s == ttl
    ending, fatal = run.all(e.FaultRaised)
    assert (ending.kind, ending.fatal) == ("token_ending", False)
    assert (fatal.kind, fatal.fatal) == ("authentication", True)
    assert run.one(e.CycleFinished).outcome in COMPLETE
    # At the start, and at its very end whether it lives still; never to time a renewal.
    assert counted["auth/token/lookup-self"] <= 2
    shop.replayed()


@pytest.mark.parametrize("kind", ["root", "batch"])
def test_a_token_that_cannot_be_renewed_is_no_trouble(
    shop: Workshop, auths: Auths, kind: str
) -> None:
    token = shop.vault.token if kind == "root" else auths.token(type="batch")
    two = after(2, is_finished)

    def enough(record: e.Record) -> bool:
        """Two cycles after it was tried."""
        finished = is_finished(record.event)
        return finished and bool(asked(auths.server)[RENEWAL]) and two(record)

    run = daemon(shop, enough, tick="700ms", vault={"token": token})
    no_gap(run)
    assert run.all(e.TokenRenewed) == []
    assert asked(auths.server)[RENEWAL] == 1
    (checked,) = [each for each in run.all(e.CheckPassed) if each.check == "Vault token"]
    assert checked.detail.endswith("nothing to renew")
    assert bool(checked.note) is (kind == "batch")


def is_finished(event: e.Event | e.Unknown) -> bool:
    return isinstance(event, e.CycleFinished)


def test_a_renewal_that_fails_is_tried_again_and_told_once(
    shop: Workshop, auths: Auths, proxy: Misbehave
) -> None:
    failing = proxy.when(path=f"/v1/{RENEWAL}", times=2).drop_before()
    token = auths.token(ttl="1h")

    def renewed(record: e.Record) -> bool:
        return isinstance(record.event, e.TokenRenewed)

    run = daemon(shop, renewed, tick="1h", vault={"token": token})
    assert failing.hits == 2
    assert (run.code, run.faults) == (0, ["unreachable"])
    assert run.one(e.FaultRaised).message.startswith("the token cannot be renewed now: ")
    assert run.one(e.TokenRenewed).lease_s == 3600


def test_a_refused_login_before_the_tokens_end_is_an_alarm_and_at_its_end_fatal(
    shop: Workshop, auths: Auths
) -> None:
    # On a machine that stalls the token may be dead before the alarm, or alive after the last try.
    for ttl in (4, 16):
        role = {"token_ttl": f"{ttl}s", "token_max_ttl": f"{ttl}s", "secret_id_num_uses": 1}
        approle = auths.approle(f"of-{ttl}-s", **role)
        run = daemon(shop, lambda _: False, tick="1h", vault={"approle": approle})
        logins = asked(auths.server)[f"auth/of-{ttl}-s/login"]
        if (len(run.faults), logins) == (2, 3):
            break
    assert run.code == 1
    alarm, fatal = run.all(e.FaultRaised)
    assert (alarm.kind, fatal.kind) == ("token_ending", "authentication")
    assert logins == 3  # who insists is locked out
    shop.replayed()


def test_a_policy_without_renewal_is_told_once(shop: Workshop, auths: Auths) -> None:
    rules = """
        path "secret/metadata/*" { capabilities = ["read", "list"] }
        path "auth/token/lookup-self" { capabilities = ["read"] }
        path "sys/internal/ui/mounts/*" { capabilities = ["read"] }
        path "sys/capabilities-self" { capabilities = ["update"] }
    """
    auths.ask("PUT", "sys/policies/acl/meagre", {"policy": rules})
    token = auths.token(policies=["meagre"], no_default_policy=True)
    alarm = after(1, lambda event: isinstance(event, e.FaultRaised))
    run = daemon(shop, alarm, tick="300ms", vault={"token": token})
    assert (run.code, run.faults) == (0, ["token_ending"])
    assert "auth/token/renew-self" in run.one(e.FaultRaised).hint
    assert asked(auths.server)[RENEWAL] == 1


def test_a_login_that_hangs_costs_its_limit_and_no_stop(
    shop: Workshop, auths: Auths, proxy: Misbehave
) -> None:
    hanging = proxy.when(path=f"/v1/{LOGIN}").hang()
    approle = auths.approle()
    limits: dict[str, Any] = {"requestTimeout": "200ms", "startTimeout": "200ms"}
    run = shop.once(vault={"approle": approle}, **limits)
    assert (run.code, run.faults) == (1, ["check_failed"])
    with shop.start(vault={"approle": approle}, requestTimeout="60s", timeout="60s") as running:
        hanging.wait_for_hit(hits=hanging.hits + 1)
        started = time.monotonic()
        assert running.stop() == 0
        assert time.monotonic() - started < 30  # not the minute that the login may take


def test_a_save_under_way_ends_before_the_run_does(bench: Bench) -> None:
    """A token is needed to read; what was read may be saved."""
    inbox = Inbox()
    dead = Fault(FaultKind.AUTHENTICATION, "Vault no longer accepts the token")
    bench.fill()
    bench.on_write(times=1).call(lambda: inbox.post(TokenTold(dead)))
    run = bench.once(inbox=inbox)
    assert (run.code, run.outcome, run.faults) == (1, "saved", ["authentication"])
    assert bench.shop.saved() == bench.shop.alive()

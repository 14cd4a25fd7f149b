"""No answer is older than the cycle (safety rule 10), on two nodes of which one lags."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cluster import Cluster, Rounds, cluster_in, without_the_rule
from tests.origin.bench import LEAST, Bench
from tests.support import ConsulKv, unique
from tests.workshop import PATIENCE_S, Workshop
from vsync_sm.core import events as e
from vsync_sm.local import ConsulServer
from vsync_sm.servers.vault import Vault

DELETE = "DELETE /v1/cubbyhole/vsync"
RULES = 'path "secret/metadata/*" { capabilities = ["read", "list"] }'


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An active node and a standby that lags."""
    with cluster_in(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
def behind(cluster: Cluster, consul_kv: ConsulKv, sync_path: str, tmp_path: Path) -> Workshop:
    """An origin behind the round robin."""
    shop = Workshop(cluster.api, consul_kv, ["secret/"], sync_path, tmp_path)
    shop.config["origin"]["vault"]["address"] = cluster.balancer.address
    return shop


def index_of(request: str) -> str:
    """The `X-Vault-Index` that a request bears, "" where it has none; never more than one."""
    found = re.findall(r"^X-Vault-Index: (\S+)$", request, re.MULTILINE)
    assert len(found) <= 1
    inconsistent = "X-Vault-Inconsistent: forward-active-node" in request
    assert inconsistent is bool(found)
    return "".join(found)


def test_no_cycle_misses_what_was_written_right_before_it(
    cluster: Cluster, consul: ConsulServer, tmp_path: Path
) -> None:
    with Rounds(cluster, consul, tmp_path) as rounds:
        rounds.go(60)
        assert (rounds.seen, rounds.stale) == (60, 0)
    # In an origin of its own: one that has once caught up would go on sending that old index.
    home = tmp_path / "without"
    home.mkdir()
    with without_the_rule(), Rounds(cluster, consul, home) as rounds:
        # A busy machine may need many: where a cycle is slow the standby hears of the write first.
        while not rounds.stale and rounds.seen < 600:
            rounds.go(1)
        assert rounds.stale == 1


def test_every_request_of_a_cycle_bears_the_cycles_own_index(
    cluster: Cluster, behind: Workshop
) -> None:
    cluster.api.put("secret/", "f/again")
    cluster.api.put("secret/", "f/other")
    assert behind.once().outcome == "saved"
    cluster.api.purge("secret/", "f/again")  # its folder still names another: it is asked itself
    one, two = (asked_in_a_cycle(cluster, behind, outcome) for outcome in ("saved", "unchanged"))
    for asked in (one, two):
        assert len(set(map(index_of, asked))) == 1
        assert index_of(asked[0])
    assert index_of(one[0]) != index_of(two[0])
    assert any(request.startswith("GET /v1/secret/metadata/f/again ") for request in one)


def asked_in_a_cycle(cluster: Cluster, behind: Workshop, outcome: str) -> list[str]:
    """What a cycle of this outcome sends to Vault, once it has caught up."""
    heard: list[str] = []
    rule = cluster.balancer.when().note(heard)
    assert behind.once().outcome == outcome
    rule.remove()
    assert sum(request.startswith(DELETE) for request in heard) == 2  # the checks do so, too
    last = max(at for at, request in enumerate(heard) if request.startswith(DELETE))
    return heard[last + 1 :]


def test_a_token_that_may_not_catch_up_is_refused_where_standbys_may_lag(
    cluster: Cluster, behind: Workshop
) -> None:
    for fields, why in (
        ({"no_default_policy": True}, "permission denied"),
        ({"type": "batch", "ttl": "1h"}, 'only supported by "service"'),
    ):
        token = cluster.api.make_token(f"{RULES} {ASKED}", **fields)
        run = behind.once(vault={"token": token, "requiredCapabilities": LEAST})
        assert (run.code, run.faults) == (1, ["check_failed"])
        (failed,) = run.all(e.CheckFailed)
        assert failed.check == "Vault freshness"
        assert why.replace('"', "") in failed.message.replace("'", "")
        assert 'path "cubbyhole/vsync" { capabilities = ["delete"] }' in failed.hint


def test_a_token_that_has_died_is_dead_although_a_standby_still_accepts_it(
    cluster: Cluster,
) -> None:
    """A worker's 403 may be the active node's, and its question about the token a standby's."""
    vault = Vault(address=cluster.standby.address)
    stale, rounds = False, 0
    while not stale and rounds < 100:  # a busy machine may be slow: the standby hears of it first
        rounds += 1
        token = cluster.api.make_token("")
        vault.use_token(token)
        assert vault.catch_up(soon)
        wait_for_standby(cluster)
        assert vault.token_alive(soon)
        cluster.api.revoke(token)
        stale = vault.look_up(soon) is not None
        assert not vault.token_alive(soon)
    assert stale


def soon() -> float:
    return 60.0


def wait_for_standby(cluster: Cluster) -> None:
    """Returns once the standby has heard of what is there by now."""
    name, until = unique("heard"), time.monotonic() + PATIENCE_S
    cluster.api.put("secret/", name)
    while cluster.standby.http("GET", f"/v1/secret/metadata/{name}")[0] != 200:
        assert time.monotonic() < until
        time.sleep(0.02)


ASKED = """
path "auth/token/lookup-self" { capabilities = ["read"] }
path "sys/capabilities-self" { capabilities = ["update"] }
path "sys/internal/ui/mounts/*" { capabilities = ["read"] }
"""
"""What Vault's `default` policy grants of what vsync asks, but for the cubbyhole."""


def test_a_server_that_knows_no_index_is_none_the_worse(bench: Bench) -> None:
    bench.fill()
    heard: list[str] = []
    bench.vault.when().note(heard)
    bench.saved()
    assert sum(request.startswith(DELETE) for request in heard) == 2
    assert not any(map(index_of, heard))


def test_nor_is_a_token_that_may_not_ask_it(bench: Bench) -> None:
    bench.fill()
    rules = RULES.replace("secret/", bench.mount) + ASKED
    token = bench.api.make_token(rules, no_default_policy=True)
    bench.saved(vault={"token": token, "requiredCapabilities": LEAST})
    assert ("DELETE", "/v1/cubbyhole/vsync") in bench.vault.requests


def test_no_answer_is_older_than_the_sync_info_that_it_is_compared_with(bench: Bench) -> None:
    """Another origin may have saved what a standby has not heard of: it would be undone."""
    bench.begin()
    asked: list[str] = []
    for method, path, what in (
        ("DELETE", "/v1/cubbyhole/vsync", "catch up"),
        ("GET", "/v1/sys/internal/ui/mounts/", "mount"),
        ("LIST", f"/v1/{bench.mount}metadata/$", "list"),
    ):
        bench.vault.when(method=method, path=path).call(partial(asked.append, what))
    bench.on_tree().call(partial(asked.append, "former"))
    bench.saved()
    assert asked[asked.index("former") :] == ["former", "catch up", "mount", "list", "mount"]


def test_a_cycle_whose_active_node_does_not_answer_is_aborted(bench: Bench) -> None:
    before = bench.begin()
    catch_up = bench.vault.when(method="DELETE", path="/v1/cubbyhole/vsync", after=1)
    catch_up.answer(500, {"errors": ["no active node"]})
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["server_error"])
    assert bench.raw() == before
    assert not [path for method, path in bench.vault.requests[-4:] if method == "LIST"]

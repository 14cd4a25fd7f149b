"""Which index goes with a request, and what is believed to be one."""

from __future__ import annotations

import pytest

from tests.misbehave import Misbehave
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.local import BaoServer
from vsync_sm.servers.freshness import Freshness
from vsync_sm.servers.vault import Vault


def soon() -> float:
    return 10.0


def test_a_late_answer_never_takes_the_place_of_a_newer_one() -> None:
    freshness = Freshness()
    frozen, thawed = freshness.asking(), freshness.asking()
    freshness.answered(thawed, "new")
    freshness.answered(frozen, "old")
    assert freshness.headers == {
        "X-Vault-Index": "new",
        "X-Vault-Inconsistent": "forward-active-node",
    }


def test_an_index_goes_when_the_active_node_gives_none_any_more() -> None:
    freshness = Freshness()
    freshness.answered(freshness.asking(), "one")
    freshness.answered(freshness.asking(), "")
    assert freshness.headers == {}


@pytest.mark.parametrize(
    "index", ["one, two", "x" * 4097, "\u00e9"], ids=["two of them", "too long", "not ASCII"]
)
def test_what_is_no_index_is_not_sent_on(bao: BaoServer, index: str) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when(method="DELETE").answer(204, headers={"X-Vault-Index": index})
        vault = Vault(address=proxy.address, token=bao.token)
        with pytest.raises(Fault) as caught:
            vault.catch_up(soon)
    assert caught.value.kind is FaultKind.NOT_VAULT


def test_a_page_is_no_answer_of_the_active_node(bao: BaoServer) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when(method="DELETE").html()
        with pytest.raises(Fault) as caught:
            Vault(address=proxy.address, token=bao.token).catch_up(soon)
    assert caught.value.kind is FaultKind.NOT_VAULT


def test_a_standby_that_lags_and_hands_nothing_on_is_asked_again(bao: BaoServer) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when(method="LIST").answer(412, {"errors": ["required index state not present"]})
        with pytest.raises(Fault) as caught:
            Vault(address=proxy.address, token=bao.token).list_names("secret/", "", soon)
    assert caught.value.retry
    assert "active node" in caught.value.hint

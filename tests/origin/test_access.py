"""The token that a worker and the keeper's thread have in hand at the same moment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.misbehave import Misbehave
from tests.support import VaultApi
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import TokenRenewed
from vsync_sm.origin.access import Access, Way
from vsync_sm.origin.clock import SystemClock
from vsync_sm.servers.vault import Grant, Vault

RULES = 'path "{mount}metadata/*" {{ capabilities = ["list"] }}'


def soon() -> float:
    return 60.0


class Desk:
    """An `Access` whose token comes from a file, with a proxy before its Vault."""

    def __init__(self, api: VaultApi, mount: str, file: Path, proxy: Misbehave) -> None:
        self.api = api
        self.mount = mount
        self.proxy = proxy
        self.told: list[TokenRenewed] = []
        self._file = file
        self._vault = Vault(address=proxy.address)
        self.access = Access(
            self._vault,
            Way("token file", read=self._read),
            clock=SystemClock(),
            random=lambda: 0.5,
            tell=self.told.append,
        )

    def token(self, **fields: object) -> str:
        """A token that may list."""
        return self.api.make_token(RULES.format(mount=self.mount), **fields)

    def put(self, token: str) -> str:
        """A token in the file."""
        self._file.write_text(token)
        return token

    def list(self) -> object:
        """What a worker does."""
        vault, mount = self._vault, self.mount
        return self.access.call(lambda: vault.list_names(mount, "", soon), soon)

    def read(self) -> object:
        """What the policy refuses."""
        vault, mount = self._vault, self.mount
        return self.access.call(lambda: vault.read_metadata(mount, "a", soon), soon)

    def _read(self) -> str:
        if not (content := self._file.read_text()):
            raise Fault(FaultKind.AUTHENTICATION, "the file is empty")
        return content


@pytest.fixture
def desk(vault_api: VaultApi, mount: str, tmp_path: Path) -> Iterator[Desk]:
    with Misbehave(vault_api.address) as proxy:
        yield Desk(vault_api, mount, tmp_path / "token", proxy)


def fault_of(desk: Desk) -> FaultKind:
    with pytest.raises(Fault) as caught:
        desk.read()
    return caught.value.kind


def test_a_token_that_comes_after_all_is_not_taken_for_the_one_that_was_lost(desk: Desk) -> None:
    old = desk.put(desk.token())
    desk.access.begin(soon)
    desk.put("")
    desk.api.revoke(old)
    for _ in range(2):  # in a cycle that was over already, then in the next
        assert fault_of(desk) is FaultKind.AUTHENTICATION
    desk.put(desk.token())
    desk.access.tend(soon, renew=False)
    assert fault_of(desk) is FaultKind.FORBIDDEN


def test_the_keeper_puts_no_older_token_in_the_place_of_a_later_one(desk: Desk) -> None:
    old = desk.put(desk.token())
    desk.access.begin(soon)
    desk.put(desk.token())
    later = desk.token()

    def worker() -> None:
        desk.put(later)
        desk.api.revoke(old)
        desk.list()
        assert desk.access.token == later

    desk.proxy.when(path="/v1/auth/token/lookup-self", times=1).call(worker)
    desk.access.tend(soon, renew=False)  # it has read the one between, and looks it up
    assert desk.access.token == later
    assert len(desk.told) == 1


def test_a_token_that_died_while_it_was_renewed_is_no_policy_that_forbids_it(desk: Desk) -> None:
    old = desk.put(desk.token())
    desk.access.begin(soon)

    def worker() -> None:
        later = desk.put(desk.token())
        desk.api.revoke(old)
        desk.list()
        assert desk.access.token == later

    desk.proxy.when(path="/v1/auth/token/renew-self", times=1).call(worker)
    desk.access.tend(soon, renew=True)
    assert desk.access.due_in() <= 0  # of the later one nobody has asked yet


def test_a_token_that_a_later_try_of_the_start_finds_is_renewed(desk: Desk) -> None:
    desk.put(desk.token(renewable=False))
    desk.access.begin(soon)
    desk.access.tend(soon, renew=True)
    assert not desk.told
    desk.put(desk.token(ttl="1h"))
    desk.access.begin(soon)
    desk.access.tend(soon, renew=True)
    (renewed,) = desk.told
    assert (renewed.login, renewed.lease_s) == (False, 3600)


def test_tokens_that_may_not_look_at_themselves_are_said_to_be_so(
    vault_api: VaultApi, mount: str
) -> None:
    vault = Vault(address=vault_api.address)
    fresh = vault_api.make_token(RULES.format(mount=mount), no_default_policy=True)
    vault.use_token(fresh)
    access = Access(
        vault,
        Way("approle", log_in=lambda _: Grant(fresh, 3600, True)),
        clock=SystemClock(),
        random=lambda: 0.5,
        tell=lambda _: None,
    )
    with pytest.raises(Fault) as caught:
        access.call(lambda: vault.read_metadata(mount, "a", soon), soon)
    assert caught.value.kind is FaultKind.AUTHENTICATION
    assert 'path "auth/token/lookup-self"' in caught.value.hint

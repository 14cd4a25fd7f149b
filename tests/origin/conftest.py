"""What the tests of whole cycles share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.origin.bench import Bench, bench_of
from tests.origin.ward import Ward
from tests.workshop import Workshop
from vsync_sm.local import BaoServer, ConsulServer, start_bao, start_consul


@pytest.fixture
def bench(workshop: Workshop) -> Iterator[Bench]:
    """An origin with one mount, and a proxy in front of each of its servers."""
    with bench_of(workshop) as made:
        yield made


@pytest.fixture(scope="session")
def poor_bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaoServer]:
    """An OpenBao to be ill-treated; it keeps what it holds over a restart."""
    with start_bao(tmp_path_factory.mktemp("poor-bao"), persistent=True) as server:
        yield server


@pytest.fixture(scope="session")
def poor_consul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsulServer]:
    """A Consul to be ill-treated; it keeps what it holds over a restart."""
    with start_consul(tmp_path_factory.mktemp("poor-consul"), persistent=True) as server:
        yield server


@pytest.fixture
def ward(poor_bao: BaoServer, poor_consul: ConsulServer, tmp_path: Path) -> Iterator[Ward]:
    """An origin on servers that may be ill-treated; it has not run yet."""
    made = Ward(poor_bao, poor_consul, tmp_path)
    with made.proxy:
        yield made
        made.heal()
        made.shop.replayed()

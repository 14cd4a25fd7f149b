"""What the tests of whole cycles share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.origin.bench import Bench, bench_of
from tests.workshop import Workshop


@pytest.fixture
def bench(workshop: Workshop) -> Iterator[Bench]:
    """An origin with one mount, and a proxy in front of each of its servers."""
    with bench_of(workshop) as made:
        yield made

"""Consul's key/value store as far as a save goes: check-and-set, and when an index moves."""

from __future__ import annotations

from collections.abc import Iterable

from tests.core.made import PREFIX
from vsync_sm.core.save import Check, Delete, KeyValue, Operation, Put, Set, Step
from vsync_sm.core.sync_info import Former, decode_former


class Store:
    """Keys with their bytes and ModifyIndex, as Consul 1.8.7 keeps them."""

    def __init__(self, tree: Iterable[KeyValue] = ()) -> None:
        self.tree = {pair.key: pair for pair in tree}
        self._last = max((pair.modify_index for pair in self.tree.values()), default=100)

    def former(self) -> Former:
        """What a cycle reads."""
        return decode_former(PREFIX, self.tree.values())

    def values(self) -> dict[str, bytes]:
        """The bytes by key."""
        return {key: pair.value for key, pair in self.tree.items()}

    def apply(self, step: Step) -> bool:
        """Whether it was taken: all of it or nothing."""
        operations = (step.write,) if isinstance(step, Put) else step.operations
        if not all(self._index(each.key) == each.modify_index for each in operations):
            return False
        for each in operations:
            self._do(each)
        return True

    def _index(self, key: str) -> int:
        return self.tree[key].modify_index if key in self.tree else 0

    def _do(self, operation: Operation) -> None:
        if isinstance(operation, Delete):
            del self.tree[operation.key]
        elif isinstance(operation, Set):
            there = self.tree.get(operation.key)
            # Tried: to write what is there already does not move the ModifyIndex.
            if there is None or there.value != operation.value:
                self._last += 1
                self.tree[operation.key] = KeyValue(operation.key, operation.value, self._last)
        else:
            assert isinstance(operation, Check)

"""How a save is laid out: which keys, in which transactions, fenced how (safety rule 5)."""

from __future__ import annotations

import msgspec


class KeyValue(msgspec.Struct, frozen=True):
    """One key as it lies in Consul: the whole key, its bytes, and its ModifyIndex."""

    key: str
    value: bytes
    modify_index: int


class Check(msgspec.Struct, frozen=True):
    """Fails the transaction unless `key` still has this ModifyIndex; 0: unless it is absent."""

    key: str
    modify_index: int


class Set(msgspec.Struct, frozen=True):
    """Writes `value` if `key` still has this ModifyIndex; 0: if it is absent (check-and-set)."""

    key: str
    value: bytes
    modify_index: int


class Delete(msgspec.Struct, frozen=True):
    """Deletes `key` if it still has this ModifyIndex (delete with check-and-set)."""

    key: str
    modify_index: int


Operation = Check | Set | Delete


TRANSACTION_OPERATIONS = 64
"""Consul refuses a transaction of more operations (`maxTxnOps`)."""

TRANSACTION_BYTES = 512 * 1024
"""Consul refuses a transaction whose body, base64 included, is longer (`txn_max_req_len`)."""

_OVERHEAD = 96
"""An upper bound of one operation's JSON around key and value: verb, index, braces, quotes."""


class Transaction(msgspec.Struct, frozen=True):
    """Operations that Consul applies all or none."""

    operations: tuple[Operation, ...]


class Put(msgspec.Struct, frozen=True):
    """One key too large for a transaction: a `PUT ?cas=` of its own."""

    write: Set


Step = Transaction | Put


class SavePlan(msgspec.Struct, frozen=True):
    """What a save writes, in order: buckets, then the index, then (once committed) deletions.

    `index_modify_index` is the ModifyIndex that fences every transaction (0: no index yet).
    """

    index_key: str
    index_modify_index: int
    index_digest: str
    writes: tuple[Set, ...]
    stale: tuple[KeyValue, ...]

    @property
    def nothing_to_write(self) -> bool:
        """Whether Consul holds all of it already."""
        return not self.writes

    def steps(self) -> tuple[Step, ...]:
        """The writes as transactions, each fenced by a check on the index key, in order."""
        fence = Check(self.index_key, self.index_modify_index)
        steps: list[Step] = []
        operations: list[Operation] = [fence]
        size = _size(fence.key, b"")
        for write in self.writes:
            needed = _size(write.key, write.value)
            alone = _size(fence.key, b"") + needed
            fits = size + needed <= TRANSACTION_BYTES and len(operations) < TRANSACTION_OPERATIONS
            if not fits and len(operations) > 1:
                steps.append(Transaction(tuple(operations)))
                operations, size = [fence], _size(fence.key, b"")
            if alone > TRANSACTION_BYTES:
                steps.append(Put(write))
                continue
            operations.append(write)
            size += needed
        if len(operations) > 1:
            steps.append(Transaction(tuple(operations)))
        return tuple(steps)


def _size(key: str, value: bytes) -> int:
    escaped = len(msgspec.json.encode(key)) * 2  # other JSON writers escape what is not ASCII
    return _OVERHEAD + escaped + 4 * -(-len(value) // 3)

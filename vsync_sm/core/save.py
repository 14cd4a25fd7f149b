"""How a save is laid out: which keys, in which transactions, fenced how (safety rule 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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

    `index_modify_index` is the ModifyIndex that fences every transaction (0: no index yet). The
    writes from `together_from` on begin a transaction of their own, and are one where they fit.
    """

    index_key: str
    index_modify_index: int
    index_digest: str
    writes: tuple[Set, ...]
    together_from: int
    stale: tuple[KeyValue, ...]

    @property
    def nothing_to_write(self) -> bool:
        """Whether Consul holds all of it already."""
        return not self.writes

    def steps(self) -> tuple[Step, ...]:
        """The writes as transactions, each fenced by a check on the index key, in order."""
        fence = Check(self.index_key, self.index_modify_index)
        beyond, together = self.writes[: self.together_from], self.writes[self.together_from :]
        parts = [self.writes] if _fits(fence, self.writes) else [beyond, together]
        return tuple(step for part in parts for step in _chunks(fence, part))


def _chunks(fence: Check, writes: tuple[Set, ...]) -> Iterator[Step]:
    chunk: tuple[Set, ...] = ()
    for write in writes:
        if chunk and not _fits(fence, (*chunk, write)):
            yield Transaction((fence, *chunk))
            chunk = ()
        if _fits(fence, (write,)):
            chunk = (*chunk, write)
        else:
            yield Put(write)
    if chunk:
        yield Transaction((fence, *chunk))


def _fits(fence: Check, writes: Sequence[Set]) -> bool:
    size = _size(fence.key, b"") + sum(_size(write.key, write.value) for write in writes)
    return size <= TRANSACTION_BYTES and len(writes) < TRANSACTION_OPERATIONS


def _size(key: str, value: bytes) -> int:
    escaped = len(msgspec.json.encode(key)) * 2  # other JSON writers escape what is not ASCII
    return _OVERHEAD + escaped + 4 * -(-len(value) // 3)

"""The sync info as plain values: buckets, digests, sizes, and what changed.

The format is the wire's (docs/wire.md): it is read by vsync destinations written in Go, so it
is fixed to the byte where it is hashed and to the JSON value where it is not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from vsync_sm.core.insight import Insight, refuse_no_moment
from vsync_sm.core.save import KeyValue

MAX_BUCKETS = 7_800
"""The index is one Consul value of 67 bytes a digest, and Consul's values end at 512 KiB."""

INDEX = "index"

Bucket = Mapping[str, Insight]
"""Absolute data path (`<mount>data/<path>`) to insight."""

_LARGEST_VERSION = 2**63 - 1
"""Beyond it no destination could decode the bucket."""

_DIGEST_BYTES = 67

_T = TypeVar("_T")
_NUMERIC = re.compile(r"0|[1-9][0-9]{0,4}", re.ASCII)  # MAX_BUCKETS has four digits
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def bucket_of(path: str, num_buckets: int) -> int:
    """The bucket of an absolute data path: SHA-256's first two bytes, big-endian, modulo N."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:2], "big") % num_buckets


def data_path(mount: str, path: str) -> str:
    """The absolute data path of a secret: mount as configured (ends in `/`), then `data/`."""
    return f"{mount}data/{path}"


def mount_of(path: str, mounts: Iterable[str]) -> str:
    """The mount of an absolute data path: a configured one, else what stands before `data/`.

    The fallback serves paths whose mount has been taken out of the configuration.
    """
    for mount in mounts:
        if path.startswith(f"{mount}data/"):
            return mount
    head, separator, _ = path.partition("/data/")
    return f"{head}/" if separator else ""


def hash_input(bucket: Bucket) -> str:
    """What is hashed for the index: Go's `fmt.Sprint` of the map."""
    entries = (
        f"{path}:{{{insight.version} {insight.updateTime} {insight.type}}}"
        for path, insight in sorted(bucket.items())
    )
    return f"map[{' '.join(entries)}]"


def digest(bucket: Bucket) -> str:
    """A bucket's line in the index: lower-case hex SHA-256 of its `hash_input`."""
    return hashlib.sha256(hash_input(bucket).encode()).hexdigest()


def encode_bucket(bucket: Bucket) -> bytes:
    """A bucket's value in Consul; the same bucket always gives the same bytes."""
    return msgspec.json.encode(bucket, order="deterministic")


def encode_index(digests: Sequence[str]) -> bytes:
    """The index's value in Consul."""
    return msgspec.json.encode(list(digests))


def decode_bucket(value: bytes) -> dict[str, Insight]:
    """A bucket from its value in Consul.

    Raises:
        ValueError: it is no bucket (a destination could not read it either).
    """
    bucket = msgspec.json.decode(value, type=dict[str, Insight])
    for path, insight in bucket.items():
        refuse_no_moment(insight.updateTime)
        if not 1 <= insight.version <= _LARGEST_VERSION:
            raise ValueError(f"{path} has version {insight.version}")
    return bucket


def decode_index(value: bytes) -> tuple[str, ...]:
    """The digests from the index's value in Consul.

    Raises:
        ValueError: it is no index.
    """
    digests = msgspec.json.decode(value, type=tuple[str, ...])
    if not 1 <= len(digests) <= MAX_BUCKETS or not all(map(_DIGEST.fullmatch, digests)):
        raise ValueError("not a list of digests")
    return digests


class Former(msgspec.Struct, frozen=True):
    """The sync info that lies in Consul when a cycle begins, decoded as far as it can be.

    `index_key` and `keys` hold what lies there, with each ModifyIndex; `digests` is the decoded
    index, None without one. `buckets` are the decoded buckets of all numeric keys; `insights`
    is the union of those that count: the ones the index names, or all without an index.
    """

    index_key: KeyValue | None
    digests: tuple[str, ...] | None
    keys: Mapping[int, KeyValue]
    buckets: Mapping[int, Bucket]
    insights: Mapping[str, Insight]
    missing: tuple[int, ...]
    undecodable: tuple[str, ...]

    @property
    def absent(self) -> bool:
        """Whether Consul holds no sync info at all."""
        return self.index_key is None and not self.keys

    def beyond(self, num_buckets: int) -> tuple[KeyValue, ...]:
        """The numeric keys that a sync info of `num_buckets` buckets does not have."""
        return tuple(self.keys[i] for i in sorted(self.keys) if i >= num_buckets)


def decode_former(prefix: str, tree: Iterable[KeyValue]) -> Former:
    """The former sync info from every key under `prefix`.

    A key that is neither a number nor the index is somebody's probe or status, and is ignored.
    """
    index_key, keys = _sort_out(prefix, tree)
    digests, undecodable = _decode_or_note(INDEX, index_key, decode_index)
    counts: Iterable[int] = sorted(keys) if digests is None else range(len(digests))

    buckets: dict[int, Bucket] = {}
    for number, pair in keys.items():
        bucket, broken = _decode_or_note(str(number), pair, decode_bucket)
        if bucket is not None:
            buckets[number] = bucket
        elif number in counts:
            undecodable += broken

    return Former(
        index_key=index_key,
        digests=digests,
        keys=keys,
        buckets=buckets,
        insights=_union(buckets[number] for number in counts if number in buckets),
        missing=tuple(number for number in counts if number not in keys),
        undecodable=undecodable,
    )


def _sort_out(prefix: str, tree: Iterable[KeyValue]) -> tuple[KeyValue | None, dict[int, KeyValue]]:
    index_key = None
    keys = {}
    for pair in tree:
        name = pair.key.removeprefix(prefix)
        if name == INDEX:
            index_key = pair
        elif _NUMERIC.fullmatch(name):
            keys[int(name)] = pair
    return index_key, dict(sorted(keys.items()))


def _decode_or_note(
    name: str, pair: KeyValue | None, decode: Callable[[bytes], _T]
) -> tuple[_T | None, tuple[str, ...]]:
    if pair is None:
        return None, ()
    try:
        return decode(pair.value), ()
    except ValueError:
        return None, (name,)


def _union(buckets: Iterable[Bucket]) -> dict[str, Insight]:
    # A path stands in two buckets only while a save with another N was cut short: the newer counts.
    insights: dict[str, Insight] = {}
    for bucket in buckets:
        for path, insight in bucket.items():
            known = insights.get(path)
            if known is None or known.older_than(insight):
                insights[path] = insight
    return insights


def change_of(former: Insight | None, insight: Insight) -> str:
    """What an insight is against the former sync info: `added`, `updated` or `unchanged`."""
    if former is None:
        return "added"
    return "unchanged" if former == insight else "updated"


def distribute(insights: Mapping[str, Insight], num_buckets: int) -> tuple[dict[str, Insight], ...]:
    """Every insight in the bucket of its path."""
    buckets: tuple[dict[str, Insight], ...] = tuple({} for _ in range(num_buckets))
    for path, insight in insights.items():
        buckets[bucket_of(path, num_buckets)][path] = insight
    return buckets


def buckets_that_would_do(insights: Mapping[str, Insight], value_limit: int) -> int | None:
    """The smallest of a row of growing `numBuckets` with every bucket under 80 % of the limit.

    Its index fits into one value, too.

    Args:
        insights: all of them.
        value_limit: Consul's limit of one value, bytes.

    Returns:
        The number, or None when none would do.
    """
    sizes = {path: len(encode_bucket({path: insight})) for path, insight in insights.items()}
    candidate, largest = 2, min(MAX_BUCKETS, (value_limit - 1) // _DIGEST_BYTES)
    while candidate <= largest:
        totals = [2] * candidate
        for path, size in sizes.items():
            totals[bucket_of(path, candidate)] += size
        if max(totals) <= value_limit * 0.8:
            return candidate
        if candidate == largest:
            break
        candidate = min(candidate * 2, largest)
    return None

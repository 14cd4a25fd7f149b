"""The exact bytes in Consul, against vectors that a Go program computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync_sm.core.insight import Insight
from vsync_sm.core.sync_info import (
    Bucket,
    bucket_of,
    data_path,
    decode_bucket,
    decode_index,
    digest,
    distribute,
    encode_bucket,
    encode_index,
    hash_input,
)

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "data" / "wire-vectors.json").read_text(encoding="utf-8")
)
CONTENTS = [
    (
        {path: Insight(**insight) for path, insight in vector["bucket"].items()},
        vector["hashInput"],
        vector["sha256"],
        vector["storedValue"],
    )
    for vector in VECTORS["bucketContents"]
]
contents = pytest.mark.parametrize(
    ("bucket", "hashed", "sha256", "stored"), CONTENTS, ids=[each[1][:40] for each in CONTENTS]
)
buckets = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.builds(
        Insight,
        st.integers(1, 2**63 - 1),
        st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}.{moment:%f}789Z".zfill(30)),
    ),
    max_size=8,
)


def test_the_vectors_are_all_there() -> None:
    assert set(VECTORS) == {"bucketIds", "bucketContents"}
    assert (len(VECTORS["bucketIds"]), len(CONTENTS)) == (11, 4)


@pytest.mark.parametrize("vector", VECTORS["bucketIds"], ids=lambda vector: repr(vector["path"]))
def test_bucket_of_a_path(vector: dict[str, Any]) -> None:
    expected = {int(n): bucket for n, bucket in vector["bucketIdByNumBuckets"].items()}
    assert expected
    assert {n: bucket_of(vector["path"], n) for n in expected} == expected


@contents
def test_what_is_hashed(bucket: Bucket, hashed: str, sha256: str, stored: str) -> None:
    assert hash_input(bucket) == hashed
    assert digest(bucket) == sha256


@contents
def test_what_is_stored(bucket: Bucket, hashed: str, sha256: str, stored: str) -> None:
    # Fixed to the JSON value only; Go escapes what HTML would mind.
    assert json.loads(encode_bucket(bucket)) == json.loads(stored)
    assert decode_bucket(stored.encode()) == bucket
    assert digest(decode_bucket(stored.encode())) == sha256


@contents
def test_the_order_of_insights_changes_no_byte(
    bucket: Bucket, hashed: str, sha256: str, stored: str
) -> None:
    reversed_bucket = dict(reversed(list(bucket.items())))
    assert encode_bucket(reversed_bucket) == encode_bucket(bucket)
    assert hash_input(reversed_bucket) == hashed


def test_an_insight_has_the_fields_that_go_reads_in_their_order() -> None:
    assert msgspec.json.encode(Insight(3, "2026-10-01T00:00:00.5Z")) == (
        b'{"version":3,"updateTime":"2026-10-01T00:00:00.5Z","type":"kvV2"}'
    )


def test_an_index_is_an_array_of_digests() -> None:
    empty = "52133ddfcd583280388a8bbfb67a417b6b660f75bc63ec1b01beec811d4498ef"
    assert digest({}) == empty
    assert encode_index((empty, empty)) == f'["{empty}","{empty}"]'.encode()
    assert decode_index(encode_index((empty, empty))) == (empty, empty)


@pytest.mark.parametrize(
    ("mount", "path", "expected"),
    [
        ("secret/", "metadata", "secret/data/metadata"),
        ("secret/", "metadata/data/metadata", "secret/data/metadata/data/metadata"),
        ("metadata/", "x", "metadata/data/x"),
        ("kv/team/", "a b/%2F?#/ü", "kv/team/data/a b/%2F?#/ü"),
    ],
)
def test_a_data_path_is_put_together_and_never_replaced_in(
    mount: str, path: str, expected: str
) -> None:
    assert data_path(mount, path) == expected


@given(buckets)
def test_every_bucket_survives_consul(bucket: Bucket) -> None:
    assert decode_bucket(encode_bucket(bucket)) == bucket


@given(buckets, st.integers(1, 7_800))
def test_every_insight_lies_in_the_bucket_of_its_path_and_nowhere_else(
    bucket: Bucket, num_buckets: int
) -> None:
    spread = distribute(bucket, num_buckets)
    assert len(spread) == num_buckets
    assert sum(map(len, spread)) == len(bucket)
    for path, insight in bucket.items():
        assert spread[bucket_of(path, num_buckets)][path] == insight

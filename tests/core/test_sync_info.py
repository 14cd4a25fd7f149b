"""The sync info read back: everything that may be damaged, stale, missing or somebody else's."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.core.made import PREFIX, former, insight, named, nothing, saved
from vsync_sm.core.insight import Insight
from vsync_sm.core.save import KeyValue
from vsync_sm.core.sync_info import (
    MAX_BUCKETS,
    Former,
    bucket_of,
    buckets_that_would_do,
    change_of,
    data_path,
    decode_bucket,
    decode_former,
    decode_index,
    digest,
    distribute,
    encode_bucket,
    encode_index,
    mount_of,
)

PATHS = named("secret/", range(20))
"""Twenty insights; with four buckets, none of them empty."""

DIGEST = digest({})


def in_buckets(*numbers: int) -> dict[str, Insight]:
    """Those of `PATHS` that lie in these of four buckets."""
    found = {path: each for path, each in PATHS.items() if bucket_of(path, 4) in numbers}
    assert found
    return found


def test_what_was_saved_is_read_back() -> None:
    found = former(PATHS)
    assert found.insights == PATHS
    assert found.digests == tuple(map(digest, distribute(PATHS, 4)))
    assert found.buckets == dict(enumerate(distribute(PATHS, 4)))
    assert (found.missing, found.undecodable, found.absent) == ((), (), False)
    assert found.index_key == KeyValue(f"{PREFIX}index", encode_index(found.digests), 104)
    assert {number: pair.modify_index for number, pair in found.keys.items()} == {
        0: 100,
        1: 101,
        2: 102,
        3: 103,
    }


def test_a_consul_without_a_sync_info() -> None:
    found = nothing()
    assert found.absent
    assert (found.index_key, found.digests, found.insights) == (None, None, {})
    assert (found.missing, found.undecodable, found.beyond(1)) == ((), (), ())


# --- the index -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b"[1]",
        b"[null]",
        f'["{DIGEST}"'.encode(),
        f'["{DIGEST}"] x'.encode(),
        f'["{DIGEST.upper()}"]'.encode(),
        f'["{DIGEST[1:]}"]'.encode(),
        f'["{DIGEST}0"]'.encode(),
        f'["{DIGEST}\\n"]'.encode(),
        f'["{DIGEST}",""]'.encode(),
        b"<html>proxy</html>",
        b"\xff\xfe",
        encode_index([DIGEST] * (MAX_BUCKETS + 1)),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_a_garbage_index_is_told_and_every_bucket_counts(index: bytes) -> None:
    found = former(PATHS, instead={"index": index})
    assert found.undecodable == ("index",)
    assert found.digests is None
    assert found.index_key is not None
    assert found.insights == PATHS


@pytest.mark.parametrize("length", [1, 2, MAX_BUCKETS])
def test_an_index_of_any_sound_length_is_read(length: int) -> None:
    assert decode_index(encode_index([DIGEST] * length)) == (DIGEST,) * length


def test_without_an_index_every_bucket_counts() -> None:
    found = former(PATHS, without=["index"])
    assert (found.index_key, found.digests) == (None, None)
    assert (found.missing, found.undecodable, found.absent) == ((), (), False)
    assert found.insights == PATHS


def test_a_shorter_index_leaves_the_buckets_beyond_it_uncounted() -> None:
    index = encode_index(list(map(digest, distribute(PATHS, 4)))[:3])
    found = former(PATHS, instead={"index": index})
    assert found.insights == in_buckets(0, 1, 2)
    assert found.beyond(3) == (found.keys[3],)
    assert (found.missing, found.undecodable) == ((), ())


def test_a_longer_index_names_buckets_that_are_missing() -> None:
    index = encode_index([*map(digest, distribute(PATHS, 4)), DIGEST, DIGEST])
    assert former(PATHS, instead={"index": index}).missing == (4, 5)


# --- the buckets -----------------------------------------------------------------------------


def one(version: str, time: str = '"2026-10-01T12:00:00Z"', rest: str = "") -> bytes:
    """A bucket of one insight, its fields as given."""
    body = f'{{"p":{{"version":{version},"updateTime":{time},"type":"kvV2"{rest}}}}}'
    return body.encode()


def test_the_undamaged_bucket() -> None:
    assert decode_bucket(one("1")) == {"p": Insight(1, "2026-10-01T12:00:00Z")}
    assert decode_bucket(one(str(2**63 - 1)))["p"].version == 2**63 - 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{}{}",
        b'{"p":null}',
        b'{"p":{}}',
        b"<html>proxy</html>",
        b'{"\xff":{}}',
        b"[" * 100_000,
        b'{"p":' * 100_000,
        one("0"),
        one("-1"),
        one("1.0"),
        one("true"),
        one('"1"'),
        one("null"),
        one(str(2**63)),
        one("1", "null"),
        one("1", '"yesterday"'),
        one("1", '"2026-02-29T00:00:00Z"'),
        one("1", rest=',"more":1'),
        one("1").replace(b"kvV2", b"kvV1"),
    ],
    ids=lambda value: repr(value[:60]),
)
def test_a_garbage_bucket_is_told_and_the_others_count(value: bytes) -> None:
    found = former(PATHS, instead={"2": value})
    assert found.undecodable == ("2",)
    assert found.missing == ()
    assert 2 not in found.buckets
    assert 2 in found.keys
    assert found.insights == in_buckets(0, 1, 3)


@given(st.binary() | st.text().map(str.encode))
@example(b"{}")
def test_decoding_fails_in_one_way(value: bytes) -> None:
    for decode in (decode_bucket, decode_index):
        with suppress(ValueError):
            decode(value)


def test_a_missing_bucket_is_told_and_the_others_count() -> None:
    found = former(PATHS, without=["1", "3"])
    assert found.missing == (1, 3)
    assert found.undecodable == ()
    assert found.insights == in_buckets(0, 2)


def test_without_an_index_no_bucket_is_known_to_be_missing() -> None:
    found = former(PATHS, without=["index", "1"])
    assert found.missing == ()
    assert found.insights == in_buckets(0, 2, 3)


def test_stale_buckets_beyond_the_index_do_not_count_whatever_they_hold() -> None:
    stale = {"4": encode_bucket(named("gone/", range(3))), "11": b"garbage"}
    found = former(PATHS, instead=stale)
    assert found.insights == PATHS
    assert found.undecodable == ()
    assert found.beyond(4) == (found.keys[4], found.keys[11])
    assert found.beyond(5) == (found.keys[11],)
    assert found.beyond(12) == ()


def test_without_an_index_stale_buckets_count_and_so_does_their_damage() -> None:
    gone = named("gone/", range(3))
    found = former(PATHS, without=["index"], instead={"4": encode_bucket(gone), "11": b"garbage"})
    assert found.insights == PATHS | gone
    assert found.undecodable == ("11",)


@pytest.mark.parametrize("without", [[], ["index"]], ids=["index", "no index"])
@pytest.mark.parametrize(
    "name",
    [
        "vsyncChecks/0",
        "vsyncChecks/index",
        "status",
        "lock",
        "",
        "007",
        "00",
        "+1",
        "-1",
        "1.0",
        "1e0",
        " 1",
        "1 ",
        "1\n",
        "1/",
        "0x1",
        "1_0",
        "١",
        "１",
        "²",
        "100000",
        pytest.param("9" * 5_000, id="more digits than Python takes"),
        "index/",
        "Index",
        "0/index",
    ],
)
def test_keys_of_others_are_not_looked_at(name: str, without: list[str]) -> None:
    strange = encode_bucket(named("strange/", range(2)))
    assert former(PATHS, without=without, instead={name: strange}) == former(PATHS, without=without)
    assert former({}, 1, without=["0", "index"], instead={name: strange}).absent


def test_keys_come_in_any_order() -> None:
    tree = saved(PATHS, 12)
    assert list(decode_former(PREFIX, tree[::-1]).keys) == list(range(12))
    assert decode_former(PREFIX, tree[::-1]) == decode_former(PREFIX, tree)


@pytest.mark.parametrize("numbers", ["01", "10"])
@pytest.mark.parametrize(
    ("stays", "goes"),
    [(insight(3), insight(2)), (insight(2, 9), insight(2, 1)), (insight(2), insight(2))],
)
def test_of_a_path_in_two_buckets_the_newer_counts(
    numbers: str, stays: Insight, goes: Insight
) -> None:
    # Only while a save with another number of buckets was cut short.
    two = {numbers[0]: encode_bucket({"p": stays}), numbers[1]: encode_bucket({"p": goes})}
    assert former({}, 2, instead=two).insights == {"p": stays}
    assert former({}, 2, without=["index"], instead=two).insights == {"p": stays}


NAMES = ["index", "status", "vsyncChecks/1", *map(str, range(6))]
VALUES = st.binary(max_size=4) | st.sampled_from(
    [
        b"{}",
        encode_index([DIGEST] * 2),
        *map(encode_bucket, distribute(PATHS, 3)),
    ]
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
def test_whatever_lies_there_is_sorted_out_without_loss(tree: dict[str, bytes]) -> None:
    found = decode_former(PREFIX, [KeyValue(PREFIX + name, tree[name], 7) for name in tree])
    count = counted(found)
    assert set(found.missing) == count - found.keys.keys()
    # Each bucket that counts is decoded, missing or told to be undecodable: nothing else.
    told = {int(name) for name in found.undecodable if name != "index"}
    assert count == (count & found.buckets.keys()) | set(found.missing) | told
    assert not told & found.buckets.keys()
    assert set(found.insights) == {
        path for number in count & found.buckets.keys() for path in found.buckets[number]
    }
    assert ("index" in found.undecodable) == ("index" in tree and found.digests is None)


def counted(found: Former) -> set[int]:
    """The numbers of the buckets that count."""
    return set(found.keys) if found.digests is None else set(range(len(found.digests)))


# --- mounts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "mounts", "mount"),
    [
        ("secret/data/a", ("secret/",), "secret/"),
        ("secret/data/data/a", ("secret/",), "secret/"),
        ("secret/data/ops/data/a", ("ops/", "secret/"), "secret/"),
        # A mount may have slashes of its own.
        ("kv/team/data/a", ("kv/team/", "kv/other/"), "kv/team/"),
        ("kv/team/data/a", ("kv/tea/", "kv/team/"), "kv/team/"),
        ("kv/team/data/team/data/a", ("kv/team/",), "kv/team/"),
        # ... and may even be called data.
        ("kv/data/x/data/a", ("kv/data/x/",), "kv/data/x/"),
        ("data/data/a", ("data/",), "data/"),
        # Taken out of the configuration: what stands before `data/`.
        ("kv/team/data/a", ("secret/",), "kv/team/"),
        ("kv/team/data/a/data/b", (), "kv/team/"),
        ("data/data/a", (), "data/"),
        # `secret` is no prefix of a name here: a mount ends in its slash.
        ("secrets/data/a", ("secret/",), "secrets/"),
        ("secret/metadata/a", ("secret/",), ""),
        ("somebody's", ("secret/",), ""),
    ],
)
def test_the_mount_of_a_path(path: str, mounts: tuple[str, ...], mount: str) -> None:
    assert mount_of(path, mounts) == mount


words = st.text("ab/", min_size=1, max_size=4).map(lambda text: text.strip("/") or "a")


@given(st.lists(words, min_size=1, max_size=3, unique=True), words)
def test_a_data_path_leads_back_to_its_mount(names: list[str], path: str) -> None:
    # As the configuration has them: no mount inside another.
    mounts = [f"{name}/" for name in names]
    apart = tuple(m for m in mounts if not any(m.startswith(o) and m != o for o in mounts))
    for mount in apart:
        assert mount_of(data_path(mount, path), apart) == mount


# --- differences and sizes -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "change"),
    [
        (None, insight(1), "added"),
        (insight(1), insight(1), "unchanged"),
        (insight(1), insight(2), "updated"),
        (insight(2), insight(1), "updated"),
        (insight(1, 1), insight(1, 2), "updated"),
    ],
)
def test_what_changed(before: Insight | None, now: Insight, change: str) -> None:
    assert change_of(before, now) == change


@pytest.mark.parametrize("value_limit", [2_000, 4_000, 20_000, 524_288])
def test_the_buckets_that_would_do_do(value_limit: int) -> None:
    insights = named("secret/", range(200))
    number = buckets_that_would_do(insights, value_limit)
    assert number is not None
    spread = distribute(insights, number)
    assert max(len(encode_bucket(bucket)) for bucket in spread) <= 0.8 * value_limit
    assert len(encode_index([digest(bucket) for bucket in spread])) <= value_limit
    fewer = distribute(insights, number // 2)
    assert number == 2 or max(len(encode_bucket(bucket)) for bucket in fewer) > 0.79 * value_limit


def test_no_number_of_buckets_is_named_whose_index_would_be_too_large() -> None:
    # Sixteen buckets would be small enough; their index, 1,073 bytes, would not.
    insights = named("secret/", range(60))
    sixteen = max(len(encode_bucket(bucket)) for bucket in distribute(insights, 16))
    assert sixteen <= 0.8 * 1_050
    assert buckets_that_would_do(insights, 1_050) in {None, *range(2, 16)}


def test_one_insight_too_large_is_beyond_any_number() -> None:
    assert buckets_that_would_do({f"secret/data/{'x' * 900}": insight()}, 1_000) is None


def test_the_largest_index_fits_into_one_value_of_consul() -> None:
    assert 0.8 * 524_288 < len(encode_index([DIGEST] * MAX_BUCKETS)) <= 524_288

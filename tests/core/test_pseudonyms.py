"""Pseudonyms: one for each name, in free texts too, and none for vsync's own words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync_sm.core.pseudonyms import Pseudonyms

KEY = b"sixteen bytes or more"


@pytest.fixture
def names() -> Pseudonyms:
    """That know some names already."""
    made = Pseudonyms(KEY)
    for path in ("kv/team-a/data/pay roll/db", "kv/team-a/data/payments", "kv/team-a/data/[x]"):
        made.path(path)
    made.segment("origin-1.example")
    made.segment("mara")
    return made


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Unseal it; the next tick tries again.",
        "the cycle's deadline has passed",
        "Give a token that lives (origin.vault.tokenFile, VSYNC_ORIGIN_VAULT_TOKEN)",
        "Vault answered 403 1 error occurred: * permission denied",
        "or allow it: vsync-sm ctl allow b74c28e50d95",
        "Consul 1.8.7 at 03:12:04 took 12.5 KiB",
        "reading sys/internal/ui/mounts/: no answer",
        "the secret token of a mount in the data",
    ],
)
def test_own_words_stay(names: Pseudonyms, text: str) -> None:
    for word in ("secret", "token", "mount", "data", "03:12:04"):
        names.segment(word)
    assert names.text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "reading kv/team-a/metadata/pay roll/db: no answer",
        "kv/team-a/data/payments.",
        "no handler for route 'kv/team-a/data/payments'",
        '{"errors":["denied on kv/team-a/data/payments"]}',
        "payments is gone",
        "Payments: gone",
        "the policy payments_ro and the host payments-db",
        "pay roll, and [x]",
        "sys/internal/ui/mounts/kv/team-a/payments",
        "at https://origin-1.example:8200/v1/kv/team-a/payments?list=true",
        "mara asked (mara@payments.example)",
        "\u201cpayments\u201d",
    ],
)
def test_names_go(names: Pseudonyms, text: str) -> None:
    told = names.text(text).casefold()
    for name in ("pay roll", "payments", "team-a", "[x]", "mara", "origin-1", "roll"):
        assert name not in told


@pytest.mark.parametrize(
    "text",
    [
        "https://vault.acme.example:8200 is sealed",
        "dial tcp 10.11.12.13:8500: connection refused",
        "dial tcp [2001:db8::acce]:8500: connection refused",
        "2001:db8::acce does not answer",
        "vault-acme.internal does not answer",
        "acmehost:8200 does not answer",
        "someone@acme.example",
        "/srv/acme/token",
        "acme/data/x/y",
        "user=acme/x",
    ],
)
def test_what_looks_like_a_name_goes_unknown(names: Pseudonyms, text: str) -> None:
    told = names.text(text)
    for name in ("acme", "10.11", "acce", "2001", "srv"):
        assert name not in told


def test_a_name_is_the_same_everywhere(names: Pseudonyms) -> None:
    one = names.segment("payments")
    assert names.path("kv/team-a/data/payments") == "/".join(
        (names.segment("kv"), names.segment("team-a"), "data", one)
    )
    assert names.text("payments at kv/payments") == f"{one} at {names.segment('kv')}/{one}"
    assert names.text("https://payments:1/") == f"https://{one}:1/"
    assert names.pattern("payments/*-x") == f"{one}/*{names.segment('-x')}"


def test_the_port_and_the_scheme_stay(names: Pseudonyms) -> None:
    host = names.segment("origin-1.example")
    assert names.text("https://origin-1.example:8200 is sealed") == f"https://{host}:8200 is sealed"
    assert names.text("http://127.0.0.1:8500") == "http://127.0.0.1:8500"


@given(st.text(), st.text())
def test_paths_keep_their_depth_and_differ(one: str, other: str) -> None:
    names = Pseudonyms(KEY)
    assert names.path(one).count("/") == one.count("/")
    assert (names.path(one) == names.path(other)) == (one == other)


SAID = (
    "3 cycles in a row were not complete",
    "2 paths could not be read for more than 10 cycles in a row",
    "Vault no longer accepts the token",
    "A policy that filters lists hides names from vsync: let it see all.",
    "Vault answered 403: 1 error occurred: * permission denied",
    "20 of 24 paths would vanish (limit: 10 paths or 20 %, whichever is more)",
    "Operation timed out after 3001 milliseconds with 0 bytes received",
    "the cycle's check-and-set took 0.57 s at 03:12:04 on 2026-11-27, with 1,043 keys",
    "Destinations keep what was last saved, which grows old. See the faults before.",
    "the token ends in 5m; it can't be renewed, 12.5 KiB, 20%",
)
"""Sentences of vsync's own, and of servers."""


def test_own_words_and_numbers_stay_whatever_is_called_so() -> None:
    """Who sees a pseudonym in a sentence that anybody can complete knows whose it is."""
    words = sorted({word for said in SAID for word in said.split()})
    for called in ([*words, "in a row", "no longer", "(", ","], *([each] for each in words)):
        names = Pseudonyms(KEY)
        for each in called:
            bare = each.strip("*:;,.%()")
            for name in {each, bare, bare.lower(), bare.upper()} - {""}:
                names.segment(name)
        assert [names.text(said) for said in SAID] == list(SAID)


@given(st.sampled_from(("3", "Vault", "token", "a", "in a row", "the cycle", "(", "1.8.7", "5m")))
def test_in_a_path_they_go(name: str) -> None:
    names = Pseudonyms(KEY)
    names.path(f"kv/data/{name}")
    one, kv = names.segment(name), names.segment("kv")
    assert one != name
    assert names.text(f"kv/data/{name} is gone") == f"{kv}/data/{one} is gone"
    assert names.text(f"https://vault:8200/v1/kv/{name}").endswith(f"/{kv}/{one}")


@pytest.mark.parametrize("name", ["123456789012", "10.11.12.13", "vault-3-eu", "acme 3"])
def test_what_is_neither_a_word_nor_a_count_goes(name: str) -> None:
    names = Pseudonyms(KEY)
    one = names.segment(name)
    assert names.text(f"the role {name} is unknown") == f"the role {one} is unknown"


@given(st.lists(st.text(min_size=1)), st.text())
def test_any_text_can_be_read(known: list[str], text: str) -> None:
    names = Pseudonyms(KEY)
    for each in known:
        names.segment(each)
    assert names.text(text) == names.text(text)


@given(st.integers(1, 300))
def test_buckets_are_permuted(num_buckets: int) -> None:
    names = Pseudonyms(KEY)
    there = [names.bucket(n, num_buckets) for n in range(num_buckets)]
    assert sorted(there) == list(range(num_buckets))
    assert names.bucket(num_buckets, num_buckets) == num_buckets
    assert names.key(f"v/origin/{num_buckets - 1}", num_buckets).endswith(f"/{there[-1]}")
    assert names.key("v/origin/index", num_buckets).endswith("/origin/index")


def test_a_short_key_is_none() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Pseudonyms(b"short")

"""With pseudonyms a journal says the same, is as true as before, and names nobody."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import MOUNTS, insight, journals, relaxed
from tests.journal.test_postmortem import page
from tests.tui.nights import NIGHTS
from vsync_sm.core import events as e
from vsync_sm.core import memory, shapes
from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.errors import JournalError
from vsync_sm.core.memory import Memory
from vsync_sm.core.pseudonyms import KEPT, Pseudonyms
from vsync_sm.core.view import View, apply
from vsync_sm.core.vocabulary import OWN
from vsync_sm.journal.codec import encode
from vsync_sm.journal.disguise import Disguise, unruled
from vsync_sm.journal.picture import picture
from vsync_sm.journal.replay import replay
from vsync_sm.journal.sketch import sketch_of

KEY = b"sixteen bytes or more"


def disguised(records: Iterable[e.Record], key: bytes = KEY) -> list[e.Record]:
    """The same records with pseudonyms."""
    records = list(records)
    disguise = Disguise(Pseudonyms(key))
    disguise.learn(records)
    return list(disguise.records(records))


def outputs(records: list[e.Record]) -> Iterator[str]:
    """Every form in which a journal is told."""
    yield "".join(replay(records))
    yield "".join(replay(records, json=True))
    yield page(records)
    sketch = sketch_of(records)
    yield "" if sketch is None else "".join(picture(sketch))
    for record in records:
        yield encode(record).decode()


# --- as true as before -----------------------------------------------------------------------


@settings(relaxed, max_examples=40)
@given(journals)
def test_what_agreed_agrees(records: list[e.Record]) -> None:
    before, after = replay(records), replay(disguised(records))
    assert "".join(before)
    assert "".join(after)
    assert after.contradictions == []
    assert before.view.outcomes == after.view.outcomes
    assert before.view.buckets.keys() == after.view.buckets.keys() or before.view.buckets


@settings(relaxed, max_examples=40)
@given(journals, st.randoms(use_true_random=False))
def test_what_contradicts_does_so_on_the_same_line(
    records: list[e.Record], rng: random.Random
) -> None:
    forged = list(records)
    for _ in range(min(3, len(forged))):
        at = rng.randrange(len(forged))
        del forged[at]
    before, after = replay(forged), replay(disguised(forged))
    assert "".join(before)
    assert "".join(after)
    assert [each.line for each in after.contradictions] == [
        each.line for each in before.contradictions
    ]


@settings(relaxed, max_examples=40)
@given(journals, st.randoms(use_true_random=False))
def test_a_checkpoint_goes_on_as_before(records: list[e.Record], rng: random.Random) -> None:
    starts = [at for at, x in enumerate(records) if at and isinstance(x.event, e.CycleStarted)]
    if not starts:
        return
    at = rng.choice(starts)
    noted, view = Memory(), View()
    for record in records[: at - 1]:
        noted.note(record)
        view = apply(view, record)
    last = records[at - 1]
    noted.note(last)
    opened = e.SegmentOpened(
        number=1,
        predecessor="",
        predecessor_seq=last.seq - 1,
        predecessor_sha256="",
        state=apply(view, last).state.name,
        checkpoint=checkpoint(
            replace(apply(view, last), seq=last.seq - 1), replace(noted, last_seq=last.seq - 1)
        ),
    )
    cut = [replace(last, event=opened, cycle=None), *records[at:]]
    story = replay(disguised(cut))
    assert "".join(story)
    assert story.contradictions == []


@pytest.mark.parametrize("name", ["refused", "stuck", "halted", "working", "paused", "finished"])
def test_a_night_with_pseudonyms(name: str) -> None:
    records = NIGHTS[name]().records
    changed = disguised(records)
    story = replay(changed)
    assert "".join(story)
    assert story.ok
    shape = [(x.seq, x.ts, x.run, x.cycle, type(x.event)) for x in records]
    assert [(x.seq, x.ts, x.run, x.cycle, type(x.event)) for x in changed] == shape
    assert len(names_in(changed)) == len(names_in(records))
    assert {path.count("/") for path in names_in(changed)} == {
        path.count("/") for path in names_in(records)
    }


def names_in(records: list[e.Record]) -> set[str]:
    """The paths of the insights."""
    return {x.event.path for x in records if isinstance(x.event, e.InsightGenerated)}


# --- nobody is named -------------------------------------------------------------------------


TOO = frozenset(("]", "made", "folders", "nobody"))
"""Names in these nights that vsync's own words and JSON have, too."""


@pytest.mark.parametrize("name", sorted(NIGHTS))
def test_no_name_of_a_night_survives(name: str) -> None:
    records = NIGHTS[name]().records
    if not records:
        return
    told = "\n".join(outputs(disguised(records)))
    config = [x.event.config for x in records if isinstance(x.event, e.RunStarted)]
    names = {segment for path in names_in(records) for segment in path.split("/")} - KEPT
    names |= {"platform", "teams", "origin-1.example", "vault.example", "consul.example", "mara"}
    names |= {"page-oncall", "/var/lib", "/run/vsync", "storage is moved"}
    assert config
    words = set(re.split(r"[^\w.-]+", told.casefold()))
    for each in names - OWN - TOO:
        assert each.casefold() not in words if each.isalnum() else each not in told, each


@pytest.mark.parametrize("name", sorted(NIGHTS))
def test_vsyncs_sentences_stay_whatever_is_called_as_their_words_are(name: str) -> None:
    """A pseudonym in a sentence that anybody can complete would tell whose it is."""
    records = NIGHTS[name]().records
    plain = [*disguised(records)]
    words = {*OWN, *map(str.capitalize, OWN), *map(str, range(100))}
    called = e.CycleStarted(
        mounts=tuple(f"{word}/" for word in sorted(words)), workers=1, num_buckets=1, deadline_s=1
    )
    more = [*records, e.Record(seq=len(records) + 1, ts="", mono=0, run="r", event=called)]
    told = disguised(more)[:-1]
    assert list(map(said, told)) == list(map(said, plain))
    assert len(told) == len(records)


def said(record: e.Record) -> object:
    """What a fault says, and what it is about."""
    event = record.event
    if isinstance(event, e.FaultRaised):
        return event.message, event.hint, event.context
    return getattr(event, "message", "")


def test_a_name_goes_where_only_names_stand_though_it_is_one_of_vsyncs_words() -> None:
    fault = e.FaultRaised(
        kind="forbidden",
        fatal=False,
        message="reading 3/metadata/Vault: Vault answered 403",
        context={"path": "3/data/Vault", "server": "Vault", "cycles": "3", "file": "token"},
    )
    listed = e.PathsListed(paths=0, mounts={"3/": 0}, idle=("3/Vault include token*", "3/Vault"))
    path = e.PathFailed(worker=1, path="3/data/Vault", kind="forbidden", message="3")
    records = [
        e.Record(seq=seq, ts="", mono=0, run="r", event=event)
        for seq, event in enumerate((fault, listed, path), start=1)
    ]
    names = Pseudonyms(KEY)
    three, vault, token = map(names.segment, ("3", "Vault", "token"))
    changed = [record.event for record in disguised(records)]
    assert changed[0] == replace(
        fault,
        message=f"reading {three}/metadata/{vault}: Vault answered 403",
        context={
            "path": f"{three}/data/{vault}", "server": "Vault", "cycles": "3", "file": token
        },
    )  # fmt: skip
    assert changed[1] == replace(
        listed,
        mounts={f"{three}/": 0},
        idle=(f"{three}/{vault} include {token}*", f"{three}/{vault}"),
    )
    assert changed[2] == replace(path, path=f"{three}/data/{vault}")


CANARY = "Acme/Kanarien Vögel/pay|roll"
PARTS = ("acme", "kanarien", "vögel", "pay|roll")


def sample(kind: Any, value: str) -> Any:
    """A value of a type, with the canary wherever a text may stand."""
    args: list[Any] = [each for each in get_args(kind) if each not in {type(None), ...}]
    if get_origin(kind) is dict:
        return {sample(args[0], value): sample(args[1], value)}
    if args:
        one = sample(args[0], value)
        return (one,) if get_origin(kind) is tuple else one
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return made(kind, value)
    if kind in {int, float, bool}:
        return kind(1)
    return value if kind is str else {value: value, "a": [value]}


OURS = frozenset(
    (
        *("ts", "type", "trigger", "source", "dest", "reason", "state", "asked", "saved_run"),
        *(
            "crashed_run",
            "last_success",
            "last_complete",
            "phases",
            "version",
            "updateTime",
            "checkpoint",
        ),
    )
)
"""Fields whose texts are made by vsync itself, of words, times and ids of its own."""


def made(cls: type[Any], value: str) -> Any:
    """A struct full of canaries."""
    if cls.__name__ == "Insight":
        return insight()
    fields = {}
    for field in msgspec.structs.fields(cls):
        if field.name not in OURS:
            fields[field.name] = sample(field.type, value)
        elif field.required:
            fields[field.name] = {} if field.name == "checkpoint" else "x"
    return cls(**fields)


@pytest.mark.parametrize("cls", e.EVENTS.values(), ids=e.EVENTS)
def test_no_field_of_any_event_lets_a_name_through(cls: type[e.Event]) -> None:
    event = made(cls, CANARY)
    (record,) = disguised([e.Record(seq=1, ts="", mono=0, run="r", event=event)])
    told = repr(record).casefold()
    for part in PARTS:
        assert part not in told, part
    bare = made(cls, f"for {CANARY}: it said Kanarien Vögel, at Acme.")
    known = e.CycleStarted(mounts=(CANARY,), workers=1, num_buckets=1, deadline_s=1)
    records = [
        e.Record(seq=seq, ts="", mono=0, run="r", event=each)
        for seq, each in enumerate((bare, known), start=1)
    ]
    told = repr(disguised(records)[0]).casefold()
    for part in PARTS:
        assert part not in told, part


@pytest.mark.parametrize("module", [e, shapes, memory])
def test_the_tables_know_every_text(module: ModuleType) -> None:
    structs = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct)
        if each.__module__ == module.__name__
    ]
    assert structs
    assert {each.__name__: names for each in structs if (names := [*unruled(each)])} == {}


def test_what_this_version_does_not_know_is_left_out() -> None:
    event = e.Unknown(type="something_new", version=2, fields={"where": CANARY})
    (record,) = disguised([e.Record(seq=1, ts="", mono=0, run="r", event=event)])
    assert record.event == e.Unknown(type="something_new", version=2, fields={})


def test_damage_names_nobody() -> None:
    def torn() -> Iterator[e.Record]:
        yield from numbered(one_saved_cycle())[:5]
        raise JournalError("cannot read /srv/acme/j.jsonl", line=6, byte=1, file="acme.jsonl")

    disguise = Disguise(Pseudonyms(KEY))
    with pytest.raises(JournalError) as caught:
        list(disguise.records(torn()))
    assert "acme" not in f"{caught.value} {caught.value.file}"


# --- the key ---------------------------------------------------------------------------------


def test_one_key_gives_the_same_names_and_another_gives_others() -> None:
    records = numbered(one_saved_cycle())
    assert disguised(records) == disguised(records)
    assert names_in(disguised(records)) != names_in(disguised(records, b"another key of 16 b"))


def test_what_is_made_of_paths_tells_nothing_of_them() -> None:
    """A guess at a path could be tried out against a bare digest, an id, a bucket's number."""
    records = NIGHTS["refused"]().records
    before = "\n".join(encode(each).decode() for each in records)
    after = "\n".join(encode(each).decode() for each in disguised(records))
    digests = set(re.findall(r'"([0-9a-f]{64}|[0-9a-f]{12})"', before))
    assert len(digests) > 10
    assert not [each for each in digests if each in after]
    changed = [
        (x.event.bucket, y.event.bucket)
        for x, y in zip(records, disguised(records), strict=True)
        if isinstance(x.event, e.BucketReindexed) and isinstance(y.event, e.BucketReindexed)
    ]
    assert len({old for old, _ in changed}) == len({new for _, new in changed})
    assert any(old != new for old, new in changed)


def test_mounts_stay_mounts() -> None:
    for record in disguised(numbered(one_saved_cycle())):
        if isinstance(record.event, e.CycleStarted):
            assert len(record.event.mounts) == len(MOUNTS)
            assert all(re.fullmatch(r"n-[a-z2-7]{10}/", each) for each in record.event.mounts)

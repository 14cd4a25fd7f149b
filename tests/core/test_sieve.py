"""The language of the filter: what passes, what does not, and what is said of a mistake."""

from __future__ import annotations

import json
import re
import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.specimens import specimen
from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import journals, relaxed
from tests.workshop import PATIENCE_S
from vsync_sm.core import events as e
from vsync_sm.core.finding import finder
from vsync_sm.core.insight import Insight
from vsync_sm.core.patterns import LEAST_SEEN, SEEN, PatternError, pattern
from vsync_sm.core.present import severity
from vsync_sm.core.sieve import SieveError, faults, parse, searching
from vsync_sm.core.terms import KEYS, SEVERITIES
from vsync_sm.journal.codec import decode, encode

RECORDS = numbered(one_saved_cycle())
SPECIMENS = [
    e.Record(seq=1, ts="2026-11-02T10:00:00.000000Z", mono=5, run="ab12cd", event=each, cycle=cycle)
    for cls in e.EVENTS.values()
    for each in (specimen(cls), specimen(cls, 'secret/data/Ümläut "x" \\ K'))
    for cycle in (None, 12)
]


def about(event: e.Event, *, cycle: int | None = 12, run: str = "ab12cd") -> e.Record:
    """A record around an event."""
    return replace(RECORDS[0], event=event, cycle=cycle, run=run)


def generated(path: str = "secret/data/app/db", worker: int = 3) -> e.Record:
    """A record of a path that was read."""
    insight = Insight(2, "2026-10-01T00:00:00Z")
    return about(e.InsightGenerated(worker=worker, path=path, insight=insight, change="added"))


def passing(text: str) -> list[str]:
    """The types of the example's records that pass."""
    sieve = parse(text)
    return [record.event.type for record in RECORDS if sieve.passes(record)]


# --- terms ------------------------------------------------------------------------------------


def test_nothing_asked_for_lets_everything_pass() -> None:
    assert all(parse("").passes(record) for record in RECORDS)
    assert not parse("   ")
    assert str(parse("  type:insight_*   !word ")) == "type:insight_* !word"


def test_type() -> None:
    assert passing("type:paths_listed") == ["paths_listed"]
    assert passing("type:path_failed,paths_listed") == ["paths_listed", "path_failed"]
    assert set(passing("type:insight_*")) == {
        *("insight_generated", "insight_skipped", "insight_carried_forward", "insight_vanished")
    }
    assert set(passing("TYPE:Worker_St?*ed")) == {"worker_started", "worker_stopped"}
    assert set(passing("type:/^worker/")) == {
        *("worker_started", "worker_stopped", "workers_observed")
    }
    newer = replace(RECORDS[0], event=e.Unknown("segment_opened", 9, {}))
    assert parse("type:segment*").passes(newer)
    assert not parse("type:run_*").passes(newer)


def test_severity() -> None:
    for at, name in enumerate(SEVERITIES):
        for record in SPECIMENS:
            grade = SEVERITIES.index(severity(record.event))
            assert parse(f"severity:{name}").passes(record) == (grade >= at)
            assert parse(f"severity:={name}").passes(record) == (grade == at)


@pytest.mark.parametrize(
    ("asked", "passes"),
    [
        ("path:secret/data/app", True),
        ("path:secret/app", True),  # as people say it
        ("path:SECRET/App/D", True),
        ("path:app/db", True),
        ("path:ops/", False),
        ("path:added", False),  # that is no path
        ("path:/^secret.app.db$/", True),
        ("path:/^app/", False),
        ('path:"app/db"', True),
    ],
)
def test_path(asked: str, passes: bool) -> None:
    assert parse(asked).passes(generated()) is passes


def test_path_where_a_folder_is_called_data() -> None:
    record = generated("team/data/kv/data/data/x")
    assert parse("path:team/data/kv/data/x").passes(record)
    assert parse("path:team/kv/data/data/x").passes(record)
    assert not parse("path:team/kv/x").passes(record)


@pytest.mark.parametrize(
    "event",
    [
        e.FolderListed(mount="secret/", folder="app/", paths=1, folders=0),
        e.RetryScheduled(what="secret/data/app", attempt=1, delay_s=1, kind="k", message="m"),
        e.WorkersObserved(busy=(e.BusyWorker(3, "secret/data/app", 1),)),
        e.FaultRaised(kind="k", fatal=False, message="m", context={"path": "secret/data/app"}),
        e.SaveRefused(
            refusals=(), vanished={}, regressed={}, sample=("secret/data/app",), allowance="a"
        ),
    ],
)
def test_path_of_events_that_tell_it_otherwise(event: e.Event) -> None:
    assert parse("path:secret/app").passes(about(event))
    assert not parse("path:secret/apple").passes(about(event))


def test_numbers_and_runs() -> None:
    assert parse("worker:3").passes(generated())
    assert parse("worker:1,2-4").passes(generated())
    assert not parse("worker:33").passes(generated())
    busy = e.WorkersObserved(busy=(e.BusyWorker(3, "a", 1), e.BusyWorker(5, "b", 1)))
    assert parse("worker:5").passes(about(busy))
    assert not parse("worker:4").passes(about(busy))
    assert parse("cycle:12").passes(generated())
    assert parse("cycle:10-20").passes(generated())
    assert parse("cycle:10-").passes(generated())
    assert not parse("cycle:1").passes(generated())
    assert not parse("cycle:12").passes(replace(generated(), cycle=None))
    assert parse("run:AB12").passes(generated())
    assert not parse("run:b12").passes(generated())


def test_words_are_looked_for_in_sentence_type_and_path() -> None:
    record = generated()
    for word in ("Version", "INSIGHT_GEN", "secret/app", '"version 2, added"', "/ver.*DED$/"):
        assert parse(word).passes(record), word
    for word in ("worker", "unchanged", '"added version"', "/^version/"):
        assert not parse(word).passes(record), word


def test_all_terms_must_hold_and_each_can_be_turned_round() -> None:
    record = generated()
    assert parse("type:insight_* worker:3 app").passes(record)
    assert not parse("type:insight_* worker:4 app").passes(record)
    assert parse("!worker:4 -type:path_failed app").passes(record)
    assert not parse("-app").passes(record)
    assert not parse("!path:/app/").passes(record)
    assert parse("!!app").passes(record)
    assert (parse("app") & parse("worker:3")).passes(record)
    assert not (parse("app") & parse("worker:4")).passes(record)


def test_the_faults() -> None:
    assert [r.event.type for r in RECORDS if faults().passes(r)] == ["path_failed"]
    assert faults().passes(about(e.FaultRaised(kind="k", fatal=True, message="m")))


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("typ:x", "none of type, severity, path, worker, cycle or run; did you mean type?"),
        ("ok zzzz:x", "“zzzz:” in “zzzz:x” is none of"),
        ("severity:warn", "none of debug, info, warning or error; did you mean warning?"),
        ("type:path_faild", "there is no type “path_faild”; did you mean path_failed?"),
        ("type:,", "“type:,” lacks what should stand behind the colon, as in type:insight_*"),
        ("cycle:x", "“x” in “cycle:x” is no number: write cycle:12, or a range as in cycle:10-20"),
        ("worker:/3/", "worker takes no regular expression"),
        ("path:", "“path:” lacks what should stand behind the colon, as in path:secret/app"),
        ("!", "“!” turns nothing round"),
        ("//", "“//” is an empty regular expression"),
        ("/a[/", "“/a[/” is no regular expression: unterminated character set"),
        ("/(a+)+$/", "“/(a+)+$/” could take for ever"),
        ("/abc", "“/abc” begins a regular expression that does not end: put a / behind it"),
        ('path:"a b', "“path:\"a” begins a quotation that does not end: put a \" behind it"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(SieveError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert str(caught.value).endswith((".", "?"))


def test_the_example_of_every_key_is_understood() -> None:
    for key in KEYS:
        with pytest.raises(SieveError) as caught:
            parse(f"{key}:")
        example = str(caught.value).rpartition("as in ")[2].removesuffix(".")
        assert parse(example)


# --- properties -------------------------------------------------------------------------------

_ASKED = (
    *("type:insight_*", "type:path_failed,paths_listed", "type:/work/", "severity:warning"),
    *("severity:=debug", "severity:=info", "severity:error", "path:secret/p1", "path:data/"),
    *(
        "path:/p[12]/",
        "path:ümläut",
        "path:k",
        "path:kk",
        "path:t/d",
        'path:"word"',
        "worker:1",
        "cycle:1",
    ),
    *("path:x", "path:word", "path:wordword", "cycle:2-", "run:run-1", "run:ab", "version"),
    *("/added|gone/", '"could not"', "type:run_started", "cycle:12"),
)
_WORDS = st.sampled_from(_ASKED)
_TERMS = st.builds("{}{}".format, st.sampled_from(("", "!", "-", "!!")), _WORDS)


@given(st.text(max_size=40) | st.lists(_TERMS | st.text(max_size=8), max_size=5).map(" ".join))
def test_any_text_is_a_sieve_or_a_mistake(text: str) -> None:
    try:
        sieve = parse(text)
    except SieveError:
        return
    for record in SPECIMENS:
        sieve.passes(record)
        sieve.may_pass(encode(record))
    assert [term.text for term in parse(str(sieve)).terms] == [term.text for term in sieve.terms]


@given(_WORDS, st.sampled_from("!-"))
def test_a_negation_is_a_negation(word: str, sign: str) -> None:
    plain = parse(word)
    turned = parse(sign + word)
    for record in (*SPECIMENS, *RECORDS):
        assert turned.passes(record) is not plain.passes(record)


def laid_out_otherwise(line: bytes) -> list[bytes]:
    """The same record, as another program might write it."""
    fields = json.loads(line)
    spaced = json.dumps(fields).encode()
    turned = json.dumps(dict(reversed(fields.items())), ensure_ascii=False).encode()
    escaped = line.replace(b"_", rb"\u005f").replace(b"p", rb"\u0070")
    double = line[:-2] + b',"type":' + json.dumps(fields["type"]).encode() + b"}\n"
    first = line.replace(b'"type":"', b'"type":"run_started","type":"', 1)
    cycle = line.replace(b'"type"', b'"cycle":77,"cycle":%d,"type"' % fields.get("cycle", 1), 1)
    later = line[:-2] + b',"cycle":%d}\n' % (fields.get("cycle", 0) + 1)
    newer = line[:-2] + b',"v":9}\n'
    own = line[:-2] + b',"type":"kvV2"}\n'
    return [line, spaced, turned, escaped, double, first, cycle, later, newer, own]


def no_lie(text: str, records: list[e.Record]) -> None:
    sieve = parse(text)
    for record in records:
        for line in laid_out_otherwise(encode(record)):
            told = decode(line, line_number=1, byte=0)
            assert sieve.may_pass(line) or not sieve.passes(told), (text, line)


@pytest.mark.parametrize("sign", ["", "!"])
@pytest.mark.parametrize("word", _ASKED)
def test_the_look_at_the_bytes_never_lies(word: str, sign: str) -> None:
    older = [replace(record, run="run-1") for record in RECORDS]
    paths = [
        generated("secret/data/p1"),
        generated("secret/data/\u212a\u212a"),
        generated("a\\\x1bx"),
    ]
    no_lie(sign + word, [*older, *SPECIMENS, *paths])


@relaxed
@given(journals, st.lists(_TERMS, min_size=1, max_size=3))
def test_the_look_at_the_bytes_never_lies_of_any_journal(
    records: list[e.Record], words: list[str]
) -> None:
    no_lie(" ".join(words), records[:40])


def test_the_look_at_the_bytes_spares_the_reading() -> None:
    line = encode(generated())
    for text in ("type:path_failed", "!type:insight_*", "severity:warning", "cycle:13", "path:zzz"):
        assert not parse(text).may_pass(line), text
    for text in ("type:insight_*", "severity:debug", "cycle:12", "path:secret/app", "whatever"):
        assert parse(text).may_pass(line), text


# --- searching --------------------------------------------------------------------------------


def test_what_is_searched_for_is_found_and_marked() -> None:
    found = finder("Added")
    assert found.within("version 2, added")
    assert found.spans("added, ADDED") == [(0, 5), (7, 12)]
    assert finder("/a.d/").spans("add a-d") == [(0, 3), (4, 7)]
    assert finder("a.d").spans("add a.d") == [(4, 7)]  # no regular expression without slashes
    assert finder("/x*/").spans("axxb") == [(1, 3)]
    assert finder("").spans("abc") == []
    assert searching(found, "Added").passes(generated())
    with pytest.raises(PatternError):
        finder("/[/")


# --- what could take for ever -----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("(a+)+$", "(a*)*b", "((a+)b?)*", "(a|aa)+$", "(a|a)*b", "(?:x+x+)+y", "(a?){30}a{30}"),
        *("(.*a){12}", "([a-z]+)*!", "(?P<n>a+){3,}", "a*a*a*a*x", r"\w+\w+\w+\w+\d"),
        *(
            "(a{1,9}){1,9}",
            "a?a?a?a?a?a?a?a?aaaa",
            "(?(1)a|b)",
            "(a+)(?#x)*",
            "[)]*(a+]*)*",
            "(?x)(a+) *",
            "(?ix:(a+) *)",
            "x" * 501,
            "a*a*a{0,8}a{0,8}b",
            "a{0,8}" * 6 + "b",
            "(a{0,8}){6}b",
            "(a|a){8}" * 3 + "b",
            "((a?){8}){8}b",
        ),
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused(text: str) -> None:
    with pytest.raises(PatternError):
        pattern(text)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        *(
            ("abc", SEEN[0]),
            ("a.b", SEEN[0]),
            (r"\*\+", SEEN[0]),
            ("[*+]", SEEN[0]),
            ("a{3}", SEEN[0]),
        ),
        *(
            ("foo|bar", SEEN[0]),
            ("(foo|bar)x?", SEEN[0]),
            (".*foo.*", SEEN[0]),
            ("a{2,4}", SEEN[0]),
        ),
        *(("a.*b", SEEN[1]), (r"\d+", SEEN[1]), ("a{3,}", SEEN[1]), ("(?i:a)b*", SEEN[1])),
        *((r"(?:\d{1,3}\.){3}\d{1,3}", SEEN[0]), ("(?:foo|bar){2}", SEEN[0])),
        *(
            ("a.*b.*c", SEEN[2]),
            (".*a.*b.*c.*", SEEN[2]),
            (r"a\.*b.*", SEEN[1]),
            ("[]*]+", SEEN[1]),
        ),
    ],
)
def test_other_patterns_are_taken_and_see_less_the_more_they_repeat(text: str, seen: int) -> None:
    assert pattern(text).seen == seen


def test_the_more_ways_there_are_to_read_a_pattern_the_less_it_sees() -> None:
    few, more = pattern("a*a{0,4}b"), pattern("a*a{0,4}a{0,8}b")
    assert LEAST_SEEN <= more.seen < few.seen <= SEEN[1]
    assert pattern("a*(b|c)(b|c)(b|c)(b|c)(b|c)").seen < SEEN[1]


def too_long(_signal: int, _frame: object) -> None:
    raise TimeoutError


@given(st.text(alphabet="ab(|)*+?{},12[]\\.^$", max_size=12))
def test_what_is_taken_ends(text: str) -> None:
    try:
        taken = pattern(text)
    except PatternError:
        return
    # The worst that is let through takes 0.2 s; what should not be would take years.
    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(round(PATIENCE_S))
    try:
        for hard in ("a" * 5_000, "ab" * 2_500, "aab" * 1_700):
            taken.within(hard)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_pattern_sees_only_the_beginning() -> None:
    taken = pattern("a.*b")
    assert taken.within("a" + "x" * 1_000 + "b")
    assert not taken.within("a" + "x" * SEEN[1] + "b")
    assert re.search("a.*b", "a" + "x" * SEEN[1] + "b")

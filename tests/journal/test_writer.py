"""The writer: what is appended can be read, whatever stops it in between."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vsync_sm.core.errors import Fault, FaultKind, JournalError
from vsync_sm.core.events import (
    CheckPassed,
    Event,
    InsightGenerated,
    JournalRepaired,
    Record,
    SavedKey,
    SaveStarted,
    WorkerStarted,
)
from vsync_sm.core.insight import Insight
from vsync_sm.journal import repair
from vsync_sm.journal.codec import decode
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.writer import FLUSH_BYTES, Journal, JournalWriter, NullJournal

ROOT = Path(__file__).parents[2]
SAMPLE = (ROOT / "tests" / "data" / "journal-v1.jsonl").read_bytes()
LINES = SAMPLE.splitlines(keepends=True)
MS = 1_000_000


def ticking() -> Callable[[], tuple[str, int]]:
    """A clock that moves by a millisecond each time it is asked."""
    moments = iter(range(1, 1_000_000))

    def stamp() -> tuple[str, int]:
        ms = next(moments)
        return f"2026-11-01T10:{ms // 60_000:02}:{ms // 1000 % 60:02}.{ms % 1000:03}000Z", ms * MS

    return stamp


def begun(path: Path) -> JournalWriter:
    """A writer that goes on after whatever stands there."""
    writer = JournalWriter.open(path)
    seq = 0
    for record in read_journal(path):
        seq = record.seq
    writer.begin(run="r2", last_seq=seq, stamp=ticking())
    return writer


def write(path: Path, *events: Event) -> list[Record]:
    writer = begun(path)
    records = [writer.append(event) for event in events]
    writer.close()
    return records


def refused(path: Path) -> Fault:
    with pytest.raises(Fault) as caught:
        JournalWriter.open(path)
    assert caught.value.kind is FaultKind.JOURNAL
    assert caught.value.hint
    assert caught.value.context == {"journal": str(path)}
    return caught.value


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


@contextmanager
def a_journal(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "j.jsonl"
        path.write_bytes(content)
        yield path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


# --- appending --------------------------------------------------------------------------------


def test_what_is_appended_is_what_a_reader_finds(path: Path) -> None:
    writer = begun(path)
    first = writer.append(CheckPassed(check="c", detail="d"))
    second = writer.append(WorkerStarted(worker=1), cycle=4)
    writer.close()
    assert (first.seq, first.run, first.cycle, first.mono) == (1, "r2", None, MS)
    assert (second.seq, second.cycle, second.ts) == (2, 4, "2026-11-01T10:00:00.002000Z")
    assert list(read_journal(path)) == [first, second]


def test_seq_goes_on_over_the_runs(path: Path) -> None:
    write(path, WorkerStarted(worker=1), WorkerStarted(worker=2))
    (third,) = write(path, WorkerStarted(worker=3))
    assert third.seq == 3
    assert len(list(read_journal(path))) == 3


def test_text_that_utf_8_cannot_hold_is_mended_in_the_record_too(path: Path) -> None:
    (record,) = write(path, CheckPassed(check="c", detail="a\ud800b"))
    assert record.event == CheckPassed(check="c", detail="a\ufffdb")
    assert list(read_journal(path)) == [record]


def test_an_event_that_cannot_be_written_leaves_no_trace(path: Path) -> None:
    writer = begun(path)
    with pytest.raises(ValueError, match="worker_started"):
        writer.append(WorkerStarted(worker=2**64))
    assert writer.append(WorkerStarted(worker=1)).seq == 1
    writer.close()
    assert len(list(read_journal(path))) == 1


def insights(*paths: str) -> list[InsightGenerated]:
    return [
        InsightGenerated(worker=1, path=path, insight=Insight(1, "x"), change="added")
        for path in paths
    ]


def test_insights_told_together_bear_one_time_and_numbers_of_their_own(path: Path) -> None:
    writer = begun(path)
    before = writer.append(WorkerStarted(worker=1), cycle=4)
    told = writer.append_insights(insights("kv/data/a", "kv/data/b"), cycle=4)
    assert writer.append_insights([], cycle=4) == []
    after = writer.append(WorkerStarted(worker=2), cycle=4)
    assert [record.seq for record in (before, *told, after)] == [1, 2, 3, 4]
    assert (
        (told[0].ts, told[0].mono)
        == (told[1].ts, told[1].mono)
        == (before.ts[:-5] + "2000Z", 2 * MS)
    )
    writer.close()
    assert list(read_journal(path)) == [before, *told, after]


def test_an_insight_that_cannot_be_written_is_mended_among_the_others(path: Path) -> None:
    writer = begun(path)
    told = writer.append_insights(insights("kv/data/a", "kv/data/\ud800", "kv/data/b"))
    writer.close()
    assert list(read_journal(path)) == told
    assert [record.event for record in told] == insights("kv/data/a", "kv/data/\ufffd", "kv/data/b")


def test_insights_wait_for_a_flush_as_any_line_does(path: Path) -> None:
    writer = begun(path)
    first = writer.append_insights(insights("kv/data/a"))[0].mono
    assert writer.flush_due(first + 100 * MS)
    assert path.stat().st_size == 0
    writer.append_insights(insights("x" * FLUSH_BYTES))
    assert path.stat().st_size > FLUSH_BYTES
    assert not writer.flush_due(10**12)
    writer.close()


def test_lines_wait_for_a_flush_or_until_they_are_many(path: Path) -> None:
    writer = begun(path)
    writer.append(WorkerStarted(worker=1))
    assert path.stat().st_size == 0
    writer.flush()
    assert len(list(read_journal(path))) == 1

    written = path.stat().st_size
    detail = "x" * 1000
    for _ in range(FLUSH_BYTES // 1000):
        writer.append(CheckPassed(check="c", detail=detail))
    assert path.stat().st_size >= written + FLUSH_BYTES
    writer.close()


def test_a_flush_is_due_100_ms_after_the_first_line_that_waits(path: Path) -> None:
    writer = begun(path)
    assert not writer.flush_due(1000 * MS)
    first = writer.append(WorkerStarted(worker=1)).mono
    writer.append(WorkerStarted(worker=2))
    assert not writer.flush_due(first + 100 * MS - 1)
    assert writer.flush_due(first + 100 * MS)
    writer.flush()
    assert not writer.flush_due(first + 1000 * MS)
    writer.close()


def test_order_of_calls(path: Path) -> None:
    writer = JournalWriter.open(path)
    with pytest.raises(RuntimeError, match="begin"):
        writer.append(WorkerStarted(worker=1))
    with pytest.raises(Fault, match="ends with seq 0, not 5") as caught:
        writer.begin(run="r", last_seq=5, stamp=ticking())
    assert caught.value.kind is FaultKind.INVARIANT
    writer.close()
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.append(WorkerStarted(worker=1))


def test_the_null_journal_gives_the_same_records_and_keeps_none(path: Path) -> None:
    null: Journal = NullJournal()
    with pytest.raises(RuntimeError, match="begin"):
        null.append(WorkerStarted(worker=1))
    real: Journal = JournalWriter.open(path)
    told = []
    for journal in (null, real):
        journal.begin(run="r", last_seq=0, stamp=ticking())
        told.append([journal.append(WorkerStarted(worker=n), cycle=n) for n in (1, 2, 3)])
        journal.flush()
        journal.sync()
        journal.close()
        assert journal.repairs == ()
        assert not journal.flush_due(10**12)
    assert told[0] == told[1]


# --- opening ----------------------------------------------------------------------------------


def test_a_new_journal_and_its_directories_are_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "vsync" / "j.jsonl"
    former = os.umask(0)
    try:
        JournalWriter.open(path).close()
    finally:
        os.umask(former)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.parent.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_writer_is_refused_and_readers_are_not_hindered(path: Path) -> None:
    writer = begun(path)
    writer.append(WorkerStarted(worker=1))
    writer.flush()
    fault = refused(path)
    assert "another vsync" in fault.message
    assert "--journal" in fault.hint
    assert len(list(read_journal(path))) == 1
    writer.close()
    JournalWriter.open(path).close()


def test_another_process_holds_the_lock_until_it_dies(path: Path) -> None:
    with writing_child(path) as child:
        assert "another vsync" in refused(path).message
        assert next(read_journal(path)).run == "child"
        child.kill()
        child.wait()
        JournalWriter.open(path).close()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("a-directory", "Is a directory"),
        ("a-file/j.jsonl", "Not a directory"),
        ("a-file/deep/j.jsonl", "Not a directory"),
        ("a-pipe", "is not a file"),
        ("x" * 300, "File name too long"),
        ("nul\0", "null"),
    ],
    ids=repr,
)
def test_what_cannot_be_a_journal_is_refused(tmp_path: Path, where: str, said: str) -> None:
    (tmp_path / "a-directory").mkdir()
    (tmp_path / "a-file").write_text("hello")
    os.mkfifo(tmp_path / "a-pipe")
    assert said in refused(tmp_path / where).message


def test_a_device_is_refused() -> None:
    assert "is not a file" in refused(Path("/dev/full")).message


def test_a_place_that_we_may_not_write_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with unprivileged():
        fault = refused(closed / "j.jsonl")
    assert "Permission denied" in fault.message
    assert "let this user write" in fault.hint


@contextmanager
def unprivileged() -> Iterator[None]:
    """As another user than root, whom no permission stops."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


# --- failing ----------------------------------------------------------------------------------


def becomes(writer: JournalWriter, device: str) -> None:
    """From now on the writer's file is this device: its failures are the real ones."""
    fd = os.open(device, os.O_WRONLY)
    os.dup2(fd, writer._fd)
    os.close(fd)


def fails(call: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        call()
    assert caught.value.kind is FaultKind.JOURNAL
    assert caught.value.fatal
    return caught.value


def test_a_full_disk_is_final(path: Path) -> None:
    writer = begun(path)
    becomes(writer, "/dev/full")
    writer.append(WorkerStarted(worker=1))
    fault = fails(writer.flush)
    assert os.strerror(errno.ENOSPC) in fault.message
    assert "free space" in fault.hint
    assert not writer.flush_due(10**12)

    becomes(writer, "/dev/null")  # there is space again, and nobody asks
    assert fails(lambda: writer.append(WorkerStarted(worker=2))) is fault
    assert fails(writer.flush) is fault
    assert fails(writer.sync) is fault
    writer.close()


def test_a_full_disk_is_noticed_by_append_when_it_flushes(path: Path) -> None:
    writer = begun(path)
    becomes(writer, "/dev/full")
    with pytest.raises(Fault, match="cannot write"):
        writer.append(CheckPassed(check="c", detail="x" * FLUSH_BYTES))
    writer.close()


def test_a_failed_sync_is_final(path: Path) -> None:
    writer = begun(path)
    becomes(writer, "/dev/null")  # takes every write and refuses to sync
    writer.append(WorkerStarted(worker=1))
    writer.flush()
    fault = fails(writer.sync)
    assert "cannot sync" in fault.message
    assert fails(writer.flush) is fault
    writer.close()


def test_sync_asks_the_disk_only_when_something_was_written(path: Path) -> None:
    writer = begun(path)
    becomes(writer, "/dev/null")
    writer.sync()
    writer.close()


@pytest.mark.parametrize("how", ["moved", "removed", "replaced", "copied over"])
def test_a_journal_that_lies_elsewhere_now_is_final(path: Path, how: str) -> None:
    # A rotation by somebody else's hand: nobody would find what is written on into that file, and
    # another vsync could lock, and write, the one that lies here now.
    writer = begun(path)
    writer.append(WorkerStarted(worker=1))
    writer.sync()
    before = path.read_bytes()
    if how == "removed":
        path.unlink()
    else:
        path.rename(path.with_name("j.1"))
    if how == "replaced":
        path.write_bytes(b"")
    elif how == "copied over":
        path.write_bytes(before)

    writer.append(WorkerStarted(worker=2))
    fault = fails(writer.sync)
    assert "cannot sync" in fault.message
    assert (os.strerror(errno.ENOENT) in fault.message) is (how in {"moved", "removed"})
    assert fails(lambda: writer.append(WorkerStarted(worker=3))) is fault
    writer.close()
    if path.exists():
        assert path.read_bytes() == (before if how == "copied over" else b"")


@pytest.mark.parametrize("left", [0, 10])
def test_a_journal_that_somebody_cuts_is_final(path: Path, left: int) -> None:
    # As a rotation does that copies a file and empties it: the rules would forget what stood there.
    writer = begun(path)
    writer.append(WorkerStarted(worker=1))
    writer.sync()
    os.truncate(path, left)
    writer.append(WorkerStarted(worker=2))
    fault = fails(writer.sync)
    assert "somebody else has changed its length" in fault.message
    assert "no logrotate" in fault.hint
    writer.close()


def test_a_journal_by_another_name_of_the_same_file_goes_on(path: Path) -> None:
    writer = begun(path)
    linked = path.with_name("link")
    path.rename(linked)
    path.symlink_to(linked)
    writer.append(WorkerStarted(worker=1))
    writer.close()
    assert [record.event for record in read_journal(path)] == [WorkerStarted(worker=1)]


def test_closing_tells_of_the_last_lines_that_were_lost(path: Path) -> None:
    writer = begun(path)
    becomes(writer, "/dev/full")
    writer.append(WorkerStarted(worker=1))
    fails(writer.close)
    writer.close()


LIMITED = """
import resource, sys
from pathlib import Path
from vsync_sm.core.errors import Fault
from vsync_sm.core.events import CheckPassed
from vsync_sm.journal.writer import JournalWriter

path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # SIGXFSZ is ignored by Python
synced = 0
try:
    writer = JournalWriter.open(path)
    stamp = lambda: ("2026-11-01T10:00:00.000000Z", 0)
    writer.begin(run="child", last_seq=0, stamp=stamp)
    while True:
        writer.append(CheckPassed(check="c", detail="d"))
        writer.sync()
        synced += 1
except Fault as fault:
    print(f"{fault.message}: {synced} synced")
"""


def limited(path: Path, limit: int) -> str:
    """What a writer says that may write only so many bytes into a file."""
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, path, str(limit)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stderr == ""
    return ran.stdout


def test_a_write_that_ends_in_the_middle_leaves_a_torn_line_that_is_mended(path: Path) -> None:
    said = limited(path, 1020)
    assert "cannot write" in said
    assert "File too large" in said
    assert path.stat().st_size == 1020
    whole = list(read_journal(path))
    assert f"{len(whole)} synced" in said

    writer = JournalWriter.open(path)
    (repaired,) = writer.repairs
    writer.close()
    assert repaired.what == "torn last line"
    assert list(read_journal(path)) == whole
    assert [record.seq for record in whole] == list(range(1, len(whole) + 1))


def test_a_torn_line_stays_where_it_is_when_it_cannot_be_put_aside(path: Path) -> None:
    torn = LINES[0] + b'{"v":1,' + b"x" * 50_000
    path.write_bytes(torn)
    assert "cannot mend" in limited(path, 10_000)
    assert path.read_bytes() == torn
    assert names(path) == ["j.jsonl"]


# --- kill -9 ----------------------------------------------------------------------------------

CHILD = """
import sys
from pathlib import Path
from vsync_sm.core.events import CheckPassed
from vsync_sm.journal.writer import JournalWriter

writer = JournalWriter.open(Path(sys.argv[1]))
stamp = lambda: ("2026-11-01T10:00:00.000000Z", 0)
writer.begin(run="child", last_seq=0, stamp=stamp)
while True:
    writer.append(CheckPassed(check="c", detail="d" * 5000))
    writer.flush()
    print(flush=True)
"""


@contextmanager
def writing_child(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process in the middle of writing; it blocks once its pipe is full."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, path], cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child:
        try:
            child.stdout.readline()
            yield child
        finally:
            child.kill()


def test_kill_9_loses_no_whole_line(path: Path) -> None:
    with writing_child(path) as child:
        assert child.stdout is not None
        for _ in range(100):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        child.wait()
    writer = begun(path)
    record = writer.append(WorkerStarted(worker=1))
    writer.close()
    assert record.seq > 101
    assert len(list(read_journal(path))) == record.seq


def test_a_journal_cut_at_any_byte_of_its_last_line_goes_on(path: Path) -> None:
    before, last = b"".join(LINES[:2]), LINES[2]
    for cut in range(len(last) + 1):
        path.write_bytes(before + last[:cut])
        writer = begun(path)
        kept = 3 if cut >= len(last) - 1 else 2
        assert writer.append(WorkerStarted(worker=1)).seq == kept + 1
        writer.close()
        assert path.read_bytes().startswith(b"".join(LINES[:kept]))
        assert len(list(read_journal(path))) == kept + 1


@settings(deadline=None)
@given(st.integers(0, len(SAMPLE)))
def test_a_journal_cut_anywhere_keeps_every_whole_line(cut: int) -> None:
    with a_journal(SAMPLE[:cut]) as path:
        whole = list(read_journal(path))
        writer = JournalWriter.open(path)
        rest = list(read_journal(path))
        assert rest[: len(whole)] == whole
        assert len(rest) <= len(whole) + 1
        writer.begin(run="r2", last_seq=len(rest), stamp=ticking())
        written = writer.append(WorkerStarted(worker=1))
        writer.close()
        assert list(read_journal(path)) == [*rest, written]


# --- repairing --------------------------------------------------------------------------------


def opened(path: Path) -> tuple[JournalRepaired, ...]:
    writer = JournalWriter.open(path)
    writer.close()
    return writer.repairs


def test_a_sound_journal_is_left_alone(path: Path) -> None:
    path.write_bytes(SAMPLE)
    assert opened(path) == ()
    assert path.read_bytes() == SAMPLE
    assert names(path) == ["j.jsonl"]


NULS = b"\0" * 5000
WHOLE = b"".join(LINES[:3])


@pytest.mark.parametrize(
    ("tail", "what"),
    [
        (LINES[3][:-40], "torn last line"),
        (LINES[3][:-40] + NULS, "torn last line"),
        (b"\xff\xfe", "torn last line"),
        (LINES[3][:-40] + b"\n", "damaged last line"),
        (LINES[3][:-40] + b"\n" + NULS, "damaged last line"),
        (NULS + b"\n", "damaged last line"),
        (b"\n", "damaged last line"),
        (NULS, "tail of NULs"),
        (b"\0", "tail of NULs"),
        (b"\0" * 200_000, "tail of NULs"),
    ],
)
def test_what_a_crash_leaves_goes_to_a_file_aside(path: Path, tail: bytes, what: str) -> None:
    path.write_bytes(WHOLE + tail)
    repaired = JournalRepaired(what=what, removed_bytes=len(tail), aside="j.jsonl.torn-1")
    assert opened(path) == (repaired,)
    assert path.read_bytes() == WHOLE
    aside = path.with_name("j.jsonl.torn-1")
    assert aside.read_bytes() == tail
    assert aside.stat().st_mode & 0o777 == 0o600
    assert opened(path) == ()


def test_a_whole_line_gets_its_newline(path: Path) -> None:
    path.write_bytes(WHOLE[:-1])
    assert opened(path) == (JournalRepaired(what="missing newline", removed_bytes=0),)
    assert path.read_bytes() == WHOLE
    assert names(path) == ["j.jsonl"]


def test_a_whole_line_before_nuls_gets_its_newline_too(path: Path) -> None:
    path.write_bytes(WHOLE[:-1] + NULS)
    assert opened(path) == (
        JournalRepaired(what="tail of NULs", removed_bytes=5000, aside="j.jsonl.torn-1"),
        JournalRepaired(what="missing newline", removed_bytes=0),
    )
    assert path.read_bytes() == WHOLE


@pytest.mark.parametrize("content", [NULS, LINES[0][:3], LINES[0][:-9], LINES[0][:-9] + b"\n"])
def test_a_first_line_that_never_came_to_be(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert len(opened(path)) == 1
    assert path.read_bytes() == b""
    assert path.with_name("j.jsonl.torn-1").read_bytes() == content


def test_files_aside_are_never_overwritten(path: Path) -> None:
    for number in (1, 2, 3):
        path.write_bytes(WHOLE + b"torn" * number)
        (repaired,) = opened(path)
        assert repaired.aside == f"j.jsonl.torn-{number}"
    assert path.with_name("j.jsonl.torn-1").read_bytes() == b"torn"


def test_a_last_line_of_a_megabyte(path: Path) -> None:
    keys = tuple(
        SavedKey(key=f"vsync/{n}", modify_index=n, sha256=f"{n:064x}") for n in range(7_800)
    )
    started = SaveStarted(index="", index_key="vsync/index", index_modify_index=1, keys=keys)
    one, two = write(path, WorkerStarted(worker=1), started)
    content = path.read_bytes()
    assert len(content) > 900_000

    path.write_bytes(content[:-1])
    assert [repaired.what for repaired in opened(path)] == ["missing newline"]
    assert list(read_journal(path)) == [one, two]

    path.write_bytes(content[:-2])
    assert [repaired.what for repaired in opened(path)] == ["torn last line"]
    assert list(read_journal(path)) == [one]


def test_damage_further_up_is_refused_by_line_and_byte(path: Path) -> None:
    content = WHOLE + b"damaged\n" + b"torn"
    path.write_bytes(content)
    fault = refused(path)
    assert f"line 4, byte {len(WHOLE)}: " in fault.message
    assert "forgets" in fault.hint
    assert path.read_bytes() == content
    assert names(path) == ["j.jsonl"]
    JournalWriter.open(path.with_name("another")).close()


@pytest.mark.parametrize("content", [b"root:x:0:0:/root:/bin/sh\n", b"x", b"\0x", b"{}\n", b"\n"])
def test_a_file_of_somebody_else_s_is_not_touched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert "line 1, byte 0: this is no journal" in refused(path).message
    assert path.read_bytes() == content
    assert names(path) == ["j.jsonl"]


def test_a_line_without_beginning_is_not_taken_into_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "LINE_LIMIT", 300_000)
    path.write_bytes(WHOLE + b"x" * 10_000_000)
    assert "longer than" in refused(path).message


def test_a_refused_journal_is_not_held(path: Path) -> None:
    path.write_bytes(b"hello\n")
    refused(path)
    path.write_bytes(b"")
    JournalWriter.open(path).close()


NO_NEWLINE = st.binary().map(lambda data: data.replace(b"\n", b"?"))


@settings(deadline=None)
@given(
    start=st.integers(0, len(LINES[-1]) - 1),
    length=st.integers(0, 50),
    put=NO_NEWLINE,
    end=st.sampled_from([b"", b"\n"]),
    nuls=st.integers(0, 3),
)
def test_a_last_line_damaged_in_any_way_costs_that_line_alone(
    start: int, length: int, put: bytes, end: bytes, nuls: int
) -> None:
    last = LINES[-1][:-1]
    last = last[:start] + put + last[start + length :] + end
    assume(last.rstrip(b"\0") and not decodable(last.rstrip(b"\0")))
    above = b"".join(LINES[:-1])
    with a_journal(above + last + b"\0" * nuls) as path:
        (repaired,) = opened(path)
        assert path.read_bytes() == above
        assert path.with_name(repaired.aside).read_bytes() == last + b"\0" * nuls
        assert len(list(read_journal(path))) == len(LINES) - 1


def decodable(line: bytes) -> bool:
    try:
        decode(line, line_number=0, byte=0)
    except JournalError:
        return False
    return True


@settings(deadline=None)
@given(st.integers(0, len(SAMPLE)), st.integers(0, 2000), st.binary())
def test_nothing_is_ever_lost(start: int, length: int, put: bytes) -> None:
    content = SAMPLE[:start] + put + SAMPLE[start + length :]
    with a_journal(content) as path:
        try:
            repairs = opened(path)
        except Fault:
            assert path.read_bytes() == content
            assert names(path) == ["j.jsonl"]
            return
        kept = path.read_bytes()
        removed = b"".join(path.with_name(r.aside).read_bytes() for r in repairs if r.aside)
        added = b"\n" if any(r.what == "missing newline" for r in repairs) else b""
        assert kept.removesuffix(added) + removed == content

"""The control socket: where it lies, who is heard, and what no peer can do to the origin."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.origin.scenes import until
from tests.workshop import PATIENCE_S
from vsync_sm.core import events as e
from vsync_sm.core.commands import Done
from vsync_sm.core.events import Record
from vsync_sm.core.view import View, apply
from vsync_sm.operate import client as client_module
from vsync_sm.operate import control as control_module
from vsync_sm.operate.client import MAYBE_DONE, Remote, Unreachable
from vsync_sm.operate.control import (
    NOT_ALLOWED,
    PEERS,
    TOO_MANY_COMMANDS,
    TOO_MANY_PEERS,
    Control,
)
from vsync_sm.operate.direct import Direct
from vsync_sm.operate.peer import Peer
from vsync_sm.operate.place import PATH_LIMIT, beside_journal, socket_path
from vsync_sm.operate.protocol import REQUEST_LIMIT
from vsync_sm.operate.rate import Rate
from vsync_sm.origin.inbox import OVER, CommandCame, Inbox, RefusedAsked

NOBODY = 65534
REFUSED = frozenset(f"vanished kv/data/{number:06}" for number in range(3_500))


class Origin:
    """A loop that answers everything, and remembers what it was asked."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.heard: list[CommandCame] = []
        self.held = threading.Event()
        self.held.set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            for message in self.inbox.take(0.05):
                self.held.wait()
                if isinstance(message, CommandCame):
                    self.heard.append(message)
                    if self.inbox.answered(message):
                        message.reply(Done(message.command != "abort", f"{message.command} heard"))
                elif isinstance(message, RefusedAsked) and self.inbox.answered(message):
                    message.reply(REFUSED if message.allowance == "known" else None)

    def end(self) -> None:
        """As a run's end does it."""
        self._over.set()
        self.held.set()
        self._thread.join()
        self.inbox.end()


@pytest.fixture
def origin() -> Iterator[Origin]:
    made = Origin()
    yield made
    made.end()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


@contextmanager
def serving(origin: Origin, journal: Path, **how: Any) -> Iterator[Control]:
    """A control socket beside a journal."""
    control = Control(origin.inbox, View(), **how)
    control.open(journal, {})
    try:
        yield control
    finally:
        control.close()


@pytest.fixture
def control(origin: Origin, journal: Path) -> Iterator[Control]:
    with serving(origin, journal) as made:
        assert made.path == str(beside_journal(journal))
        yield made


@pytest.fixture
def remote(control: Control, journal: Path) -> Remote:
    return Remote(journal, {})


def connect(control: Control) -> socket.socket:
    """A peer that says what it likes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(PATIENCE_S)
    connection.connect(control.path)
    return connection


def all_of(connection: socket.socket) -> bytes:
    """What comes until the other end closes."""
    said = b""
    while True:
        try:
            chunk = connection.recv(65_536)
        except ConnectionResetError:
            return said
        if not chunk:
            return said
        said += chunk


def answer_to(control: Control, *pieces: bytes) -> dict[str, Any]:
    """The one line that these bytes get in answer, until the connection is closed."""
    with connect(control) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                break
        (line,) = all_of(connection).splitlines()
    told: dict[str, Any] = json.loads(line)
    return told


# --- asking ----------------------------------------------------------------------------------


def test_a_command_reaches_the_loop_with_its_peer(remote: Remote, origin: Origin) -> None:
    assert remote.do("pause", "maintenance") == Done(True, "pause heard")
    assert remote.do("abort") == Done(False, "abort heard")
    pause, _ = origin.heard
    assert (pause.command, pause.argument) == ("pause", "maintenance")
    assert pause.asker.through == "control socket"
    assert (pause.asker.uid, pause.asker.pid) == (os.getuid(), os.getpid())
    assert pause.asker.by == Peer(os.getuid(), None).name


def test_what_makes_no_sense_is_not_even_asked(
    remote: Remote, control: Control, origin: Origin
) -> None:
    assert remote.do("stop") == Done(False, "there is no command stop")
    assert remote.do("sync", "now") == Done(False, "sync takes nothing with it")
    assert remote.do("allow") == Done(False, "allow needs the id of a refusal")
    long = remote.do("pause", "x" * 501)
    assert long == Done(False, "pause takes why of at most 500 characters")
    # A peer that does not look first gets the same answer.
    with connect(control) as connection:
        connection.sendall(b'{"v":1,"command":"stop"}\n{"v":1,"query":"refused"}\n{"v":1}\n')
        connection.shutdown(socket.SHUT_WR)
        told = [json.loads(line)["words"] for line in all_of(connection).splitlines()]
    assert told == [
        "there is no command stop",
        "allow needs the id of a refusal",
        "there is no command ",
    ]
    assert origin.heard == []


def test_several_requests_on_one_connection(control: Control) -> None:
    with connect(control) as connection:
        connection.sendall(b'{"v":1,"query":"ping"}\n{"v":1,"command":"sync"}\n{"v":1,"qu')
        connection.sendall(b'ery":"ping","more":[1]}\n')
        connection.shutdown(socket.SHUT_WR)
        told = [json.loads(line) for line in all_of(connection).splitlines()]
    assert told == [
        {"v": 1, "ok": True},
        {"v": 1, "ok": True, "words": "sync heard"},
        {"v": 1, "ok": True},
    ]


def test_all_that_was_refused_however_much(remote: Remote) -> None:
    assert remote.refused("known") == tuple(sorted(REFUSED))
    assert remote.refused("unknown") is None


def test_the_status_is_the_last_views(
    remote: Remote, control: Control, origin: Origin, journal: Path
) -> None:
    origin.held.clear()  # the loop is not asked
    started = e.RunStarted(version="1", pid=7, host="h", once=False, config={})
    record = Record(1, "2026-11-02T10:00:00.000000Z", 0, "run-1", started)
    view = apply(View(), record)
    paused = Record(
        2, "2026-11-02T10:00:01.000000Z", 1, "run-1", e.TickerPaused(by="ops", through="console")
    )
    control(record, view)
    assert remote.status().health == "failing"
    control(paused, apply(view, paused))
    told = remote.status()
    assert told.lines[0].startswith("PAUSED: ")
    assert told.lines[1].endswith(f"vsync-sm ctl resume --journal {journal}")
    assert told.document["todo"].endswith(f"vsync-sm ctl resume --journal {journal}")
    assert told.document["pause"]["by"] == "ops"
    assert told.health == "healthy"


def test_unable_says_why(tmp_path: Path, origin: Origin) -> None:
    journal = tmp_path / "journal.jsonl"
    place = beside_journal(journal)
    remote = Remote(journal, {})
    assert remote.unable() == f"there is no control socket at {place}"
    with serving(origin, journal):
        assert remote.unable() == ""
    dead_socket(place)
    assert remote.unable() == f"nobody listens at {place}: the origin does not run"
    assert remote.do("sync") == Done(False, remote.unable())
    assert remote.refused("x") is None


def test_a_socket_that_the_journal_names_is_found(tmp_path: Path, origin: Origin) -> None:
    """A journal on a shared volume may lie elsewhere for who looks at it."""
    with serving(origin, tmp_path / "journal.jsonl") as control:
        assert Remote(tmp_path / "other.jsonl", {}, lambda: control.path).unable() == ""
        assert Remote(tmp_path / "other.jsonl", {}).unable()


def test_who_listens_as_another_user_is_not_believed(
    origin: Origin, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(origin, journal):
        monkeypatch.setattr("vsync_sm.operate.client.peer_of", lambda _: Peer(NOBODY, 1))
        assert Remote(journal, {}).unable().endswith(f"is another user (uid {NOBODY})")
        journal.touch()
        os.chown(journal, NOBODY, -1)  # the journal's own user is
        assert Remote(journal, {}).unable() == ""


def test_an_answer_that_only_drips_is_not_waited_for(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "ANSWER_S", 0.2)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(beside_journal(journal)))
        other.listen()
        thread = threading.Thread(target=_drip, args=(other, b'{"v":1,"ok":true}\n'), daemon=True)
        thread.start()
        done = Remote(journal, {}).do("halt")
        assert not done.ok
        assert done.words.startswith(f"the origin has not answered in time; {MAYBE_DONE} ")
        thread.join(PATIENCE_S)


def test_of_a_command_without_an_answer_it_is_said_that_it_may_be_done(journal: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(beside_journal(journal)))
        other.listen()
        thread = threading.Thread(target=_say, args=(other, b""), daemon=True)
        thread.start()
        done = Remote(journal, {}).do("halt")
        assert not done.ok
        assert done.words == (
            f"the origin went away before it had answered; {MAYBE_DONE} "
            f"vsync-sm ctl status --journal {journal}"
        )
        thread.join(PATIENCE_S)


def _drip(listening: socket.socket, said: bytes) -> None:
    """It answers in the end, but a byte a moment, and long after the time for it."""
    connection, _ = listening.accept()
    with connection, suppress(OSError):
        for byte in b" " * 600 + said:
            connection.sendall(bytes((byte,)))
            threading.Event().wait(0.003)


def test_what_is_no_vsync_is_not_understood(journal: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(beside_journal(journal)))
        other.listen()
        for said in (b"220 mail ready\n", b'{"v":2,"ok":true}\n', b"[]\n", b""):
            thread = threading.Thread(target=_say, args=(other, said), daemon=True)
            thread.start()
            with pytest.raises(Unreachable):
                Remote(journal, {}).status()
            thread.join(PATIENCE_S)


def _say(listening: socket.socket, said: bytes) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(said)


# --- the end ---------------------------------------------------------------------------------


def test_a_command_that_is_pending_at_the_end_is_answered(
    origin: Origin, control: Control, remote: Remote
) -> None:
    origin.held.clear()
    done: list[Done] = []
    asking = threading.Thread(target=lambda: done.append(remote.do("sync")), daemon=True)
    asking.start()
    until(lambda: bool(origin.inbox._questions))
    # The run ends while the socket is closed already: who waits for an answer is waited for.

    def end() -> None:
        control._closing.wait()
        origin.inbox.end()

    ending = threading.Thread(target=end, daemon=True)
    ending.start()
    control.close()
    assert not control._served
    asking.join(PATIENCE_S)
    ending.join(PATIENCE_S)
    assert done == [Done(False, OVER)]
    assert not Path(control.path).exists()


def test_after_the_end_everybody_is_told(origin: Origin, remote: Remote) -> None:
    direct = Direct(origin.inbox, "ops")
    assert (direct.unable(), direct.do("sync")) == ("", Done(True, "sync heard"))
    assert origin.heard[0].asker.through == "console"
    assert direct.refused("known") == tuple(sorted(REFUSED))
    origin.end()
    assert (direct.unable(), direct.do("sync")) == (OVER, Done(False, OVER))
    assert direct.refused("known") is None
    assert remote.do("sync") == Done(False, OVER)
    assert remote.unable() == ""  # it still tells its state


def test_peers_that_hang_do_not_hold_up_the_end(
    origin: Origin, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "IDLE_S", 3600.0)  # it would wait for them so long
    with serving(origin, journal) as control:
        silent = [connect(control) for _ in range(4)]
        greedy = connect(control)  # it asks, and never takes the answers
        ask = b'{"v":1,"query":"refused","argument":"known"}\n'
        greedy.sendall(ask * 200)
        until(lambda: len(control._served) == 5)
        closing = threading.Thread(target=control.close, daemon=True)
        closing.start()
        closing.join(PATIENCE_S)
        assert not closing.is_alive()
    for peer in (*silent, greedy):
        peer.close()


# --- what a peer may do to it ----------------------------------------------------------------


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"null\n",
        b"[" * 60_000 + b"\n",
        b'{"v":1,"more":' + b"[" * 60_000 + b"\n",
        b'{"v":1,"command":7}\n',
        b'{"v":1,"command":"pause","argument":"\\ud800"}\n',
        b'{"v":1,"command":"pause","argument":"\\ud800\\ud800"}\n',
        b'{"v":1,"command":"pause","argument":"\xff"}\n',
        b'{"command":"halt"}\n',
        b'{"v":2,"command":"halt"}\n',
        b'{"v":1,"query":"everything"}\n',
        b'{"v":1,"command":"halt","query":"ping"}\n',
        b"\x00" * 100 + b"\n",
        b"x" * (REQUEST_LIMIT + 1) + b"\n",
    ],
    ids=range(15),
)
def test_garbage_is_answered_and_the_connection_closed(
    control: Control, origin: Origin, remote: Remote, garbage: bytes
) -> None:
    assert answer_to(control, garbage)["ok"] is False
    assert origin.heard == []
    assert remote.do("sync").ok


def test_an_endless_line_is_cut_off(control: Control, remote: Remote) -> None:
    told = answer_to(control, *([b"x" * 8_192] * 1_000))
    assert told["words"] == f"a request is one line of {REQUEST_LIMIT} bytes at most"
    assert remote.unable() == ""


def test_silence_ends_the_connection(
    origin: Origin, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "IDLE_S", 0.2)
    with serving(origin, journal) as control:
        with connect(control) as silent:
            assert all_of(silent) == b""
        with connect(control) as dripping:
            dripping.settimeout(0.05)
            # A byte now and then is silence too.
            assert any(_is_gone_after(dripping, b" ") for _ in range(200))
        until(lambda: not control._served)


def _is_gone_after(peer: socket.socket, said: bytes) -> bool:
    """Whether the other end has closed, a moment after this was said."""
    with suppress(BrokenPipeError):
        peer.sendall(said)
    try:
        return peer.recv(100) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def test_so_many_peers_at_a_time(control: Control, origin: Origin, remote: Remote) -> None:
    origin.held.clear()
    peers = [connect(control) for _ in range(PEERS)]
    for peer in peers:
        peer.sendall(b'{"v":1,"command":"sync"}\n')
    until(lambda: len(control._served) == PEERS and not control._silent)
    assert remote.unable() == TOO_MANY_PEERS
    assert remote.do("sync") == Done(False, TOO_MANY_PEERS)
    origin.held.set()
    for peer in peers:
        assert json.loads(peer.recv(1_000))["ok"]
        peer.close()
    until(lambda: not control._served)
    assert remote.unable() == ""


def test_who_has_been_silent_for_longest_makes_room(control: Control, remote: Remote) -> None:
    peers = [connect(control) for _ in range(PEERS)]
    until(lambda: len(control._served) == PEERS)
    last = list(control._silent)[-1]
    peers[0].sendall(b'{"v":1,"query":"ping"}\n')
    assert json.loads(peers[0].recv(1_000))["ok"]
    until(lambda: len(control._silent) == PEERS and list(control._silent)[-1] is not last)
    assert remote.do("sync") == Done(True, "sync heard")
    assert peers[1].recv(100) == b""
    for peer in (peers[0], *peers[2:]):
        peer.sendall(b'{"v":1,"query":"ping"}\n')
        assert json.loads(peer.recv(1_000))["ok"]
    for peer in peers:
        peer.close()
    until(lambda: not control._served and not control._silent)


def test_who_takes_an_answer_too_slowly_gets_no_more_of_it(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "TAKE_S", 0.3)
    answers = 20
    got = 0
    with connect(control) as slow:
        slow.sendall(b'{"v":1,"query":"refused","argument":"known"}\n' * answers)
        with suppress(ConnectionResetError):
            # Each piece is taken in time, and no answer that had to wait for room.
            while chunk := slow.recv(4_096):
                got += chunk.count(b"\n")
                threading.Event().wait(0.02)
    assert got < answers


def test_who_asks_and_takes_no_answer_holds_no_place(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_module, "STALL_S", 0.1)
    monkeypatch.setattr(control_module, "TAKE_S", 3_600.0)
    with connect(control) as deaf:
        deaf.sendall(b'{"v":1,"query":"ping"}\n')
        assert json.loads(deaf.recv(1_000))["ok"]  # it has a place
        deaf.sendall(b'{"v":1,"query":"refused","argument":"known"}\n' * 20)
        until(lambda: not control._served)
        assert all_of(deaf)  # what fitted in between


def test_a_socket_whose_file_was_removed_is_made_again_by_the_next_cycle(
    control: Control, remote: Remote
) -> None:
    Path(control.path).unlink()
    began = e.CycleStarted(mounts=("kv/",), workers=1, num_buckets=1, deadline_s=300.0)
    record = Record(seq=1, ts="2026-11-01T10:00:00.000000Z", mono=1, run="r", cycle=1, event=began)
    control(record, View())
    until(lambda: Path(control.path).exists())
    until(lambda: remote.do("sync") == Done(True, "sync heard"))
    assert stat.S_IMODE(Path(control.path).stat().st_mode) == 0o600
    control.close()
    assert not Path(control.path).exists()


def test_what_another_put_into_its_place_is_left_alone(control: Control, remote: Remote) -> None:
    place = Path(control.path)
    place.unlink()
    place.write_text("mine")
    control._mend()
    assert not remote.do("sync").ok
    control.close()
    assert place.read_text() == "mine"


def test_a_flood_of_commands_is_answered_and_not_passed_on(
    control: Control, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_commands", Rate(10, 20, lambda: 0.0))  # no time passes
    with connect(control) as connection:
        connection.sendall(b'{"v":1,"command":"sync"}\n' * 60)
        connection.shutdown(socket.SHUT_WR)
        told = [json.loads(line) for line in all_of(connection).splitlines()]
    words = [each["words"] for each in told]
    assert len(words) == 60
    assert set(words) == {"sync heard", TOO_MANY_COMMANDS}
    assert len(origin.heard) == words.count("sync heard") == 20


def test_a_flood_of_connections_leaves_the_origin_alone(control: Control, origin: Origin) -> None:
    enough = threading.Event()

    def flood() -> None:
        while not enough.is_set():
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                try:
                    peer.connect(control.path)
                except OSError:
                    return

    threads = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    direct = Direct(origin.inbox, "ops")
    for _ in range(50):
        assert direct.do("sync").ok
    assert len(control._served) <= PEERS
    enough.set()
    control.close()  # who waits to be accepted is let go
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


# --- who is heard ----------------------------------------------------------------------------


def test_another_user_is_not_heard(origin: Origin, journal: Path) -> None:
    with serving(origin, journal, peer_of=lambda _: Peer(NOBODY, 1)) as control:
        told = answer_to(control, b'{"v":1,"command":"halt"}\n')
        assert told == {"v": 1, "ok": False, "words": NOT_ALLOWED}
        assert Remote(journal, {}).do("halt") == Done(False, NOT_ALLOWED)
    with serving(origin, journal, peer_of=lambda _: Peer(0, 1)):
        assert Remote(journal, {}).do("sync").ok
        assert [came.asker.by for came in origin.heard] == ["root"]


_OTHER_USER = """
import os, socket, sys
path, uid = sys.argv[1], int(sys.argv[2])
os.setgroups([]); os.setgid(uid); os.setuid(uid)
connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
try:
    connection.connect(path)
except PermissionError:
    sys.exit("permission denied")
try:
    connection.sendall(b'{"v":1,"command":"halt"}\\n')
except OSError:
    pass
sys.stdout.write(connection.recv(65536).decode())
"""


def _as_other_user(path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _OTHER_USER, path, str(NOBODY)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd="/",
    )


def test_a_real_other_user_gets_no_further_than_the_file(
    origin: Origin, short_open_home: Path
) -> None:
    """Another user is kept out by the socket's mode, and would be by the kernel's word on him."""
    assert os.geteuid() == 0, "these tests run as root, as CI does: another uid must be taken on"
    with serving(origin, short_open_home / "journal.jsonl") as control:
        assert _as_other_user(control.path).stderr.strip() == "permission denied"
        Path(control.path).chmod(0o666)
        told = json.loads(_as_other_user(control.path).stdout)
        assert told == {"v": 1, "ok": False, "words": NOT_ALLOWED}
        assert origin.heard == []


@pytest.fixture
def short_open_home() -> Iterator[Path]:
    """A directory that every user may enter, as pytest's own are not."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="vsync-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


# --- the file --------------------------------------------------------------------------------


def dead_socket(path: Path) -> None:
    """What a killed process leaves behind."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_only_its_owner_may_use_the_file(control: Control, journal: Path) -> None:
    there = Path(control.path).lstat()
    assert stat.S_ISSOCK(there.st_mode)
    assert stat.S_IMODE(there.st_mode) == 0o600
    assert [path.name for path in journal.parent.iterdir()] == [f"{journal.name}.sock"]


def test_a_dead_socket_is_replaced(origin: Origin, journal: Path) -> None:
    dead_socket(beside_journal(journal))
    with serving(origin, journal):
        assert Remote(journal, {}).unable() == ""
    assert not beside_journal(journal).exists()


def test_a_live_socket_is_kept(origin: Origin, control: Control, journal: Path) -> None:
    before = Path(control.path).lstat().st_ino
    with serving(origin, journal) as second:
        assert second.path == ""
        assert second.trouble == f"another process listens at {control.path}"
    assert Path(control.path).lstat().st_ino == before
    assert Remote(journal, {}).unable() == ""


@pytest.mark.parametrize("kind", ["file", "directory", "link", "pipe"])
def test_what_is_no_socket_is_kept(origin: Origin, journal: Path, kind: str) -> None:
    place = beside_journal(journal)
    if kind == "file":
        place.write_text("mine")
    elif kind == "directory":
        place.mkdir()
    elif kind == "link":
        place.symlink_to(journal.parent / "elsewhere")
    else:
        os.mkfifo(place)
    before = place.lstat()
    with serving(origin, journal) as control:
        assert (control.path, control.trouble) == (
            "",
            f"{place} is no socket, and is left as it is",
        )
    assert place.lstat() == before
    assert sorted(path.name for path in journal.parent.iterdir()) == [place.name]


def test_a_file_that_is_no_longer_ours_is_left(origin: Origin, journal: Path) -> None:
    place = beside_journal(journal)
    with serving(origin, journal):
        place.unlink()
        place.write_text("somebody else's")
    assert place.read_text() == "somebody else's"


def test_no_place_for_it_is_no_fault(origin: Origin, tmp_path: Path) -> None:
    with serving(origin, tmp_path / "missing" / "journal.jsonl") as control:
        assert control.path == ""
        assert control.trouble.endswith("cannot be listened at: No such file or directory")


def test_where_the_system_does_not_tell_who_asks_nobody_is_served(
    origin: Origin, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "SO_PEERCRED")
    with serving(origin, journal) as control:
        assert (control.path, control.trouble) == ("", "this system does not tell who asks")
        assert list(journal.parent.iterdir()) == []


def test_without_a_thread_nothing_is_left_to_connect_to(
    origin: Origin, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with serving(origin, journal) as control:
        assert control.path == ""
        assert control.trouble.endswith("cannot be listened at: can't start new thread")
        assert list(journal.parent.iterdir()) == []


# --- its place -------------------------------------------------------------------------------


def long_name(directory: Path, length: int) -> Path:
    """A journal whose socket's path has so many bytes."""
    return directory / ("j" * (length - len(f"{directory}/.sock")))


def test_its_place_beside_the_journal_or_in_the_runtime_directory(tmp_path: Path) -> None:
    fits, too_long = long_name(tmp_path, PATH_LIMIT), long_name(tmp_path, PATH_LIMIT + 1)
    assert socket_path(fits, {}) == Path(f"{fits}.sock")
    for environment, directory in (
        ({"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": "/run/user/7"}, "/run/a"),
        ({"XDG_RUNTIME_DIR": "/run/user/7"}, "/run/user/7/vsync-sm"),
        ({}, f"/tmp/vsync-sm-{os.geteuid()}"),
    ):
        place = socket_path(too_long, environment)
        assert str(place.parent) == directory
        assert place == socket_path(Path(f"{tmp_path}/x/../{too_long.name}"), environment)
        assert place.name != socket_path(too_long.with_name("k" * 99), environment).name


def test_a_path_that_is_too_long_leads_to_the_runtime_directory(
    origin: Origin, tmp_path: Path
) -> None:
    journal, runtime = long_name(tmp_path, 180), tmp_path / "r"
    environment = {"RUNTIME_DIRECTORY": str(runtime)}
    control = Control(origin.inbox, View())
    control.open(journal, environment)
    try:
        assert Path(control.path).parent == runtime
        assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
        assert Remote(journal, environment).unable() == ""
        assert Remote(journal, {}).unable() != ""
        assert Remote(journal, {}, lambda: control.path).unable() == ""
    finally:
        control.close()
    assert list(runtime.iterdir()) == []


@pytest.mark.parametrize("whose", ["another's", "everybody's", "a link"])
def test_a_runtime_directory_that_others_write_is_not_used(
    origin: Origin, tmp_path: Path, whose: str
) -> None:
    journal, runtime = long_name(tmp_path, 180), tmp_path / "r"
    if whose == "a link":
        (tmp_path / "real").mkdir()
        runtime.symlink_to(tmp_path / "real")
    else:
        runtime.mkdir()
    if whose == "another's":
        os.chown(runtime, NOBODY, NOBODY)
    if whose == "everybody's":
        runtime.chmod(0o777)
    control = Control(origin.inbox, View())
    control.open(journal, {"RUNTIME_DIRECTORY": str(runtime)})
    assert (control.path, control.trouble) == ("", f"{runtime} is not this user's own directory")
    assert list(runtime.iterdir()) == []

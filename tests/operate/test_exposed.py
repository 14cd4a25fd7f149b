"""The port: a few pages for scrapes and probes, whatever else comes there."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from http import HTTPStatus
from typing import Any

import pytest

from tests.commandline import logged, on, vsync
from tests.core.viewing import Seen, refused
from tests.misbehave import Misbehave
from tests.operate.test_metrics import samples
from tests.origin.bench import Bench, bench_of
from tests.origin.scenes import until
from tests.workshop import PATIENCE_S, Workshop, events
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.view import View
from vsync_sm.local.process import _free_ports
from vsync_sm.operate import health, web
from vsync_sm.operate.exposed import Exposed
from vsync_sm.operate.web import JSON, TEXT, Reply, Web
from vsync_sm.origin.inbox import Inbox
from vsync_sm.origin.orders import Mode

ANY = "127.0.0.1:0"


def ask(
    address: str, path: str, method: str = "GET", **headers: str
) -> tuple[int, Mapping[str, str], str]:
    """One request: status, headers, body."""
    with closing(http.client.HTTPConnection(address, timeout=PATIENCE_S)) as connection:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        return reply.status, dict(reply.headers), reply.read().decode()


def dial(address: str) -> socket.socket:
    """A connection for who does as he likes."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the other end has closed it."""
    told = b""
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            told += chunk
    return told


# --- the server ------------------------------------------------------------------------------


@pytest.fixture
def served() -> Iterator[Web]:
    """A server with one page."""
    made = Web("127.0.0.1", 0)
    made.start({"/page": lambda accept: Reply(HTTPStatus.OK, TEXT, f"you take {accept}".encode())})
    yield made
    made.close()


def test_a_page(served: Web) -> None:
    status, headers, body = ask(served.address, "/page?name=1", Accept="a/b")
    assert (status, body) == (200, "you take a/b")
    assert headers["Content-Type"] == TEXT
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"].startswith("vsync-sm/")
    with dial(served.address) as peer:
        peer.sendall(b"HEAD /page HTTP/1.1\r\nAccept: a/b\r\n\r\n")
        head, _, body_of_head = rest(peer).partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: 12\r\n" in head
    assert body_of_head == b""


@pytest.mark.parametrize("path", ["/", "/page/", "/../page", "/pag", "page", "/%70age"])
def test_there_is_no_other_page(served: Web, path: str) -> None:
    status, _, body = ask(served.address, path)
    assert (status, body) == (404, "there is /page\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_there_is_no_other_method(served: Web, method: str) -> None:
    status, headers, _ = ask(served.address, "/page", method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


GARBAGE = {
    "nothing": b"",
    "binary": bytes(range(256)) * 300,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no version": b"GET\r\n\r\n",
    "endless line": b"GET /" + b"a" * 100_000,
    "many headers": b"GET /page HTTP/1.1\r\n" + b"a: b\r\n" * 1_000 + b"\r\n",
    "half a request": b"GET /page HTT",
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_costs_its_sender_the_connection(served: Web, garbage: str) -> None:
    with dial(served.address) as peer:
        with suppress(OSError):
            peer.sendall(GARBAGE[garbage])
            peer.shutdown(socket.SHUT_WR)
        assert b" 200 " not in rest(peer)
    assert ask(served.address, "/page")[0] == 200


def test_silent_peers_make_room_for_who_asks(served: Web) -> None:
    silent = [dial(served.address) for _ in range(web.PEERS + 3)]
    assert ask(served.address, "/page")[0] == 200
    for peer in silent:
        peer.close()


def test_who_sends_a_byte_now_and_then_is_sent_away(
    served: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is one of the whole request, not of each of its bytes."""
    monkeypatch.setattr(web, "IDLE_S", 0.3)
    gone = threading.Event()
    with dial(served.address) as peer:

        def drip() -> None:
            with suppress(OSError):
                while not gone.wait(0.02):
                    peer.sendall(b"x")

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            rest(peer)
        finally:
            gone.set()
            thread.join(PATIENCE_S)


def test_who_does_not_take_the_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()

    def huge(_: str) -> Reply:
        monkeypatch.setattr(web, "IDLE_S", 0.3)  # from now on: the question may come late
        asked.set()
        return Reply(HTTPStatus.OK, TEXT, bytes(50_000_000))

    served = Web("127.0.0.1", 0)
    served.start({"/page": huge})
    with dial(served.address) as peer:
        peer.sendall(b"GET /page HTTP/1.0\r\n\r\n")
        assert asked.wait(PATIENCE_S)
        until(lambda: not served._served)
    served.close()


def test_nobody_listens_after_the_end(served: Web) -> None:
    address = served.address
    served.close()
    with pytest.raises(OSError):  # noqa: PT011  any: refused, or reset
        dial(address).close()


def test_a_port_that_is_taken_is_said() -> None:
    (port,) = _free_ports(1, 0)  # one that no outgoing connection takes in between
    first = Web("127.0.0.1", port)
    with pytest.raises(Fault, match=f"127.0.0.1 port {port} cannot be listened at") as caught:
        Web("127.0.0.1", port)
    assert caught.value.kind is FaultKind.CHECK_FAILED
    first.close()
    Web("127.0.0.1", port).close()


def test_an_address_of_another_host_is_said() -> None:
    with pytest.raises(Fault, match="cannot be listened at"):
        Web("192.0.2.1", 0)


def test_version_six() -> None:
    try:
        served = Web("::1", 0)
    except Fault as fault:
        assert "cannot be listened at" in fault.message  # noqa: PT017  a host without it
        return
    assert served.address.startswith("[::1]:")
    served.close()


@pytest.mark.parametrize(
    ("accept", "json_wanted"),
    [
        ("application/json", True),
        ("Application/JSON; q=0.9", True),
        ("application/json, text/plain", True),
        ("text/plain, application/json", False),
        ("*/*", False),
        ("", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
    ],
)
def test_who_gets_json(accept: str, json_wanted: bool) -> None:
    assert web.wants_json(accept) is json_wanted


# --- health and liveness ---------------------------------------------------------------------


def healthy(seen: Seen, after: float = 0) -> tuple[int, dict[str, Any]]:
    """What `/health` says so many seconds after the last record."""
    wall = moment(seen.records[-1].ts) + int(after * 1e9)
    reply = health.health(seen.view, wall, JSON)
    told: dict[str, Any] = json.loads(reply.body)
    plain = health.health(seen.view, wall, "*/*")
    assert (plain.status, plain.content_type) == (reply.status, TEXT)
    assert plain.body.decode().splitlines()[0] == f"{told['word']}: {told['because']}"
    return reply.status, told


def test_health_is_the_consoles_word() -> None:
    seen = Seen()
    seen.start()
    assert (healthy(seen)[0], healthy(seen)[1]["word"]) == (503, "BEHIND")
    seen.save(1)
    status, told = healthy(seen)
    assert (status, told["word"], told["last_success"]) == (200, "IN SYNC", seen.view.last_complete)
    assert healthy(seen, after=500)[1]["word"] == "BEHIND"
    for _ in range(3):
        seen.fail()
    status, told = healthy(seen)
    assert (status, told["word"], told["failed_in_row"]) == (503, "STUCK", 3)
    assert (told["because"], told["todo"]) == (
        "3 cycles in a row failed: Vault is sealed",
        "unseal it",
    )
    seen.begin()
    seen(refused(vanished=30))
    seen.finish("refused", "refused")
    assert (healthy(seen)[0], healthy(seen)[1]["word"]) == (503, "REFUSED")
    seen(e.TickerPaused(by="ada", through="console"))
    assert (healthy(seen)[0], healthy(seen)[1]["word"]) == (200, "PAUSED")
    seen(e.RunFinished(exit_code=0, why="a signal"))
    assert (healthy(seen)[0], healthy(seen)[1]["word"]) == (503, "HALTED")


def test_a_message_from_outside_cannot_write_lines_of_its_own() -> None:
    seen = Seen()
    seen.start()
    for _ in range(3):
        seen.fail(message="a\nIN SYNC: b")
    assert len(health.health(seen.view, 0, "").body.splitlines()) == 2


def test_a_process_lives_as_long_as_its_loop_turns() -> None:
    now = [100.0]
    exposed = Exposed(ANY, dict, mono=lambda: now[0])
    assert ask(exposed.address, "/live")[::2] == (200, "LIVE: the journal is being read\n")
    assert ask(exposed.address, "/health")[::2] == (503, "STARTING: the journal is being read\n")
    assert ask(exposed.address, "/metrics")[0] == 503
    exposed.turned(View())
    now[0] += health.LOOP_S - 1
    assert ask(exposed.address, "/live")[::2] == (200, "LIVE: the loop turned 29.0 s ago\n")
    now[0] += 1
    assert ask(exposed.address, "/live")[::2] == (503, "HANGING: the loop turned 30.0 s ago\n")
    exposed.close()


def test_the_loop_of_a_daemon_turns_often_enough(workshop: Workshop) -> None:
    """A tick of days, or a pause, does not make it look dead."""
    config = workshop.settings(metrics={"address": ANY}, tick="100h")
    running = wiring.engine(config, Mode.daemon, workshop.journal, Inbox())
    assert running.engine._hands.rest_s < health.LOOP_S / 2
    running.close()


@pytest.mark.parametrize("mode", [Mode.once, Mode.plan, Mode.check])
def test_only_a_daemon_serves(workshop: Workshop, mode: Mode) -> None:
    """The others may run beside one, with the same configuration."""
    config = workshop.settings(metrics={"address": ANY})
    running = wiring.engine(config, mode, workshop.journal, Inbox())
    assert running.exposed is None
    running.close()


@pytest.mark.parametrize(
    ("address", "beyond"), [(ANY, False), ("localhost:0", False), ("0.0.0.0:0", True)]
)
def test_an_address_that_others_can_reach_is_warned_of(address: str, beyond: bool) -> None:
    exposed = Exposed(address, dict)
    told = f"metrics.address: who reaches {exposed.address} reads there, without a password"
    assert exposed.warning == (told if beyond else "")
    exposed.close()


# --- with an origin --------------------------------------------------------------------------


@pytest.fixture
def bench(workshop: Workshop) -> Iterator[Bench]:
    """An origin that tells all that it can, with a proxy in front of each of its servers."""
    workshop.config["origin"] |= {"status": True, "tick": "50ms"}
    workshop.config |= {"metrics": {"address": ANY}, "log": {"type": "json", "level": "debug"}}
    with bench_of(workshop) as made:
        yield made


def test_log_metrics_and_consul_tell_the_truth_about_the_last_success(bench: Bench) -> None:
    """It succeeds, then Vault is sealed, then a human pauses it; each tells all three moments.

    And all that is counted is what the journal says.
    """
    shop = bench.shop
    bench.fill()
    log = shop.home / "log"
    with log.open("w") as stderr, shop.start(stderr=stderr.fileno()) as daemon:
        daemon.wait_for(lambda record: _finished(record, "unchanged"))
        bench.on_list().answer(503, {"errors": ["Vault is sealed"]})
        daemon.wait_for(lambda record: _finished(record, "aborted"))
        assert daemon.asked("pause").ok
        until(lambda: shop.status()["paused_since"] is not None)
        until(lambda: daemon.remote.status().document["cycle"] is None)
        address = next(
            line["message"].split("/")[2]
            for line in logged(log.read_text())
            if line["message"].startswith("metrics: ")
        )
        found = samples(ask(address, "/metrics")[2])
        told = json.loads(ask(address, "/health", Accept=JSON)[2])
        records = shop.records()
        lines = [line for line in logged(log.read_text()) if line.get("type") == "cycle_finished"]
        until(lambda: shop.status()["cycle"] == lines[-1]["cycle"])
        status = shop.status()
        assert ask(address, "/live")[0] == 200
        assert daemon.stop() == 0

    complete = [line["ts"] for line in lines if line["outcome"] in {"saved", "unchanged"}]
    saved = [line["ts"] for line in logged(log.read_text()) if line.get("type") == "save_committed"]
    success, attempt, (save,) = complete[-1], lines[-1]["ts"], saved
    assert save < success < attempt
    assert (status["last_success"], status["last_attempt"]) == (success, attempt)
    assert found["vsync_last_success_timestamp_seconds"] == moment(success) / NS
    assert found["vsync_last_attempt_timestamp_seconds"] == moment(attempt) / NS
    assert found["vsync_last_save_timestamp_seconds"] == moment(status["last_save"]) / NS
    assert told["last_success"] == success
    assert (told["word"], found["vsync_paused"]) == ("PAUSED", 1)

    finished = events(records, e.CycleFinished)
    for outcome in ("saved", "unchanged", "aborted", "refused"):
        n = sum(event.outcome == outcome for event in finished)
        assert found[f'vsync_cycles_total{{outcome="{outcome}"}}'] == n
    for ending in ("generated", "skipped", "failed", "abandoned", "unsent"):
        n = sum(getattr(event, ending) for event in finished)
        assert found[f'vsync_paths_total{{ending="{ending}"}}'] == n
    for server in ("vault", "consul"):
        n = sum(getattr(event.requests, server) for event in finished)
        assert found[f'vsync_requests_total{{server="{server}"}}'] == n
    sealed = [event for event in events(records, e.FaultRaised) if event.kind == "sealed"]
    assert found['vsync_faults_total{fatal="false",kind="sealed"}'] == len(sealed) > 0
    spent = sum(event.phases.get("listing", 0) for event in finished)
    assert found['vsync_phase_duration_seconds_sum{phase="listing"}'] == pytest.approx(spent)
    assert found["vsync_insights"] == len(shop.saved())
    assert 0 < found["vsync_journal_bytes"] <= shop.journal.stat().st_size
    assert found["vsync_journal_budget_bytes"] == shop.settings().journal.budget


def _finished(record: e.Record, outcome: str) -> bool:
    return isinstance(record.event, e.CycleFinished) and record.event.outcome == outcome


def test_the_journals_budget(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.once()
    size = workshop.journal.stat().st_size
    assert wiring._journal_size(workshop.journal, 1_000) == {"bytes": size, "budget_bytes": 1_000}
    monkeypatch.setattr(wiring, "hours_of", lambda *_: 12.0)
    assert wiring._journal_size(workshop.journal, 1_000)["budget_seconds"] == 43_200


def test_a_taken_port_ends_the_start(workshop: Workshop) -> None:
    """Nothing is contacted, and the journal tells of no run."""
    taken = Web("127.0.0.1", 0)
    with Misbehave(workshop.vault.address) as proxy:
        flags = on(workshop, metrics={"address": taken.address}, vault={"address": proxy.address})
        told = vsync(workshop.home, "--headless", *flags)
        assert proxy.requests == []
    assert told.returncode == 1
    assert "cannot be listened at: Address already in use" in told.stderr
    assert not workshop.journal.exists() or workshop.journal.read_bytes() == b""
    taken.close()

"""The demo: what it hands to the origin, what its user does, and that nothing stays behind."""

from __future__ import annotations

import argparse
import http.client
import io
import json
import re
import shlex
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.config.configuring import token_of
from vsync_sm import demo, wiring
from vsync_sm.config import Settings, load
from vsync_sm.core.events import SaveRefused
from vsync_sm.demo.tree import AWKWARD, SANDBOX, SANDBOX_SECRETS
from vsync_sm.journal.reader import read_journal
from vsync_sm.local import LocalServerError
from vsync_sm.origin.inbox import Inbox
from vsync_sm.origin.orders import Mode

WAITING = """
import sys, time
from vsync_sm import demo
def origin(config, journal, hints):
    print("origin runs", flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        return 0
sys.exit(demo.run(origin, secrets=5, out=sys.stdout))
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def ask(address: str, token: str, method: str, path: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    connection.request(method, path, headers={"X-Vault-Token": token} if token else {})
    answer = connection.getresponse()
    body = json.loads(answer.read() or b"null")
    connection.close()
    return answer.status, body


def version(address: str, token: str, path: str) -> int:
    return int(ask(address, token, "GET", path)[1]["data"]["current_version"])


def servers_under(directory: Path) -> list[str]:
    """The command lines of processes that run from a directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().decode()
        except OSError:  # it ended meanwhile
            continue
        # Not the small process that guards a server: it ends a moment after its server.
        if f"={directory}" in line and not line.startswith(sys.executable):
            found.append(line)
    return found


def test_the_origin_gets_servers_a_tree_and_a_user_who_changes_it(home: Path) -> None:
    seen: dict[str, Any] = {}

    def origin(config: Mapping[str, object], journal: Path, _: str) -> int:
        file = home / "demo.json"
        file.write_text(json.dumps(config))
        settings = load(file=file, environment={}, flags={}, cwd=home)
        assert settings.origin.tick == 2.5
        assert settings.unused == ()
        seen["journal"] = journal
        seen["servers"] = len(servers_under(home / "tmp"))
        vault, token = settings.origin.vault.address, token_of(settings)
        seen["teams"] = ask(vault, token, "LIST", "/v1/teams/metadata/")[1]["data"]["keys"]
        seen["deleted"] = ask(vault, token, "GET", "/v1/platform/metadata/retired/ftp")[1]["data"]
        seen["forbidden"] = ask(vault, token, "GET", "/v1/teams/data/metadata")[0]
        seen["leader"] = ask(settings.origin.consul.address, "", "GET", "/v1/status/leader")[1]
        paths = [f"/v1/teams/metadata/{quote(path)}" for path in AWKWARD]
        deadline = time.monotonic() + 60
        while all(version(vault, token, path) == 1 for path in paths):
            assert time.monotonic() < deadline, "the user changes nothing"
            threading.Event().wait(0.05)
        return 42

    out = io.StringIO()
    assert demo.run(origin, tick=2.5, secrets=9, out=out) == 42
    assert seen["servers"] == 2
    assert {"metadata", "tools", "tools/", "größe/"} <= set(seen["teams"])
    assert seen["deleted"]["versions"]["1"]["deletion_time"]
    assert seen["forbidden"] == 403
    assert seen["leader"]
    assert f"vsync-sm replay {seen['journal']}" in out.getvalue().splitlines()[-1]
    assert seen["journal"].parent == home / "state/vsync-sm/demo"
    assert servers_under(home / "tmp") == []
    assert list((home / "tmp").iterdir()) == []


def block(hints: str, title: str) -> list[list[str]]:
    """The commands of the hint whose title begins so, as the words of each."""
    (found,) = (each for each in hints.split("\n\n") if each.startswith(title))
    lines = found.partition("\n  → ")[0].splitlines()[1:]
    return [shlex.split(each) for each in "\n".join(lines).replace("\\\n", " ").splitlines()]


def curl(words: list[str]) -> None:
    """What curl would do: its options from a file, its ranges in an address."""
    tool = argparse.ArgumentParser()
    for name in ("-K", "-X", "-d", "-o"):
        tool.add_argument(name)
    tool.add_argument("-s", action="store_true")
    tool.add_argument("address")
    said = tool.parse_args(words[1:])
    told = re.fullmatch(r'header = "(.*): (.*)"\n', Path(said.K).read_text())
    first, several, last = re.sub(r"\[1-(\d+)\]$", r" \1", said.address).partition(" ")
    for address in [f"{first}{n}" for n in range(1, int(last) + 1)] if several else [first]:
        to = urlsplit(address)
        connection = http.client.HTTPConnection(to.netloc, timeout=60)
        assert told
        connection.request(said.X or "POST", to.path, said.d, {told[1]: told[2]})
        answer = connection.getresponse()
        assert answer.status in {200, 204}, (words, answer.read())
        connection.close()


def test_the_hints_lead_where_they_say(home: Path) -> None:
    """REFUSED, IN SYNC again, HALTED: by their commands alone, and with no token among them."""
    seen: list[Any] = []

    def once(settings: Settings, journal: Path) -> int:
        running = wiring.engine(settings, Mode.once, journal, Inbox())
        try:
            return running.engine.run()
        finally:
            running.close()

    def origin(config: Mapping[str, object], journal: Path, hints: str) -> int:
        settings = demo.settings_of(config)
        (place,) = (each.strip() for each in hints.splitlines() if each.endswith("/hints"))
        assert Path(place).read_text() == hints
        for kept in (Path(place).parent / "vault", settings.origin.vault.token_file):
            assert kept is not None
            assert stat.S_IMODE(kept.stat().st_mode) == 0o600
            assert kept.read_text().strip('\n"').split()[-1] not in hints
        for title, name in (("STUCK: freeze Vault", "openbao"), ("STUCK: freeze Cons", "consul")):
            pid = re.search(
                r"kill -STOP (\d+); sleep 60; kill -CONT \1$", " ".join(block(hints, title)[0])
            )
            assert pid
            assert f"/{name}.json" in Path(f"/proc/{pid[1]}/cmdline").read_text()
        seen.append(once(settings, journal))
        for title in ("REFUSED", "IN SYNC", "HALTED"):
            for words in block(hints, title):
                curl(words)
            seen.append(once(settings, journal))
        seen.append(
            [r.event.vanished for r in read_journal(journal) if isinstance(r.event, SaveRefused)]
        )
        return 0

    assert demo.run(origin, secrets=9, out=io.StringIO()) == 0
    *codes, refused = seen
    assert codes == [0, 3, 0, 1]
    assert [each.get(SANDBOX) for each in refused] == [SANDBOX_SECRETS]


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("Starting", signal.SIGINT),
        ("Starting", signal.SIGTERM),
        ("Writing", signal.SIGHUP),
        ("Writing", signal.SIGINT),
        ("origin runs", signal.SIGTERM),
        ("origin runs", signal.SIGHUP),
    ],
)
def test_a_signal_at_any_time_takes_everything_down(
    home: Path, number: signal.Signals, line: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        while not running.stdout.readline().startswith(line):
            assert running.poll() is None
        running.send_signal(number)
        running.stdout.read()
    assert running.returncode == 0
    assert servers_under(home / "tmp") == []
    assert list((home / "tmp").iterdir()) == []


def test_what_is_missing_is_said_for_both_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Path:
        raise LocalServerError(f"{name} is missing")

    monkeypatch.setattr(demo, "find_bao", lambda: missing("OpenBao"))
    monkeypatch.setattr(demo, "find_consul", lambda: missing("Consul"))
    out = io.StringIO()
    assert demo.run(lambda _config, _journal, _hints: 0, out=out) == 1
    assert "OpenBao is missing\nConsul is missing" in out.getvalue()


def test_no_place_for_the_journal_is_said(home: Path) -> None:
    (home / "state").write_text("a file where a directory should be")
    out = io.StringIO()
    assert demo.run(lambda _config, _journal, _hints: 0, out=out) == 1
    assert str(home / "state") in out.getvalue()

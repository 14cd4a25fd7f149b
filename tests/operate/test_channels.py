"""Slack, mail, a webhook and the rest: through apprise, each on its own, none for long."""

from __future__ import annotations

import email
import email.policy
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.commandline import environment, vsync
from tests.operate.test_notify import fatal_in, is_gone
from tests.origin.bench import Bench, bench_of
from tests.origin.scenes import Scene, came, until
from tests.workshop import PATIENCE_S, Workshop
from vsync_sm import __version__
from vsync_sm.config import ConfigError, notify_settings
from vsync_sm.config.loading import load
from vsync_sm.core import events as e
from vsync_sm.core.notice import Notice
from vsync_sm.local.process import _free_ports
from vsync_sm.operate import channels
from vsync_sm.operate.channels import (
    command_channel,
    letter,
    shown_url,
    trial,
    understood,
    url_channel,
)
from vsync_sm.operate.notify import Notifier
from vsync_sm.origin.inbox import Inbox, Informed

PASSWORD = "CANARY-password-5511"


class Hook:
    """A web hook on loopback: what came in, and what it answers."""

    def __init__(self, status: int = 200, *, swallows: bool = False) -> None:
        self.told: Queue[dict[str, Any]] = Queue()
        self.let_go = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.told.put(json.loads(body))
                if swallows:
                    hook.let_go.wait(PATIENCE_S)
                    return
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """It as apprise writes it, with a secret."""
        return f"json://ada:{PASSWORD}@127.0.0.1:{self._server.server_port}/{PASSWORD}"

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def make_hook() -> Iterator[Callable[..., Hook]]:
    """Makes web hooks."""
    made: list[Hook] = []

    def make(status: int = 200, **how: Any) -> Hook:
        made.append(Hook(status, **how))
        return made[-1]

    yield make
    for hook in made:
        hook.close()


@pytest.fixture
def refused() -> Iterator[str]:
    """A URL at which nobody listens, and nobody else can."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"json://ada:{PASSWORD}@127.0.0.1:{kept.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A courier that a busy machine delays is no failure."""
    monkeypatch.setattr(channels, "LIMIT_S", PATIENCE_S)


@pytest.fixture
def bench(workshop: Workshop) -> Iterator[Bench]:
    """An origin with a proxy in front of each of its servers."""
    with bench_of(workshop) as made:
        yield made


# --- what is sent ----------------------------------------------------------------------------

GRAVE = Notice(
    kind="sealed",
    message="Vault is sealed",
    hint="unseal it",
    fatal=True,
    context={"server": "Vault"},
)


def test_a_letter_says_what_where_and_what_would_do() -> None:
    about = {"host": "origin-1", "run": "ab12", "version": "0.4.0"}
    title, body = letter(GRAVE, about)
    assert title == "vsync on origin-1: halted (sealed)"
    assert body == (
        "Vault is sealed\n→ unseal it\nserver: Vault\nhost: origin-1\nrun: ab12\nversion: 0.4.0"
    )
    assert letter(Notice(kind="origin_healed", message="m"), about)[0].endswith(
        "healed (origin_healed)"
    )
    assert letter(Notice(kind="keeps_failing", message="m"), {})[0] == (
        "vsync on ?: trouble (keeps_failing)"
    )


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        (GRAVE, "failure"),
        (Notice(kind="keeps_failing", message="m"), "warning"),
        (Notice(kind="origin_healed", message="m"), "success"),
        (trial(), "info"),
    ],
)
def test_a_service_is_told_how_grave_it_is(notice: Notice, kind: str) -> None:
    message = json.loads(url_channel("notify.urls[0]", "json://x", {}).message(notice))
    assert (message["type"], message["url"]) == (kind, "json://x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"slack://{PASSWORD}/{PASSWORD}", "slack://…"),
        (f"MailTos://ada:{PASSWORD}@example.com", "mailtos://…"),
        (PASSWORD, "…"),
        (f"{PASSWORD * 2}://x", "…"),
        (f"a {PASSWORD}://x", "…"),
    ],
)
def test_of_a_url_only_its_scheme_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


# --- how it goes -----------------------------------------------------------------------------


def test_every_channel_is_told_and_it_is_told_how_each_went(
    workshop: Workshop, make_hook: Callable[..., Hook], refused: str
) -> None:
    good, bad = make_hook(), make_hook(500)
    urls = [good.url, bad.url, refused]
    run = fatal_in(workshop, notify={"command": ["/bin/true"], "urls": urls})
    told = good.told.get(timeout=PATIENCE_S)
    assert told["title"].endswith(": halted (authentication)")
    assert told["type"] == "failure"
    assert told["message"].startswith("Vault no longer accepts the token\n→ give another one\n")
    assert f"run: {run.records[0].run}" in told["message"]
    notified = {each.through: each for each in run.all(e.Notified)}
    assert set(notified) == {"true", *(f"notify.urls[{at}] (json://…)" for at in range(3))}
    failed = "it was not taken, or could not be sent"
    assert [notified[f"notify.urls[{at}] (json://…)"].detail for at in range(3)] == [
        *("", failed, failed)
    ]
    assert notified["true"].ok
    assert isinstance(run.records[-1].event, e.RunFinished)
    assert PASSWORD not in workshop.journal.read_text()


def test_mail(workshop: Workshop) -> None:
    kept: Queue[Any] = Queue()

    class Sink:
        async def handle_DATA(  # noqa: N802  aiosmtpd's word
            self, _server: object, _session: object, envelope: Any
        ) -> str:
            kept.put(envelope)
            return "250 OK"

    (port,) = _free_ports(1, 0)
    controller = Controller(Sink(), hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S)
    controller.start()
    try:
        url = f"mailto://127.0.0.1:{port}/?from=vsync@example.com&to=ada@example.com"
        run = fatal_in(workshop, notify={"urls": [url]})
        assert run.one(e.Notified) == e.Notified(
            kind="authentication", through="notify.urls[0] (mailto://…)", ok=True
        )
        envelope = kept.get(timeout=PATIENCE_S)
    finally:
        controller.stop()
    assert envelope.rcpt_tos == ["ada@example.com"]
    letter = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert letter["subject"].endswith(": halted (authentication)")
    assert "Vault no longer accepts the token" in str(letter)


def test_a_channel_that_swallows_is_killed_and_holds_no_other_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_hook: Callable[..., Hook]
) -> None:
    monkeypatch.setattr(channels, "LIMIT_S", 3.0)
    dead, kept = make_hook(swallows=True), tmp_path / "kept"
    inbox = Inbox()
    ways = [
        url_channel("notify.urls[0]", f"{dead.url}?rto=60&cto=60", {}),
        command_channel(("/bin/sh", "-c", f"cat >{kept}"), {}),  # it is done at once
    ]
    assert Notifier(ways, inbox, environment=os.environ).inform(GRAVE) == 2
    heard: list[e.Notified] = []

    def both() -> bool:
        heard.extend(each.notified for each in inbox.take(0.1) if isinstance(each, Informed))
        return len(heard) == 2

    until(both)
    good, killed = heard
    assert (good.through, good.ok) == ("sh", True)
    assert json.loads(kept.read_text())["message"] == "Vault is sealed"
    assert (killed.through, killed.ok) == ("notify.urls[0] (json://…)", False)
    assert killed.detail == "it took longer than 3 s and was killed"


def test_what_nobody_expects_is_told_as_well() -> None:
    """A run that ends waits to hear how it went: of half a character, that it cannot be sent."""
    inbox = Inbox()
    ways = [command_channel(("/bin/true",), {})]
    Notifier(ways, inbox, environment=os.environ).inform(Notice(kind="k", message="\ud800"))
    (heard,) = inbox.take(PATIENCE_S)
    assert isinstance(heard, Informed)
    assert (heard.notified.ok, heard.notified.detail) == (False, "it could not be sent: TypeError")


def test_a_dead_channel_holds_no_cycle_and_no_stop_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, make_hook: Callable[..., Hook]
) -> None:
    """The alarm hangs; cycles go on meanwhile, and a signal ends the run at once."""
    monkeypatch.setattr(channels, "LIMIT_S", 3600.0)  # longer than the scene waits for an end
    bench.begin(("a",))
    dead = make_hook(swallows=True)
    bench.on_list(times=2).answer(503, {"errors": ["Vault is sealed"]})
    scene = Scene(bench.shop)

    def saved() -> None:
        dead.told.get(timeout=PATIENCE_S / 2)  # it hangs by now
        scene.signal()

    scene.on(came(e.CycleFinished, nth=3), saved)
    urls = [f"{dead.url}?rto=60&cto=60"]
    run = scene.run(tick="50ms", notify={"urls": urls, "afterFailures": 2})
    assert run.code == 0
    assert "keeps_failing" in run.faults
    assert run.all(e.CycleFinished)[-1].outcome == "saved"
    assert not run.all(e.Notified)
    assert bench.shop.saved() == bench.shop.alive()


def test_the_url_stands_in_no_process_list(
    monkeypatch: pytest.MonkeyPatch, make_hook: Callable[..., Hook]
) -> None:
    dead = make_hook(swallows=True)
    monkeypatch.setenv("VSYNC_NOTIFY_URLS", dead.url)
    inbox = Inbox()
    way = url_channel("notify.urls[0]", dead.url, {})
    Notifier([way], inbox, environment=os.environ).inform(GRAVE)
    dead.told.get(timeout=PATIENCE_S)
    seen = {
        int(path.name): (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
        for path in Path("/proc").iterdir()
        if path.name.isdecimal() and path.name != str(os.getpid()) and is_courier(path)
    }
    assert seen
    assert not [pid for pid, told in seen.items() if PASSWORD.encode() in told]
    dead.let_go.set()
    for pid in seen:
        until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]  # the default binds it


def is_courier(process: Path) -> bool:
    """Whether it is a child of this process that brings a message."""
    try:
        parent = process.joinpath("stat").read_text().rpartition(")")[2].split()[1]
        return parent == str(os.getpid()) and b"courier" in process.joinpath("cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("said", [b"no json", b"{}", b'{"url": "slack://x", "title": "t"}'])
def test_a_courier_that_fails_says_nothing(said: bytes) -> None:
    told = subprocess.run(channels._COURIER, input=said, capture_output=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (1, b"", b"")


def test_what_apprise_logs_is_not_heard(refused: str) -> None:
    """It would show the URL."""
    asked = {"url": refused, "title": "t", "body": "b", "type": "info"}
    said = json.dumps(asked).encode()
    code = (
        "import logging, sys; logging.basicConfig(level=0); "
        "from vsync_sm.operate import courier; sys.exit(courier.main())"
    )
    listens = [sys.executable, "-c", code]
    told = subprocess.run(listens, input=said, capture_output=True, check=False)
    assert (told.returncode, told.stdout, told.stderr) == (1, b"", b"")


# --- configuration ---------------------------------------------------------------------------


def wrong(tmp_path: Path, notify: dict[str, Any], **environment: str) -> str:
    """What is said of this configuration, by both who read it."""
    config = {"notify": notify, "origin": {"mounts": ["a/"], "vault": {"token": "t"}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    how: dict[str, Any] = {"file": Path("config.json"), "environment": environment}
    with pytest.raises(ConfigError) as whole:
        load(flags={}, cwd=tmp_path, **how)
    with pytest.raises(ConfigError) as part:
        notify_settings(cwd=tmp_path, **how)
    assert str(whole.value) == str(part.value)
    assert PASSWORD not in str(whole.value)
    return str(whole.value)


def test_all_that_is_wrong_with_the_urls_is_told_at_once(tmp_path: Path) -> None:
    told = wrong(tmp_path, {"urls": [f"slak://{PASSWORD}", "json://127.0.0.1", "slack://x"]})
    assert "2 mistakes" in told
    assert "notify.urls[0]: (hidden)\n      is no URL that apprise understands" in told
    assert "notify.urls[2]: (hidden)" in told
    assert "apprise --details" in told


@pytest.mark.parametrize(
    "urls", [[PASSWORD], [f"{PASSWORD}\n"], [{"a": PASSWORD}], {"a": PASSWORD}, 7]
)
def test_what_is_no_url_is_told_and_not_shown(tmp_path: Path, urls: object) -> None:
    assert "notify.urls" in wrong(tmp_path, {"urls": urls})


def test_without_the_extra_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vsync_sm.config.loading.has_apprise", lambda: False)
    told = wrong(tmp_path, {"urls": [f"json://{PASSWORD}"]})
    assert "needs apprise, which is not installed" in told
    assert "pip install 'vsync-sm[notify]'" in told


def test_urls_from_a_variable_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "urls"
    file.write_text(f"# on call\njson://ada:{PASSWORD}@127.0.0.1\n\n  xml://127.0.0.1  \n")
    environment = {
        "VSYNC_NOTIFY_URLS": f"form://127.0.0.1 json://{PASSWORD}",
        "VSYNC_NOTIFY_URLSFILE": str(file),
    }
    notify = notify_settings(file=None, environment=environment, cwd=tmp_path)
    assert [label for label, _ in notify.labelled_urls()] == [
        *("notify.urls[0]", "notify.urls[1]", "notify.urlsFile[0]", "notify.urlsFile[1]")
    ]
    assert notify.labelled_urls()[3][1] == "xml://127.0.0.1"
    assert PASSWORD not in repr(notify)
    settings = load(
        file=None,
        environment={**environment, "VSYNC_ORIGIN_MOUNTS": "a/", "VAULT_TOKEN": "t"},
        flags={},
        cwd=tmp_path,
    )
    public = settings.public()["notify"]
    assert public == {
        "command": [],
        "urls": ["form://…", "json://…"],
        "urlsFile": str(file),
        "afterFailures": 10,
    }


@pytest.mark.parametrize(
    ("held", "says"),
    [
        (b"", "holds no URL"),
        (b"# nothing\n", "holds no URL"),
        (b"\xff\xfe", "holds no text"),
        (f"json://a\n{PASSWORD}\n".encode(), "its URL [1] is no URL"),
        (f"slak://{PASSWORD}\n".encode(), "is no URL that apprise understands"),
    ],
)
def test_a_file_that_will_not_do(tmp_path: Path, held: bytes, says: str) -> None:
    (tmp_path / "urls").write_bytes(held)
    assert says in wrong(tmp_path, {"urlsFile": "urls"})


def test_what_cannot_be_asked_is_not_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    assert understood(["json://127.0.0.1", "nothing://x"]) == [True, False]
    monkeypatch.setattr(channels, "_COURIER", (sys.executable, "-c", "raise SystemExit(3)"))
    assert understood(["json://127.0.0.1"]) == [False]


def test_the_origin_itself_never_loads_apprise(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vsync_sm import notify_test, wiring; "
        "from vsync_sm.config import notify_settings; "
        "notify_settings(file=None, environment={'VSYNC_NOTIFY_URLS': 'json://127.0.0.1'}, "
        "cwd=Path('.')); sys.exit('apprise' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0


# --- notify-test -----------------------------------------------------------------------------

PATIENTLY = (
    "import sys; from vsync_sm import notify_test; from vsync_sm.operate import channels; "
    f"channels.LIMIT_S = {PATIENCE_S}; from vsync_sm.cli import main; sys.exit(main())"
)
"""The command line, with couriers that a busy machine may delay."""


def notify_test(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`vsync-sm notify-test`."""
    return subprocess.run(
        [sys.executable, "-c", PATIENTLY, "notify-test", *arguments],
        cwd=home,
        env=environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_test_message_goes_through_each_channel(
    tmp_path: Path, make_hook: Callable[..., Hook]
) -> None:
    hook = make_hook()
    kept = tmp_path / "kept"
    command = ["/bin/sh", "-c", f"cat >{kept}"]
    (tmp_path / "config.json").write_text(
        json.dumps({"notify": {"command": command, "urls": [hook.url]}})
    )
    told = notify_test(tmp_path, "--config", "config.json")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines() == [
        "A test message goes through 2 channels, 10 s at most:",
        "✔ sh: it went",
        "✔ notify.urls[0] (json://…): it went",
    ]
    said = hook.told.get(timeout=PATIENCE_S)
    assert said["title"] == f"vsync on {socket.gethostname()}: test (test)"
    assert "This is a test." in said["message"]
    assert json.loads(kept.read_text())["version"] == __version__


def test_one_that_fails_is_named_with_what_helps(
    tmp_path: Path, make_hook: Callable[..., Hook], refused: str
) -> None:
    hook = make_hook()
    (tmp_path / "config.yaml").write_text(f"notify: {{urls: ['{refused}', '{hook.url}']}}")
    told = notify_test(tmp_path)
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.splitlines()[1:] == [
        "✖ notify.urls[0] (json://…): it was not taken, or could not be sent",
        "  → apprise -vv URL says why, and shows the URL while it does",
        "✔ notify.urls[1] (json://…): it went",
    ]


def test_where_nobody_would_be_told_it_says_so(tmp_path: Path) -> None:
    told = vsync(tmp_path, "notify-test")
    assert (told.returncode, told.stdout) == (2, "")
    assert "nobody would be told" in told.stderr
    assert "notify.urls" in told.stderr
    (tmp_path / "config.yaml").write_text("notify: {urls: [nothing]}")
    told = vsync(tmp_path, "notify-test")
    assert told.returncode == 2
    assert "notify.urls[0]" in told.stderr

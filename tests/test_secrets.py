"""No token, secret id or secret value anywhere: unmistakable ones go in, none may come out."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import COMMAND, environment, on, replayed, vsync
from tests.misbehave import Answer, Misbehave
from tests.operate.manager import Manager
from tests.support import ConsulKv, VaultApi, unique
from tests.workshop import PATIENCE_S, Workshop
from vsync_sm.core import events as e
from vsync_sm.journal.reader import JournalReader
from vsync_sm.local import ConsulServer

VAULT_TOKEN = "CANARY-vault-token-4711"
WRONG_TOKEN = "CANARY-wrong-token-4712"
CONSUL_TOKEN = "ca7a11ed-cafe-4bad-8bad-5ec2e75ec2e7"
ROLE_ID = "CANARY-role-id-4713"
SECRET_ID = "CANARY-secret-id-4714"
ARGUMENT = "CANARY-argument-4715"
VALUE = "CANARY-value-4716"
URL_SECRET = "CANARY-url-4717"
JWT = "eyJhbGciOiJDQU5BUlkifQ.CANARY-jwt-4718"
SECRETS = (
    JWT,
    *(VAULT_TOKEN, WRONG_TOKEN, CONSUL_TOKEN, ROLE_ID, SECRET_ID, ARGUMENT, VALUE),
    URL_SECRET,
)
LEAST = {"data": [], "metadata": ["read", "list"]}


def leaks(
    where: Mapping[str, str | bytes], secrets: Sequence[str] = SECRETS
) -> list[tuple[str, str]]:
    """Which secret is found where, as it is or in base64, in any case."""
    found = []
    for name, told in where.items():
        text = (told if isinstance(told, bytes) else told.encode()).lower()
        for secret in secrets:
            coded = base64.b64encode(secret.encode()).rstrip(b"=")[:-1]
            if secret.lower().encode() in text or coded.lower() in text:
                found.append((secret, name))
    return found


@pytest.mark.parametrize("secret", SECRETS)
def test_a_leak_would_be_found(secret: str) -> None:
    for text in (
        f"HTTP/1.1 403 X-Vault-Token: {secret}",
        repr({"value": secret}).upper(),
        base64.b64encode(f"{secret}".encode()).decode(),
    ):
        assert leaks({"here": text}) == [(secret, "here")]
    assert leaks({"here": "nothing to hide"}) == []


@pytest.fixture
def shop(
    vault_api: VaultApi, consul_acl: ConsulServer, mount: str, sync_path: str, tmp_path: Path
) -> Iterator[Workshop]:
    """An origin all of whose secrets would be known again; only `notify.command` is missing."""
    consul = ConsulKv(consul_acl)
    vault_api.put(mount, "a", {"value": VALUE})
    vault_api.put(mount, "team/b", {VALUE: {"nested": VALUE}})
    rules = f'path "{mount}*" {{ capabilities = ["read", "list"] }}'
    vault_api.server.json("PUT", "/v1/sys/policies/acl/canary", {"policy": rules})
    made = {"id": VAULT_TOKEN, "policies": ["canary"]}
    vault_api.server.json("POST", "/v1/auth/token/create", made)
    key_rules = f'key_prefix "{sync_path}" {{ policy = "write" }}'
    consul_acl.json("PUT", "/v1/acl/policy", {"Name": sync_path.strip("/"), "Rules": key_rules})
    token = {"SecretID": CONSUL_TOKEN, "Policies": [{"Name": sync_path.strip("/")}]}
    accessor = consul_acl.json("PUT", "/v1/acl/token", token)["AccessorID"]

    workshop = Workshop(vault_api, consul, [mount], sync_path, tmp_path)
    vault = workshop.config["origin"]["vault"]
    vault |= {"requiredCapabilities": LEAST, "approle": {"role_id": ROLE_ID}}
    vault["approle"]["secret_id"] = SECRET_ID
    vault["token"] = VAULT_TOKEN
    workshop.config["origin"]["consul"]["token"] = CONSUL_TOKEN
    workshop.config["origin"]["status"] = True
    yield workshop
    vault_api.revoke(VAULT_TOKEN)
    consul.delete_tree(sync_path)
    consul_acl.json("DELETE", f"/v1/acl/token/{accessor}")


class Told:
    """All that was told, by whom; in the end nothing of it may be a secret."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._where: dict[str, str | bytes] = {}

    def add(self, name: str, told: str | bytes) -> None:
        assert name not in self._where
        self._where[name] = told

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, **origin: Any) -> int:
        name = f"{' '.join(arguments)} ({len(self._where)})"
        told = vsync(self._shop.home, *arguments, *on(self._shop, **origin), env=env)
        self.add(f"stdout of {name}", told.stdout)
        self.add(f"stderr of {name}", told.stderr)
        return told.returncode

    def check(self, *more: str) -> None:
        """Also whatever tells of the journal, and every file that was left behind.

        `more` are secrets that nobody knew before.
        """
        journal = self._shop.journal
        if journal.exists():
            self.add("journal", journal.read_bytes())
            for form in ([], ["--json"], ["--json-lines"], ["--cycle", "1"]):
                self.add(f"replay {' '.join(form)}", replayed(journal, *form))
        for key, value in self._shop.raw().items():
            self.add(f"Consul's {key}", value)
        assert self._where
        assert leaks(self._where, (*SECRETS, *more)) == []


EVERY_WAY = (
    ("check", "--log-level", "debug"),
    ("plan",),
    ("plan", "--json"),
    ("--headless", "--once", "--log-level", "debug"),
    ("--headless", "--once", "--log-level", "debug", "--log-type", "console"),
)


@pytest.mark.parametrize("given", ["environment", "ecosystem", "file", "configuration"])
def test_nothing_is_told_when_all_goes_well(shop: Workshop, given: str) -> None:
    origin = shop.config["origin"]
    env = {}
    if given != "configuration":
        del origin["vault"]["token"], origin["consul"]["token"]
        env = {"VSYNC_ORIGIN_CONSUL_TOKEN": CONSUL_TOKEN}
    if given == "environment":
        env |= {"VSYNC_ORIGIN_VAULT_TOKEN": VAULT_TOKEN}
    elif given == "ecosystem":
        del origin["vault"]["approle"]  # VAULT_TOKEN does not speak for it
        env = {"VAULT_TOKEN": VAULT_TOKEN, "CONSUL_HTTP_TOKEN": CONSUL_TOKEN}
    elif given == "file":
        file = shop.home / "token"
        file.write_text(VAULT_TOKEN)
        origin["vault"]["tokenFile"] = str(file)
    told = Told(shop)
    for way in EVERY_WAY:
        assert told.run(*way, env=env) == 0
    told.check()
    assert len(shop.saved()) == 2
    shop.replayed()


@pytest.fixture
def approle(shop: Workshop) -> Iterator[dict[str, str]]:
    """A login instead of the token, with ids that would be known again."""
    server, path = shop.vault.server, unique("approle")
    server.json("POST", f"/v1/sys/auth/{path}", {"type": "approle"})
    role = f"/v1/auth/{path}/role/r"
    server.json("POST", role, {"token_policies": ["canary"], "token_ttl": "1m"})
    server.json("POST", f"{role}/role-id", {"role_id": ROLE_ID})
    server.json("POST", f"{role}/custom-secret-id", {"secret_id": SECRET_ID})
    vault = shop.config["origin"]["vault"]
    del vault["token"]
    vault["approle"] = {"path": path, "role_id": ROLE_ID, "secret_id": SECRET_ID}
    yield vault["approle"]
    server.json("DELETE", f"/v1/sys/auth/{path}")


@pytest.mark.parametrize("given", ["configuration", "environment", "file"])
def test_nothing_is_told_of_a_login_and_of_what_it_got(
    shop: Workshop, approle: dict[str, str], given: str
) -> None:
    env = {}
    if given == "environment":
        del approle["role_id"], approle["secret_id"]
        env = {
            "VSYNC_ORIGIN_VAULT_APPROLE_ROLE_ID": ROLE_ID,
            "VSYNC_ORIGIN_VAULT_APPROLE_SECRET_ID": SECRET_ID,
        }
    elif given == "file":
        file = shop.home / "secret-id"
        file.write_text(approle.pop("secret_id"))
        approle["secret_id_file"] = str(file)
    got: list[str] = []

    def keep(answer: Answer) -> Answer:
        auth = json.loads(answer.body)["auth"]
        got.extend((auth["client_token"], auth["accessor"]))
        return answer

    told = Told(shop)
    with Misbehave(shop.vault.address) as proxy:
        proxy.when(path="/v1/auth/.*/login").alter(keep)
        for way in (EVERY_WAY[0], EVERY_WAY[-2]):
            assert told.run(*way, env=env, vault={"address": proxy.address}) == 0
    assert len(got) == 4
    told.check(*got)


def test_nothing_is_told_of_a_login_that_is_refused(
    shop: Workshop, approle: dict[str, str]
) -> None:
    approle["secret_id"] = WRONG_TOKEN
    told = Told(shop)
    assert told.run(*EVERY_WAY[-2]) == 1
    told.check()


def test_nothing_is_told_of_a_jwt(shop: Workshop) -> None:
    del shop.config["origin"]["vault"]["token"], shop.config["origin"]["vault"]["approle"]
    file = shop.home / "jwt"
    file.write_text(JWT)
    told = Told(shop)
    logins: tuple[dict[str, dict[str, str]], ...] = ({"jwt": {}}, {"kubernetes": {"role": "r"}})
    for vault in logins:
        for login in vault.values():
            login["tokenFile"] = str(file)
        assert told.run(*EVERY_WAY[-2], vault=vault) == 1  # there is no such auth method
        shop.config["origin"]["vault"].pop("jwt", None)
    told.check()


@pytest.mark.parametrize("status", [200, 403, 500])
@pytest.mark.parametrize("path", ["/v1/auth/.*/login"])
def test_nothing_is_told_by_a_proxy_that_echoes_a_login(
    shop: Workshop, approle: dict[str, str], path: str, status: int
) -> None:
    with Misbehave(shop.vault.address) as proxy:
        rule = proxy.when(path=path).echo(status)
        told = Told(shop)
        more: dict[str, Any] = {"vault": {"address": proxy.address}, "startTimeout": "1s"}
        assert told.run(*EVERY_WAY[-2], timeout="5s", **more) in {0, 1, 3}
        assert rule.hits
    told.check()


@pytest.mark.parametrize("token", [WRONG_TOKEN, VAULT_TOKEN], ids=["wrong", "dead"])
def test_nothing_is_told_of_a_token_that_is_refused(shop: Workshop, token: str) -> None:
    if token == VAULT_TOKEN:
        shop.vault.revoke(VAULT_TOKEN)
    told = Told(shop)
    for way in EVERY_WAY:
        assert told.run(*way, vault={"token": token}) == 1
    told.check()


def test_nothing_is_told_of_a_consul_token_that_is_refused(shop: Workshop) -> None:
    told = Told(shop)
    for way in EVERY_WAY:
        assert told.run(*way, consul={"token": WRONG_TOKEN}) == 1
    told.check()


ECHOED = (
    ("vault", "GET", r"/v1/auth/token/lookup-self", 400),
    ("vault", "GET", r"/v1/auth/token/lookup-self", 403),
    ("vault", "GET", r"/v1/sys/internal/ui/mounts/", 500),
    ("vault", "LIST", r"/v1/[^/]+/metadata/team/", 400),
    ("vault", "LIST", r"/v1/[^/]+/metadata/team/", 403),
    ("vault", "LIST", r"/v1/[^/]+/metadata/team/", 500),
    ("vault", "GET", r"/v1/[^/]+/metadata/team/b", 400),
    ("vault", "GET", r"/v1/[^/]+/metadata/team/b", 403),
    ("vault", "GET", r"/v1/[^/]+/metadata/team/b", 418),
    ("vault", "GET", r"/v1/[^/]+/metadata/team/b", 200),
    ("consul", "PUT", r"/v1/kv/.*vsyncChecks", 500),
    ("consul", "GET", r"/v1/kv/.*recurse", 500),
    ("consul", "GET", r"/v1/kv/.*recurse", 403),
    ("consul", "PUT", r"/v1/txn", 500),
    ("consul", "PUT", r"/v1/txn", 409),
    ("consul", "PUT", r"/v1/txn", 400),
)


@pytest.mark.parametrize(("server", "method", "path", "status"), ECHOED)
def test_nothing_is_told_by_a_proxy_that_echoes_headers(
    shop: Workshop, server: str, method: str, path: str, status: int
) -> None:
    upstream = shop.vault.address if server == "vault" else shop.consul.address
    with Misbehave(upstream) as proxy:
        rule = proxy.when(method=method, path=path).echo(status)
        told = Told(shop)
        where: Any = {server: {"address": proxy.address}}
        assert told.run(*EVERY_WAY[-2], timeout="5s", startTimeout="1ms", **where) in {1, 3}
        assert rule.hits
    told.check()


def test_nothing_is_told_by_status_metrics_and_health(shop: Workshop) -> None:
    """Also where a proxy echoes what the write of the status was sent."""
    told = Told(shop)
    shop.config |= {"metrics": {"address": "127.0.0.1:0"}}
    log = shop.home / "log"
    with (
        Misbehave(shop.consul.address) as proxy,
        log.open("w") as stderr,
        shop.start(stderr=stderr.fileno(), consul={"address": proxy.address}) as daemon,
    ):
        proxy.when(method="PUT", path=r"/v1/kv/.*/status$", after=1).echo(500)
        daemon.wait_for(lambda record: isinstance(record.event, e.StatusFailed))
        (address,) = re.findall(r"metrics: http://([^/]+)", log.read_text())
        for page in ("metrics", "health", "live"):
            with closing(http.client.HTTPConnection(address, timeout=PATIENCE_S)) as connection:
                connection.request("GET", f"/{page}")
                told.add(page, connection.getresponse().read())
        assert daemon.stop() == 0
    told.add("stderr", log.read_text())
    told.add("the status", json.dumps(shop.status()))
    assert shop.status()
    told.check()


def test_nothing_is_told_to_the_service_manager(shop: Workshop) -> None:
    told = Told(shop)
    with (
        closing(Manager(str(shop.home / "notify"))) as manager,
        Misbehave(shop.vault.address) as proxy,
    ):
        rule = proxy.when(method="GET", path=r"/v1/auth/token/lookup-self").echo(400)
        env = {"NOTIFY_SOCKET": manager.address}
        assert told.run("--headless", env=env, vault={"address": proxy.address}) == 1
        assert rule.hits
        manager.hear_all()
    assert any("lookup-self" in line for line in manager.told if line.startswith("STATUS="))
    told.add("what the service manager was told", "\n".join(manager.told))
    told.check()


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_told_by_and_to_the_notify_program(shop: Workshop, fails: bool) -> None:
    heard = shop.home / "heard"
    program = shop.home / "tell"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        f"with open({str(heard)!r}, 'w') as file:\n"
        "    file.write(sys.stdin.read() + repr(dict(os.environ)))\n"
        f"print({ARGUMENT!r}); print(sys.argv, file=sys.stderr); sys.exit({int(fails)})\n"
    )
    program.chmod(0o700)
    shop.config["notify"] = {"command": [str(program), ARGUMENT]}
    shop.config["origin"]["vault"].pop("token")
    told = Told(shop)
    env = {
        "VSYNC_ORIGIN_VAULT_TOKEN": WRONG_TOKEN,
        "VAULT_TOKEN": VAULT_TOKEN,
        "CONSUL_HTTP_TOKEN": CONSUL_TOKEN,
    }
    assert told.run("--headless", "--once", "--log-level", "debug", env=env) == 1
    (notified,) = [each.event for each in shop.records() if isinstance(each.event, e.Notified)]
    assert (notified.through, notified.ok) == ("tell", not fails)
    told.add("what the program got", heard.read_text())
    told.check()


def test_nothing_is_told_when_the_notify_program_cannot_be_started(shop: Workshop) -> None:
    shop.config["notify"] = {"command": f"/nowhere/tell --password '{ARGUMENT}'"}
    told = Told(shop)
    assert told.run("--headless", "--once", vault={"token": WRONG_TOKEN}) == 1
    told.check()


def test_nothing_is_told_of_the_urls_at_which_a_human_is_told(shop: Workshop) -> None:
    """Nobody listens there; that is told, and not where."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        at = f"ada:{URL_SECRET}@127.0.0.1:{nobody.getsockname()[1]}/{URL_SECRET}"
        shop.config["notify"] = {"urls": [f"json://{at}", f"xml://{at}"]}
        (shop.home / "urls").write_text(f"form://{at}\n")
        shop.config["notify"]["urlsFile"] = str(shop.home / "urls")
        told = Told(shop)
        for way in (EVERY_WAY[0], EVERY_WAY[-2]):
            assert told.run(*way, vault={"token": WRONG_TOKEN}) == 1
        config = str(shop.write_config())
        tried = vsync(shop.home, "notify-test", "--config", config)
        assert tried.returncode == 1
        told.add("notify-test", tried.stdout + tried.stderr)
        env = {"VSYNC_NOTIFY_URLS": f"tgram://{URL_SECRET}"}
        mistaken = vsync(shop.home, "notify-test", "--config", config, env=env)
        assert mistaken.returncode == 2
        told.add("a mistake", mistaken.stdout + mistaken.stderr)
    notified = [each.event for each in shop.records() if isinstance(each.event, e.Notified)]
    assert sorted(each.through for each in notified) == [
        *("notify.urlsFile[0] (form://…)", "notify.urls[0] (json://…)"),
        "notify.urls[1] (xml://…)",
    ]
    assert not any(each.ok for each in notified)
    told.check()


def test_nothing_is_seen_in_the_process_list(shop: Workshop) -> None:
    file = shop.home / "token"
    file.write_text(VAULT_TOKEN)
    del shop.config["origin"]["vault"]["token"]
    with subprocess.Popen(
        [*COMMAND, "--headless", *on(shop, vault={"tokenFile": str(file)})],
        env=environment(shop.home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        with JournalReader(shop.journal) as reader:
            records: list[Any] = []
            while not any(isinstance(each.event, e.CycleFinished) for each in records):
                assert process.poll() is None
                records += reader.poll()
        seen: dict[str, str | bytes] = {
            f"/proc/{path.parent.name}/{path.name}": path.read_bytes()
            for path in Path(f"/proc/{process.pid}").glob("task/*/comm")
        }
        for name in ("cmdline", "environ"):
            seen[name] = Path(f"/proc/{process.pid}/{name}").read_bytes()
        process.terminate()
        out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    told = Told(shop)
    seen |= {"stdout": out, "stderr": err}
    for place, words in seen.items():
        told.add(place, words)
    told.check()


MISTAKEN: tuple[dict[str, Any], ...] = (
    {"token": VAULT_TOKEN},
    {"origin": {"token": VAULT_TOKEN, "secret_id": SECRET_ID, "role_id": ROLE_ID}},
    {"origin": {"vault": {"token": {"value": VAULT_TOKEN}}}},
    {"origin": {"vault": {"token": [VAULT_TOKEN]}}},
    {"origin": {"vault": {"token": f"Bearer {VAULT_TOKEN}"}}},
    {"origin": {"vault": VAULT_TOKEN}},
    {"origin": {"vault": {"secret_id": SECRET_ID, "tokn": VAULT_TOKEN}}},
    {"origin": {"vault": {f"token:{VAULT_TOKEN}": None}}},
    {"origin": {"vault": {"tokenFile": f"hvs.{VAULT_TOKEN}"}}},
    {"origin": {"vault": {"approle": {"role_id": ROLE_ID, "secret_id": SECRET_ID}}}},
    {"origin": {"vault": {"approle": {"role_id": [ROLE_ID], "secret_id": {"a": SECRET_ID}}}}},
    {"origin": {"vault": {"approle": {"role_id": ROLE_ID, "secret_id_file": CONSUL_TOKEN}}}},
    {"origin": {"vault": {"approle": {"role_id": ROLE_ID, "secretid": SECRET_ID}}}},
    {"origin": {"vault": {"jwt": JWT}}},
    {"origin": {"vault": {"jwt": {"tokenFile": JWT}}}},
    {"origin": {"vault": {"kubernetes": {"role": "r", "tokenFile": JWT}}}},
    {"origin": {"vault": {"clientCert": "x.pem", "clientKey": JWT}}},
    {"origin": {"vault": {"address": f"http://vsync:{VAULT_TOKEN}@127.0.0.1:8200"}}},
    {"origin": {"vault": {"address": f"http://127.0.0.1:8200?token={VAULT_TOKEN}"}}},
    {"origin": {"consul": {"token": [CONSUL_TOKEN]}}},
    {"origin": {"consul": {"address": f"http://vsync:{CONSUL_TOKEN}@127.0.0.1:8500"}}},
    {"origin": {"consul": {"dc": CONSUL_TOKEN, "tick": "x"}}},
    {"notify": {"command": ["tell", {"password": ARGUMENT}]}},
    {"notify": {"command": f"tell '{ARGUMENT}"}},
    {"notify": {"comand": ["tell", ARGUMENT]}},
    {"notify": {"urls": [f"slak://{URL_SECRET}"]}},
    {"notify": {"urls": [URL_SECRET, f"json://{URL_SECRET}\n"]}},
    {"notify": {"urls": {"slack": URL_SECRET}}},
    {"notify": {"url": [f"slack://{URL_SECRET}"]}},
    {"notify": {"urlsFile": f"slack://{URL_SECRET}"}},
)


@pytest.mark.parametrize(
    ("way", "mistaken"),
    list(zip(cycle(("check", "--headless")), MISTAKEN, strict=False)),
    ids=lambda each: json.dumps(each)[:60],
)
def test_nothing_is_told_of_secrets_in_wrong_places(
    tmp_path: Path, way: str, mistaken: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(mistaken))
    told = vsync(tmp_path, way, "--config", "config.json")
    assert told.returncode == 2
    assert "nothing was contacted" in told.stderr
    assert leaks({"stdout": told.stdout, "stderr": told.stderr}) == []


def test_no_flag_takes_a_secret(tmp_path: Path) -> None:
    for flag in ("--token", "--vault-token", "--consul-token", "--secret-id"):
        told = vsync(tmp_path, "--headless", flag, VAULT_TOKEN)
        assert told.returncode == 2
        assert "no flag takes a secret" in told.stderr
        assert leaks({"stderr": told.stderr}) == []

"""What the files for systemd, containers and Kubernetes say is what the program takes and does."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import vsync_sm
from tests.snapshots import ROOT
from tests.test_docs import CODES, commands
from vsync_sm import flags
from vsync_sm.config import load
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.refusal import _RULES
from vsync_sm.operate.place import default_journal
from vsync_sm.origin.engine import BREATH_S

DEPLOY = ROOT / "docs" / "deploy"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
STOP_S = 5.0
"""A clean stop takes at most so many seconds."""


def headless(words: list[str]) -> str:
    """Which configuration a command line runs a daemon with."""
    options = flags.parse(words)
    assert options.headless
    assert not options.once
    assert options.command is None
    return str(options.config)


# --- systemd ---------------------------------------------------------------------------------

SERVICE = (DEPLOY / "systemd" / "vsync-sm.service").read_text(encoding="utf-8")
UNIT = [(name, value) for name, value in re.findall(r"^([A-Z]\w+)=(.*)$", SERVICE, re.MULTILINE)]


def said(name: str) -> list[str]:
    """Every value that the unit gives to a setting."""
    return [value for each, value in UNIT if each == name]


def seconds(value: str) -> float:
    """A time span of systemd's."""
    number, unit = re.fullmatch(r"(\d+)(s|min)", value).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "min": 60}[unit]


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    """The files that systemd hands over, as it would."""
    for each in said("LoadCredential"):
        name, _, source = each.partition(":")
        assert Path(source).parent == Path("/etc/vsync")
        example = DEPLOY / "systemd" / name
        text = example.read_text() if example.exists() else "s.token\n"
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_unit_starts_an_origin_with_its_example(credentials: Path) -> None:
    (start,) = said("ExecStart")
    program, *words = shlex.split(start.replace("%d", str(credentials)))
    assert program == "/opt/vsync/bin/vsync-sm"
    environment = dict(each.split("=", 1) for each in said("Environment"))
    environment = {name: v.replace("%d", str(credentials)) for name, v in environment.items()}
    settings = load(file=Path(headless(words)), environment=environment, flags={}, cwd=Path("/"))
    assert settings.unused == ()
    assert settings.origin.vault.token_file == credentials / "vault-token"


def test_the_unit_starts_with_approle_as_the_docs_say(tmp_path: Path) -> None:
    words = re.findall(r"`(LoadCredential|Environment)=(\S+)`", OPERATIONS)
    (credential, source), (variable, file) = (
        rest.split(sep, 1) for (_, rest), sep in zip(words, ":=", strict=True)
    )
    assert file == f"%d/{credential}"
    assert source == f"/etc/vsync/{credential}"
    (tmp_path / credential).write_text("a-secret-id\n")
    example = (DEPLOY / "systemd" / "vsync.yaml").read_text(encoding="utf-8")
    (tmp_path / "vsync.yaml").write_text(
        example.replace("  vault:\n", "  vault:\n    approle: {role_id: a-role-id}\n")
    )
    settings = load(
        file=tmp_path / "vsync.yaml",
        environment={variable: file.replace("%d", str(tmp_path))},
        flags={},
        cwd=Path("/"),
    )
    assert settings.origin.vault.approle is not None
    assert settings.origin.vault.approle.secret_id_file == tmp_path / credential


def test_the_unit_knows_when_not_to_try_again() -> None:
    (never,) = said("RestartPreventExitStatus")
    assert never == str(flags.USAGE)
    assert never in CODES
    assert said("Restart") == ["on-failure"]


def test_the_unit_leaves_time_to_stop_and_to_live() -> None:
    assert seconds(*said("TimeoutStopSec")) > STOP_S
    assert seconds(*said("WatchdogSec")) / 3 > BREATH_S
    assert (said("Type"), said("NotifyAccess")) == (["notify"], ["main"])


def test_the_units_journal_is_where_the_docs_say() -> None:
    (name,) = said("StateDirectory")
    journal = default_journal({"STATE_DIRECTORY": f"/var/lib/{name}"})
    assert f"ctl status --journal {journal}" in OPERATIONS


# --- the container ---------------------------------------------------------------------------

CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def instructions(stage: int) -> Iterator[tuple[str, str]]:
    """The instructions of one stage, from 0, each with its arguments."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    stages = re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]
    for line in filter(None, stages[stage].splitlines()):
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def instruction(name: str, stage: int = 1) -> str:
    """The arguments of the one such instruction."""
    (found,) = (rest for each, rest in instructions(stage) if each == name)
    return found


def test_the_image_runs_an_origin() -> None:
    entry, command = json.loads(instruction("ENTRYPOINT")), json.loads(instruction("CMD"))
    assert entry == ["vsync-sm"]
    assert headless(command) == "None"
    assert instruction("STOPSIGNAL") == "SIGTERM"
    program, *words = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    assert program == "vsync-sm"
    options = flags.parse(words)
    assert (options.command, options.word) == ("ctl", "status")


def test_the_image_runs_as_nobody_and_keeps_its_journal() -> None:
    uid, gid = map(int, instruction("USER").split(":"))
    assert uid > 0
    assert gid > 0
    environment = dict(each.split("=", 1) for each in shlex.split(instruction("ENV")))
    state = environment["STATE_DIRECTORY"]
    assert instruction("VOLUME") == state
    assert f"-o {uid} -g {gid} {state}" in instruction("RUN")
    assert not any("TOKEN" in name or "SECRET" in name for name in environment)
    assert f"vsync-journal:{state} " in OPERATIONS


def test_the_image_is_built_from_what_is_there() -> None:
    assert instruction("FROM", 0) == f"{instruction('FROM')} AS build"
    version = re.search(r"python:(\d+)\.(\d+)-", instruction("FROM"))
    assert version
    needed = re.search(
        r"requires-python = \">=(\d+)\.(\d+)\"", (ROOT / "pyproject.toml").read_text()
    )
    assert needed
    assert tuple(map(int, version.groups())) >= tuple(map(int, needed.groups()))
    for name, rest in instructions(0):
        if name == "COPY":
            *sources, _ = rest.split()
            assert all((ROOT / source).exists() for source in sources), rest
    extras = re.findall(r'whl\)\[(\w+)\]"', instruction("RUN", 0))
    assert extras == ["notify"]
    assert f"\n{extras[0]} = [" in (ROOT / "pyproject.toml").read_text()


# --- operations.md ---------------------------------------------------------------------------


def rows(title: str) -> list[str]:
    """The first cells of the table under a title."""
    table = OPERATIONS.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_every_fatal_fault_has_its_advice() -> None:
    assert rows("When it has stopped") == [kind.word for kind in FaultKind if kind.fatal]


def test_every_refusal_has_its_advice() -> None:
    assert rows("When it refuses") == list(_RULES)


def test_the_command_lines_parse() -> None:
    lines = commands(OPERATIONS.replace("sudo ", "").replace(" \\\n   ", ""))
    assert {shlex.split(line)[1] for line in lines} >= {"check", "plan", "ctl", "--headless"}
    inline = re.findall(r"`(vsync-sm (?:ctl|replay|plan|check)\b[^`\n]*)`", OPERATIONS)
    assert len(inline) > 5
    for line in (*lines, *inline):
        flags.parse(shlex.split(line)[1:])


# --- Kubernetes ------------------------------------------------------------------------------

MANIFEST = (DEPLOY / "kubernetes" / "vsync-sm.yaml").read_text(encoding="utf-8")
OBJECTS = {each["kind"]: each for each in yaml.safe_load_all(MANIFEST)}
POD = OBJECTS["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


def mounted_at(volume: str) -> str:
    """Where the container sees a volume."""
    (mount,) = (each for each in CONTAINER["volumeMounts"] if each["name"] == volume)
    return str(mount["mountPath"])


def test_the_pod_runs_one_origin_with_its_config_map(tmp_path: Path) -> None:
    config = Path(headless(CONTAINER["args"]))
    assert str(config.parent) == mounted_at("config")
    text = OBJECTS["ConfigMap"]["data"][config.name]
    projected = next(each for each in POD["volumes"] if each["name"] == "vault-token")
    name = projected["projected"]["sources"][0]["serviceAccountToken"]["path"]
    (tmp_path / name).write_text("a.service.account")
    token = f"{mounted_at('vault-token')}/{name}"
    assert token in text
    (tmp_path / "vsync.yaml").write_text(text.replace(token, str(tmp_path / name)))
    environment = {each["name"]: "x" for each in CONTAINER["env"]}
    settings = load(file=tmp_path / "vsync.yaml", environment=environment, flags={}, cwd=Path("/"))
    assert settings.unused == ()
    assert settings.origin.vault.kubernetes is not None
    assert settings.origin.consul.token is not None
    (port,) = CONTAINER["ports"]
    assert settings.metrics.address == f"0.0.0.0:{port['containerPort']}"
    probes = {CONTAINER[f"{word}Probe"]["httpGet"]["path"] for word in ("liveness", "readiness")}
    assert probes == {"/live", "/health"}
    assert {CONTAINER[f"{word}Probe"]["httpGet"]["port"] for word in ("liveness", "readiness")} == {
        port["name"]
    }


def test_there_are_never_two() -> None:
    deployment = OBJECTS["Deployment"]["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert POD["terminationGracePeriodSeconds"] > STOP_S


def test_the_pod_is_the_images_user_and_keeps_its_journal() -> None:
    uid, gid = map(int, instruction("USER").split(":"))
    secured = POD["securityContext"]
    assert (secured["runAsUser"], secured["runAsGroup"], secured["fsGroup"]) == (uid, gid, gid)
    assert mounted_at("journal") == instruction("VOLUME")
    claim = OBJECTS["PersistentVolumeClaim"]["metadata"]["name"]
    (volume,) = (each for each in POD["volumes"] if each["name"] == "journal")
    assert volume["persistentVolumeClaim"]["claimName"] == claim
    assert CONTAINER["image"].endswith(f"/vsync-sm:{vsync_sm.__version__}")

"""What loads: defaults, spellings, and the order of the sources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.config.configuring import LEAST, TOKEN, configure, origin, token_of
from vsync_sm.config import load
from vsync_sm.config.loading import SCHEMA
from vsync_sm.config.schema import squash

ROOT = Path(__file__).parents[2]


def test_the_defaults(tmp_path: Path) -> None:
    found = configure(tmp_path)
    assert (found.name, found.num_buckets, found.prefix) == ("origin", 1, "vsync/origin/")
    assert (found.log.level, found.log.type, found.notify.command) == ("info", "auto", ())
    assert (found.origin.tick, found.origin.timeout, found.origin.request_timeout) == (60, 300, 30)
    assert (found.origin.num_workers, found.origin.max_shrink) == (1, 0.2)
    assert (found.origin.max_failed_paths, found.origin.tick_jitter) == (0.1, 0.05)
    assert found.origin.vault.max_requests_per_second == 0
    assert (found.origin.carry_warn_after, found.notify.after_failures) == (10, 10)
    assert found.origin.vault.address == "http://127.0.0.1:8200"
    assert found.origin.consul.address == "127.0.0.1:8500"
    assert found.origin.consul.kv_max_value_size == 524_288
    needed = found.origin.vault.required_capabilities
    assert needed.data == ("create", "read", "update", "delete")
    assert needed.metadata == ("read", "list")
    assert found.journal.file is None
    assert (found.metrics.address, found.origin.status) == (None, True)
    assert found.file is None
    assert found.unused == ()


def test_the_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        setattr(configure(tmp_path), "name", "other")  # noqa: B010  the type checker knows it too


def test_the_example_loads_and_holds_the_defaults(tmp_path: Path) -> None:
    environment = {"VAULT_TOKEN": "dev"}
    example_file = load(file=ROOT / "config.yaml", environment=environment, flags={}, cwd=tmp_path)
    least = "origin: {vault: {requiredCapabilities: {data: [], metadata: [read, list]}}}"
    assert example_file.public() == configure(tmp_path, least).public()


@pytest.mark.parametrize("name", SCHEMA.fields)
def test_every_field_stands_in_the_example_and_in_the_docs(name: str) -> None:
    example_file = (ROOT / "config.yaml").read_text(encoding="utf-8")
    assert f"{name.rpartition('.')[2]}: " in example_file
    assert f"\n| `{name}` |" in (ROOT / "docs/configuration.md").read_text(encoding="utf-8")


def test_an_origin_json_of_the_go_program_works_unchanged(tmp_path: Path) -> None:
    file = ROOT / "tests/data/origin.json"
    found = load(file=file, environment={}, flags={}, cwd=tmp_path)
    assert (found.name, found.num_buckets) == ("origin", 19)
    assert (found.log.level, found.log.type) == ("debug", "console")
    assert found.origin.vault.address == "http://127.0.0.1:6200"
    assert (found.origin.consul.address, found.origin.consul.dc) == ("http://127.0.0.1:6500", "dc1")
    assert (found.origin.mounts, found.origin.num_workers) == (("secret/",), 5)
    assert (found.origin.tick, found.origin.timeout) == (10.0, 90.0)
    assert token_of(found) == TOKEN
    assert TOKEN not in repr(found)
    assert found.origin.renew_token
    assert sorted(found.unused) == ["destination", "ignoreDeletes", "logLevel", "pprof"]


@pytest.mark.parametrize("words", ["", "# nothing\n", "---\n", "\ufeff", "null", "origin:\n"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, words: str) -> None:
    assert configure(tmp_path, words).public() == configure(tmp_path, "{}").public()


@pytest.mark.parametrize("words", ['\ufeff{"name": "a"}', ' \n\t{\n\t"NAME": "a"\n}', "name: a"])
def test_json_and_yaml_are_told_apart_by_the_first_character(tmp_path: Path, words: str) -> None:
    assert configure(tmp_path, words).name == "a"


def test_surrogate_pairs_in_json_are_one_character(tmp_path: Path) -> None:
    assert configure(tmp_path, '{"name": "\\ud83d\\ude00"}').name == "😀"


@pytest.mark.parametrize("key", ["numBuckets", "numbuckets", "NUMBUCKETS"])
def test_keys_match_in_any_case(tmp_path: Path, key: str) -> None:
    assert configure(tmp_path, f"{key}: 3").num_buckets == 3


@pytest.mark.parametrize("value", ["4", '"4"', '" 4 "', "4.0"])
def test_a_whole_number_in_each_spelling(tmp_path: Path, value: str) -> None:
    assert configure(tmp_path, f"numBuckets: {value}").num_buckets == 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m30s", 90.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("1h2m3.5s", 3723.5),
        (".5s", 0.5),
        ("5.s", 5.0),
        ("+2s", 2.0),
        ("1500us", 0.0015),
        ("1500µs", 0.0015),
        ("1500μs", 0.0015),
        ("8760h", 31_536_000.0),
    ],
)
def test_durations_are_gos(tmp_path: Path, text: str, seconds: float) -> None:
    assert configure(tmp_path, origin(tick=text)).origin.tick == pytest.approx(seconds)


@pytest.mark.parametrize("given_path", ["vsync", "vsync/"])
def test_the_sync_path_has_one_slash(tmp_path: Path, given_path: str) -> None:
    assert configure(tmp_path, origin(syncPath=given_path)).prefix == "vsync/origin/"


@pytest.mark.parametrize(
    ("word", "level"),
    [("TRACE", "debug"), ("debug", "debug"), ("warn", "warning"), ("panic", "error"), ("", "info")],
)
def test_log_levels_are_the_go_programs_words(tmp_path: Path, word: str, level: str) -> None:
    assert configure(tmp_path, json.dumps({"log": {"level": word}})).log.level == level


@pytest.mark.parametrize(
    "command", ['mail -s "it is wrong" ops', ["mail", "-s", "it is wrong", "ops"]]
)
def test_the_notify_command_is_split_as_a_shell_does(tmp_path: Path, command: object) -> None:
    found = configure(tmp_path, json.dumps({"notify": {"command": command}}))
    assert found.notify.command == ("mail", "-s", "it is wrong", "ops")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:8500", "http://[::1]:8500", "https://consul.example", "consul:1"]
)
def test_consuls_addresses(tmp_path: Path, address: str) -> None:
    assert configure(tmp_path, origin(consul={"address": address})).origin.consul.address == address


@pytest.mark.parametrize(
    ("address", "found"),
    [
        (9464, "127.0.0.1:9464"),
        ("9464", "127.0.0.1:9464"),
        ("0.0.0.0:9464", "0.0.0.0:9464"),
        ("[::1]:0", "[::1]:0"),
        ("localhost:09464", "localhost:9464"),
        ("", None),
    ],
)
def test_where_metrics_are_served(tmp_path: Path, address: object, found: str | None) -> None:
    """A port alone is one of loopback; nothing by default."""
    words = json.dumps({"metrics": {"address": address}})
    assert configure(tmp_path, words).metrics.address == found


def test_a_slash_behind_the_address_is_dropped(tmp_path: Path) -> None:
    found = configure(tmp_path, origin(vault={"address": "https://vault:8200/"}))
    assert found.origin.vault.address == "https://vault:8200"


def test_capabilities_may_be_the_least(tmp_path: Path) -> None:
    found = configure(tmp_path, origin(vault={"requiredCapabilities": {"data": []}}))
    needed = found.origin.vault.required_capabilities
    assert (needed.data, needed.metadata) == ((), ("read", "list"))


def test_relative_paths_stand_on_the_working_directory_and_home(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    vault = {"tokenFile": "~/token", "caCert": "token"}
    words = json.dumps({"journal": {"file": "j"}, "origin": {"vault": vault}})
    found = configure(tmp_path, words, LEAST | {"HOME": str(tmp_path)})
    assert found.journal.file == tmp_path / "j"
    assert found.origin.vault.token_file == found.origin.vault.ca_cert == tmp_path / "token"


def test_flag_then_variable_then_file_then_ecosystem_then_default(tmp_path: Path) -> None:
    ecosystem = {"VAULT_ADDR": "http://ecosystem:1"}
    variable = {"VSYNC_ORIGIN_VAULT_ADDRESS": "http://variable:1"}

    def address(environment: Mapping[str, str], **flags: object) -> str:
        found = configure(tmp_path, environment={**LEAST, **environment}, flags=flags)
        return found.origin.vault.address

    assert address({}) == "http://127.0.0.1:8200"
    assert address(ecosystem) == "http://ecosystem:1"
    (tmp_path / "config.yaml").write_text(origin(vault={"address": "http://file:1"}))
    assert address(ecosystem) == "http://file:1"
    assert address(ecosystem | variable) == "http://variable:1"
    flags = {"origin.vault.address": "http://flag:1", "origin.tick": None}
    assert address(ecosystem | variable, **flags) == "http://flag:1"


def test_the_ecosystems_variables(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("pem")
    environment = {
        "VSYNC_ORIGIN_MOUNTS": "secret/",
        "VAULT_ADDR": "https://vault",
        "VAULT_TOKEN": "t",
        "VAULT_NAMESPACE": "/team/",
        "VAULT_CACERT": str(tmp_path / "ca"),
        "CONSUL_HTTP_ADDR": "consul:8500",
        "CONSUL_HTTP_TOKEN": "c",
    }
    found = configure(tmp_path, environment=environment).origin
    assert (found.vault.address, found.vault.namespace) == ("https://vault", "team")
    assert found.vault.ca_cert == tmp_path / "ca"
    assert found.vault.token is not None
    assert found.vault.token.get_secret_value() == "t"
    assert found.consul.address == "consul:8500"
    assert found.consul.token is not None
    assert found.consul.token.get_secret_value() == "c"


@pytest.mark.parametrize("variable", ["VSYNC_ORIGIN_NUM_WORKERS", "VSYNC_ORIGIN_NUMWORKERS"])
def test_underscores_in_variables_do_not_count(tmp_path: Path, variable: str) -> None:
    assert configure(tmp_path, environment=LEAST | {variable: "4"}).origin.num_workers == 4


def test_no_two_fields_share_a_variable() -> None:
    assert len({squash(name) for name in SCHEMA.fields}) == len(SCHEMA.fields)


@pytest.mark.parametrize("text", ["secret/, kv/,", '["secret/", "kv/"]'])
def test_lists_in_variables(tmp_path: Path, text: str) -> None:
    environment = LEAST | {"VSYNC_ORIGIN_MOUNTS": text}
    assert configure(tmp_path, environment=environment).origin.mounts == ("secret/", "kv/")


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    environment = LEAST | {"VSYNC_NAME": "", "VSYNC_SYNCPATH": "", "VAULT_ADDR": ""}
    assert configure(tmp_path, "name: a", environment).name == "a"


def test_unknown_variables_are_told_and_no_error(tmp_path: Path) -> None:
    environment = LEAST | {
        "VSYNC_SERVICE_HOST": "10.0.0.1",
        "VSYNC_ORGIN_TICK": "3s",
        "VSYNC_DESTINATION_VAULT_TOKEN": TOKEN,
    }
    assert configure(tmp_path, environment=environment).unused == (
        "VSYNC_DESTINATION_VAULT_TOKEN",
        "VSYNC_ORGIN_TICK (did you mean VSYNC_ORIGIN_TICK?)",
        "VSYNC_SERVICE_HOST",
    )


def test_unused_keys_are_told(tmp_path: Path) -> None:
    words = "origin: {renewToken: no}\nPPROF: true\n"
    found = configure(tmp_path, words)
    assert found.unused == ("pprof",)
    assert not found.origin.renew_token


@pytest.mark.parametrize(
    ("told", "size"),
    [
        (65536, 65536), ("1048576", 2**20), ("64KiB", 2**16), ("1.5 MiB", 3 * 2**19),
        ("2gib", 2**31), ("1Gi", 2**30),
    ],
)  # fmt: skip
def test_a_size_is_bytes_or_has_its_unit(tmp_path: Path, told: object, size: int) -> None:
    assert configure(tmp_path, f"journal: {{segmentSize: {told}}}").journal.segment_size == size


def test_how_much_of_a_journal_is_kept(tmp_path: Path) -> None:
    usual = configure(tmp_path).journal
    assert (usual.segment_size, usual.budget) == (64 * 2**20, 2 * 2**30)
    assert (usual.history_days, usual.detail) == (90, "all")
    kept = configure(tmp_path, "journal: {budget: 1GiB, historyDays: 0, detail: Changes}").journal
    assert (kept.budget, kept.history_days, kept.detail) == (2**30, 0, "changes")


def test_the_journal_flag(tmp_path: Path) -> None:
    found = configure(tmp_path, "journal: {file: a}", flags={"journal": Path("b")})
    assert found.journal.file == tmp_path / "b"

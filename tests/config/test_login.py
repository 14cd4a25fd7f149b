"""Which token is used, and that no secret is ever shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.config.configuring import TOKEN, configure, mistaken, origin
from vsync_sm.config import ConfigError, read_token

APPROLE = {"role_id": "r", "secret_id": TOKEN}
BARE = {"VSYNC_ORIGIN_MOUNTS": "secret/"}


@pytest.mark.parametrize(
    ("vault", "environment"),
    [
        ({"token": "won"}, {}),
        ({"tokenFile": "won"}, {}),
        ({}, {"VSYNC_ORIGIN_VAULT_TOKEN": " won\n"}),
        ({}, {"VSYNC_ORIGIN_VAULT_TOKENFILE": "won"}),
        ({"token": "lost"}, {"VSYNC_ORIGIN_VAULT_TOKEN_FILE": "won"}),
        ({"tokenFile": "missing"}, {"VSYNC_ORIGIN_VAULT_TOKEN": "won"}),
    ],
)
@pytest.mark.parametrize("approle", [None, APPROLE])
def test_a_token_wins_over_approle_and_over_the_ecosystems(
    tmp_path: Path, vault: dict[str, object], environment: dict[str, str], approle: object
) -> None:
    (tmp_path / "won").write_text("won\n")
    words = origin(vault=vault | {"approle": approle})
    found = configure(tmp_path, words, BARE | environment | {"VAULT_TOKEN": "ecosystem"})
    assert read_token(found) == "won"
    told = ("origin.vault.approle (the token beside it is used)",)
    assert found.unused == (told if approle else ())


@pytest.mark.parametrize("ecosystem", [{}, {"VAULT_TOKEN": "t"}])
def test_approle_alone_is_a_mistake_that_vault_token_does_not_mend(
    tmp_path: Path, ecosystem: dict[str, str]
) -> None:
    error = mistaken(tmp_path, origin(vault={"approle": APPROLE}), BARE | ecosystem)
    assert error.mistakes == (
        (
            "origin.vault.approle",
            "(hidden)",
            "AppRole logins come in a later release",
            "until then give origin.vault.tokenFile or VSYNC_ORIGIN_VAULT_TOKEN",
        ),
    )


def test_no_token_at_all_names_the_ways(tmp_path: Path) -> None:
    (mistake,) = mistaken(tmp_path, environment=BARE).mistakes
    for way in ("VSYNC_ORIGIN_VAULT_TOKEN", "tokenFile", "origin.vault.token ", "VAULT_TOKEN"):
        assert way in mistake.hint


def test_token_and_token_file_in_one_source_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("t")
    error = mistaken(tmp_path, origin(vault={"token": TOKEN, "tokenFile": "t"}), BARE)
    assert error.mistakes[0][:3] == (
        "origin.vault.token", "(hidden)", "stands beside origin.vault.tokenFile",
    )  # fmt: skip


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"two\nlines", b"\xff", b"a\0b"])
def test_a_token_file_that_holds_no_token(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t").write_bytes(content)
    (mistake,) = mistaken(tmp_path, origin(vault={"tokenFile": "t"}), BARE).mistakes
    assert mistake.field == "origin.vault.tokenFile"
    assert "holds no token" in mistake.wrong


def test_a_token_file_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", ".", "pipe", "/dev/zero"):
        (mistake,) = mistaken(tmp_path, origin(vault={"tokenFile": name}), BARE).mistakes
        assert mistake.field == "origin.vault.tokenFile"
        assert "cannot be read: " in mistake.wrong


def test_a_token_where_its_files_path_belongs_is_not_shown(tmp_path: Path) -> None:
    (mistake,) = mistaken(tmp_path, origin(vault={"tokenFile": TOKEN}), BARE).mistakes
    assert mistake.value == "(hidden)"


def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "t"
    file.write_text("old")
    found = configure(tmp_path, origin(vault={"tokenFile": "t"}), BARE)
    assert read_token(found) == "old"
    file.write_text("new\n")
    assert read_token(found) == "new"
    file.unlink()
    with pytest.raises(ConfigError, match=r"tokenFile.*\n.*No such file"):
        read_token(found)


def test_no_flag_takes_a_secret(tmp_path: Path) -> None:
    (mistake,) = mistaken(tmp_path, flags={"origin.vault.token": TOKEN}).mistakes
    assert mistake.wrong == "no flag takes a secret's value"


def test_public_is_json_without_secrets(tmp_path: Path) -> None:
    words = json.dumps({
        "notify": {"command": ["curl", "-H", f"Authorization: {TOKEN}"]},
        "origin": {
            "vault": {"token": TOKEN, "approle": APPROLE},
            "consul": {"token": TOKEN, "dc": "dc1"},
        },
    })  # fmt: skip
    found = configure(tmp_path, words)
    assert TOKEN not in repr(found) + str(found) + found.model_dump_json(exclude={"notify"})
    public = found.public()
    assert TOKEN not in json.dumps(public)
    assert public["notify"] == {"command": ["curl"], "afterFailures": 10}
    told = public["origin"]
    assert isinstance(told, dict)
    assert told["vault"]["token"] == told["vault"]["approle"]["secret_id"] == "(set)"
    assert (told["consul"]["token"], told["consul"]["dc"]) == ("(set)", "dc1")
    assert (told["tick"], told["mounts"]) == (60.0, ["secret/"])
    assert "namespace" not in told["vault"]


@pytest.mark.parametrize(
    "words",
    [
        f"origin: {{vault: {{token: [{TOKEN}]}}}}",
        f"origin: {{vault: {{token: {{x: {TOKEN}}}}}}}",
        f"origin: {{vault: {{tokn: {TOKEN}}}}}",
        f"origin: {{vault: {{token:{TOKEN}}}}}",
        f"origin: {{vault: {{tokenFile: {TOKEN}}}}}",
        f"origin: {{vault: 'token:{TOKEN}'}}",
        f"origin: {{vault: {{token: *{TOKEN.replace('.', '')}}}}}",
        f"origin: {{vault: {{token: !{TOKEN} x}}}}",
        f"origin: {{vault: {{address: 'http://x:{TOKEN}@vault:8200'}}}}",
        f"origin: {{vault: {{address: 'http://vault:8200?token={TOKEN}'}}}}",
        f"origin: {{token: {TOKEN}}}",
        f"origin: [{TOKEN}]",
        f"vault_token: a{TOKEN}",
        f"notify: {{command: [mail, 3, {TOKEN}]}}",
        f"notify: {{command: 'TOKEN={TOKEN} mail'}}",
        f"token: {TOKEN}\nTOKEN: {TOKEN}",
        f'{{"origin": {{"vault": {{"token": "{TOKEN}" }}',
        f"token: {TOKEN}\n\tx: y",
        TOKEN,
    ],
)
def test_no_secret_in_any_report(tmp_path: Path, words: str) -> None:
    error = mistaken(tmp_path, words)
    assert TOKEN.replace(".", "") not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None

"""Which token is used, and that no secret is ever shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.config.configuring import TOKEN, configure, mistaken, origin, token_of
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.logins import way
from vsync_sm.servers.vault import Vault

APPROLE: dict[str, object] = {"role_id": "r", "secret_id": TOKEN}
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
    assert token_of(found) == "won"
    told = ("origin.vault.approle (the token beside it is used)",)
    assert found.unused == (told if approle else ())


LOGINS: dict[str, dict[str, object]] = {
    "approle": APPROLE,
    "kubernetes": {"role": "r", "tokenFile": "jwt"},
    "jwt": {"tokenFile": "jwt"},
}


@pytest.mark.parametrize("ecosystem", [{}, {"VAULT_TOKEN": "t"}])
@pytest.mark.parametrize("method", LOGINS)
def test_a_login_for_which_vault_token_does_not_speak(
    tmp_path: Path, method: str, ecosystem: dict[str, str]
) -> None:
    (tmp_path / "jwt").write_text("a.b.c\n")
    found = configure(tmp_path, origin(vault={method: LOGINS[method]}), BARE | ecosystem)
    vault = found.origin.vault
    assert vault.token is None
    assert way(vault, Vault(address=vault.address)).method == method
    assert getattr(vault, method).path == method
    assert found.unused == ()


@pytest.mark.parametrize("method", LOGINS)
def test_a_token_beside_a_login_wins_and_the_logins_files_need_not_be_there(
    tmp_path: Path, method: str
) -> None:
    words = origin(vault={method: LOGINS[method] | {"path": "elsewhere"}})
    found = configure(tmp_path, words, BARE | {"VSYNC_ORIGIN_VAULT_TOKEN": "won"})
    assert token_of(found) == "won"
    assert found.unused == (f"origin.vault.{method} (the token beside it is used)",)


def test_two_logins_at_once_are_a_mistake_that_names_both(tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("a.b.c")
    environment = BARE | {"VSYNC_ORIGIN_VAULT_JWT_TOKEN_FILE": "jwt"}
    (mistake,) = mistaken(tmp_path, origin(vault={"approle": APPROLE}), environment).mistakes
    assert (mistake.field, mistake.value) == ("origin.vault", "(hidden)")
    assert mistake.wrong == "origin.vault.approle and origin.vault.jwt are different logins"


def test_where_a_login_is_mounted_is_no_login(tmp_path: Path) -> None:
    words = origin(vault={"approle": {"path": "approle", "role_id": "", "secret_id": ""}})
    assert token_of(configure(tmp_path, words, BARE | {"VAULT_TOKEN": "t"})) == "t"
    (mistake,) = mistaken(tmp_path, words, BARE).mistakes
    assert "origin.vault.approle" in mistake.hint


@pytest.mark.parametrize(
    ("vault", "field", "wrong"),
    [
        ({"approle": {"secret_id": "s"}}, "approle.role_id", "is missing"),
        ({"kubernetes": {"tokenFile": "jwt"}}, "kubernetes.role", "is missing"),
        ({"jwt": {"role": "r"}}, "jwt.tokenFile", "is missing"),
        ({"jwt": {"role": "r", "tokenFile": "no"}}, "jwt.tokenFile", "cannot be read"),
        ({"kubernetes": {"role": "r"}}, "kubernetes.tokenFile", "/var/run/secrets/kubernetes.io"),
        (
            {"approle": {"role_id": "r", "secret_id_file": "no"}},
            "approle.secret_id_file",
            "cannot be read",
        ),
        ({"approle": APPROLE | {"path": "a//b"}}, "approle.path", "empty segment"),
        ({"approle": APPROLE | {"path": "/"}}, "approle.path", "is empty"),
    ],
)
def test_what_a_login_lacks(
    tmp_path: Path, vault: dict[str, object], field: str, wrong: str
) -> None:
    (tmp_path / "jwt").write_text("a.b.c")
    (mistake,) = mistaken(tmp_path, origin(vault=vault), BARE).mistakes
    assert mistake.field == f"origin.vault.{field}"
    assert wrong in mistake.wrong


@pytest.mark.parametrize("path", ["team/approle", "/team/approle/", "auth/team/approle"])
def test_where_a_login_is_mounted(tmp_path: Path, path: str) -> None:
    found = configure(tmp_path, origin(vault={"approle": APPROLE | {"path": path}}), BARE)
    assert found.origin.vault.approle is not None
    assert found.origin.vault.approle.path == "team/approle"


def test_a_secret_id_from_a_variable_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("from-the-file\n")
    words = origin(vault={"approle": APPROLE})
    (mistake,) = mistaken(
        tmp_path, origin(vault={"approle": APPROLE | {"secret_id_file": "id"}}), BARE
    ).mistakes
    assert mistake.wrong == "stands beside origin.vault.approle.secret_id_file"
    for variable, value, secret, file in (
        ("VSYNC_ORIGIN_VAULT_APPROLE_SECRET_ID_FILE", "id", None, tmp_path / "id"),
        ("VSYNC_ORIGIN_VAULT_APPROLE_SECRET_ID", "from-it", "from-it", None),
    ):
        approle = configure(tmp_path, words, BARE | {variable: value}).origin.vault.approle
        assert approle is not None
        found = approle.secret_id.get_secret_value() if approle.secret_id else None
        assert (found, approle.secret_id_file) == (secret, file)


def test_no_token_at_all_names_the_ways(tmp_path: Path) -> None:
    (mistake,) = mistaken(tmp_path, environment=BARE).mistakes
    for told in ("VSYNC_ORIGIN_VAULT_TOKEN", "tokenFile", "origin.vault.token ", "VAULT_TOKEN"):
        assert told in mistake.hint


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
    assert token_of(found) == "old"
    file.write_text("new\n")
    assert token_of(found) == "new"
    file.unlink()
    with pytest.raises(Fault) as caught:
        token_of(found)
    assert caught.value.kind is FaultKind.AUTHENTICATION
    assert caught.value.context == {"file": str(file)}
    assert "No such file" in caught.value.hint


def test_no_flag_takes_a_secret(tmp_path: Path) -> None:
    (mistake,) = mistaken(tmp_path, flags={"origin.vault.token": TOKEN}).mistakes
    assert mistake.wrong == "no flag takes a secret's value"


def test_public_is_json_without_secrets(tmp_path: Path) -> None:
    words = json.dumps({
        "notify": {"command": ["curl", "-H", f"Authorization: {TOKEN}"]},
        "origin": {
            "vault": {"approle": APPROLE},
            "consul": {"token": TOKEN, "dc": "dc1"},
        },
    })  # fmt: skip
    found = configure(tmp_path, words)
    assert found.origin.vault.token is None  # of the ecosystem, and does not speak for the AppRole
    assert TOKEN not in repr(found) + str(found) + found.model_dump_json(exclude={"notify"})
    public = found.public()
    assert TOKEN not in json.dumps(public)
    assert public["notify"] == {"command": ["curl"], "afterFailures": 10}
    told = public["origin"]
    assert isinstance(told, dict)
    assert told["vault"]["approle"] == {
        "path": "approle", "role_id": "(set)", "secret_id": "(set)",
    }  # fmt: skip
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

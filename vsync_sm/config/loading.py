"""From the sources to the settings: order, login, and every mistake in one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vsync_sm.config import addresses, choosing, sources, values
from vsync_sm.config.files import missing_file, read_file
from vsync_sm.config.mistakes import HIDDEN, ConfigError, Mistake, shown
from vsync_sm.config.schema import Schema, Tree
from vsync_sm.config.settings import Bases, Journal, Notify, Settings, token_in, wrong_pair
from vsync_sm.config.sources import ECOSYSTEM, Found, Given
from vsync_sm.operate.channels import has_apprise, understood
from vsync_sm.operate.place import default_journal

_NO_FILE = "configuration (no file; environment and command line only)"
_DIGEST_BYTES = 67
"""What one bucket's digest takes in the index."""

_ECOSYSTEM = {
    "VAULT_ADDR": "origin.vault.address",
    "VAULT_TOKEN": "origin.vault.token",
    "VAULT_NAMESPACE": "origin.vault.namespace",
    "VAULT_CACERT": "origin.vault.caCert",
    "VAULT_CLIENT_CERT": "origin.vault.clientCert",
    "VAULT_CLIENT_KEY": "origin.vault.clientKey",
    "VAULT_TLS_SERVER_NAME": "origin.vault.tlsServerName",
    "VAULT_SKIP_VERIFY": "origin.vault.tlsSkipVerify",
    "CONSUL_HTTP_ADDR": "origin.consul.address",
    "CONSUL_HTTP_TOKEN": "origin.consul.token",
    "CONSUL_CACERT": "origin.consul.caCert",
    "CONSUL_CLIENT_CERT": "origin.consul.clientCert",
    "CONSUL_CLIENT_KEY": "origin.consul.clientKey",
    "CONSUL_TLS_SERVER_NAME": "origin.consul.tlsServerName",
}

_TOKEN, _TOKEN_FILE = "origin.vault.token", "origin.vault.tokenFile"
_APPROLE, _KUBERNETES, _JWT = (f"origin.vault.{way}" for way in ("approle", "kubernetes", "jwt"))
_LOGINS = (_APPROLE, _KUBERNETES, _JWT)
_SECRET_ID, _SECRET_ID_FILE = f"{_APPROLE}.secret_id", f"{_APPROLE}.secret_id_file"
_WAYS = (
    "VSYNC_ORIGIN_VAULT_TOKEN, origin.vault.tokenFile, origin.vault.token or VAULT_TOKEN, "
    "or a login: origin.vault.approle, .kubernetes or .jwt"
)

# An empty text in these is how the Go program's files leave them out.
_MAY_BE_EMPTY = frozenset({
    "name", "log.level", "log.type", "journal.file", "metrics.address", "notify.urlsFile",
    _TOKEN, _TOKEN_FILE, "origin.vault.namespace",
    *(f"{_APPROLE}.{key}" for key in ("path", "role_id", "secret_id", "secret_id_file")),
    *(f"{each}.{key}" for each in (_KUBERNETES, _JWT) for key in ("role", "path", "tokenFile")),
    *(f"{each}.{key}" for each in ("origin.vault", "origin.consul")
      for key in ("caCert", "clientCert", "clientKey", "tlsServerName")),
    "origin.consul.token", "origin.consul.dc",
})  # fmt: skip


def _section(annotation: object) -> type[BaseModel] | None:
    for part in (annotation, *get_args(annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _tree(model: type[BaseModel]) -> Tree:
    tree: dict[str, Tree | None] = {}
    for name, field in model.model_fields.items():
        if not field.exclude:
            below = _section(field.annotation)
            tree[field.alias or name] = _tree(below) if below else None
    return tree


SCHEMA = Schema(
    _tree(Settings),
    secrets=frozenset({
        _TOKEN, f"{_APPROLE}.role_id", f"{_APPROLE}.secret_id",
        "origin.consul.token", "notify.command", "notify.urls",
    }),
    unused=frozenset({
        "destination", "ignoreDeletes", "origin.ignoreDeletes", "logLevel", "pprof",
    }),
    successors={
        "syncPath": "origin.syncPath",
        "origin.dc": "origin.consul.dc",
        "dataPaths": "origin.mounts",
    },
)  # fmt: skip


def load(
    *,
    file: Path | None,
    environment: Mapping[str, str],
    flags: Mapping[str, object],
    cwd: Path,
) -> Settings:
    """The settings from all sources. No server is contacted; token and CA files are read.

    Args:
        file: the configuration file; None: `config.yaml` in `cwd` if there is one.
        environment: all variables, as `os.environ` has them.
        flags: dotted field (or `journal`) → value from the command line; None: not given.
        cwd: what relative paths stand on.

    Raises:
        ConfigError: with every mistake there is.
    """
    found = Found()
    read = _read(found, file, cwd)
    sources.take_environment(found, SCHEMA, environment)
    sources.take_flags(found, SCHEMA, flags)
    for name in [n for n, given in found.given.items() if _is_left_out(n, given)]:
        del found.given[name]
    sources.take_ecosystem(found, _ECOSYSTEM, environment)
    found.unused += sorted(SCHEMA.unused & found.given.keys())
    _choose_login(found)
    _check_index(found)
    _check_choice(found)
    bases = Bases(cwd=cwd, home=environment.get("HOME", ""))
    settings = _validate(found, read, bases)
    if settings is not None:
        _check_urls(found, settings.notify)
        _check_client_certificates(found, settings)
    if settings is None or found.mistakes:
        where = str(file or "config.yaml") if read else _NO_FILE
        raise ConfigError(where, tuple(sorted(found.mistakes, key=lambda m: m.field.lower())))
    return settings


def journal_file(*, file: Path | None, environment: Mapping[str, str], cwd: Path) -> Path:
    """Where an origin with this file and environment has its journal, whatever else they say.

    For who looks at an origin and runs none: a token that is missing here is no mistake.

    Raises:
        ConfigError: the file cannot be read as a mapping, or the place is none.
        Fault: they name no place, and there is no default one (CONFIGURATION).
    """
    found = Found()
    read = _read(found, file, cwd)
    sources.take_environment(found, SCHEMA, environment)
    given = found.given.get("journal.file")
    if given is None or _is_left_out("journal.file", given):
        return default_journal(environment)
    bases = Bases(cwd=cwd, home=environment.get("HOME", ""))
    try:
        named = Journal.model_validate({"file": given.value}, context=bases).file
        return named or default_journal(environment)
    except ValidationError as error:
        details = error.errors(include_url=False)
    cause = details[0].get("ctx", {}).get("error")
    if not isinstance(cause, values.Wrong):
        cause = values.Wrong(details[0]["msg"], "see docs/configuration.md", hide=True)
    where = str(file or "config.yaml") if read else _NO_FILE
    mistake = _mistake(_label("journal.file", given), given.value, cause, hide=False)
    raise ConfigError(where, (mistake,))


def notify_settings(*, file: Path | None, environment: Mapping[str, str], cwd: Path) -> Notify:
    """How an origin with this file and environment tells a human, whatever else they say.

    Raises:
        ConfigError: the file cannot be read as a mapping, or something of it is wrong.
    """
    found = Found()
    read = _read(found, file, cwd)
    sources.take_environment(found, SCHEMA, environment)
    prefix, notify = "notify.", None
    given = {name: each for name, each in found.given.items() if name.startswith(prefix)}
    told = {
        name.removeprefix(prefix): each.value
        for name, each in given.items()
        if not _is_left_out(name, each)
    }
    found.mistakes = [each for each in found.mistakes if each.field.lower().startswith(prefix)]
    bases = Bases(cwd=cwd, home=environment.get("HOME", ""))
    try:
        notify = Notify.model_validate(told, context=bases)
        _check_urls(found, notify)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            detail["loc"] = ("notify", *detail["loc"])
            found.mistakes += _mistakes(found, detail)
    if notify is None or found.mistakes:
        raise ConfigError(str(file or "config.yaml") if read else _NO_FILE, tuple(found.mistakes))
    return notify


def _check_urls(found: Found, notify: Notify) -> None:
    labelled = notify.labelled_urls()
    if not labelled:
        return
    if not has_apprise():
        hint = "pip install 'vsync-sm[notify]', or use notify.command"
        name = labelled[0][0].partition("[")[0]
        found.mistake(name, HIDDEN, "needs apprise, which is not installed", hint)
        return
    for (label, _), good in zip(labelled, understood([url for _, url in labelled]), strict=True):
        if not good:
            hint = "see the services and their URLs: apprise --details"
            found.mistake(label, HIDDEN, "is no URL that apprise understands", hint)


def read_secret(file: Path) -> str:
    """What a file holds now that was one secret (a token, a secret id) when it was configured.

    Raises:
        ConfigError: it is not there, not readable, or holds no secret.
    """
    try:
        return token_in(file)
    except values.Wrong as wrong:
        mistake = Mistake("the file", shown(str(file)), wrong.wrong, wrong.hint)
        raise ConfigError("configuration", (mistake,)) from None


def _read(found: Found, file: Path | None, cwd: Path) -> Path | None:
    path = cwd / (file or "config.yaml")
    try:
        pairs = read_file(path, str(file or "config.yaml"))
    except FileNotFoundError:
        if file is None and not path.is_symlink():
            return None
        raise missing_file(path, str(file or "config.yaml")) from None
    sources.take_file(found, SCHEMA, pairs)
    return path


def _is_left_out(name: str, given: Given) -> bool:
    return name in _MAY_BE_EMPTY and given.value == ""


def _choose_login(found: Found) -> None:
    """Leaves one way to log in; the ecosystem's VAULT_TOKEN does not speak for a login."""
    given = found.given
    logins = [way for way in _LOGINS if _is_login(way, given)]
    if logins and _TOKEN in given and given[_TOKEN].rank == ECOSYSTEM:
        del given[_TOKEN]
    _keep_one(found, _TOKEN, _TOKEN_FILE)
    _keep_one(found, _SECRET_ID, _SECRET_ID_FILE)
    if _TOKEN in given or _TOKEN_FILE in given:
        found.unused += [f"{way} (the token beside it is used)" for way in logins]
        logins = []
    elif len(logins) > 1:
        wrong = f"{' and '.join(logins)} are different logins"
        found.mistake("origin.vault", HIDDEN, wrong, "keep one of them, whatever gave it")
    elif not logins:
        found.mistakes.append(_no_login())
    _forget(given, *(way for way in _LOGINS if way not in logins))


def _is_login(way: str, given: Mapping[str, Given]) -> bool:
    """Whether a login is meant: where it is mounted, alone, says nothing."""
    return any(name.startswith(f"{way}.") and name != f"{way}.path" for name in given)


def _keep_one(found: Found, secret: str, file: str) -> None:
    """Of a secret and a file with it, the one of the higher source; one source gives one."""
    given = found.given
    if secret not in given or file not in given:
        return
    itself, within = given[secret], given[file]
    if itself.rank == within.rank:
        wrong = f"stands beside {_label(file, within)}"
        found.mistake(_label(secret, itself), HIDDEN, wrong, "keep one")
    else:
        del given[secret if within.rank < itself.rank else file]


def _forget(given: dict[str, Given], *sections: str) -> None:
    """Drops logins that are not used: their files need not be there."""
    for section in sections:
        for name in [name for name in given if name.startswith(f"{section}.")]:
            del given[name]


def _no_login() -> Mistake:
    return Mistake(_TOKEN, "(not given)", "there is no token for Vault", f"give {_WAYS}")


def _check_index(found: Found) -> None:
    """The index is one value too: it must fit Consul's limit (safety rule 6)."""
    buckets, limit = found.given.get("numBuckets"), found.given.get("origin.consul.kvMaxValueSize")
    if not buckets or not limit:
        return
    try:
        number = values.whole(1, 7_800)(buckets.value)
        size = values.whole(1_024, 1_073_741_824)(limit.value)
    except values.Wrong:
        return
    if number * _DIGEST_BYTES + 1 > size:
        wrong = f"its index of {number * _DIGEST_BYTES + 1} bytes passes kvMaxValueSize"
        hint = f"write {max(1, (size - 1) // _DIGEST_BYTES)} at most, or raise the limit in Consul"
        found.mistake(_label("numBuckets", buckets), shown(buckets.value), wrong, hint)


def _check_choice(found: Found) -> None:
    """Something is to be indexed, and nothing twice."""
    given = {name: found.given.get(name) for name in ("origin.mounts", "origin.paths")}
    mounts, paths = given.values()
    try:
        chosen = choosing.parts(paths.value) if paths else ()
        whole = addresses.mounts(mounts.value) if mounts else ()
    except (values.Wrong, values.WrongItems):
        return
    for name, at, value, wrong in choosing.between(whole, chosen):
        source = given[name]
        told = shown(value or source.value) if source else "(not given)"
        found.mistake(_label(f"{name}{at}", source), told, wrong.wrong, wrong.hint)


def _check_client_certificates(found: Found, settings: Settings) -> None:
    """A certificate and its key belong together, and nobody is there to unlock the key."""
    for name, server in (("vault", settings.origin.vault), ("consul", settings.origin.consul)):
        fields = (f"origin.{name}.clientCert", f"origin.{name}.clientKey")
        files = (server.client_cert, server.client_key)
        cert, key = files
        if cert is None and key is None:
            continue
        if cert is None or key is None:
            has, lacks = fields if cert else reversed(fields)
            label, value = _label(has, found.given.get(has)), shown(str(cert or key))
            found.mistake(label, value, f"stands there without {lacks}", f"give {lacks} too")
            continue
        wrong = wrong_pair(cert, key)
        if wrong is not None:
            label = _label(fields[1], found.given.get(fields[1]))
            found.mistake(label, shown(str(key)), wrong.wrong, wrong.hint)


def _validate(found: Found, read: Path | None, bases: Bases) -> Settings | None:
    nested: dict[str, object] = {"origin": {}}
    for name, given in found.given.items():
        _put(nested, name.split("."), given.value)
    unused = tuple(dict.fromkeys(found.unused))
    try:
        return Settings.model_validate(nested | {"file": read, "unused": unused}, context=bases)
    except ValidationError as error:
        details = error.errors(include_url=False)
    # Outside of the except: the error that is raised must not carry pydantic's with its input.
    found.mistakes += [mistake for detail in details for mistake in _mistakes(found, detail)]
    return None


def _put(section: dict[str, object], parts: list[str], value: object) -> None:
    for part in parts[:-1]:
        below = section.setdefault(part, {})
        assert isinstance(below, dict)  # noqa: S101  for the type: a section is never a value
        section = below
    section[parts[-1]] = value


def _mistakes(found: Found, detail: ErrorDetails) -> Iterator[Mistake]:
    told = ".".join(str(part) for part in detail["loc"])
    name = SCHEMA.field_of(told) or told  # a default's place has Python's own spelling
    cause = detail.get("ctx", {}).get("error")
    given = found.given.get(name)
    if isinstance(cause, values.WrongItems):
        for at, item, wrong in cause.items:
            hide = name in SCHEMA.secrets
            yield _mistake(_label(f"{name}{at}", given), item, wrong, hide=hide)
        return
    if not isinstance(cause, values.Wrong):  # pydantic's own words, should a check miss something
        cause = values.Wrong(detail["msg"], "see docs/configuration.md", hide=True)
    if given is None:
        yield Mistake(name, "(not given)", cause.wrong, cause.hint)
    else:
        hide = name in SCHEMA.secrets
        yield _mistake(_label(name, given), given.value, cause, hide=hide)


def _mistake(label: str, value: object, wrong: values.Wrong, *, hide: bool) -> Mistake:
    told = HIDDEN if hide or wrong.hide else shown(value)
    return Mistake(label, told, wrong.wrong, wrong.hint)


def _label(name: str, given: Given | None) -> str:
    return f"{name} ({given.name})" if given and given.name else name

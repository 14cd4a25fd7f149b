"""From the sources to the settings: order, login, and every mistake in one report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vsync_sm.config import choosing, sources, values
from vsync_sm.config.files import missing_file, read_file
from vsync_sm.config.mistakes import HIDDEN, ConfigError, Mistake, shown
from vsync_sm.config.schema import Schema, Tree
from vsync_sm.config.settings import Bases, Journal, Notify, Settings, token_in
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
    "CONSUL_HTTP_ADDR": "origin.consul.address",
    "CONSUL_HTTP_TOKEN": "origin.consul.token",
}

_TOKEN, _TOKEN_FILE = "origin.vault.token", "origin.vault.tokenFile"
_APPROLE = "origin.vault.approle"
_WAYS = "VSYNC_ORIGIN_VAULT_TOKEN, origin.vault.tokenFile, origin.vault.token or VAULT_TOKEN"

# An empty text in these is how the Go program's files leave them out.
_MAY_BE_EMPTY = frozenset({
    "name", "log.level", "log.type", "journal.file", "metrics.address", "notify.urlsFile",
    _TOKEN, _TOKEN_FILE, "origin.vault.namespace", "origin.vault.caCert",
    f"{_APPROLE}.path", f"{_APPROLE}.role_id", f"{_APPROLE}.secret_id",
    "origin.consul.token", "origin.consul.dc", "origin.consul.caCert",
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
        "origin.renewToken", "journal.detail",
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


def read_token(settings: Settings) -> str:
    """The Vault token, read anew from `tokenFile` where that is how it is given.

    Raises:
        ConfigError: the file is not there, not readable, or holds no token.
    """
    vault = settings.origin.vault
    if vault.token is not None:
        return vault.token.get_secret_value()
    if vault.token_file is None:
        raise ConfigError("configuration", (_no_login(),))
    try:
        return token_in(vault.token_file)
    except values.Wrong as wrong:
        mistake = Mistake(_TOKEN_FILE, shown(str(vault.token_file)), wrong.wrong, wrong.hint)
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
    """Leaves one way to log in; the ecosystem's VAULT_TOKEN does not speak for an AppRole."""
    given = found.given
    approle = any(name.startswith(_APPROLE + ".") for name in given)
    if approle and _TOKEN in given and given[_TOKEN].rank == ECOSYSTEM:
        del given[_TOKEN]
    token, file = given.get(_TOKEN), given.get(_TOKEN_FILE)
    if token and file and token.rank == file.rank:
        label = _label(_TOKEN, token)
        found.mistake(label, HIDDEN, f"stands beside {_label(_TOKEN_FILE, file)}", "keep one")
    elif token and file:
        del given[_TOKEN if file.rank < token.rank else _TOKEN_FILE]
    if (token or file) and approle:
        found.unused.append(f"{_APPROLE} (the token beside it is used)")
    elif approle:
        wrong = "AppRole logins come in a later release"
        hint = "until then give origin.vault.tokenFile or VSYNC_ORIGIN_VAULT_TOKEN"
        found.mistake(_APPROLE, HIDDEN, wrong, hint)
    elif not token and not file:
        found.mistakes.append(_no_login())


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
        whole = values.mounts(mounts.value) if mounts else ()
    except (values.Wrong, values.WrongItems):
        return
    for name, at, value, wrong in choosing.between(whole, chosen):
        source = given[name]
        told = shown(value or source.value) if source else "(not given)"
        found.mistake(_label(f"{name}{at}", source), told, wrong.wrong, wrong.hint)


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
    name = ".".join(str(part) for part in detail["loc"])
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

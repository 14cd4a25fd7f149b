"""The settings: one frozen, validated object, its defaults and its limits."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    SecretStr,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

from vsync_sm.config import addresses, choosing, values
from vsync_sm.config.files import read_limited
from vsync_sm.core.choice import Choice, Part, whole
from vsync_sm.core.cost import MOST_WORKERS
from vsync_sm.core.words import unverified
from vsync_sm.operate.channels import shown_url

TOKEN_LIMIT = 65_536
"""Bytes; whatever is longer is no token file."""

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
"""Where Kubernetes puts the token of a pod's service account."""

CA_LIMIT = 16_777_216
"""Bytes; a bundle of all public authorities is a sixtieth of it."""


_T = TypeVar("_T")


class Bases(BaseModel):
    """What relative paths, and paths from `~/`, stand on."""

    cwd: Path
    home: str


def _path(value: object, info: ValidationInfo) -> Path:
    path = values.text(value)
    bases = info.context
    if isinstance(bases, Bases) and path.startswith("~/"):
        if not bases.home:
            raise values.Wrong("begins with ~, but HOME is not set", "write the whole path")
        return Path(bases.home) / path[2:]
    return bases.cwd / path if isinstance(bases, Bases) else Path(path)


def _needed(value: _T) -> _T:
    if not value:
        raise values.Wrong("is missing: no such login goes without", "give it")
    return value


def _token_file(value: object, info: ValidationInfo) -> Path | None:
    if value is None:  # a default, which some must not be
        return None
    path = value if isinstance(value, Path) else _path(value, info)
    try:
        token_in(path)
    except values.Wrong as wrong:
        if path is not value:
            raise
        raise values.Wrong(f"{path} {wrong.wrong}", "name another file, outside a pod") from None
    return path


@dataclass(frozen=True)
class UrlsFile:
    """A file of URLs, a line each, as it was read."""

    path: Path
    urls: tuple[SecretStr, ...]

    def __str__(self) -> str:
        return str(self.path)


def _urls_file(value: object, info: ValidationInfo) -> UrlsFile:
    if "://" in str(value):
        raise values.Wrong("is a URL, not a file's path", "put it under notify.urls", hide=True)
    path = _path(value, info)
    try:
        lines = _content(path, TOKEN_LIMIT).decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise values.Wrong("holds no text", "write a URL on each line") from None
    told = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    try:
        found = values.urls(told)
    except values.WrongItems as wrong:
        at, _, why = wrong.items[0]
        raise values.Wrong(f"its URL {at} {why.wrong}", why.hint) from None
    if not found:
        raise values.Wrong("holds no URL", "write a URL on each line")
    return UrlsFile(path=path, urls=tuple(SecretStr(url) for url in found))


def _pem_file(value: object, info: ValidationInfo) -> Path:
    path = _path(value, info)
    _content(path, CA_LIMIT)
    return path


def _content(path: Path, limit: int) -> bytes:
    try:
        return read_limited(path, limit, regular=True)
    except OSError as error:
        wrong = f"cannot be read: {error.strerror or type(error).__name__}"
        raise values.Wrong(wrong, "give the path of a file that this user may read") from None


def token_in(path: Path) -> str:
    """The token that a file holds, without spaces and line ends around it.

    Raises:
        Wrong: no such file, not readable, or what it holds is no token.
    """
    try:
        token = _content(path, TOKEN_LIMIT).decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        wrong = "holds no token: it is empty, or has spaces or lines within"
        raise values.Wrong(wrong, "write the token alone into it")
    return token


def wrong_pair(cert: Path, key: Path) -> values.Wrong | None:
    """What is wrong with a client's certificate and its key (PEM); None: nothing is."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, _no_passphrase)
    except (ssl.SSLError, OSError, ValueError):
        wrong = "is no key in PEM, is locked by a passphrase, or is not the certificate's"
        return values.Wrong(wrong, "give the certificate and its own key, unlocked, as PEM files")
    return None


def _no_passphrase() -> str:
    return ""  # else OpenSSL asks the terminal


Text = Annotated[str, BeforeValidator(values.text)]
Secret = Annotated[SecretStr | None, BeforeValidator(values.secret)]
TokenFile = Annotated[Path | None, BeforeValidator(_token_file)]
PemFile = Annotated[Path | None, BeforeValidator(_pem_file)]
AuthPath = Annotated[str, BeforeValidator(addresses.auth_path)]
Count = Annotated[int, BeforeValidator(values.whole(1, 1_000_000))]
Share = Annotated[float, BeforeValidator(values.share)]
Bool = Annotated[bool, BeforeValidator(values.flag)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        validate_default=False,
    )


class Log(_Section):
    """How much is logged, and how it looks."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(values.level)
    ] = "info"
    type: Annotated[Literal["auto", "console", "json"], BeforeValidator(values.log_type)] = "auto"


class Notify(_Section):
    """How a human is told: a program and its arguments, apprise's URLs; neither: nobody is.

    `after_failures`: told once so many cycles in a row have saved nothing and not been complete.
    """

    command: Annotated[
        tuple[str, ...], BeforeValidator(values.command), Field(repr=False)
    ] = ()  # an argument may hold a secret: not in the repr
    urls: Annotated[tuple[SecretStr, ...], BeforeValidator(values.urls)] = ()
    urls_file: Annotated[UrlsFile | None, BeforeValidator(_urls_file)] = None
    after_failures: Count = 10

    def labelled_urls(self) -> list[tuple[str, str]]:
        """Every URL with what it is called: `notify.urls[0]`, …, then `notify.urlsFile[0]`, …."""
        sources = {
            "notify.urls": self.urls,
            "notify.urlsFile": self.urls_file.urls if self.urls_file else (),
        }
        return [
            (f"{name}[{at}]", url.get_secret_value())
            for name, urls in sources.items()
            for at, url in enumerate(urls)
        ]


class Journal(_Section):
    """Where the journal lies (None: the platform's own place), and how much of it is kept.

    `segment_size` and `budget` in bytes: a file is closed past the one, closed files go past the
    other. `history_days`: so long is kept what is not of single paths.
    """

    file: Annotated[Path | None, BeforeValidator(_path)] = None
    segment_size: Annotated[int, BeforeValidator(values.size("64KiB", "16GiB"))] = 67_108_864
    budget: Annotated[int, BeforeValidator(values.size("1MiB", "1024TiB"))] = 2_147_483_648
    history_days: Annotated[int, BeforeValidator(values.whole(0, 3_650))] = 90
    detail: Annotated[Literal["all", "changes"], BeforeValidator(values.detail)] = "all"


class Metrics(_Section):
    """Where metrics and health are served, `host:port`; None: nowhere."""

    address: Annotated[str | None, BeforeValidator(addresses.listen_address)] = None


class AppRole(_Section):
    """An AppRole login, as the Go program has it (its keys keep their underscore).

    A role that is bound to no secret id needs neither `secret_id` nor its file.
    """

    path: AuthPath = "approle"
    role_id: Annotated[
        SecretStr | None, BeforeValidator(lambda value: values.secret(_needed(value)))
    ] = Field(default=None, alias="role_id", validate_default=True)
    secret_id: Secret = Field(default=None, alias="secret_id")
    secret_id_file: TokenFile = Field(default=None, alias="secret_id_file")


class Kubernetes(_Section):
    """A login with the pod's service account."""

    role: Annotated[Text, Field(validate_default=True), AfterValidator(_needed)] = ""
    path: AuthPath = "kubernetes"
    token_file: Annotated[TokenFile, Field(validate_default=True)] = SERVICE_ACCOUNT


class Jwt(_Section):
    """A login with a JWT of whatever issuer; without `role`, as the auth method's default one."""

    role: Text = ""
    path: AuthPath = "jwt"
    token_file: Annotated[TokenFile, Field(validate_default=True), AfterValidator(_needed)] = None


class RequiredCapabilities(_Section):
    """What the token must be able to do on each mount's `data/` and `metadata/`."""

    data: Annotated[tuple[str, ...], BeforeValidator(values.capabilities())] = (
        "create",
        "read",
        "update",
        "delete",
    )
    metadata: Annotated[tuple[str, ...], BeforeValidator(values.capabilities("read", "list"))] = (
        "read",
        "list",
    )


class ServerTls(_Section):
    """How a server proves itself to us, and we to it."""

    ca_cert: PemFile = None
    client_cert: PemFile = None
    client_key: PemFile = None
    tls_server_name: Annotated[str | None, BeforeValidator(addresses.host_name)] = None
    tls_skip_verify: Bool = False


class Vault(ServerTls):
    """The Vault that is indexed, how to log in there, and how often it is asked at the most.

    `max_requests_per_second` of 0 is no ceiling.
    """

    address: Annotated[str, BeforeValidator(addresses.vault_address)] = "http://127.0.0.1:8200"
    token: Secret = None
    token_file: TokenFile = None
    approle: AppRole | None = None
    kubernetes: Kubernetes | None = None
    jwt: Jwt | None = None
    namespace: Annotated[str | None, BeforeValidator(addresses.namespace)] = None
    required_capabilities: RequiredCapabilities = RequiredCapabilities()
    detailed_metadata: Annotated[
        Literal["auto", "off"], BeforeValidator(values.detailed_metadata)
    ] = "auto"
    max_requests_per_second: Annotated[float, BeforeValidator(values.rate)] = 0.0


class Consul(ServerTls):
    """The Consul that holds the sync info; `kv_max_value_size` in bytes, as Consul names it."""

    address: Annotated[str, BeforeValidator(addresses.consul_address)] = "127.0.0.1:8500"
    token: Secret = None
    dc: Annotated[str | None, BeforeValidator(addresses.datacentre)] = None
    kv_max_value_size: Annotated[int, BeforeValidator(values.whole(1_024, 1_073_741_824))] = 524_288


class Origin(_Section):
    """What is indexed, where to, how often, and the limits of a save. Durations in seconds.

    `mounts` are indexed whole, of those in `paths` a part.
    """

    vault: Vault = Vault()
    consul: Consul = Consul()
    mounts: Annotated[tuple[str, ...], BeforeValidator(addresses.mounts)] = ()
    paths: Annotated[tuple[InstanceOf[Part], ...], BeforeValidator(choosing.parts)] = ()
    sync_path: Annotated[str, BeforeValidator(addresses.sync_path)] = "vsync/"
    num_workers: Annotated[int, BeforeValidator(values.whole(1, MOST_WORKERS))] = 1
    tick: Annotated[float, BeforeValidator(values.seconds("8760h"))] = 60.0
    tick_jitter: Annotated[float, BeforeValidator(values.jitter)] = 0.05
    timeout: Annotated[float, BeforeValidator(values.seconds("168h"))] = 300.0
    request_timeout: Annotated[float, BeforeValidator(values.seconds("1h"))] = 30.0
    start_timeout: Annotated[float | None, BeforeValidator(values.seconds("8760h"))] = None
    renew_token: Bool = True
    status: Bool = True
    max_shrink: Share = 0.2
    max_failed_paths: Share = 0.1
    carry_warn_after: Count = 10

    @property
    def choice(self) -> Choice:
        """All that is indexed."""
        return Choice((*whole(self.mounts), *self.paths))


class Settings(_Section):
    """The whole configuration, validated. `file` is what was read; `unused` what was ignored."""

    name: Text = "origin"
    num_buckets: Annotated[int, BeforeValidator(values.whole(1, 7_800))] = 1
    log: Log = Log()
    notify: Notify = Notify()
    journal: Journal = Journal()
    metrics: Metrics = Metrics()
    origin: Origin
    file: Path | None = Field(default=None, exclude=True)
    unused: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def prefix(self) -> str:
        """Where the sync info's keys begin in Consul: `vsync/origin/` by default."""
        return f"{self.origin.sync_path}origin/"

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person must hear of this configuration at each start, a line each."""
        unsafe = [
            unverified(server)
            for server, given in (("Vault", self.origin.vault), ("Consul", self.origin.consul))
            if given.tls_skip_verify and given.address.startswith("https:")
        ]
        return (*unsafe, *(f"unused in the configuration: {unused}" for unused in self.unused))

    def public(self) -> dict[str, object]:
        """The configuration for the journal: JSON-ready, in the file's own spelling, no secrets.

        A secret that is set reads `(set)`; of `notify.command` only the program is shown, since
        its arguments may hold one, of a URL only the scheme. What is not set is left out.
        """
        urls = tuple(shown_url(url.get_secret_value()) for url in self.notify.urls)
        told = {"command": self.notify.command[:1], "urls": urls or None}
        plain = _plain(self.model_copy(update={"notify": self.notify.model_copy(update=told)}))
        assert isinstance(plain, dict)  # noqa: S101  for the type: a section becomes a dict
        return plain


def _plain(value: object) -> object:
    if isinstance(value, UrlsFile):
        return str(value)
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        pairs = {f.alias or n: getattr(value, n) for n, f in fields.items() if not f.exclude}
        return {name: _plain(below) for name, below in pairs.items() if below is not None}
    if isinstance(value, Part):
        return choosing.plain(value)
    if isinstance(value, SecretStr):
        return "(set)"
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value

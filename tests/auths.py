"""A real OpenBao's auth methods: set up as an administrator does, counted as an auditor does."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vsync_sm.local import BaoServer, find_bao
from vsync_sm.local.process import HOST, START_LIMIT, _free_ports

POLICY = "reader"


class Auths:
    """An OpenBao's auth methods, for tokens that may read the metadata of `secret/` only."""

    def __init__(self, server: BaoServer, namespace: str = "") -> None:
        """`namespace` ("", or with a slash at its end, nested too) is made, with its `secret/`."""
        self.server = server
        self.namespace = namespace
        if namespace:
            self._make_namespace()
        rules = 'path "secret/metadata/*" { capabilities = ["read", "list"] }'
        self.ask("PUT", f"sys/policies/acl/{POLICY}", {"policy": rules})

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """As root, within the namespace."""
        return self.server.json(method, f"/v1/{self.namespace}{path}", body)

    def enable(self, kind: str, path: str, **config: Any) -> None:
        """An auth method at `path`."""
        self.ask("POST", f"sys/auth/{path}", {"type": kind})
        if config:
            self.ask("POST", f"auth/{path}/config", config)

    def approle(self, path: str = "approle", **role: Any) -> dict[str, str]:
        """An AppRole at `path`; its role and secret id as the configuration has them."""
        self.enable("approle", path)
        self.ask("POST", f"auth/{path}/role/r", {"token_policies": [POLICY], **role})
        role_id = self.ask("GET", f"auth/{path}/role/r/role-id")["data"]["role_id"]
        made = self.ask("POST", f"auth/{path}/role/r/secret-id", {})["data"]
        return {"path": path, "role_id": role_id, "secret_id": made["secret_id"]}

    def jwt(self, issuer: Issuer, path: str = "jwt", **role: Any) -> None:
        """The role `r` at `path` for JWTs of an issuer with the subject `vsync`; the default."""
        self.enable("jwt", path, jwt_validation_pubkeys=[issuer.public_key], default_role="r")
        bound = {"role_type": "jwt", "user_claim": "sub", "bound_subject": "vsync"}
        self.ask("POST", f"auth/{path}/role/r", {**bound, "token_policies": [POLICY], **role})

    def token(self, **fields: Any) -> str:
        """A token under the policy."""
        made = self.ask("POST", "auth/token/create", {"policies": [POLICY], **fields})
        return str(made["auth"]["client_token"])

    def _make_namespace(self) -> None:
        above, name = "", self.namespace
        for part in name.rstrip("/").split("/"):
            self.server.json("POST", f"/v1/{above}sys/namespaces/{part}", {})
            above += f"{part}/"
        self.ask("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
        self.server._until(time.monotonic() + START_LIMIT, "GET", f"/v1/{name}secret/config")


class Issuer:
    """Who issues JWTs: an identity provider, or a Kubernetes."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = (
            self._key.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def token(self, claims: Mapping[str, object] | None = None, *, lives_s: int = 3600) -> str:
        """A JWT of these claims (`sub`: vsync)."""
        now = int(time.time())
        told = {"sub": "vsync", "iat": now, "nbf": now, "exp": now + lives_s, **(claims or {})}
        head = _coded(json.dumps({"alg": "ES256", "typ": "JWT"}).encode())
        signed = f"{head}.{_coded(json.dumps(told).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        return f"{signed}.{_coded(r.to_bytes(32) + s.to_bytes(32))}"


class Kubernetes:
    """The one part of a Kubernetes that Vault's auth method asks: `TokenReview`, over TLS.

    It knows the service account `vsync` in `prod`; `reviewed` counts what it was asked.
    """

    def __init__(self, authority: trustme.CA) -> None:
        self.reviewed = 0
        self._issuer = Issuer()
        self._authority = authority
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(context)
        self._server = ThreadingHTTPServer((HOST, 0), self._handler())
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, account: str = "vsync") -> str:
        """What lies in a pod of that service account."""
        about = {"namespace": "prod", "serviceaccount": {"name": account, "uid": "u-1"}}
        claims = {"sub": f"system:serviceaccount:prod:{account}", "kubernetes.io": about}
        return self._issuer.token(claims)

    def auth_method(self, auths: Auths, path: str = "kubernetes", **role: Any) -> None:
        """The role `r` of the auth method at `path` that believes this Kubernetes."""
        auths.enable(
            "kubernetes",
            path,
            kubernetes_host=f"https://{HOST}:{self._server.server_port}",
            kubernetes_ca_cert=self._authority.cert_pem.bytes().decode(),
            token_reviewer_jwt=self.token("vault"),
            disable_local_ca_jwt=True,
        )
        bound = {
            "bound_service_account_names": ["vsync"],
            "bound_service_account_namespaces": ["prod"],
        }
        auths.ask("POST", f"auth/{path}/role/r", {**bound, "token_policies": [POLICY], **role})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                cluster.reviewed += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                user = {"username": "system:serviceaccount:prod:vsync", "uid": "u-1"}
                review = {
                    "apiVersion": "authentication.k8s.io/v1",
                    "kind": "TokenReview",
                    "status": {"authenticated": True, "user": user},
                }
                body = json.dumps(review).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class TlsBao(BaoServer):
    """An OpenBao with one more listener, for TLS, at `tls_address`; `tls` are its settings."""

    def __init__(self, directory: Path, tls: Mapping[str, object]) -> None:
        super().__init__(find_bao(), directory)
        self._tls = tls
        self._tls_port, self._other = _free_ports(2, 0)

    @property
    def tls_address(self) -> str:
        return f"https://{HOST}:{self._tls_port}"

    def _command(self) -> list[str]:
        command = super()._command()
        file = self.directory / "openbao.json"
        config = json.loads(file.read_text())
        tcp = {
            "address": f"{HOST}:{self._tls_port}",
            "cluster_address": f"{HOST}:{self._other}",
            **self._tls,
        }
        config["listener"].append({"tcp": tcp})
        file.write_text(json.dumps(config))
        return command


def answered(server: BaoServer) -> Counter[str]:
    """How often each path was asked for without an error, as the audit log has it."""
    return Counter(
        line["request"]["path"]
        for line in _audited(server)
        if line["type"] == "response" and not line.get("error")
    )


def asked(server: BaoServer) -> Counter[str]:
    """How often each path was asked for, with whatever answer."""
    lines = _audited(server)
    return Counter(line["request"]["path"] for line in lines if line["type"] == "request")


def _audited(server: BaoServer) -> list[dict[str, Any]]:
    assert server.audit_log is not None
    return [json.loads(line) for line in server.audit_log.read_text().splitlines()]


def _coded(words: bytes) -> str:
    return base64.urlsafe_b64encode(words).rstrip(b"=").decode()

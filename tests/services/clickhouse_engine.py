"""ClickHouse's engine (chdb) behind ClickHouse's HTTP interface: `python -m tests.services.clickhouse_engine FOLDER PORT`.

Queries, parameters, settings, `readonly`, inserts, errors and their codes are the engine's own. Of the interface there
is what clients use: the query in the URL or the body, `database`, `param_*`, settings of one query, compressed and
chunked bodies, user and password, one query at a time in a session. Not there: state that a session keeps between
queries, compressed answers, progress, `client_protocol_version`, data in forms.

`POST /_mode/WORD` makes it misbehave until `/_mode/well`: `slow-0.5` waits before each query, `rubbish` answers
with what no client can read, `page` with a proxy's error, `deaf` cuts the connection before a query, `lost` behind it;
`swallow-TEXT` answers whatever changes something and has TEXT in it with a page and 200, and does nothing.
"""

import gzip
import os
import re
import socket
import sys
import tempfile
import threading
import time
from base64 import b64decode
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

import chdb

OF_THE_INTERFACE = frozenset(
    {
        "query", "database", "user", "password", "session_id", "session_timeout", "session_check", "query_id",
        "compress", "decompress", "wait_end_of_query", "buffer_size", "quota_key", "client_protocol_version", "role",
        "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
        "default_format",
    }
)  # fmt: skip
STATUSES = {62: 400, 46: 404, 47: 404, 60: 404, 81: 404, 164: 500, 516: 403, 373: 500, 241: 500, 159: 408}
INSERT = re.compile(
    rb"\s*INSERT\s+INTO\s+(?P<into>.+?)\s+FORMAT\s+(?P<format>\w+)[ \t]*(?:\r?\n|;|$)", re.I | re.S
)
CODE = re.compile(r"Code: (\d+)")


class Refusal(Exception):
    """An error with a code of ClickHouse's."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.code = code


class Engine:
    """What is behind every connection."""

    def __init__(self, folder: str, user: str | None, password: str | None) -> None:
        self.folder, self.user, self.password = folder, user, password
        self.kept_open = chdb.connect(folder)
        self.mode = "well"
        self._sessions: set[str] = set()
        self._lock = threading.Lock()
        self.version = self.kept_open.query("SELECT version()", "TSVRaw").bytes().decode().strip()

    @contextmanager
    def session(self, name: str | None) -> Any:
        if name is None:
            yield
            return
        with self._lock:
            if name in self._sessions:
                raise Refusal(373, f"Session {name} is locked by a concurrent client. (SESSION_IS_LOCKED)")
            self._sessions.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._sessions.discard(name)

    def answer(self, asked: dict[str, str], body: bytes, *, reads_only: bool) -> tuple[bytes, str | None]:
        """The answer and its format; None where the statement has no result."""
        settings = {
            k: v for k, v in asked.items() if k not in OF_THE_INTERFACE and not k.startswith("param_")
        }
        values = {k[6:]: v for k, v in asked.items() if k.startswith("param_")}
        if reads_only:
            settings.setdefault("readonly", "2")
        last = settings.pop("readonly", None)
        text = asked.get("query", "").encode()
        with self.session(asked.get("session_id")):
            handle = chdb.connect(self.folder)
            try:
                if "database" in asked:
                    handle.query(f"USE {quoted(asked['database'])}")
                for name, value in settings.items():
                    handle.query(f"SET {quoted(name)} = {literal(value)}")
                if last is not None:
                    handle.query(f"SET readonly = {literal(last)}")
                return _run(handle, text, body, values, asked.get("default_format", "TabSeparated"))
            finally:
                handle.close()


def _run(
    handle: Any, text: bytes, body: bytes, values: dict[str, str], form: str
) -> tuple[bytes, str | None]:
    whole = text + (b"\n" if text and body else b"") + body
    insert = INSERT.match(whole)
    if insert is not None and insert["format"].upper() != b"VALUES":
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(whole[insert.end() :])
        try:
            into, named = insert["into"].decode(), insert["format"].decode()
            handle.query(f"INSERT INTO {into} FROM INFILE {literal(file.name)} FORMAT {named}")
        finally:
            Path(file.name).unlink()
        return b"", None
    statement = whole.decode()
    found = handle.query(statement, form, params=values or None).bytes()
    spoken = re.search(r"\bFORMAT\s+(\w+)\s*;?\s*$", statement, re.I)
    shows = re.match(r"\s*(SELECT|WITH|SHOW|DESC|EXISTS|EXPLAIN)", statement, re.I)
    return found, spoken[1] if spoken else form if shows else None


def quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def literal(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def log_message(self, *_: Any) -> None:
        """Nothing: it is asked often."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self._serve(reads_only=True)

    def do_POST(self) -> None:
        self._serve(reads_only=False)

    def _serve(self, *, reads_only: bool) -> None:
        body, parts, mode = self._body(), urlsplit(self.path), self.engine.mode
        if parts.path.startswith("/_mode/"):
            self.engine.mode = unquote(parts.path.removeprefix("/_mode/"))
            self._say(200, b"", {})
            return
        if mode.startswith("slow-"):
            time.sleep(float(mode.removeprefix("slow-")))
        elif mode == "rubbish":
            self._say(200, b"\x03\xff\xfe not what was asked for" * 3, {"X-ClickHouse-Format": "Native"})
            return
        elif mode == "page":
            self._say(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"})
            return
        elif mode == "deaf":
            self._cut()
            return
        if parts.path in ("/ping", "/replicas_status"):
            self._say(200, b"Ok.\n", {})
            return
        asked = dict(parse_qsl(parts.query, keep_blank_values=True))
        if mode.startswith("swallow-") and not reads_only:
            whole = asked.get("query", "").encode() + body
            if mode.removeprefix("swallow-").encode() in whole and not whole.lstrip().startswith(b"SELECT"):
                self._say(200, b"<html><h1>Welcome</h1></html>", {"Content-Type": "text/html"})
                return
        self._ask(asked, body, mode, reads_only=reads_only)

    def _ask(self, asked: dict[str, str], body: bytes, mode: str, *, reads_only: bool) -> None:
        try:
            self._let_in(asked)
            found, form = self.engine.answer(asked, body, reads_only=reads_only)
        except Exception as error:  # also the engine's own
            if mode == "lost":
                self._cut()
                return
            code = int(known[1]) if (known := CODE.search(str(error))) else 1002
            told = f"{error} (version {self.engine.version} (official build))\n".encode()
            self._say(STATUSES.get(code, 500), told, {"X-ClickHouse-Exception-Code": str(code)})
            return
        if mode == "lost":
            self._cut()
            return
        headers = {"X-ClickHouse-Summary": "{}", "X-ClickHouse-Timezone": "UTC"}
        headers["X-ClickHouse-Query-Id"] = asked.get("query_id") or str(uuid4())
        self._say(200, found, headers if form is None else headers | {"X-ClickHouse-Format": form})

    def _let_in(self, asked: dict[str, str]) -> None:
        user, password = asked.get("user", "default"), asked.get("password", "")
        basic = self.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            user, _, password = b64decode(basic[6:]).decode().partition(":")
        user = self.headers.get("X-ClickHouse-User", user)
        password = self.headers.get("X-ClickHouse-Key", password)
        if self.engine.user is not None and (user, password) != (self.engine.user, self.engine.password):
            reason = "password is incorrect, or there is no user with such name"
            raise Refusal(516, f"{user}: Authentication failed: {reason}. (AUTHENTICATION_FAILED)")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(pieces)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return unpacked(body, self.headers.get("Content-Encoding"))

    def _say(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "text/plain; charset=UTF-8"} | headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def unpacked(body: bytes, encoding: str | None) -> bytes:
    if encoding == "lz4":
        import lz4.frame

        return bytes(lz4.frame.decompress(body))
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    return gzip.decompress(body) if encoding == "gzip" else body


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client went away."""


def main(folder: str, port: int) -> None:
    Handler.engine = Engine(folder, os.environ.get("ENGINE_USER"), os.environ.get("ENGINE_PASSWORD"))
    server = Server(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

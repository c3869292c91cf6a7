"""Somebody who keeps objects as S3 does, in this process: what a broker stores here outlives it.

As much of the protocol as object stores' clients need: conditional puts are atomic, lists come in one page, signatures
are not looked at.
"""

import hashlib
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "tansu"


class Objects:
    """A bucket."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self._rows: dict[str, str] = {}
        self._keys: list[str] = []
        self._turn = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        """Of a client's process."""
        return {
            "AWS_ENDPOINT": f"http://127.0.0.1:{self._server.server_address[1]}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_REGION": "us-east-1",
            "AWS_CONDITIONAL_PUT": "etag",
        }

    def put(self, key: str, data: bytes, match: str | None, none_match: str | None) -> int:
        with self._turn:
            known = self.kept.get(key)
            if none_match == "*" and known is not None:
                return 412
            if match is not None and (known is None or etag(known) != match):
                return 412
            if known is None:
                insort(self._keys, key)
            self.kept[key] = data
            self._rows[key] = (
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>{escape(etag(data))}</ETag><Size>{len(data)}</Size></Contents>"
            )
            return 200

    def remove(self, key: str) -> None:
        with self._turn:
            if self.kept.pop(key, None) is not None:
                self._keys.remove(key)

    def rows(self, prefix: str, after: str) -> list[tuple[str, str]]:
        """Keys behind a prefix and `after`, each with its row of a list."""
        with self._turn:
            first = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after))
            last = bisect_left(self._keys, prefix + "\U0010ffff")
            return [(key, self._rows[key]) for key in self._keys[first:last]]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _handler(objects: Objects) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: two wait for each other

        @property
        def key(self) -> str:
            path = unquote(urlsplit(self.path).path).lstrip("/")
            return path.removeprefix(BUCKET).lstrip("/")

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            try:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)
            except OSError:
                self.close_connection = True  # who asked was killed

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            match, none_match = self.headers.get("If-Match"), self.headers.get("If-None-Match")
            self.answer(objects.put(self.key, data, match, none_match), ETag=etag(data))

        def do_GET(self) -> None:
            if not self.key:
                return self.list()
            data = objects.kept.get(self.key)
            if data is None:
                return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            tag = etag(data)
            if self.headers.get("If-None-Match") == tag:
                return self.answer(304, ETag=tag, Last_Modified=formatdate(usegmt=True))
            status, extra = 200, {}
            span = self.headers.get("Range")
            if span is not None:
                first, _, last = span.removeprefix("bytes=").partition("-")
                end = min(int(last) + 1 if last else len(data), len(data))
                extra = {"Content_Range": f"bytes {first}-{end - 1}/{len(data)}"}
                data, status = data[int(first) : end], 206
            return self.answer(status, data, ETag=tag, Last_Modified=formatdate(usegmt=True), **extra)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            objects.remove(self.key)
            self.answer(204)

        def list(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
            after = query.get("start-after", [""])[0]
            contents, folders = [], set()
            for key, row in objects.rows(prefix, after):
                inner = key[len(prefix) :]
                if delimiter and delimiter in inner:
                    folders.add(prefix + inner.partition(delimiter)[0] + delimiter)
                else:
                    contents.append(row)
            shown = "".join(contents) + "".join(
                f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders)
            )
            body = (
                '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>tansu</Name>'
                f"<Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>{shown}</ListBucketResult>"
            )
            self.answer(200, body.encode(), Content_Type="application/xml")

        def log_message(self, *_what: Any) -> None:
            pass

    return Handler


@contextmanager
def keeping() -> Iterator[Objects]:
    objects = Objects()
    try:
        yield objects
    finally:
        objects.close()

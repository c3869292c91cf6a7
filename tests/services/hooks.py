"""Somebody who takes alerts: a real HTTP server on this machine, which answers as a test wants."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """Keeps what came.

    Attributes:
        taken: (seconds of the monotonic clock, headers, body) of each request.
        answers: statuses of the next requests; then 204. A float is how long it hangs first, then 204.
    """

    def __init__(self, port: int = 0) -> None:
        self.taken: list[tuple[float, dict[str, str], bytes]] = []
        self.answers: list[int | float] = []
        self.let_go = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.taken.append((time.monotonic(), dict(self.headers), body))
                answer = hook.answers.pop(0) if hook.answers else 204
                if isinstance(answer, float):
                    hook.let_go.wait(answer)
                    answer = 204
                try:
                    self.send_response(answer)
                    self.send_header("Location", hook.url)
                    self.end_headers()
                except OSError:
                    pass  # who asked has gone

            def log_message(self, *_what: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/alerts"

    def close(self) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    made = Hook(port)
    try:
        yield made
    finally:
        made.close()

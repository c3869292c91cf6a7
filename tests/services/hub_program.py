"""A hub of configuration, as a program: written from the paths and bodies of such a hub's own API.

It answers as a test wants, and shows its register. Its first line is its port.
"""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GONE_S = 90.0
"""After which a service that gives no sign of life is not active."""
HTML = "<!doctype html><title>Sign in</title><p>Please sign in."


class Registry:
    """The services, by name, as hubs keep them."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}

    def register(self, body: dict[str, Any]) -> tuple[int, Any]:
        lacks = [name for name in ("name", "host", "port") if name not in body]
        if lacks:
            return 422, {"detail": f"{lacks} missing"}
        self.services[body["name"]] = {**body, "last_seen": time.time(), "beats": 0}
        return 200, {"status": "registered", "service": body["name"]}

    def heartbeat(self, body: dict[str, Any]) -> tuple[int, Any]:
        service = self.services.get(body.get("service_name", ""))
        if service is None:
            return 404, {"detail": "Service not found"}
        service["last_seen"], service["beats"] = time.time(), service["beats"] + 1
        return 200, {"status": "heartbeat_received"}

    def remove(self, name: str) -> tuple[int, Any]:
        if self.services.pop(name, None) is None:
            return 404, {"detail": "Service not found"}
        return 200, {"status": "deregistered"}

    def shown(self) -> dict[str, Any]:
        now = time.time()
        return {n: {**s, "active": now - s["last_seen"] < GONE_S} for n, s in self.services.items()}


class State:
    """What the hub says: configurations by service, each with its version, and how it misbehaves."""

    def __init__(self) -> None:
        self.registry, self.configs = Registry(), dict[str, dict[str, Any]]()
        self.mode, self.asked = "fine", 0
        self.let_go = threading.Event()


def handler(state: State) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/control":
                self._say(200, {"asked": state.asked, "services": state.registry.shown()})
            else:
                self._misbehave() or self._config()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/control":
                state.mode = body.get("mode", state.mode)
                state.configs |= body.get("configs", {})
                if body.get("forget"):
                    state.registry.services.clear()
                state.let_go.set()
                state.let_go = threading.Event()
                self._say(200, {})
            elif not self._misbehave():
                paths = {"register": state.registry.register, "heartbeat": state.registry.heartbeat}
                act = paths.get(self.path.removeprefix("/api/discovery/"))
                self._say(*(act(body) if act else (404, {"detail": "Not Found"})))

        def do_DELETE(self) -> None:
            if not self._misbehave():
                self._say(*state.registry.remove(self.path.removeprefix("/api/discovery/")))

        def _config(self) -> None:
            state.asked += 1
            name = self.path.removeprefix("/api/v1/config/")
            found = state.configs.get(name)
            if found is None:
                self._say(404, {"detail": f"Configuration not found for service: {name}"})
            else:
                self._say(200, {"service_name": name, "active": True, **found})

        def _misbehave(self) -> bool:
            """Whether the mode has answered, in its own way."""
            mode = state.mode
            if mode == "slow":
                state.let_go.wait(25)
                return False
            if mode.isdigit():
                self._say(int(mode), {"detail": "Internal error"})
            elif mode == "html":
                self._raw(200, HTML.encode(), "text/html")
            elif mode == "truncated":
                self._raw(200, b'{"config": {"operational": {"order_defa', "application/json")
            elif mode == "cut":
                self._raw(200, b'{"config": {', "application/json", length=4_000)
                self.close_connection = True
            elif mode == "huge":
                self._raw(
                    200, b'{"config": {"operational": "' + b"x" * 4_000_000 + b'"}}', "application/json"
                )
            else:
                return False
            return True

        def _say(self, status: int, body: Any) -> None:
            self._raw(status, json.dumps(body).encode(), "application/json")

        def _raw(self, status: int, data: bytes, kind: str, length: int | None = None) -> None:
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data) if length is None else length))
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # who asked has gone

        def log_message(self, *_what: Any) -> None:
            pass

    return Handler


def main(port: int) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", port), handler(State()))
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

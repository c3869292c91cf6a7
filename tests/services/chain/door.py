"""A chain over HTTP, as providers offer it: with lost, late, garbled and refused answers where a test wants them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.chain.node import ChainNode, Refusal


class Fault(StrEnum):
    """What goes wrong with an answer; what was asked is done all the same, but for those that say otherwise."""

    DROPPED = "dropped"  # the connection ends without one
    CUT_OFF = "cut_off"
    GARBLED = "garbled"
    NO_ANSWER = "no_answer"  # JSON, and none of JSON-RPC
    ERROR_AFTER = "error_after"  # 502, and it was done
    ERROR_BEFORE = "error_before"  # 503, and it was not done
    LIMITED = "limited"  # 429, and it was not done
    LIMITED_INSIDE = "limited_inside"  # -32005 of JSON-RPC, and it was not done
    SLOW = "slow"  # later than anybody waits
    AWAY = "away"  # nothing reaches it


_NOT_DONE = (Fault.ERROR_BEFORE, Fault.LIMITED, Fault.LIMITED_INSIDE, Fault.AWAY)


class Door:
    """One URL of a chain.

    Attributes:
        faults: by method, `*` is all; a fault stays until it is taken away.
        refusals: words by method; instead: results by method, of what is not done then.
        asked: every method, in order; sent: all bytes that came to be sent.
        before: called with each request before it is done, where there is something.
    """

    def __init__(self, chain: ChainNode, slow_s: float = 3.0) -> None:
        self.chain, self.slow_s = chain, slow_s
        self.faults: dict[str, Fault] = {}
        self.refusals: dict[str, str] = {}
        self.instead: dict[str, Any] = {}
        self.asked: list[str] = []
        self.sent: list[str] = []
        self.before: Callable[[str, list[Any]], None] | None = None
        self.url = ""
        self.one = threading.RLock()

    def answer(self, body: bytes) -> tuple[Fault | None, bytes]:
        request = json.loads(body)
        method, params = request["method"], request.get("params") or []
        with self.one:
            self.asked.append(method)
            if method == "eth_sendRawTransaction":
                self.sent.append(params[0])
            if self.before is not None:
                self.before(method, params)
            fault = self.faults.get(method) or self.faults.get("*")
            if method in self.refusals:
                said: dict[str, Any] = {"error": {"code": -32000, "message": self.refusals[method]}}
            elif fault in _NOT_DONE:
                said = {"error": {"code": -32005, "message": "request rate limited"}}
            elif method in self.instead:
                said = {"result": self.instead[method]}
            else:
                said = self._done(method, params)
        return fault, json.dumps({"jsonrpc": "2.0", "id": request.get("id"), **said}).encode()

    def _done(self, method: str, params: list[Any]) -> dict[str, Any]:
        try:
            return {"result": self.chain.ask(method, params)}
        except Refusal as refusal:
            error: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
            return {"error": error if refusal.data is None else {**error, "data": refusal.data}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    door: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault, answer = self.door.answer(body)
        if fault in (Fault.DROPPED, Fault.AWAY):
            self.close_connection = True
            return
        if fault is Fault.SLOW:
            time.sleep(self.door.slow_s)
        status = {Fault.ERROR_AFTER: 502, Fault.ERROR_BEFORE: 503, Fault.LIMITED: 429}.get(fault, 200)
        if fault is Fault.GARBLED:
            answer = b'{"jsonrpc": "2.0", "id": 1, "result": "0x'
        if fault is Fault.NO_ANSWER:
            answer = b'{"status": "ok"}'
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer[: len(answer) // 2] if fault is Fault.CUT_OFF else answer)
        except ConnectionError:  # nobody waits any more
            self.close_connection = True
        if fault is Fault.CUT_OFF:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def door_of(chain: ChainNode) -> Iterator[Door]:
    """A door that is open until the end."""
    door = Door(chain)
    handler = type("Handler", (_Handler,), {"door": door})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    door.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield door
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

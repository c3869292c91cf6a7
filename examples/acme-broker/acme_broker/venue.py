"""The Acme venue itself, small: one account, limit and market orders, and a market that somebody sets.

It is what the adapter is tested against, and can be run: `python -m acme_broker.venue 7500`. It knows nothing of
ordergate: README.md is what it keeps to. What can go wrong on the way is switched on by `fault`.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from acme_broker.account import Account, Refused

WINDOW_US = 2_000_000
CHANGES = ("order", "transfer", "cancel", "replace")
LOST = ("drop", "cut", "garble", "server", "client", "slow")
"""What may become of the answer to a request that was done."""


class AcmeVenue(Account):
    """One account. `fault` is one of LOST, `refuse`, `busy`, `clock`, `twice`, `reorder`, `hold`, `half`, `deaf`."""

    def __init__(self, key: str = "letmein", permissions: tuple[str, ...] = ("read", "trade")) -> None:
        super().__init__(permissions)
        self.key = key
        self.held: list[dict[str, Any]] = []
        self.slow_s = 1.0
        self.requests: list[dict[str, Any]] = []
        self._streams: set[asyncio.StreamWriter] = set()
        self._all: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        """Listens; gives the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hangs up."""
        if self._server is not None:
            self._server.close()
        self.hang_up()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def hang_up(self) -> None:
        """Ends every connection; who dials again is served."""
        for writer in self._all:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._all.add(writer)
        self._begun(asyncio.current_task())
        known = False
        try:
            while self.fault != "deaf" and (raw := await reader.readline()):
                request = json.loads(raw)
                self.requests.append(request)
                if request["do"] == "hello":
                    known = request["key"] == self.key and self.fault != "unknown"
                answer = self._answer(request, known)
                sending = self._send(request, {"id": request["id"], **answer}, writer)
                if self.fault == "slow":  # who comes next is not kept waiting
                    self._begun(asyncio.ensure_future(sending))
                else:
                    await sending
                if request["do"] == "follow" and known:
                    self._streams.add(writer)
                    self._push(writer, self.log[request["after"] :])
        except (OSError, ValueError):
            pass
        finally:
            self._all.discard(writer)
            self._streams.discard(writer)
            writer.transport.abort()

    def _begun(self, task: "asyncio.Task[None] | None") -> None:
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(
        self, request: dict[str, Any], answer: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        raw = json.dumps(answer).encode() + b"\n"
        fault = self.fault if request["do"] in CHANGES and self.fault in LOST else None
        if fault == "slow":
            await asyncio.sleep(self.slow_s)
        elif fault == "cut":
            writer.write(raw[: len(raw) // 2])
            await writer.drain()
            writer.close()
            return
        elif fault == "garble":
            raw = raw.replace(b'"status"', b'"st')
        elif fault in ("server", "client"):
            status, code = (503, "TRY_LATER") if fault == "server" else (418, "TEAPOT")
            raw = json.dumps({"id": request["id"], "status": status, "code": code}).encode() + b"\n"
        if fault != "drop":
            writer.write(raw)

    def _answer(self, request: dict[str, Any], known: bool) -> dict[str, Any]:
        do = request["do"]
        try:
            if not known:
                raise Refused(401, "LOGIN", "the key is not known")
            if self.fault == "busy" and do not in ("hello", "follow"):
                raise Refused(429, "TOO_MANY", "ask less often")
            if do in ("find", "open", "account") and self.fault == "queries":
                raise Refused(503, "TRY_LATER", "the server failed")
            if do in CHANGES and abs(request["at"] - self.now()) > WINDOW_US:
                raise Refused(400, "CLOCK", "the request is older than 2 s, or of the future")
            return {"status": 200, **getattr(self, f"do_{do}")(request)}
        except Refused as error:
            return error.answer

    def publish(self, event: dict[str, Any]) -> None:
        """Tells those who follow, as far as nothing is held back."""
        executed = event["kind"] in ("executed", "moved")
        later = executed and (self.fault == "hold" or (self.fault == "reorder" and not self.held))
        if later or self.fault == "deaf":
            self.held.append(event)
            return
        for writer in self._streams:
            self._push(writer, [event] * (2 if self.fault == "twice" else 1))
        self.let_go()

    def let_go(self) -> None:
        """What was held back is told, unless it still is to be."""
        if self.fault not in ("hold", "deaf"):
            held, self.held = self.held, []
            for writer in self._streams:
                self._push(writer, held)

    def _push(self, writer: asyncio.StreamWriter, events: list[dict[str, Any]]) -> None:
        for raw in _lines(events):
            writer.write(raw)


def _lines(events: list[dict[str, Any]]) -> Iterator[bytes]:
    for event in events:
        yield json.dumps(event).encode() + b"\n"


async def main(port: int) -> None:
    """Runs until the process ends."""
    venue = AcmeVenue()
    venue.set_market(Decimal("49.99"), Decimal("50.01"), Decimal(1_000_000))
    print(f"the Acme venue listens on port {await venue.start(port)}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))

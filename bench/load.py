"""A load generator that costs less than any server: requests are bytes made beforehand, answers are only counted.

Run as `python -m bench.load PORT CONNECTIONS REQUESTS PREFIX`; each connection has one request under way. Prints
what it saw as JSON.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import uvloop
from msgspec import Struct

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Seen(Struct):
    """What the servers answered.

    Attributes:
        statuses: how many answers of each status.
        answers_s: from the request's last byte to the answer's.
        cpu_s: of this process.
    """

    statuses: dict[str, int]
    wall_s: float
    cpu_s: float
    answers_s: list[float]


def requests(count: int, prefix: str) -> list[bytes]:
    """`POST /v1/orders`, each with a key of its own and a limit that nobody meets."""
    return [_request(f"{prefix}-{number:07}") for number in range(count)]


def _request(key: str) -> bytes:
    body = (
        f'{{"idempotency_key": "{key}", "symbol": "AAPL", "side": "buy", "quantity": "100", '
        '"order_type": "limit", "limit_price": "180.50", "tif": "day", "fund_id": "paper-momentum", '
        '"strategy_id": "momentum_v1", "broker": "paper", "actor": "research_signal_executor"}'
    ).encode()
    head = (
        "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its whole answer, sends the next."""

    def __init__(self, wanted: Iterator[bytes], statuses: Counter[str], answers_s: list[float]) -> None:
        self._wanted, self._statuses, self._answers_s = wanted, statuses, answers_s
        self._buffer, self._sent_at = b"", 0.0
        self._transport: Any = None  # uvloop's are no asyncio.WriteTransport
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Only keeps the transport; `start` begins."""
        self._transport = transport

    def start(self) -> None:
        """Sends the next request, or ends."""
        request = next(self._wanted, None)
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Counts the answer once it is whole."""
        buffer = self._buffer = self._buffer + data if self._buffer else data
        head = buffer.find(_END_OF_HEAD)
        if head < 0:
            return
        at = buffer.lower().find(_LENGTH, 0, head) + len(_LENGTH)
        end = buffer.find(b"\r\n", at)
        if len(buffer) < head + len(_END_OF_HEAD) + int(buffer[at:end]):
            return
        self._answers_s.append(time.perf_counter() - self._sent_at)
        self._statuses[buffer[9:12].decode()] += 1
        self._buffer = b""
        self.start()

    def connection_lost(self, _error: Exception | None) -> None:
        """The work is done, or the server went away."""
        if not self.finished.done():
            self.finished.set_result(None)


async def load(port: int, connections: int, count: int, prefix: str) -> Seen:
    """All the requests, over that many connections."""
    loop = asyncio.get_running_loop()
    wanted, statuses, answers_s = iter(requests(count, prefix)), Counter[str](), list[float]()
    opened = []
    for _ in range(connections):
        made = await loop.create_connection(
            lambda: _Connection(wanted, statuses, answers_s), "127.0.0.1", port
        )
        opened.append(made[1])
    wall, cpu = time.perf_counter(), time.process_time()
    for connection in opened:
        connection.start()
    for connection in opened:
        await connection.finished
    return Seen(dict(statuses), time.perf_counter() - wall, time.process_time() - cpu, answers_s)


if __name__ == "__main__":
    seen = uvloop.run(load(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
    sys.stdout.buffer.write(msgspec.json.encode(seen))

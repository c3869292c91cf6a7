"""One node, to be asked over a socket and killed: `python -m tests.acceptance.nodes.worker OPTIONS` (JSON).

Writes `ready PORT PID` once its gate is open; then each line that comes is a request of JSON, and is answered by a
line. Ends as the service does: with its gate when that fails, and in good order on SIGTERM.

Options: `url`; `lease_s` and `send_s`, shorter than in earnest; `ahead_s`, how wrong its clock is; `bug`, planted to
show that the suite finds it; `faults` of the venue, on unless False; `latency_ms` of the way to it.
"""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
import uvloop

from ordergate.application.ports import leases


class WrongClock:
    """The machine's clock, set wrong by so much."""

    def __init__(self, ahead_s: float) -> None:
        self.ahead = timedelta(seconds=ahead_s)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Worker:
    """Answers requests with a gate."""

    def __init__(self, gate: Any, clock: WrongClock) -> None:
        self.gate, self.clock = gate, clock
        self._answering: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                task = asyncio.ensure_future(self._answer(json.loads(line), writer))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        number, do = request.pop("number"), getattr(self, request.pop("do"))
        try:
            answer = await do(**request)
        except Exception as error:
            answer = {"error": type(error).__name__, "detail": str(error)}
        writer.write(json.dumps({"number": number, **answer}).encode() + b"\n")

    async def submit(self, **order: Any) -> dict[str, Any]:
        from ordergate.domain.orders.commands import SubmitOrder
        from ordergate.domain.orders.states import OrderType, Side, TimeInForce

        price = order.get("limit_price")
        command = SubmitOrder(
            fund_id="paper-momentum",
            symbol=order["symbol"],
            side=Side(order["side"]),
            quantity=Decimal(order["quantity"]),
            order_type=OrderType(order["order_type"]),
            limit_price=None if price is None else Decimal(price),
            tif=TimeInForce(order.get("tif", "gtc")),
            key_kind="idempotency_key",
            key=order["key"],
        )
        result = await self.gate.execute(command)
        return {
            "order_id": result.order.order_id,
            "state": str(result.order.state),
            "replayed": result.replayed,
        }

    async def cancel(self, order_id: str) -> dict[str, Any]:
        from ordergate.domain.orders.commands import CancelOrder

        await self.gate.execute(CancelOrder(order_id=order_id))
        return {}

    async def replace(self, order_id: str, quantity: str) -> dict[str, Any]:
        from ordergate.domain.orders.commands import ReplaceOrder

        await self.gate.execute(ReplaceOrder(order_id=order_id, quantity=Decimal(quantity)))
        return {}

    async def quote(self, symbol: str, bid: str, ask: str) -> dict[str, Any]:
        from ordergate.domain.market import Quote

        await self.gate.put_quote(
            "paper", Quote(symbol, self.clock.now(), Decimal(bid), Decimal(ask), pinned=True)
        )
        return {}

    async def set_clock(self, ahead_s: float) -> dict[str, Any]:
        self.clock.ahead = timedelta(seconds=ahead_s)
        return {}

    async def state(self) -> dict[str, Any]:
        """What its memory holds; `waiting` orders have not been sent, `unclear` ones have no answer yet."""
        from tests.acceptance.nodes.memory import remembered

        from ordergate.domain.orders.states import Phase, State

        engine = self.gate.runner.engine
        orders = list(engine.state.orders.rows.values())
        return {
            "size": engine.size,
            "complete": self.gate.runner.is_complete,
            "remembers": remembered(engine.state),
            "waiting": sum(order.state is State.ACCEPTED for order in orders),
            "unclear": sum(any(r.phase is not Phase.PARKED for r in order.requests) for order in orders),
            "owns": bool(engine.view.sessions),
        }


async def main(options: dict[str, Any]) -> None:
    from tests.acceptance.crash.worker import FAULTS
    from tests.acceptance.nodes import bugs
    from tests.services.funds import RICH

    from ordergate.adapters.brokers.paper import Faults
    from ordergate.bootstrap import leave_to_itself, open_gate
    from ordergate.config import Config, PaperBroker

    if bug := options.get("bug"):
        await bugs.plant(bug, options["url"])
    faults = FAULTS if options.get("faults", True) else Faults()
    brokers = {"paper": PaperBroker(faults=faults, latency_ms=options.get("latency_ms", 2))}
    config = Config(brokers=brokers, limits=RICH)
    clock = WrongClock(options.get("ahead_s", 0))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_gate(config, options["url"], clock=clock) as gate:
        leave_to_itself()
        server = await asyncio.start_server(Worker(gate, clock).serve, "127.0.0.1", 0)
        gate.running.add_done_callback(lambda _ended: stop.set())
        print("ready", server.sockets[0].getsockname()[1], flush=True)
        await stop.wait()
        server.close()


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    # Before anything else is imported: others take these when they are.
    leases.LEASE_S = given.get("lease_s", leases.LEASE_S)
    leases.SEND_S = given.get("send_s", leases.SEND_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(given))

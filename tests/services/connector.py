"""A connector behind NATS: a little venue that speaks as docs/reference/bus.md says, and nothing of ordergate's.

It is written from that page: its own JSON, its own subjects, no import of the package. It runs as a task, or as a
process (`python -m tests.services.connector URL BROKER`), and keeps its orders while ordergate comes and goes.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from nats.aio.client import Client

CAN = {
    "protocol": "ordergate.v1",
    "order_types": ["market", "limit"],
    "tifs": ["day", "gtc", "gtd"],
    "deduplication": "forever",
    "proves_absence": True,
    "replaces": True,
    "lists": True,
    "statements": True,
}


def now(ahead: timedelta = timedelta()) -> str:
    return (datetime.now(UTC) + ahead).isoformat().replace("+00:00", "Z")


@dataclass
class Work:
    """An order at the venue."""

    name: str
    client_ids: list[str]
    symbol: str
    sign: int
    quantity: Decimal
    limit: Decimal | None
    tif: str = "gtc"
    levels: dict[str, Decimal] = field(default_factory=dict)
    filled: Decimal = Decimal(0)
    end: str | None = None
    executions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def leaves(self) -> Decimal:
        return self.quantity - self.filled if self.end is None else Decimal(0)


class Connector:
    def __init__(self, broker: str, symbols: tuple[str, ...] = ("ACME",)) -> None:
        self.broker, self.symbols = broker, symbols
        self.client = Client()
        self.can = dict(CAN)
        self.orders: list[Work] = []
        self.known: dict[str, Work] = {}
        self.bid = self.ask = Decimal(0)
        self.sizes = {1: Decimal(0), -1: Decimal(0)}
        self.positions: dict[str, Decimal] = {}
        self.cash = Decimal(1_000_000)
        self.silent: set[str] = set()
        self.twice = self.reorder = self.hold = self.half = False
        self.refuses: str | None = None
        self.ahead = timedelta()
        self.tick: Decimal | None = None
        self.step: Decimal | None = None
        self.before_answer: Any = None
        self.spoil: Callable[[bytes], bytes] | None = None  # answers of what changes something
        self.held: list[dict[str, Any]] = []
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.sequence = 0

    async def start(self, url: str) -> None:
        async def ignored(_error: Exception) -> None:
            pass

        await self.client.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.05, error_cb=ignored)
        for verb in ("hello", "submit", "cancel", "replace", "lookup", "open", "statement"):
            await self.client.subscribe(f"ordergate.v1.brokers.{self.broker}.{verb}", cb=self._on)
        await self.client.flush()

    async def close(self) -> None:
        await self.client.close()

    async def _on(self, message: Any) -> None:
        verb = message.subject.rsplit(".", 1)[1]
        body = json.loads(message.data)
        self.asked.append((verb, body))
        answer = await getattr(self, verb)(body)
        if self.before_answer is not None:
            await self.before_answer(verb)
        if answer is not None and verb not in self.silent and "all" not in self.silent:
            raw = json.dumps(answer).encode()
            changes = self.spoil is not None and verb in ("submit", "cancel", "replace")
            await message.respond(self.spoil(raw) if changes else raw)

    async def hello(self, _body: dict[str, Any]) -> dict[str, Any]:
        return self.can

    async def submit(self, body: dict[str, Any]) -> dict[str, Any] | None:
        if body["client_id"] in self.known:
            return {"outcome": "duplicate", "broker_order_id": self.known[body["client_id"]].name}
        if body["valid_until"] < now(self.ahead):
            return None
        wrong = self._wrong(body)
        if wrong:
            return {"outcome": "rejected", "reason": wrong}
        self.sequence += 1
        limit = body.get("limit_price")
        work = Work(
            name=f"t{self.sequence}",
            client_ids=[body["client_id"]],
            symbol=body["symbol"],
            sign=1 if body["order_type"] == "buy" else -1,
            quantity=Decimal(body["volume"]),
            limit=None if limit is None else Decimal(limit),
            tif=body["tif"],
            levels={name: Decimal(body[name]) for name in ("sl", "tp") if body.get(name) is not None},
        )
        self.orders.append(work)
        self.known[body["client_id"]] = work
        await self.trade()
        return {"outcome": "accepted", "broker_order_id": work.name}

    def _wrong(self, body: dict[str, Any]) -> str | None:
        if body["symbol"] not in self.symbols:
            return f"no symbol {body['symbol']}"
        if body["kind"] not in self.can["order_types"] or Decimal(body["volume"]) <= 0:
            return "not like that"
        if body["tif"] == "gtd" and body["expires_at"] < now():
            return "its time is over"
        for name, step in (("limit_price", self.tick), ("volume", self.step)):
            if step is not None and body.get(name) is not None and Decimal(body[name]) % step:
                return f"{name} {body[name]} is no multiple of {step}"
        return self.refuses

    async def cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        work = self.known.get(body["order"])
        if work is None or work.end is not None or not work.leaves:
            return {"outcome": "rejected", "reason": "nothing to cancel"}
        self.known[body["client_id"]] = work
        work.end = "canceled"
        await self.tell({"report": "ended", "client_id": work.client_ids[-1], "end": "canceled"})
        return {"outcome": "accepted"}

    async def replace(self, body: dict[str, Any]) -> dict[str, Any]:
        work = self.known.get(body["order"])
        if work is None or work.end is not None or not work.leaves:
            return {"outcome": "rejected", "reason": "nothing to replace"}
        self.known[body["client_id"]] = work
        work.client_ids.append(body["client_id"])
        if body.get("quantity"):
            work.quantity = Decimal(body["quantity"])
        if body.get("limit_price"):
            work.limit = Decimal(body["limit_price"])
        terms = {
            "quantity": str(work.quantity),
            "limit_price": None if work.limit is None else str(work.limit),
        }
        await self.tell({"report": "replaced", "client_id": body["client_id"], **terms})
        await self.trade()
        return {"outcome": "accepted"}

    async def lookup(self, body: dict[str, Any]) -> dict[str, Any]:
        work = self.known.get(body.get("client_id"))
        if work is None and body.get("client_id") is None:
            work = next((one for one in self.orders if one.name == body["broker_order_id"]), None)
        if work is None:
            return {"presence": "absent"}
        name = {"client_id": work.client_ids[-1], "broker_order_id": work.name}
        ended = [] if work.end is None else [{"report": "ended", **name, "end": work.end}]
        return {
            "presence": "found",
            "reports": [{"report": "acknowledged", **name}, *work.executions, *ended],
        }

    async def open(self, _body: dict[str, Any]) -> dict[str, Any]:
        ids = [work.client_ids[-1] for work in self.orders if work.leaves]
        return {"complete": not self.half, "client_ids": ids[1:] if self.half else ids}

    async def statement(self, _body: dict[str, Any]) -> dict[str, Any]:
        return {
            "complete": not self.half,
            "positions": {s: str(q) for s, q in self.positions.items()},
            "balances": {"USD": str(self.cash)},
            "working": [work.client_ids[-1] for work in self.orders if work.leaves],
            "executions": [one for work in self.orders for one in work.executions],
            "executions_since": "1970-01-01T00:00:00Z",
        }

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        self.bid, self.ask, self.sizes = bid, ask, {1: size, -1: size}
        await self.trade()

    async def trade(self) -> None:
        for work in self.orders:
            price = self.ask if work.sign > 0 else self.bid
            if not work.leaves or not price:
                continue
            if work.limit is not None and (price - work.limit) * work.sign > 0:
                continue
            done = min(work.leaves, self.sizes[work.sign])
            if done > 0:
                self.sizes[work.sign] -= done
                await self._executed(work, done, price)
        for work in [work for work in self.orders if work.levels and work.filled]:
            price = self.bid if work.sign > 0 else self.ask
            stop, target = work.levels.get("sl"), work.levels.get("tp")
            if stop is not None and (price - stop) * work.sign <= 0:
                await self._close(work, price, "stop")
            elif target is not None and (price - target) * work.sign >= 0:
                await self._close(work, price, "limit")

    async def _close(self, entry: Work, price: Decimal, kind: str) -> None:
        """What an entry has opened, at one of its levels."""
        entry.levels = {}
        self.sequence += 1
        closing = Work(f"t{self.sequence}", [], entry.symbol, -entry.sign, entry.filled, None)
        self.orders.append(closing)
        await self._executed(closing, entry.filled, price, closes=entry.client_ids[0], order_type=kind)

    async def _executed(self, work: Work, quantity: Decimal, price: Decimal, **more: str) -> None:
        work.filled += quantity
        self.positions[work.symbol] = self.positions.get(work.symbol, Decimal(0)) + work.sign * quantity
        self.cash -= work.sign * quantity * price
        self.sequence += 1
        said = {
            "report": "executed",
            "client_id": work.client_ids[-1] if work.client_ids else None,
            "broker_order_id": work.name,
            "exec_id": f"e{self.sequence}",
            "time": now(),
            "quantity": str(quantity),
            "price": str(price),
            "symbol": work.symbol,
            "side": "buy" if work.sign > 0 else "sell",
            "completes": not work.leaves,
            **more,
        }
        work.executions.append(said)
        await self.tell(said)

    async def end_day(self) -> None:
        for work in self.orders:
            if work.leaves and work.tif == "day":
                work.end = "expired"
                await self.tell({"report": "ended", "client_id": work.client_ids[-1], "end": "expired"})

    async def say_otherwise(self, exec_id: str, quantity: Decimal, price: Decimal) -> None:
        """Corrects an execution, or takes it back where nothing is left of it; the order is that much smaller."""
        work, was = next((w, e) for w in self.orders for e in w.executions if e["exec_id"] == exec_id)
        change = quantity - Decimal(was["quantity"])
        work.filled, work.quantity = work.filled + change, work.quantity + change
        self.positions[work.symbol] += work.sign * change
        self.sequence += 1
        kind = "correct" if quantity else "bust"
        said = {
            **was,
            "exec_id": f"e{self.sequence}",
            "time": now(),
            "execution_kind": kind,
            "refers_to": exec_id,
        }
        said |= {"quantity": str(quantity), "price": str(price)} if quantity else {}
        work.executions.append(said)
        await self.tell(said)

    async def tell(self, said: dict[str, Any]) -> None:
        if self.hold or (self.reorder and not self.held):
            self.held.append(said)
            return
        for _ in range(2 if self.twice else 1):
            await self.publish(f"ordergate.v1.brokers.{self.broker}.reports", said)
        if not self.hold:
            await self.let_go()

    async def let_go(self) -> None:
        held, self.held = self.held, []
        for said in held:
            await self.publish(f"ordergate.v1.brokers.{self.broker}.reports", said)

    async def publish(
        self, subject: str, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        """Tries until the stream has it: a report is not lost because the server is away."""
        while True:
            try:
                await self.client.jetstream().publish(
                    subject, json.dumps(body).encode(), headers=headers, timeout=2
                )
            except Exception:
                if self.client.is_closed:
                    return
                await asyncio.sleep(0.05)
            else:
                return


async def main(url: str, broker: str) -> None:
    connector = Connector(broker, ("ACME", "EURUSD", "AAPL"))
    await connector.start(url)
    await connector.set_market(Decimal("1.08000"), Decimal("1.08010"), Decimal(1_000_000))
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))

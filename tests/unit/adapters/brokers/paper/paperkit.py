"""Talks to a paper broker in lines of text, so that tests read as the conversation.

A: buy 100 limit 10.00 ioc     a submit; cancel and `replace quantity 50 limit 10.01` name A's last request
quote 10.00/10.02 300x200      bid/ask and, if given, their sizes
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ordergate.adapters.brokers.paper import Faults, PaperBroker, PaperSettings
from ordergate.adapters.brokers.paper.postgres.store import PostgresStore
from ordergate.adapters.clock import VirtualClock
from ordergate.application.ports.brokers import Answer, Change, Send, Withdraw
from ordergate.domain.instruments import built_in
from ordergate.domain.market import Quote
from ordergate.domain.orders.reports import (
    Acknowledged,
    AnyReport,
    Confirmed,
    Ended,
    Executed,
    Marked,
    Replaced,
)
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

START = datetime(2026, 1, 14, 15, tzinfo=UTC)  # a Wednesday, in New York's session


class Sink:
    def __init__(self) -> None:
        self.reports: list[AnyReport] = []
        self.quotes: list[Quote] = []

    def report(self, report: AnyReport) -> None:
        self.reports.append(report)

    def quote(self, quote: Quote) -> None:
        self.quotes.append(quote)


class RunningClock:
    """Time as it passes, from `start` on: a server does not wait for simulated time."""

    def __init__(self, start: datetime) -> None:
        self._start, self._began = start, time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Bench:
    """`path` may be the URL of a PostgreSQL database; then it must run in real time."""

    def __init__(
        self,
        settings: PaperSettings | None = None,
        path: Path | str | None = None,
        start: datetime = START,
        symbol: str = "ACME",
    ) -> None:
        self.clock, self.symbol = (
            RunningClock(start) if isinstance(path, str) else VirtualClock(start),
            symbol,
        )
        self.settings, self.path = settings or PaperSettings(), path
        self.expires_at: datetime | None = start + timedelta(hours=1)  # of gtd orders
        self.sink = Sink()
        self.broker = self.another()
        self.requests: dict[str, int] = {}
        self.accepted: dict[str, str] = {}
        self.seen = 0

    def another(self, instruments: Any = built_in, name: str = "paper") -> PaperBroker:
        return PaperBroker(name, self.settings, self.path, self.clock, instruments)

    async def open(self, cursor: str | None = None) -> "Bench":
        await self.broker.connect(self.sink, cursor)
        return self

    async def reopen(self, cursor: str | None = None) -> "Bench":
        """A new process: another broker over the same file, with a sink that has seen nothing."""
        await self.broker.close()
        if self.path is not None:
            self.broker = self.another()
        self.sink, self.seen = Sink(), 0
        return await self.open(cursor)

    async def do(self, line: str) -> list[str]:
        """Carries out a line; returns what was reported since the last, then the answer if not ACCEPTED."""
        said = await self._carry_out(line)
        answer = [] if said is None or said.outcome == "accepted" else [said.outcome.value]
        return self.news() + answer

    def news(self) -> list[str]:
        new, self.seen = self.sink.reports[self.seen :], len(self.sink.reports)
        return [describe(report) for report in new]

    async def _carry_out(self, line: str) -> Answer | None:
        if line.startswith("quote"):
            self.broker.set_quote(self.a_quote(line))
            await self.clock.sleep(0)
            await self.clock.sleep(0)
            if isinstance(self.path, str):
                await self.broker.open_orders()  # travels behind the quote
            return None
        order, words = line.split(":")[0], line.split(":")[1].split()
        if words[0] == "cancel":
            withdraw = Withdraw(
                client_id=self.next_id(order), order=self.accepted[order], broker_order_id=None
            )
            return await self.broker.cancel(withdraw)
        if words[0] == "replace":
            return await self._replace(order, words[1:])
        return await self.broker.submit(self.a_send(self.next_id(order), order, words))

    async def _replace(self, order: str, words: list[str]) -> Answer:
        named = dict(zip(words[::2], map(Decimal, words[1::2]), strict=True))
        terms = {"quantity": "quantity", "limit": "limit_price", "stop": "stop_price"}
        change = Change(
            client_id=self.next_id(order),
            order=self.accepted[order],
            broker_order_id=None,
            **{terms[name]: value for name, value in named.items()},
        )
        answer = await self.broker.replace(change)
        if answer.outcome == "accepted":
            self.accepted[order] = change.client_id
        return answer

    def next_id(self, order: str) -> str:
        self.requests[order] = self.requests.get(order, 0) + 1
        return f"{order}.{self.requests[order]}"

    def a_send(self, client_id: str, order: str, words: list[str]) -> Send:
        self.accepted[order] = client_id
        side, quantity, *rest = words
        tif = rest.pop() if rest and rest[-1] in list(TimeInForce) else "gtc"
        prices = {rest[i]: Decimal(rest[i + 1]) for i in range(0, len(rest), 2)}
        kind = "_".join(name for name in ("stop", "limit") if name in prices) or "market"
        return Send(
            client_id=client_id,
            symbol=self.symbol,
            side=Side(side),
            quantity=Decimal(quantity),
            order_type=OrderType(kind),
            tif=TimeInForce(tif),
            limit_price=prices.get("limit"),
            stop_price=prices.get("stop"),
            expires_at=self.expires_at if tif == "gtd" else None,
        )

    def a_quote(self, line: str, *, pinned: bool = False) -> Quote:
        _, prices, *sizes = line.split()
        bid, ask = map(Decimal, prices.split("/"))
        sized = [Decimal(size) for size in sizes[0].split("x")] if sizes else [None, None]
        return Quote(self.symbol, self.clock.now(), bid, ask, *sized, pinned=pinned)


def describe(report: AnyReport) -> str:
    order = (report.client_id or "").partition(".")[0]
    match report:
        case Acknowledged():
            return f"{order} rests"
        case Executed():
            return f"{order} {report.quantity} @ {report.price}" + (" done" if report.completes else "")
        case Ended():
            return f"{order} {report.end.value}"
        case Marked():
            return f"{order} {report.mark.value}"
        case Replaced():
            limit = "" if report.limit_price is None else f" limit {report.limit_price}"
            stop = "" if report.stop_price is None else f" stop {report.stop_price}"
            return f"{order} now {report.quantity}{stop}{limit}"
        case Confirmed():
            return f"{order} confirmed"
    return type(report).__name__


def faults(**chances: object) -> PaperSettings:
    """Settings with faults; probabilities as text."""
    counts = ("seed", "late_answer_ms")
    return PaperSettings(
        faults=Faults(**{name: v if name in counts else Decimal(str(v)) for name, v in chances.items()})
    )


def hold_writes(bench: Bench) -> tuple[asyncio.Event, asyncio.Event]:
    """The next write waits before it is sent, as that of a process that is paused there: (reached, go on)."""
    store, reached, go_on = bench.broker._store, asyncio.Event(), asyncio.Event()
    assert isinstance(store, PostgresStore)
    ask = store._ask

    async def wait(failing: str, sql: str, *values: Any) -> Any:
        if sql is store._writing:
            reached.set()
            await go_on.wait()
        return await ask(failing, sql, *values)

    store._ask = wait  # type: ignore[method-assign]
    return reached, go_on

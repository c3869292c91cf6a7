"""The Acme venue behind the broker port.

Written from the venue's documents (README.md): what they say is proof is proof, everything else is unknown.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from acme_broker.line import Line, NotAnswered, NotWritten
from acme_broker.reading import OUTCOMES, TAKEN_BY_WORD, in_micros, report_of
from ordergate.adapters.brokers.plugin import BrokerParts
from ordergate.application.ports.brokers import (
    Answer,
    Capabilities,
    Change,
    Deduplication,
    Health,
    LoginRefused,
    Lookup,
    OpenOrders,
    Presence,
    Send,
    Sink,
    Withdraw,
)
from ordergate.domain.instruments import TOKEN
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import Executed, Outcome
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.domain.recon.statement import Statement

WINDOW_S: Final = 2
"""A request that is older than that when it arrives is not taken: the venue says so in its documents."""
_RETRY_S: Final = 0.05
_LONGEST_LINE: Final = 2**24
"""Bytes: all executions come in one answer, and a line above asyncio's own limit of 64 KiB would end the connection."""
_DOWN: Final = "there is no connection to the venue"

CAPABILITIES: Final = Capabilities(
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    tifs=frozenset({TimeInForce.DAY, TimeInForce.GTC}),
    deduplication=Deduplication.FOREVER,
    proves_absence=True,
    grace_s=WINDOW_S,
    replaces=True,
    calls=8,
    statements=True,
    operations=frozenset({Operation.SPOT_TRADE, Operation.TRANSFER}),
)


class AcmeBroker:
    """One account at the Acme venue."""

    def __init__(self, parts: BrokerParts) -> None:
        self._name, self._settings, self._clock = parts.name, parts.settings, parts.clock
        self._secrets = parts.secrets
        self._deadline_s = parts.settings.deadline_ms / 1000
        self._sink: Sink | None = None
        self._line: Line | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._seen = 0  # everything up to that event was told
        self._ahead: set[int] = set()  # told, with a gap before
        self._sent: dict[str, float] = {}
        self._began = 0.0

    @property
    def name(self) -> str:
        """As orders and funds name it."""
        return self._name

    @property
    def capabilities(self) -> Capabilities:
        """What the venue's documents say."""
        return CAPABILITIES

    @property
    def taken_over(self) -> bool:
        """Never: the venue takes any number of connections."""
        return False

    async def connect(self, sink: Sink, cursor: str | None) -> None:
        """Begins a session, which lasts over lost connections; where the venue is away, as soon as it is there.

        Raises:
            LoginRefused: the venue does not know the key.
        """
        await self.close()
        loop = asyncio.get_running_loop()
        self._sink, self._seen, self._began = sink, int(cursor or 0), loop.time()
        self._ahead.clear()
        self._keeping = loop.create_task(self._keep())
        up = loop.create_task(self._up.wait())
        await asyncio.wait({up, self._keeping}, timeout=self._deadline_s, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._keeping.done():
            await self._keeping  # raises

    async def close(self) -> None:
        """Ends the session; what works at the venue goes on working."""
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        self._sink = None

    async def _keep(self) -> None:
        while True:
            with suppress(OSError, NotWritten, NotAnswered):
                await self._hold()  # a refused login is not tried again
            await asyncio.sleep(_RETRY_S)

    async def _hold(self) -> None:
        """One connection, from its beginning to its end."""
        line, reading = await self._dial()
        try:
            await self._greet(line)
            await line.ask("follow", self._deadline_s, after=self._seen)
            self._line = line
            self._up.set()
            await line.ended.wait()
        finally:
            self._up.clear()
            self._line = None
            reading.cancel()
            line.close("the session is over")

    async def _dial(self) -> tuple[Line, asyncio.Task[None]]:
        host, port = self._settings.host, self._settings.port
        line = Line(*await asyncio.open_connection(host, port, limit=_LONGEST_LINE))
        return line, asyncio.get_running_loop().create_task(line.read(self._on_event))

    async def _greet(self, line: Line) -> dict[str, Any]:
        """Says who we are. Raises LoginRefused where the venue does not know us."""
        held = self._secrets.get("api_key")
        said = await line.ask("hello", self._deadline_s, key=None if held is None else held.reveal())
        if said.get("status") != 200:
            raise LoginRefused(
                f"broker {self._name}: the venue said: {said.get('reason')}; give it a key that is valid there"
            )
        return said

    def _on_event(self, event: dict[str, Any]) -> None:
        number = event["event"]
        if number > self._seen:
            self._ahead.add(number)
        while self._seen + 1 in self._ahead:
            self._seen += 1
            self._ahead.discard(self._seen)
        if self._sink is not None:
            self._sink.report(report_of(self._name, event, cursor=str(self._seen)))
        if self._ahead and self._line is not None:  # something before is missing: it is told again
            self._healing = asyncio.ensure_future(self._heal(self._line))

    async def _heal(self, line: Line) -> None:
        with suppress(NotWritten, NotAnswered):
            await line.ask("follow", self._deadline_s, after=self._seen)

    async def submit(self, send: Send) -> Answer:
        """Sends an order."""
        wrong = self._wrong(send)
        if wrong is not None:
            return Answer(outcome=Outcome.REJECTED, reason=wrong)
        self._sent[send.client_id] = asyncio.get_running_loop().time()
        answer = await (self._transfer(send) if send.operation is Operation.TRANSFER else self._order(send))
        if answer.outcome is not Outcome.UNKNOWN:
            del self._sent[send.client_id]
        return answer

    async def _order(self, send: Send) -> Answer:
        return await self._request(
            "order",
            client_id=send.client_id,
            symbol=send.symbol,
            side=send.side,
            quantity=str(send.quantity),
            limit=None if send.limit_price is None else str(send.limit_price),
            tif=send.tif,
        )

    async def _transfer(self, send: Send) -> Answer:
        target = None if send.terms is None else send.terms.target
        token, amount = send.symbol.removeprefix(TOKEN), str(send.quantity)
        return await self._request(
            "transfer", client_id=send.client_id, token=token, amount=amount, target=target
        )

    def _wrong(self, send: Send) -> str | None:
        if send.operation not in CAPABILITIES.operations:
            return f"operation is {send.operation}: the venue does {_listed(CAPABILITIES.operations)}"
        if send.order_type not in CAPABILITIES.order_types:
            return f"order_type is {send.order_type}: the venue takes {_listed(CAPABILITIES.order_types)}"
        if send.tif not in CAPABILITIES.tifs:
            return f"tif is {send.tif}: the venue takes {_listed(CAPABILITIES.tifs)}"
        price = ("limit_price", send.limit_price if send.order_type is OrderType.LIMIT else Decimal(1))
        for name, value in (("quantity", send.quantity), price):
            if value is None or not value.is_finite() or value <= 0:
                return f"{name} is {value}: it must be a number above 0"
        return None

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for a cancel."""
        return await self._request("cancel", client_id=withdraw.client_id, order=withdraw.order)

    async def replace(self, change: Change) -> Answer:
        """Asks for new terms."""
        terms = {"quantity": change.quantity, "limit": change.limit_price}
        given = {name: str(value) for name, value in terms.items() if value is not None}
        return await self._request("replace", client_id=change.client_id, order=change.order, **given)

    async def _request(self, do: str, **fields: Any) -> Answer:
        """How a request ended: by the venue's documented word, else unknown."""
        line = self._line
        if line is None:
            return Answer(outcome=Outcome.NOT_SENT, reason=_DOWN)
        try:
            said = await line.ask(do, self._deadline_s, at=in_micros(self._clock.now()), **fields)
        except NotWritten as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        except NotAnswered as error:
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        outcome = OUTCOMES.get((said.get("status"), said.get("code")), Outcome.UNKNOWN)
        return Answer(
            outcome=outcome, broker_order_id=said.get("order"), reason=said.get("reason"), raw=str(said)
        )

    async def _query(self, do: str, **fields: Any) -> dict[str, Any] | str:
        """What the venue says, or why it says nothing."""
        line = self._line
        if line is None:
            return _DOWN
        try:
            said = await line.ask(do, self._deadline_s, **fields)
        except (NotWritten, NotAnswered) as error:
            return str(error)
        return said if said.get("status") in TAKEN_BY_WORD else f"the venue said {said}"

    async def lookup(self, client_id: str, broker_order_id: str | None = None) -> Lookup:
        """What the venue knows of a request; it is absent once it could no longer be taken."""
        said = await self._query("find", client_id=client_id)
        if isinstance(said, str):
            return Lookup(presence=Presence.UNAVAILABLE, reason=said)
        if said["status"] == 404:
            proven = self._age(client_id) > WINDOW_S + self._deadline_s
            return Lookup(presence=Presence.ABSENT if proven else Presence.UNPROVEN, reason=said["reason"])
        return Lookup(
            presence=Presence.FOUND, reports=tuple(report_of(self._name, e) for e in said["events"])
        )

    def _age(self, client_id: str) -> float:
        """For how many seconds a request could have arrived: one of another process, since we are there."""
        return asyncio.get_running_loop().time() - self._sent.get(client_id, self._began)

    async def open_orders(self) -> OpenOrders:
        """What works at the venue now."""
        as_of, said = self._clock.now(), await self._query("open")
        if isinstance(said, str):
            return OpenOrders(as_of=as_of, complete=False)
        return OpenOrders(as_of=as_of, complete=said["complete"], client_ids=frozenset(said["client_ids"]))

    async def statement(self, since: datetime) -> Statement:
        """What is in the account, and what was executed since then."""
        as_of, said = self._clock.now(), await self._query("account", since=in_micros(since))
        if isinstance(said, str):
            return Statement(as_of=as_of, complete=False, why=said)
        if not said["complete"]:
            return Statement(as_of=as_of, complete=False)
        reports = [report_of(self._name, event) for event in said["events"]]
        return Statement(
            as_of=as_of,
            complete=True,
            positions={symbol: Decimal(held) for symbol, held in said["positions"].items()},
            balances={currency: Decimal(money) for currency, money in said["balances"].items()},
            executions=tuple(report for report in reports if isinstance(report, Executed)),
            executions_since=since,
        )

    async def check(self) -> Health:
        """Asks the venue over a connection of its own, which ends nobody's session and changes nothing."""
        try:
            line, reading = await self._dial()
        except OSError as error:
            return Health(reached=False, problems=(f"{self._settings.host} cannot be reached: {error}",))
        try:
            said = await self._greet(line)
            opened = await line.ask("open", self._deadline_s)
        except LoginRefused as error:
            return Health(reached=True, login=False, problems=(str(error),))
        except (NotWritten, NotAnswered) as error:
            return Health(reached=False, problems=(str(error),))
        finally:
            reading.cancel()
            line.close("the check is over")
        ahead = timedelta(microseconds=said["now"] - in_micros(self._clock.now()))
        return Health(
            reached=True,
            login=True,
            clock_ahead_s=Decimal(str(ahead.total_seconds())),
            clock_most_s=Decimal(WINDOW_S),
            permissions=tuple(said["permissions"]),
            may_trade="trade" in said["permissions"],
            may_withdraw="withdraw" in said["permissions"],
            open_orders=len(opened["client_ids"]) if opened.get("complete") else None,
        )


def _listed(values: frozenset[Any]) -> str:
    return ", ".join(sorted(values))

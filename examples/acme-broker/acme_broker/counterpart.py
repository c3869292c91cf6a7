"""The Acme venue as the broker suite steers one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from acme_broker.broker import AcmeBroker
from acme_broker.settings import AcmeSettings
from acme_broker.venue import AcmeVenue
from ordergate.adapters.brokers.plugin import BrokerParts
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.brokers import Send
from ordergate.application.ports.secrets import Secret
from ordergate.domain.instruments import built_in
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import OperationTerms, side_of
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.testing.conformance.broker import BrokerConformance
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault, OperationSample

FAULTS: Final[dict[Fault, str]] = {
    Fault.DROP_ANSWERS: "drop",
    Fault.CUT_ANSWERS: "cut",
    Fault.GARBLED_ANSWERS: "garble",
    Fault.SERVER_ERRORS: "server",
    Fault.CLIENT_ERRORS: "client",
    Fault.SLOW_ANSWERS: "slow",
    Fault.REFUSE_ORDERS: "refuse",
    Fault.RATE_LIMIT: "busy",
    Fault.CLOCK_SKEW: "clock",
    Fault.REFUSE_LOGIN: "unknown",
    Fault.DUPLICATE_REPORTS: "twice",
    Fault.REORDER_REPORTS: "reorder",
    Fault.HOLD_REPORTS: "hold",
    Fault.BREAK_STREAM: "deaf",
    Fault.INCOMPLETE_SNAPSHOT: "half",
    Fault.FAIL_QUERIES: "queries",
}
DEADLINE_MS: Final = 150


def _transfer(amount: str) -> Send:
    return Send(
        client_id="",
        symbol="token:USD",
        side=side_of(Operation.TRANSFER),
        quantity=Decimal(amount),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        operation=Operation.TRANSFER,
        terms=OperationTerms(target="elsewhere"),
    )


class AcmeCounterpart(Counterpart):
    """A venue on a free port, and the adapter."""

    symbol = "ACME"
    lot = Decimal(10)
    price = Decimal("50.00")
    tick = Decimal("0.01")
    faults = frozenset(FAULTS)
    abilities = frozenset(Ability) - {Ability.LEVELS}
    off_steps = {  # noqa: RUF012
        "a price off the tick": {"limit_price": Decimal("49.505")},
        "a quantity off the step": {"quantity": Decimal("10.5")},
    }

    operations = (
        OperationSample(send=_transfer("250.50"), moves={"acme:BaseToken:USD": Decimal("-250.50")}),
        OperationSample(send=_transfer("1"), moves={"acme:BaseToken:USD": Decimal(-1)}),
    )
    refused_operations = {"more than there is": _transfer("5000000")}  # noqa: RUF012
    patience_s = 10.0

    def __init__(self, make: Callable[[BrokerParts], AcmeBroker] = AcmeBroker) -> None:
        self.make, self.acme = make, AcmeVenue()
        self.acme.slow_s = DEADLINE_MS / 1000 + 0.05
        self.port = 0

    async def start(self) -> None:
        self.port = await self.acme.start()
        self.broker: AcmeBroker = self.another()

    def another(self) -> AcmeBroker:
        parts = BrokerParts(
            name="acme",
            settings=AcmeSettings(port=self.port, deadline_ms=DEADLINE_MS),
            place=None,
            clock=SystemClock(),
            secrets={"api_key": Secret(self.acme.key)},
            catalogue=built_in,
        )
        return self.make(parts)

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        self.acme.set_market(bid, ask, size)

    async def settle(self) -> None:
        """Whatever the venue has told has been heard, over a connection that was made anew where one was lost."""
        self.acme.let_go()
        async with asyncio.timeout(self.patience_s):
            while self.broker._sink is not None and not (self.broker._up.is_set() and self.heard):
                await asyncio.sleep(0.001)

    @property
    def heard(self) -> bool:
        """Whether everything that is not held back has been told."""
        held = {event["event"] for event in self.acme.held}
        return all(
            event["event"] <= self.broker._seen or event["event"] in self.broker._ahead
            for event in self.acme.log
            if event["event"] not in held
        )

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self.another()

    def inject(self, *faults: Fault) -> None:
        self.acme.fault = next((FAULTS[fault] for fault in faults), None)
        if self.acme.fault == "deaf":
            self.acme.hang_up()

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        theirs = {"client_id": "theirs", "symbol": self.symbol, "side": "buy", "quantity": "10", "tif": "gtc"}
        name = self.acme.do_order({**theirs, "limit": "1.00"})["order"]

        async def works() -> bool:
            return bool(self.acme.orders[name].leaves)

        return works

    async def bust(self, exec_id: str) -> None:
        self.acme.say_otherwise(exec_id, Decimal(0), Decimal(0))

    async def correct(self, exec_id: str, quantity: Decimal, price: Decimal) -> None:
        self.acme.say_otherwise(exec_id, quantity, price)

    async def reorganise(self) -> None:
        self.acme.do_again()

    async def change_steps(self) -> Decimal:
        self.acme.tick = Decimal("0.25")
        return self.acme.tick

    async def roll_day(self) -> None:
        self.acme.end_day()


class AcmeSuite(BrokerConformance):
    """The suite on the adapter that `make` makes."""

    make: Callable[[BrokerParts], AcmeBroker] = AcmeBroker

    @asynccontextmanager
    async def venue(self) -> AsyncIterator[Counterpart]:
        counterpart = AcmeCounterpart(type(self).make)
        await counterpart.start()
        try:
            yield counterpart
        finally:
            await counterpart.broker.close()
            await counterpart.acme.stop()

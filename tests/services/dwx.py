"""A DWX server over a folder for tests: in simulated time, at a broker whose account takes what the suite sends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.brokers.dwx import DwxSettings
from ordergate.adapters.brokers.dwx.broker import DwxBroker
from ordergate.adapters.clock import VirtualClock
from ordergate.application.ports.brokers import Answer, Send, Withdraw
from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault, Recorder
from ordergate.testing.metatrader4.dwx_account import DwxAccount, Symbol
from ordergate.testing.metatrader4.dwx_files import DwxFiles, State
from ordergate.testing.metatrader4.dwx_server import DwxServer

START = datetime(2026, 1, 14, 15, tzinfo=UTC)
ORDERS, MESSAGES = "DWX_Orders", "DWX_Messages"
STATES: dict[Fault, dict[str, State]] = {
    Fault.DROP_ANSWERS: {ORDERS: State.FROZEN, MESSAGES: State.FROZEN},
    Fault.CUT_ANSWERS: {ORDERS: State.CUT, MESSAGES: State.CUT},
    Fault.GARBLED_ANSWERS: {ORDERS: State.GARBLED, MESSAGES: State.GARBLED},
    Fault.SERVER_ERRORS: {ORDERS: State.FROZEN},
    Fault.CLIENT_ERRORS: {ORDERS: State.FROZEN},
    Fault.SLOW_ANSWERS: {ORDERS: State.FROZEN, MESSAGES: State.FROZEN},
    Fault.INCOMPLETE_SNAPSHOT: {ORDERS: State.CUT},
    Fault.FAIL_QUERIES: {ORDERS: State.GONE},
    Fault.BREAK_STREAM: {ORDERS: State.FROZEN, MESSAGES: State.FROZEN},
}
_LIES = {Fault.SERVER_ERRORS: 128, Fault.CLIENT_ERRORS: 4999}
"""A timeout of the server, after which the order may be there, and a number that the expert advisor has no words for."""


class Terminal:
    """A folder, the account, and the expert advisor, which runs while its block does."""

    def __init__(self, folder: Path, clock: VirtualClock, **server: Any) -> None:
        self.clock, self.folder = clock, folder / "DWX"
        self.market = Symbol(name="EURUSD.r", bid=Decimal("1.09999"), ask=Decimal("1.10001"))
        self.account = DwxAccount(clock.now, self.market)
        self.files = DwxFiles(self.folder, clock.now)
        self.server = DwxServer(self.account, self.files, clock, **server)
        self.server.maximum_orders, self.server.maximum_lots = 1_000, Decimal(100)
        self.server.timer_ms = 100
        self.running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """The expert advisor begins."""
        self.server.begin()
        self.running = asyncio.get_running_loop().create_task(self.server.run())

    async def stop(self) -> None:
        """It stands still; what is in the folder stays there."""
        running, self.running = self.running, None
        if running is not None:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def broker(
        self, notebook: Path | None, make: Callable[..., DwxBroker] = DwxBroker, **settings: Any
    ) -> DwxBroker:
        """An adapter on the folder."""
        how = DwxSettings(folder=str(self.folder), symbols={"EURUSD": "EURUSD.r"}, **settings)
        return make("dwx", how, notebook, self.clock, built_in)


@asynccontextmanager
async def terminal(folder: Path, **server: Any) -> AsyncIterator[Terminal]:
    """One that runs."""
    made = Terminal(folder, VirtualClock(START), **server)
    made.start()
    try:
        yield made
    finally:
        await made.stop()


class DwxCounterpart(Counterpart):
    symbol = "EURUSD"
    lot = Decimal("0.1")
    price = Decimal("1.10000")
    tick = Decimal("0.00001")
    faults = frozenset(STATES) | {Fault.REFUSE_ORDERS}
    abilities = frozenset({Ability.FOREIGN_ORDERS, Ability.INSTRUMENT_CHANGES, Ability.LEVELS})
    off_steps = {  # noqa: RUF012
        "a price off the tick": {"limit_price": Decimal("1.099505")},
        "a quantity off the step": {"quantity": Decimal("0.105")},
    }

    def __init__(self, terminal: Terminal, make: Callable[..., DwxBroker]) -> None:
        self.terminal, self.make, self.steps = terminal, make, self.tick
        self.spread = (terminal.market.bid, terminal.market.ask)
        terminal.server.before_tick, terminal.server.after_commands = self._away, self._back
        self.broker: DwxBroker = self.another()

    def another(self) -> DwxBroker:
        how = DwxSettings(folder=str(self.terminal.folder), symbols={"EURUSD": "EURUSD.r"}, poll_ms=200)
        notebook = self.terminal.folder.parent / "notebook.db"
        return self.make("dwx", how, notebook, self.terminal.clock, self.instrument)

    def instrument(self, symbol: str) -> Instrument | None:
        found = built_in(symbol)
        return None if found is None else replace(found, tick=self.steps)

    def _away(self) -> None:
        """The market is above all that the suite bids while orders come in: a limit order that would trade at once is
        none that MetaTrader takes."""
        self.terminal.market.ask = self.price + 1_000 * self.tick

    def _back(self) -> None:
        self.terminal.account.quote("EURUSD.r", *self.spread)

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        self.spread, self.terminal.market.size = (bid, ask), size
        self._back()

    async def settle(self) -> None:
        await self.terminal.clock.sleep(4)

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self.another()

    def inject(self, *faults: Fault) -> None:
        server = self.terminal.server
        server.files.states = {
            name: state for fault in faults for name, state in STATES.get(fault, {}).items()
        }
        server.lies = next((_LIES[fault] for fault in faults if fault in _LIES), None)
        server.mute = Fault.DROP_ANSWERS in faults
        server.account.refuses = 134 if Fault.REFUSE_ORDERS in faults else None

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        account, none = self.terminal.account, (Decimal(0), Decimal(0))
        theirs = account.send(
            "EURUSD.r", "buylimit", Decimal("0.5"), Decimal("1.00000"), 3, none, "by hand", 0
        )

        async def works() -> bool:
            return theirs in account.open

        return works

    async def change_steps(self) -> Decimal:
        self.steps = Decimal("0.0001")
        return self.steps


def market(client_id: str, lots: str, side: Side = Side.BUY, **more: Any) -> Send:
    """An order at the market."""
    return Send(
        client_id=client_id,
        symbol="EURUSD",
        side=side,
        quantity=Decimal(lots),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        **more,
    )


def limit(client_id: str, price: str = "1.09000", lots: str = "0.1") -> Send:
    """A buy that waits."""
    return replace(market(client_id, lots), order_type=OrderType.LIMIT, limit_price=Decimal(price))


class Desk:
    """An adapter at a terminal, connected, and what it has told."""

    def __init__(self, terminal: Terminal, notebook: Path | None, **settings: Any) -> None:
        self.terminal, self.sink = terminal, Recorder()
        self.broker = terminal.broker(notebook, **{"poll_ms": 100, **settings})

    async def open(self, cursor: str | None = None) -> None:
        """A session."""
        await self.broker.connect(self.sink, cursor)

    async def submit(self, send: Send) -> Answer:
        """Gives an order, and waits for what is told of it."""
        answer = await self.broker.submit(send)
        await self.rest()
        return answer

    async def cancel(self, order: str) -> Answer:
        """Cancels an order, and waits for what is told of it."""
        answer = await self.broker.cancel(
            Withdraw(client_id=f"{order[:-1]}2", order=order, broker_order_id=None)
        )
        await self.rest()
        return answer

    async def rest(self, seconds: float = 4) -> None:
        """What is under way is told."""
        await self.terminal.clock.sleep(seconds)

    @property
    def told(self) -> list[tuple[str | None, str, Decimal, Decimal]]:
        """Executions: whose, under which name, how much, at what price."""
        return [
            (one.client_id, one.exec_id, one.quantity, one.price) for one in self.sink.executions.values()
        ]


@asynccontextmanager
async def desk(folder: Path, **settings: Any) -> AsyncIterator[Desk]:
    """A terminal that runs, and an adapter in session."""
    async with terminal(folder) as there:
        made = Desk(there, folder / "notebook.db", **settings)
        await made.open()
        try:
            yield made
        finally:
            await made.broker.close()

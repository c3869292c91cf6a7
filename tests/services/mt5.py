"""The MetaTrader 5 adapter against the simulated terminal in this process, in simulated time.

`Beside` is a terminal behind a journal, as an agent is, without its worker process: the package's own functions are
called, and a call that never comes back takes as long as its deadline.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace as with_
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from ordergate.adapters.brokers.mt5 import Mt5Broker, Mt5Settings
from ordergate.adapters.brokers.mt5.agent import port
from ordergate.adapters.brokers.mt5.agent.journal import Journal
from ordergate.adapters.brokers.mt5.agent.port import Command, Hello, Record, Refused, Reply, Unreachable
from ordergate.adapters.brokers.mt5.broker import SETTLE_S
from ordergate.adapters.clock import VirtualClock
from ordergate.domain.instruments import built_in
from ordergate.testing.conformance.counterpart import Ability, Counterpart, Fault
from ordergate.testing.metatrader5 import (
    Account,
    Clock,
    Direct,
    Hung,
    Package,
    State,
    Steering,
    Symbol,
    Terminal,
)
from ordergate.testing.metatrader5 import Fault as TerminalFault
from ordergate.testing.metatrader5 import constants as mt5

START = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
LOGIN = 5_000_001
NAME = "EURUSD.r"
SETTINGS = Mt5Settings(login=LOGIN, symbols={"EURUSD": NAME}, deadline_ms=1_000)
OFFSET_S = 3 * 3_600
HEDGING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_HEDGING
NETTING = mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING
EXCHANGE = mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE
MARKET = mt5.SYMBOL_TRADE_EXECUTION_MARKET
BY_SERVER = (mt5.DEAL_REASON_SL, mt5.DEAL_REASON_TP, mt5.DEAL_REASON_SO)


class Shifted(VirtualClock):
    """Simulated time that can jump."""

    shift = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.shift


class Machine:
    """What stands beside the terminal: the terminal, the journal on the disk, and who has the session.

    Attributes:
        reachable: the agent can be asked.
        dies: called with where a command is when the process is to die there: "claimed", or "done".
        hidden: calls that give an empty list.
        garbled: what calls give that nobody can read.
        start_s: how long it takes to open the terminal.
        keeps_s: how long the journal remembers commands.
        lost_rows: lists whose last row is left out, while their counts have it.
    """

    def __init__(self, mode: int = NETTING, execution: int = EXCHANGE, clock: Shifted | None = None) -> None:
        self.clock = clock or Shifted(START)
        symbol = Symbol(name=NAME, exemode=execution)
        state = State(
            margin_mode=mode, offset_s=OFFSET_S, symbols={NAME: symbol}, balance=Decimal(10_000_000)
        )
        self.terminal = Terminal(Account(state), Clock(lambda: self.clock.now().timestamp()))
        self.steering = Steering(self.terminal)
        self.journal = Journal(Path(":memory:"))
        self.epoch, self.reachable = 0, True
        self.hidden: set[str] = set()
        self.lost_rows: set[str] = set()
        self.garbled: dict[str, Any] = {}
        self.dies: Callable[[str], None] = lambda _where: None
        self.deadline_s, self.start_s, self.keeps_s = 0.8, 0.0, 90 * 86_400.0

    @property
    def state(self) -> State:
        return self.terminal.account.state

    def quote(self, bid: str | Decimal, ask: str | Decimal, size: Decimal | None = None) -> None:
        self.steering.quote(NAME, bid, ask, size, size)


class Beside:
    """A Terminal."""

    def __init__(self, machine: Machine, epoch: int) -> None:
        self.machine, self.epoch = machine, epoch
        self._taken_over = False
        self._package = Package(Direct(machine.terminal))
        self._open = False

    @property
    def taken_over(self) -> bool:
        return 0 < self.epoch < self.machine.epoch

    async def open(self) -> Hello:
        self._reach(sent=False)
        await asyncio.sleep(self.machine.start_s)
        self.machine.epoch = max(self.machine.epoch, self.epoch)
        if self.taken_over:
            raise Refused("a later session has taken over")
        self._initialize()
        account = self._package.account_info()
        self._open = True
        now = self.machine.terminal.clock() / 1000
        journal = self.machine.journal
        began = journal.began(now)
        return Hello(
            "500 5260",
            account.login,
            account.server,
            now,
            journal.id,
            self.epoch,
            began,
            self.machine.keeps_s,
        )

    def _initialize(self) -> None:
        if not self._package.initialize(login=LOGIN, password="secret"):
            code, text = self._package.last_error()
            raise (Refused if code == -6 else Unreachable)(
                f"{text} ({code})", **({} if code == -6 else {"sent": False})
            )

    def _reach(self, *, sent: bool) -> None:
        if not self.machine.reachable:
            raise Unreachable("the agent is away", sent=sent)
        if self.taken_over:
            raise Unreachable("a later session has taken over", sent=sent)

    async def _call(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, tuple[int, str]]:
        """Raises TimeoutError where the real package would never come back."""
        terminal = self.machine.terminal
        await asyncio.sleep(min(terminal.delay_s(name, "before"), self.machine.deadline_s))
        try:
            told = getattr(self._package, name)(*args, **kwargs)
        except Hung:
            await asyncio.sleep(self.machine.deadline_s)
            self._initialize()
            raise TimeoutError(name) from None
        error = self._package.last_error()
        late_s = terminal.delay_s(name, "after")
        await asyncio.sleep(min(late_s, self.machine.deadline_s))
        if late_s > self.machine.deadline_s:
            raise TimeoutError(name)
        if error[0] <= -10_000:
            self._initialize()
        return _plain(told), error

    async def ask(self, name: str, *args: Any, **kwargs: Any) -> Reply:
        if name not in port.READS:
            raise ValueError(name)
        self._reach(sent=False)
        await asyncio.sleep(0)
        try:
            value, error = await self._call(name, args, kwargs)
        except TimeoutError:
            raise Unreachable(f"{name} took too long", sent=True) from None
        self._reach(sent=True)
        if name in self.machine.lost_rows and value and not kwargs:
            value = value[:-1]
        if name in self.machine.hidden:
            value = []
        value = self.machine.garbled.get(name, value)
        return Reply(value, error)

    async def send(self, command: Command) -> Record:
        self._reach(sent=False)
        journal, now = self.machine.journal, self.machine.terminal.clock() / 1000
        known = journal.find(command.id)
        if known is not None:
            return known
        if now >= command.expires_at:
            journal.claim(command.id, command.request, now, port.EXPIRED, "expired")
            return _there(journal.find(command.id))
        journal.claim(command.id, command.request, now, port.CLAIMED)
        self.machine.dies("claimed")
        claimed = _there(journal.find(command.id))
        try:
            value, error = await self._call("order_send", (command.request,), {})
        except TimeoutError:
            ended = with_(claimed, state=port.BROKEN, error=(port.OURS, "the deadline has passed"))
        else:
            self.machine.dies("done")
            failed = value is None
            ended = with_(
                claimed,
                state=port.FAILED if failed else port.ANSWERED,
                result=None if failed else value,
                error=error if failed else None,
            )
        journal.end(ended)
        self._reach(sent=True)
        return ended

    async def record(self, id: str, *, seal: bool = False) -> Record | None:
        self._reach(sent=False)
        journal = self.machine.journal
        if seal:
            now = self.machine.terminal.clock() / 1000
            journal.claim(id, {}, now, port.SEALED, "sealed: nobody had sent it")
        return journal.find(id)

    async def records(self, after: int = 0) -> list[Record]:
        self._reach(sent=False)
        return self.machine.journal.after(after)

    async def close(self) -> None:
        self._open = False


def _there(record: Record | None) -> Record:
    if record is None:
        raise AssertionError("the journal has lost a command")
    return record


def _plain(told: Any) -> Any:
    """As what comes through a pipe: structs as dicts, tuples as lists."""
    if hasattr(told, "_asdict"):
        return {name: _plain(value) for name, value in told._asdict().items()}
    return [_plain(one) for one in told] if isinstance(told, tuple) else told


def broker_at(
    machine: Machine,
    settings: Mt5Settings = SETTINGS,
    kind: type[Mt5Broker] = Mt5Broker,
    name: str = "mt5",
    settle_s: float = SETTLE_S,
) -> Mt5Broker:
    def make(looks_on: bool) -> Beside:
        return Beside(machine, 0 if looks_on else machine.epoch + 1)

    return kind(name, settings, make, built_in, machine.clock, settle_s)


PATIENCE_S = 60.0


async def until(true: Callable[[], bool], what: str = "it", seconds: float | None = None) -> None:
    seconds = PATIENCE_S if seconds is None else seconds
    try:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what} did not come within {seconds} s") from None


INJECTED: dict[Fault, tuple[TerminalFault, Any]] = {
    Fault.DROP_ANSWERS: (TerminalFault.HANG, True),
    Fault.CUT_ANSWERS: (TerminalFault.CUT, True),
    Fault.GARBLED_ANSWERS: (TerminalFault.GARBLED, True),
    Fault.SERVER_ERRORS: (TerminalFault.RETCODE_AFTER, mt5.TRADE_RETCODE_ERROR),
    Fault.CLIENT_ERRORS: (TerminalFault.RETCODE_AFTER, 10_099),
    Fault.SLOW_ANSWERS: (TerminalFault.SLOW, 5),
    Fault.REFUSE_ORDERS: (TerminalFault.REJECT, mt5.TRADE_RETCODE_REJECT),
    Fault.REFUSE_LOGIN: (TerminalFault.LOGIN_REFUSED, True),
    Fault.BREAK_STREAM: (TerminalFault.FAIL, -1),
    Fault.FAIL_QUERIES: (TerminalFault.FAIL, -1),
}
CALLS: dict[Fault, list[str]] = {
    Fault.REFUSE_LOGIN: ["login"],
    Fault.BREAK_STREAM: ["history_deals_get", "history_orders_get", "history_deals_total", "orders_get"],
    Fault.FAIL_QUERIES: ["history_deals_get", "history_orders_get", "orders_get", "positions_get"],
}


class TerminalCounterpart(Counterpart):
    symbol = "EURUSD"
    lot = Decimal("0.1")
    price = Decimal("1.1")
    tick = Decimal("0.00001")
    faults = frozenset({*INJECTED, Fault.INCOMPLETE_SNAPSHOT})
    abilities = frozenset(
        {Ability.FOREIGN_ORDERS, Ability.INSTRUMENT_CHANGES, Ability.DAY_ROLLS, Ability.LEVELS}
    )
    off_steps: ClassVar[Mapping[str, Mapping[str, Decimal]]] = {
        "a price off the tick": {"limit_price": Decimal("1.095005") + Decimal("0.000001")},
        "a quantity off the step": {"quantity": Decimal("0.105")},
        "a quantity below the minimum": {"quantity": Decimal("0.001")},
    }

    def __init__(self, machine: Machine, kind: type[Mt5Broker] = Mt5Broker) -> None:
        self.machine, self.kind = machine, kind
        self.broker: Mt5Broker = broker_at(machine, kind=kind, settle_s=0)
        machine.quote(self.price - self.tick, self.price + self.tick)

    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        await asyncio.sleep(0.001)  # two prices of one millisecond are one
        self.machine.quote(bid, ask, size)

    async def settle(self) -> None:
        session = self.broker.session
        if session is None:
            return
        await told(self.machine, self.broker)

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = broker_at(self.machine, kind=self.kind, settle_s=0)

    def inject(self, *faults: Fault) -> None:
        steering = self.machine.steering
        steering.clear()
        incomplete = Fault.INCOMPLETE_SNAPSHOT in faults
        self.machine.lost_rows = {"orders_get", "positions_get"} if incomplete else set()
        for fault in faults:
            if fault in INJECTED:
                theirs, value = INJECTED[fault]
                steering.inject(theirs, value, calls=CALLS.get(fault))

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        price = Decimal("1.0")
        placed = self.machine.steering.trade(
            action=mt5.TRADE_ACTION_PENDING,
            symbol=NAME,
            type=mt5.ORDER_TYPE_BUY_LIMIT,
            volume=0.1,
            price=float(price),
            type_filling=mt5.ORDER_FILLING_RETURN,
            magic=77,
        )

        async def works() -> bool:
            return placed["order"] in self.machine.state.orders

        return works

    async def change_steps(self) -> Decimal:
        self.machine.steering.symbol(NAME, tick_size="0.00005")
        return Decimal("0.00005")

    async def roll_day(self) -> None:
        self.machine.clock.shift += timedelta(days=1)
        self.machine.steering.advance(0)


async def told(machine: Machine, broker: Mt5Broker) -> None:
    """Everything that the server has of ours was told."""
    session = broker.session
    if session is None:
        return
    session.look_soon()
    telling, state = session.telling, machine.state
    ours = {
        o.ticket
        for o in state.history.values()
        if session.commands.owner(o.magic, o.comment) and o.reason == 3
    }
    deals = {d.ticket for d in state.deals.values() if d.order in ours or d.order in state.orders}
    closings = {d.ticket for d in state.deals.values() if d.reason in BY_SERVER}

    def all_told() -> bool:
        known = {session.telling.of_ticket(ticket) for ticket in ours}
        mine = {d for d in deals if session.commands.owner(state.deals[d].magic, state.deals[d].comment)}
        closed = all(telling.is_settled(ticket) for ticket in closings)
        return closed and None not in known and mine <= telling.executions and known <= telling.ended

    await until(lambda: all_told() and session.looking.idle, f"what became of {ours}, {deals}, {closings}")


@asynccontextmanager
async def counterpart(
    mode: int = NETTING, kind: type[Mt5Broker] = Mt5Broker
) -> AsyncIterator[TerminalCounterpart]:
    found = TerminalCounterpart(Machine(mode), kind)
    try:
        yield found
    finally:
        await found.broker.close()

"""Orders: what is checked, what is handed over, step after step, and what follows from how each step ended."""

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ordergate.adapters.brokers.mt4 import outcomes, requests
from ordergate.adapters.brokers.mt4.account import instant
from ordergate.adapters.brokers.mt4.desk import DONE, NEVER, Desk, NotLeft, Tried
from ordergate.adapters.brokers.mt4.files import NotBegun, Overdue
from ordergate.adapters.brokers.mt4.ids import step_ref
from ordergate.adapters.brokers.mt4.plans import Plan, Step
from ordergate.adapters.brokers.mt4.session import Behind, Session
from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.terms import is_bounded, is_marketable, lots_of, wrong_terms
from ordergate.adapters.brokers.mt4.wire import Result, Row, Symbol, Tick, Unreadable
from ordergate.application.ports.brokers import Answer, Send
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.reports import End, Outcome
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

_CLOSING: Final = (Side.SELL, Side.COVER)
_OPEN: Final = "open"


class Refused(Exception):
    """The order is none for here, or now."""

    def __init__(self, reason: str, outcome: Outcome = Outcome.REJECTED) -> None:
        super().__init__(reason)
        self.answer = Answer(outcome=outcome, reason=reason)


class Submitting:
    """Of one session."""

    def __init__(
        self,
        session: Session,
        desk: Desk,
        settings: Mt4Settings,
        catalogue: Callable[[str], Instrument | None],
    ) -> None:
        self._session, self._desk, self._settings, self._catalogue = session, desk, settings, catalogue

    async def submit(self, send: Send) -> Answer:
        """Sends an order that is one for here."""
        try:
            symbol, tick, instrument = await self._market(send)
            if send.expires_at is not None and send.expires_at <= instant(self._session.now):
                raise Refused(
                    f"expires_at: {send.expires_at.isoformat()} is over: the terminal's clock is past it"
                )
            lots = lots_of(send.quantity, instrument, symbol)
            if send.order_type is OrderType.MARKET:
                return await self._at_market(send, lots, symbol)
            if is_marketable(send, tick) and tick is not None:
                if not is_bounded(symbol):
                    raise Refused(
                        f"limit_price: {send.limit_price} is through the market, and {symbol.symbol} is executed "
                        f"at any price ({symbol.execution or 'unknown'} execution): send a market order"
                    )
                values = requests.bounded_of(send, lots, symbol, tick)
            elif send.tif is TimeInForce.FOK:
                raise Refused("tif: a fok order would have to wait: its limit is away from the market")
            else:
                values = requests.pending_of(send, symbol.symbol, lots)
            return self._answered(await self._try(send.client_id, _OPEN, values))
        except Refused as refused:
            return refused.answer
        except (NotLeft, Behind) as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))

    async def _market(self, send: Send) -> tuple[Symbol, Tick | None, Instrument]:
        """The symbol as the terminal has it now. Raises Refused, Behind."""
        theirs, session = self._settings.symbols[send.symbol], self._session
        try:
            session.symbols = await session.do(session.folder.symbols)
            ticks = await session.do(session.folder.ticks)
        except (Unreadable, NotBegun, Overdue) as error:
            raise Behind(str(error)) from error
        if not session.symbols:
            raise Behind("the terminal has not told of its symbols yet")
        symbol, instrument = session.symbols.get(theirs), self._catalogue(send.symbol)
        wrong = wrong_terms(send, instrument, symbol, theirs)
        if wrong is not None or symbol is None or instrument is None:
            raise Refused(wrong or theirs)
        return symbol, ticks.get(theirs), instrument

    async def _at_market(self, send: Send, lots: Decimal, symbol: Symbol) -> Answer:
        """Step after step; the first that is not done ends it. Raises NotLeft, Behind."""
        steps = await self._steps(send, lots)
        done: list[str] = []
        for number, step in enumerate(steps, 1):
            ref, slippage = step_ref(send.client_id, number), self._settings.max_slippage_points
            if step.ticket:
                tried = await self._rest(done, ref, "close", requests.close_of(step, slippage))
            else:
                values = requests.open_of(send, symbol.symbol, step.lots, slippage)
                tried = await self._rest(done, ref, _OPEN, values)
            said = self._answered(tried, step)
            if said.outcome is not Outcome.ACCEPTED:
                return await self._broken_off(send, said, tried.result, done)
            done.append(said.broker_order_id or "")
        if len(steps) > 1:
            await self._told(send.client_id, None)
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id=done[0])

    async def _rest(self, done: list[str], ref: str, op: str, values: dict[str, Any]) -> Tried:
        """One step. Raises NotLeft where nothing at all was done; a later step that never left was not done."""
        try:
            return await self._try(ref, op, values)
        except NotLeft as error:
            if not done:
                raise
            return Tried(NEVER, again=False, why=str(error))

    async def _broken_off(self, send: Send, said: Answer, result: Result | None, done: list[str]) -> Answer:
        """A step was not done, or nobody knows."""
        if not done:
            return said
        if not outcomes.is_not_done(result):
            return Answer(outcome=Outcome.UNKNOWN, reason=said.reason, raw=said.raw)
        await self._told(send.client_id, f"the rest of it was not done: {said.reason}")
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id=done[0], reason=said.reason, raw=said.raw)

    async def _told(self, client_id: str, why: str | None) -> None:
        """Tells the end of an order of several steps, after its executions; who misses it looks the order up."""
        session = self._session
        with suppress(Behind):
            await session.fresh()
            known = session.book.orders.get(client_id)
            if known is None:
                return
            if why is None:
                session.tell(session.book.finish(known))
            else:
                session.tell(session.book.end(known, End.CANCELED, why))

    async def _steps(self, send: Send, lots: Decimal) -> tuple[Step, ...]:
        """What it takes: as it was begun, where it was. Raises NotLeft, Behind."""
        session, client = self._session, send.client_id
        before = session.book.plans.get(client)
        if before is not None and before.steps and not self._desk.is_dead(client):
            return before.steps
        rows: list[Row] = []
        if send.side in _CLOSING:
            orders, theirs = await session.fresh(), self._settings.symbols[send.symbol]
            rows = [row for row in orders.rows if row.symbol == theirs and session.book.ref_of(row)]
        steps = requests.steps_of(send, lots, rows)
        kept = steps if len(steps) > 1 else ()
        if kept or (before is not None and before.steps):
            await self._desk.keep(replace(before or Plan(client=client), steps=kept))
        return steps

    async def _try(self, ref: str, op: str, values: dict[str, Any]) -> Tried:
        tried = await self._desk.attempt(ref, op, values, self._settings.lasts_s)
        result, session = tried.result, self._session
        if result is not None and result.state == DONE and result.ticket:
            session.tell(session.book.learn(result.ticket, ref, closed=op != _OPEN))
            session.awaited.add(f"{result.ticket}:closed" if op == "close" else f"{result.ticket}")
        return tried

    def _answered(self, tried: Tried, step: Step | None = None) -> Answer:
        result = tried.result
        ticket = "" if result is None else str(result.ticket)
        name = f"{step.ticket}:closed" if step is not None and step.ticket else ticket
        said = outcomes.answer(result, name)
        if tried.why:
            said = Answer(outcome=Outcome.NOT_SENT, reason=tried.why)
        if tried.again and said.outcome is Outcome.ACCEPTED:
            return Answer(outcome=Outcome.DUPLICATE, broker_order_id=said.broker_order_id, raw=said.raw)
        return said

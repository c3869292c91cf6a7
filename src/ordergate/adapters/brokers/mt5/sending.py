"""Orders on their way to the terminal: checked here, checked by the terminal, then sent, once."""

import asyncio
from decimal import Decimal
from typing import Final

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.agent.port import Record, Refused, Unreachable
from ordergate.adapters.brokers.mt5.commands import STEPS
from ordergate.adapters.brokers.mt5.link import Failed, Row
from ordergate.adapters.brokers.mt5.naming import step_id
from ordergate.adapters.brokers.mt5.outcomes import (
    ERRORS,
    NO_SERVER,
    NOT_TAKEN,
    NOTHING,
    REFUSED,
    answer_of,
    code_of,
    said_by,
)
from ordergate.adapters.brokers.mt5.requests import (
    OPENS,
    Refusal,
    Request,
    Step,
    check_terms,
    deals_at_once,
    ends_at_once,
    request_of,
    steps_of,
    volume_in,
)
from ordergate.adapters.brokers.mt5.sessions import Session
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.adapters.brokers.mt5.symbols import Symbol, Unreadable, disagreements, lots, whole
from ordergate.application.ports.brokers import Answer, Send
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import TimeInForce

_PASSED: Final = (0, 10008, 10009)
"""Return codes of order_check for what may be sent."""


class NotNow(Exception):
    """It cannot be sent at this moment, and nothing was."""


class Sender:
    """Sends through one session."""

    def __init__(self, settings: Mt5Settings, session: Session) -> None:
        self._settings, self._session = settings, session

    async def submit(self, send: Send) -> Answer:
        """Sends an order that is traded here."""
        known = self._known(send.client_id)
        if known is not None:
            return known
        try:
            check_terms(send)
            symbol = await self._symbol(send)
            steps = await self._steps(send, symbol)
            expiration = await self._expiration(send, symbol)
        except Refusal as refusal:
            return Answer(outcome=Outcome.REJECTED, reason=str(refusal))
        except (NotNow, Failed, Unreadable, Unreachable, Refused, ValueError) as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        kept = self._session.telling.order(send.client_id)
        kept.sending = True
        try:
            return await self._send(send, steps, symbol, expiration)
        finally:
            kept.sending = False
            self._session.look_soon()

    def _known(self, client_id: str) -> Answer | None:
        """The answer to an order that was sent before; None where it may be sent."""
        attempts = self._session.commands.attempts(client_id)
        if not attempts or attempts[-1].verdict is NOT_TAKEN:
            kept = self._session.telling.known(client_id)
            if kept is None or not kept.tickets:
                return None
            listed, why = str(min(kept.tickets)), "the terminal has it already"
            return Answer(outcome=Outcome.DUPLICATE, broker_order_id=listed, reason=why)
        last = attempts[-1]
        if last.verdict in (REFUSED, NOTHING) and last.record is not None:
            return answer_of(last.record)
        name = None if last.ticket is None else str(last.ticket)
        reason = "the terminal's journal has it already"
        return Answer(outcome=Outcome.DUPLICATE, broker_order_id=name, reason=reason)

    async def _symbol(self, send: Send) -> Symbol:
        """As the terminal has it now. Raises Refusal where it is not the instrument that it is taken for."""
        theirs, reader = self._settings.symbols[send.symbol], self._session.reader
        symbol = reader.symbols[send.symbol] = await self._session.link.symbol(theirs)
        try:
            wrong = disagreements(symbol, reader.instrument(send.symbol))
        except Unreadable as error:
            raise Refusal(f"symbol: {error}") from error
        if wrong:
            raise Refusal(f"symbol: {'; '.join(wrong)}")
        return symbol

    async def _steps(self, send: Send, symbol: Symbol) -> list[Step]:
        """Raises Refusal."""
        volume = volume_in(send, symbol, self._session.reader.instrument(send.symbol))
        names_positions = deals_at_once(send, symbol)
        if not ends_at_once(send):
            return [Step(volume)]
        if not self._session.hedging:
            return [Step(volume, standing=await self._standing(send, symbol))]
        if send.side in OPENS:
            return [Step(volume)]
        held = await self._held(send, symbol)
        if held and not names_positions:
            raise Refusal(
                f"order_type: a limit order, or one with a bound on slippage, cannot close a position in "
                f"{symbol.name}: send a market order without one"
            )
        return steps_of(volume, held, symbol)

    async def _standing(self, send: Send, symbol: Symbol) -> Request:
        """Levels of the one position of it on a netting account, where the order adds to that: else they would go."""
        same_way = c.BUY if send.side.sign > 0 else c.SELL
        added = [row for row in await self._positions(symbol) if row.get("type") == same_way]
        return {name: row[name] for row in added for name in ("sl", "tp") if row.get(name)}

    async def _held(self, send: Send, symbol: Symbol) -> list[tuple[int, Decimal]]:
        """Positions that orders of ours have opened and this one closes, the oldest first."""
        other_way = c.BUY if send.side.sign < 0 else c.SELL
        ours = [
            row
            for row in await self._positions(symbol)
            if row.get("type") == other_way and self._session.telling.owner(row) is not None
        ]
        ours.sort(key=lambda row: (whole(row, "time_msc"), whole(row, "ticket")))
        return [(whole(row, "ticket"), lots(row, "volume")) for row in ours]

    async def _positions(self, symbol: Symbol) -> list[Row]:
        """Of all that there are said to be: of one symbol's the terminal has no count. Raises Failed."""
        return [row for row in await self._session.link.positions() if row.get("symbol") == symbol.name]

    async def _expiration(self, send: Send, symbol: Symbol) -> int | None:
        if send.tif is not TimeInForce.GTD:
            return None
        server = self._session.server
        if send.expires_at is None:
            raise Refusal("expires_at: is missing: a gtd order needs one")
        if send.expires_at <= self._session.now():
            raise Refusal(f"expires_at: {send.expires_at.isoformat()} is over")
        if not server.known:
            await self._session.looking.see_tick(symbol.name)
        if not server.known:
            raise NotNow("the server's clock is not known before a price has come that is of now")
        return server.server_s(send.expires_at)

    async def _send(self, send: Send, steps: list[Step], symbol: Symbol, expiration: int | None) -> Answer:
        """Step by step; the first that is not taken is the last. What was done stays done."""
        first: Answer | None = None
        for place, step in enumerate(steps, 1):
            answer = await self._step(send, place, step, len(steps), symbol, expiration)
            if first is None:
                first = answer
            if answer.outcome is Outcome.ACCEPTED:
                continue
            if place > 1 and answer.outcome is Outcome.UNKNOWN:
                return Answer(
                    outcome=Outcome.UNKNOWN,
                    broker_order_id=first.broker_order_id,
                    reason=f"step {place} of {len(steps)}: {answer.reason}",
                    raw=answer.raw,
                )
            break
        if first is None:
            return Answer(outcome=Outcome.REJECTED, reason="quantity: there is nothing to send")
        return first

    async def _step(
        self, send: Send, place: int, step: Step, of: int, symbol: Symbol, expiration: int | None
    ) -> Answer:
        try:
            request = request_of(send, step, symbol, self._settings.deviation_points, expiration)
            await self._check(request)
        except Refusal as refusal:
            return Answer(outcome=Outcome.REJECTED, reason=str(refusal))
        except (NotNow, Unreadable, Unreachable, Refused, ValueError) as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        if of > 1:
            request[STEPS] = of
        return await command(self._session, step_id(send.client_id, place), request)

    async def _check(self, request: Request) -> None:
        """What the terminal itself finds, margin above all. Raises Refusal, and NotNow."""
        try:
            said = await self._session.link.row("order_check", request)
        except Failed as failed:
            refuses = ERRORS.get(failed.code or 0, (None, ""))[0] is REFUSED
            raise (Refusal if refuses else NotNow)(str(failed)) from failed
        code = code_of(said)
        if code in NO_SERVER:
            raise NotNow(said_by(said))
        if code not in _PASSED:
            raise Refusal(said_by(said))


async def command(session: Session, id_: str, request: Request) -> Answer:
    """Gives a command to the terminal under its id, or the next one of it that is free."""
    commands, loop = session.commands, asyncio.get_running_loop()
    free = commands.free(id_)
    past = commands.begin(free, request, loop.time())
    try:
        record = await session.link.send(free, request)
    except Unreachable as gone:
        if not gone.sent:
            commands.forget(free)
        outcome = Outcome.UNKNOWN if gone.sent else Outcome.NOT_SENT
        return Answer(outcome=outcome, reason=str(gone))
    except (Refused, ValueError) as error:
        return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
    finally:
        past.under_way, past.since = False, loop.time()
    return _answered(session, record, loop.time())


def _answered(session: Session, record: Record, at: float) -> Answer:
    past = session.commands.heard(record, at)
    past.since = at
    return answer_of(record)

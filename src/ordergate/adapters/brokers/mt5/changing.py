"""Cancels and changes of orders that work: the order is looked at first, for "not found" proves nothing."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.agent.port import Refused, Unreachable
from ordergate.adapters.brokers.mt5.finding import candidates
from ordergate.adapters.brokers.mt5.link import Failed
from ordergate.adapters.brokers.mt5.outcomes import DONE, NOTHING
from ordergate.adapters.brokers.mt5.reading import Ticket, by_server, replaced, ticket_of
from ordergate.adapters.brokers.mt5.requests import Refusal, Request, on_tick
from ordergate.adapters.brokers.mt5.sending import command
from ordergate.adapters.brokers.mt5.sessions import Session
from ordergate.adapters.brokers.mt5.symbols import Symbol, Unreadable, volume_of
from ordergate.application.ports.brokers import Answer, Change, Withdraw
from ordergate.domain.money import is_sane, text
from ordergate.domain.orders.reports import Outcome

_NO_ANSWER = (Failed, Unreachable, Unreadable, Refused, ValueError)


class Changer:
    """Changes orders through one session."""

    def __init__(self, broker: str, session: Session) -> None:
        self._broker, self._session = broker, session

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Asks for the end of an order."""
        found = await self._looked(withdraw.order, withdraw.broker_order_id)
        if isinstance(found, Answer):
            return found
        request = {"action": c.ACTION_REMOVE, "order": found.number}
        return await self._do(withdraw.client_id, request)

    async def replace(self, change: Change) -> Answer:
        """Asks for new prices."""
        found = await self._looked(change.order, change.broker_order_id)
        if isinstance(found, Answer):
            return found
        try:
            request = await self._request(change, found)
        except Refusal as refusal:
            return Answer(outcome=Outcome.REJECTED, reason=str(refusal))
        except _NO_ANSWER as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        answer = await self._do(change.client_id, request)
        last = self._session.commands.attempts(change.client_id)[-1:]
        if last and last[0].verdict in (DONE, NOTHING):
            row = {
                **found.row,
                "price_open": request["price"],
                "price_stoplimit": request.get("stoplimit", 0.0),
            }
            self._session.telling.report(replaced(self._broker, last[0], ticket_of(row, works=True)))
        return answer

    async def _request(self, change: Change, ticket: Ticket) -> Request:
        place = self._session.reader.place(ticket.symbol)
        if place is None:
            raise Refusal(f"symbol: {ticket.symbol} is not traded here any more")
        _ours, symbol, instrument = place
        if change.quantity is not None and volume_of(change.quantity, symbol, instrument) != ticket.volume:
            raise Refusal(
                f"quantity: {text(change.quantity)}: MetaTrader changes no quantity: cancel, and make a new order"
            )
        symbol = await self._session.link.symbol(symbol.name)
        return change_of(ticket.row, change.limit_price, change.stop_price, symbol)

    async def _do(self, client_id: str, request: Request) -> Answer:
        try:
            answer = await command(self._session, client_id, request)
        finally:
            self._session.look_soon()
        last = self._session.commands.attempts(client_id)[-1:]
        if last and last[0].verdict is NOTHING:
            return Answer(outcome=Outcome.ACCEPTED, broker_order_id=str(request["order"]), raw=answer.raw)
        return answer

    async def _looked(self, order: str, broker_order_id: str | None) -> Ticket | Answer:
        """The order, as it works now; an answer where it does not, or is not found."""
        try:
            tickets = await self._tickets(order, broker_order_id)
        except _NO_ANSWER as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        works = [ticket for ticket in tickets if not ticket.ended]
        if works:
            return works[0]
        self._session.look_soon()
        if not tickets or any(map(self._session.is_sending, candidates(order))):
            return Answer(outcome=Outcome.UNKNOWN, reason=f"the terminal does not list {order}")
        why = tickets[-1].why or "filled at the broker"
        name = str(tickets[-1].number)
        return Answer(outcome=Outcome.REJECTED, broker_order_id=name, reason=f"the order is {why}")

    async def _tickets(self, order: str, broker_order_id: str | None) -> list[Ticket]:
        """The orders of the terminal's that an order of ours is, as they are now. Raises what is not answered."""
        session, numbers = self._session, set[int]()
        for candidate in candidates(order):
            kept = session.telling.known(candidate)
            numbers |= set() if kept is None else set(kept.tickets)
            numbers |= {past.ticket for past in session.commands.steps(candidate) if past.ticket is not None}
        if broker_order_id is not None and broker_order_id.isascii() and broker_order_id.isdecimal():
            numbers.add(int(broker_order_id))
        found = list[Ticket]()
        for number in sorted(numbers):
            row, works = await session.link.order(number)
            if (
                row is not None
                and not by_server(row)
                and self._is_ours(number, order, session.telling.owner(row))
            ):
                found.append(ticket_of(row, works=works))
                session.telling.see(found[-1])
        if found:
            return found
        listed = [
            row for row in await session.link.working() if session.telling.owner(row) in candidates(order)
        ]
        return [ticket_of(row, works=True) for row in listed]

    def _is_ours(self, number: int, order: str, owner: str | None) -> bool:
        return (self._session.telling.of_ticket(number) or owner) in candidates(order)


def change_of(row: Mapping[str, Any], limit: Decimal | None, stop: Decimal | None, symbol: Symbol) -> Request:
    """New prices of an order that waits, as it is listed; all else stays.

    Raises:
        Refusal: it has no such price, or the symbol does not take it.
    """
    kind = int(row["type"])
    both = kind in (c.BUY_STOP_LIMIT, c.SELL_STOP_LIMIT)
    has_limit, has_stop = (
        both or kind in (c.BUY_LIMIT, c.SELL_LIMIT),
        both or kind in (c.BUY_STOP, c.SELL_STOP),
    )
    for name, value, is_there in (("limit_price", limit, has_limit), ("stop_price", stop, has_stop)):
        if value is None:
            continue
        if not is_there:
            raise Refusal(f"{name}: the order has none at the terminal")
        if not is_sane(value) or value <= 0:
            raise Refusal(f"{name}: {value} is no number above zero")
        on_tick(name, value, symbol)
    first = stop if has_stop else limit
    request: Request = {
        "action": c.ACTION_MODIFY,
        "order": int(row["ticket"]),
        "symbol": symbol.name,
        "price": float(row["price_open"]) if first is None else float(first),
        "sl": float(row["sl"]),
        "tp": float(row["tp"]),
        "type_time": int(row["type_time"]),
        "expiration": int(row["time_expiration"]),
    }
    if both:
        request["stoplimit"] = float(row["price_stoplimit"]) if limit is None else float(limit)
    return request

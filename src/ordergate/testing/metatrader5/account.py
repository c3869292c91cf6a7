"""The broker's server: one account, its symbols, and what requests and prices make of them.

It knows nothing of terminals. Every method that may change something takes the time as milliseconds of UTC; what it
stores and tells are milliseconds of the server's own wall clock, as MetaTrader does.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.testing.metatrader5 import checking as check
from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5 import days, matching
from ordergate.testing.metatrader5.changing import close_by, modify, move_levels, remove
from ordergate.testing.metatrader5.money import Figures, figures
from ordergate.testing.metatrader5.records import ZERO, Deal, Order, State, Symbol
from ordergate.testing.metatrader5.requests import Request
from ordergate.testing.metatrader5.sketching import affordable, after, opened_by
from ordergate.testing.metatrader5.texts import REMARKS, Refusal
from ordergate.testing.metatrader5.trading import book, end, held

DONE: Final = mt5.TRADE_RETCODE_DONE


class Result(Struct, kw_only=True):
    """What the server answers to a request."""

    retcode: int
    deal: int = 0
    order: int = 0
    volume: Decimal = ZERO
    price: Decimal = ZERO
    bid: Decimal = ZERO
    ask: Decimal = ZERO
    comment: str = ""


class Checked(Struct, kw_only=True):
    """What `order_check` finds: 0 or the return code of a refusal, and the figures after the trade."""

    retcode: int
    figures: Figures


class Late(Struct, frozen=True):
    """Deals that come after the answer: it is `retcode`, and they are made `after_ms` later."""

    retcode: int = mt5.TRADE_RETCODE_PLACED
    after_ms: int = 0


class Account:
    """See the module.

    Attributes:
        state: all that is remembered.
        changed: called after each change that must not be forgotten.
        quoted: each is called with a symbol that has new prices.
    """

    def __init__(self, state: State | None = None, changed: Callable[[], None] = lambda: None) -> None:
        self.state = State() if state is None else state
        self.changed = changed
        self.quoted: list[Callable[[Symbol], None]] = []

    def wall_msc(self, now_msc: int) -> int:
        """The server's wall clock."""
        return now_msc + self.state.offset_s * 1000

    def add(self, *symbols: Symbol) -> None:
        """New symbols, or others in the place of those of the same name."""
        self.state.symbols.update((symbol.name, symbol) for symbol in symbols)
        self.changed()

    def quote(
        self,
        name: str,
        bid: Decimal,
        ask: Decimal,
        now_msc: int,
        bid_size: Decimal | None = None,
        ask_size: Decimal | None = None,
    ) -> None:
        """New prices of a symbol, and all that they bring about."""
        symbol = self.state.symbols[name]
        symbol.bid, symbol.ask, symbol.bid_size, symbol.ask_size = bid, ask, bid_size, ask_size
        symbol.time_msc = self.wall_msc(now_msc)
        for hear in self.quoted:
            hear(symbol)
        before = self._mark()
        self._turn(now_msc)
        matching.look(self.state, name, self.wall_msc(now_msc))
        if self._mark() != before:
            self.changed()

    def turn(self, now_msc: int) -> None:
        """What time alone brings about: late deals, expirations, swaps at the end of the day."""
        before = self._mark()
        self._turn(now_msc)
        if self._mark() != before:
            self.changed()

    def send(
        self,
        given: dict[str, Any],
        now_msc: int,
        late: Late | None = None,
        reason: int = mt5.ORDER_REASON_EXPERT,
    ) -> Result:
        """Does what is asked, or raises Refusal with nothing done."""
        request, wall = Request.read(given), self.wall_msc(now_msc)
        request.reason = reason
        self._turn(now_msc)
        try:
            result = self._do(request, wall, late)
        except Refusal as refused:
            self.state.sent.append({**given, "retcode": refused.retcode, "time_msc": wall})
            self.changed()
            raise
        self.state.sent.append({**given, "retcode": result.retcode, "ticket": result.order, "time_msc": wall})
        if request.symbol in self.state.symbols:
            symbol = self.state.symbols[request.symbol]
            result.bid, result.ask = symbol.bid, symbol.ask
        result.comment = REMARKS[result.retcode]
        self.changed()
        return result

    def check(self, given: dict[str, Any], now_msc: int) -> Checked:
        """What `send` would say of a deal or a pending order, and the account after it. Changes nothing."""
        request, wall = Request.read(given), self.wall_msc(now_msc)
        try:
            order = self._checked(request, wall)
        except Refusal as refused:
            return Checked(retcode=refused.retcode, figures=figures(self.state))
        if order is None or order.pending:
            return Checked(retcode=0, figures=figures(self.state))
        price = self.state.symbols[order.symbol].touch(order.buys)
        enough = affordable(self.state, order, price)
        return Checked(
            retcode=0 if enough else mt5.TRADE_RETCODE_NO_MONEY, figures=after(self.state, order, price)
        )

    def operation(self, kind: int, amount: Decimal, now_msc: int, comment: str = "") -> Deal:
        """A deal of money alone: balance, credit, commission, dividend, by its `DEAL_TYPE`."""
        deal = Deal(
            ticket=self.state.next_deal(),
            type=kind,
            reason=mt5.DEAL_REASON_CLIENT,
            profit=amount,
            comment=comment,
            time_msc=self.wall_msc(now_msc),
        )
        book(self.state, deal)
        self.changed()
        return deal

    def rollover(self, now_msc: int, reopen: bool = False) -> None:
        """The swap of a day now; where positions are opened again for it, their tickets change."""
        days.roll(self.state, self.wall_msc(now_msc), reopen)
        self.changed()

    def _mark(self) -> tuple[int, ...]:
        state = self.state
        orders = sum(order.type + order.active for order in state.orders.values())
        return state.last_deal, state.last_order, len(state.orders), len(state.history), state.day, orders

    def _turn(self, now_msc: int) -> None:
        wall = self.wall_msc(now_msc)
        for order in list(self.state.orders.values()):
            if order.due_msc is not None and order.due_msc <= wall:
                self._execute_late(order, wall)
        days.turn(self.state, wall)

    def _execute_late(self, order: Order, wall: int) -> None:
        order.due_msc = None
        if order.pending:
            return
        if order.position_asked and held(self.state, order.position_asked) is None:
            end(self.state, order, mt5.ORDER_STATE_REJECTED, wall)
            return
        matching.take(self.state, order, wall)

    def _do(self, request: Request, wall: int, late: Late | None) -> Result:
        if request.action == mt5.TRADE_ACTION_DEAL:
            return self._deal(request, wall, late)
        if request.action == mt5.TRADE_ACTION_PENDING:
            return self._pending(request, wall)
        changes = {
            mt5.TRADE_ACTION_SLTP: move_levels,
            mt5.TRADE_ACTION_MODIFY: modify,
            mt5.TRADE_ACTION_REMOVE: remove,
            mt5.TRADE_ACTION_CLOSE_BY: close_by,
        }
        if request.action not in changes:
            raise Refusal(mt5.TRADE_RETCODE_INVALID)
        order, deal = changes[request.action](self.state, request, wall)
        return Result(retcode=DONE, order=order, deal=deal)

    def _checked(self, request: Request, wall: int) -> Order | None:
        """The order that a request makes, without a ticket; None where it makes none."""
        if request.action == mt5.TRADE_ACTION_DEAL:
            return self._checked_deal(request, wall)
        if request.action == mt5.TRADE_ACTION_PENDING:
            return self._checked_pending(request, wall)
        if request.action not in (mt5.TRADE_ACTION_SLTP, mt5.TRADE_ACTION_MODIFY, mt5.TRADE_ACTION_REMOVE):
            raise Refusal(mt5.TRADE_RETCODE_INVALID)
        return None

    def _checked_deal(self, request: Request, wall: int) -> Order:
        if request.type not in (mt5.ORDER_TYPE_BUY, mt5.ORDER_TYPE_SELL):
            raise Refusal(mt5.TRADE_RETCODE_INVALID)
        symbol = check.check_symbol(self.state, request.symbol)
        check.check_kind(symbol, request.type)
        check.check_volume(symbol, request.volume)
        check.check_filling(symbol, request.type_filling, pending=False)
        closing = check.check_closing(self.state, request)
        order = request.order_at(0, wall)
        opens = opened_by(self.state, order)
        check.check_direction(symbol, request.buys, opens=opens > 0)
        check.check_limits(self.state, symbol, order, opens)
        check.check_price_now(symbol, request)
        if closing is None:
            check.check_levels(symbol, request.buys, request.sl, request.tp, symbol.touch(not request.buys))
        return order

    def _deal(self, request: Request, wall: int, late: Late | None) -> Result:
        order = self._checked_deal(request, wall)
        symbol = self.state.symbols[order.symbol]
        if not affordable(self.state, order, symbol.touch(order.buys)):
            raise Refusal(mt5.TRADE_RETCODE_NO_MONEY)
        whole, there = order.filling == mt5.ORDER_FILLING_FOK, symbol.size(order.buys, order.left)
        if (whole and there < order.left) or (order.filling == mt5.ORDER_FILLING_IOC and not there):
            raise Refusal(mt5.TRADE_RETCODE_REJECT)
        order.ticket = self.state.next_order()
        order.price = order.price or symbol.touch(order.buys)
        self.state.orders[order.ticket] = order
        if late is not None:
            order.state, order.due_msc = mt5.ORDER_STATE_PLACED, wall + late.after_ms
            return Result(retcode=late.retcode, order=order.ticket)
        deals = matching.take(self.state, order, wall)
        if not deals:
            order.state = mt5.ORDER_STATE_PLACED
            return Result(retcode=mt5.TRADE_RETCODE_PLACED, order=order.ticket)
        matching.stop_out(self.state, wall)
        return Result(
            retcode=DONE if deals[0].volume == request.volume else mt5.TRADE_RETCODE_DONE_PARTIAL,
            deal=deals[0].ticket,
            order=order.ticket,
            volume=deals[0].volume,
            price=deals[0].price,
        )

    def _checked_pending(self, request: Request, wall: int) -> Order:
        order = request.order_at(0, wall)
        if not order.pending:
            raise Refusal(mt5.TRADE_RETCODE_INVALID)
        order.position_asked = 0
        symbol = check.check_symbol(self.state, request.symbol)
        check.check_kind(symbol, request.type)
        check.check_volume(symbol, request.volume)
        check.check_filling(symbol, request.type_filling, pending=True)
        check.check_price_later(symbol, request.type, request.price, request.stoplimit)
        check.check_expiration(symbol, request.type_time, request.expiration, wall // 1000)
        opens = opened_by(self.state, order)
        check.check_direction(symbol, request.buys, opens=opens > 0)
        check.check_limits(self.state, symbol, order, opens)
        check.check_levels(symbol, request.buys, request.sl, request.tp, request.stoplimit or request.price)
        return order

    def _pending(self, request: Request, wall: int) -> Result:
        order = self._checked_pending(request, wall)
        symbol = self.state.symbols[order.symbol]
        if request.type_filling == mt5.ORDER_FILLING_BOC and matching.reached(order, symbol):
            raise Refusal(mt5.TRADE_RETCODE_REJECT)
        order.ticket, order.state = self.state.next_order(), mt5.ORDER_STATE_PLACED
        order.expiration = days.expires(symbol, order, wall)
        self.state.orders[order.ticket] = order
        matching.look(self.state, order.symbol, wall)
        exchange = symbol.exemode == mt5.SYMBOL_TRADE_EXECUTION_EXCHANGE
        return Result(retcode=mt5.TRADE_RETCODE_PLACED if exchange else DONE, order=order.ticket)

"""Looks at the journal's file over a connection of its own, after every step at which it grew.

What it finds ends the run.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ordergate.application.decide.context import OrderResult
from ordergate.application.decide.signaling import SignalResult
from ordergate.application.ports.brokers import Change, Deduplication, Send, Withdraw
from tests.simulation.exchange import Exchange
from tests.simulation.model import ENDED, SIGNS, ZERO, Model, OrderModel
from tests.simulation.reckoning import Reckoning

# Of the symbols that are traded: contract size, what is bought, what is paid with.
TRADED: Final = {
    "AAPL": (Decimal(1), "AAPL", "USD"),
    "EURUSD": (Decimal(100_000), "EUR", "USD"),
    "BTC/USDT": (Decimal(1), "BTC", "USDT"),
}
Held = tuple[str, str]
LATE: Final = timedelta(seconds=5)
"""By which an order may have ended later than its time; what stands still by then is too late."""


class Auditor:
    """Of one run.

    Args:
        fail: is told what is wrong, in words; `say` what was seen.
        exchange: what it promises, and what is in the account there.
    """

    def __init__(
        self, path: Path, fail: Callable[[str], None], say: Callable[[str, Any], None], exchange: Exchange
    ) -> None:
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._fail, self._tell = fail, say
        venue, self._tifs = exchange.kind, exchange.capabilities.tifs
        self._resends = venue.deduplication is Deduplication.FOREVER
        self._believes_absence = venue.proves_absence and venue.grace_s > 0
        self.reckoning = Reckoning(exchange.manner, exchange.account)
        self.model = Model(self.reckoning, sends_again_unproven=self._resends)
        self.looks = 0
        self._left: Counter[str] = Counter()
        self._stale: set[str] = set()

    def close(self) -> None:
        """Lets go of the file."""
        self._db.close()

    def _query(self, sql: str, *values: Any) -> list[Any]:
        return self._db.execute(sql, values).fetchall()

    # After every step.

    def grew(self) -> None:
        """Reads on, and checks the tables as far as the new entries are about them."""
        model = self.model
        lines = self._query("SELECT idx, entry FROM journal WHERE idx >= ? ORDER BY idx", model.size)
        if not lines:
            return
        self.looks += 1
        for _index, data in lines:
            self._tell("on disk ", data)
        touched = dict.fromkeys(model.take(index, data) for index, data in lines)
        orders = [model.orders[name] for name in touched if name in model.orders]
        self._check_orders(orders)
        self._check_held(dict.fromkeys((o.fund, o.symbol) for o in orders if o.executions) | self._adjusted)
        self._say(model.problems)

    def check_all(self) -> None:
        """All tables, whatever the last entries were about."""
        self.grew()
        orders = list(self.model.orders.values())
        count = self._query("SELECT count(*) FROM orders")[0][0]
        if count != len(orders):
            self._say([f"the table has {count} orders, the journal made {len(orders)}"])
        keys = {
            (f, k, key): o for f, k, key, o in self._query("SELECT fund_id, kind, key, order_id FROM keys")
        }
        if keys != self.model.keys:
            self._say(["the table of keys is not what the journal says"])
        self._check_orders(orders)
        self._check_held(dict.fromkeys((o.fund, o.symbol) for o in orders) | self._adjusted)

    def _say(self, problems: Iterable[str]) -> None:
        for problem in problems:
            self._fail(problem)

    def _check_orders(self, orders: Iterable[OrderModel]) -> None:
        for order in orders:
            sql = "SELECT state, quantity, filled_quantity, version FROM orders WHERE order_id = ?"
            rows = self._query(sql, order.order_id)
            filled = order.filled
            ours = (order.state, order.quantity, filled, order.version)
            said = (rows[0][0], Decimal(rows[0][1]), Decimal(rows[0][2]), rows[0][3]) if rows else None
            if said != ours:
                self._say([f"order {order.order_id} is {said} in its table, {ours} by the journal"])
            sql = "SELECT exec_id, quantity, price, fee FROM fills WHERE order_id = ? AND counts"
            fills = {row[0]: tuple(map(Decimal, row[1:])) for row in self._query(sql, order.order_id)}
            counting = {
                row["exec_id"]: (Decimal(row["quantity"]), Decimal(row["price"]), Decimal(row["fee"]))
                for row in order.counting
            }
            if fills != counting:
                self._say([f"order {order.order_id}: the fills that count are {fills}, not {counting}"])
            self._check_quantity(order, filled)

    def _check_quantity(self, order: OrderModel, filled: Decimal) -> None:
        if filled > order.quantity and not {"overfill", "late_fill"} & set(order.breaks):
            self._say([f"order {order.order_id}: {filled} filled of {order.quantity}, and no break says so"])
        right = "FILLED" if filled >= order.quantity else "PARTIALLY_FILLED" if filled else "SUBMITTED"
        if order.state in ("SUBMITTED", "PARTIALLY_FILLED", "FILLED") and order.state != right:
            self._say([f"order {order.order_id} is {order.state} with {filled} of {order.quantity}"])

    def _check_held(self, held: Iterable[Held]) -> None:
        for fund, symbol in held:
            size, base, currency = TRADED[symbol]
            fills = [
                (SIGNS[order.side] * Decimal(row["quantity"]), Decimal(row["price"]), Decimal(row["fee"]))
                for order in self.model.orders.values()
                if (order.fund, order.symbol) == (fund, symbol)
                for row in order.counting
            ]
            fills += [
                (q, price, ZERO) for f, s, q, price in self.reckoning.adjusted if (f, s) == (fund, symbol)
            ]
            quantity = sum((q for q, _price, _fee in fills), ZERO)
            paid = sum((q * price * size for q, price, _fee in fills), ZERO)
            fees = sum((fee for _q, _price, fee in fills), ZERO)
            self._check_position(fund, symbol, quantity, paid, fees)
            self._check_balance(fund, base, quantity * size)
            self._check_balance(fund, currency, self._cash(fund, currency))
            self._check_account(symbol, currency)

    def _check_position(
        self, fund: str, symbol: str, quantity: Decimal, paid: Decimal, fees: Decimal
    ) -> None:
        size = TRADED[symbol][0]
        name = f"the position of {fund} in {symbol}"
        sql = "SELECT quantity, cost, realized_pnl, fees FROM positions WHERE fund_id = ? AND symbol = ?"
        rows = self._query(sql, fund, symbol) or [("0", "0", "0", "[]")]
        held, cost, realized = map(Decimal, rows[0][:3])
        if held != quantity:
            self._say([f"{name} is {held}, its fills sum to {quantity}"])
        if cost - realized != paid:
            self._say([f"{name} costs {cost} with {realized} realized, but {paid} was paid"])
        shown = sum((Decimal(amount) for _currency, amount in _pairs(rows[0][3])), ZERO)
        if shown != fees:
            self._say([f"{name} has fees of {shown}, its fills {fees}"])
        sql = "SELECT remaining, price FROM lots WHERE fund_id = ? AND symbol = ? AND closed_at IS NULL"
        lots = [(Decimal(left), Decimal(price)) for left, price in self._query(sql, fund, symbol)]
        if sum((left for left, _price in lots), ZERO) != held:
            self._say([f"{name} is {held}, its open lots are {lots}"])
        if sum((left * price * size for left, price in lots), ZERO) != cost:
            self._say([f"{name} costs {cost}, its open lots are {lots}"])
        if lots and len({left > 0 for left, _price in lots}) > 1:
            self._say([f"{name} has lots on both sides: {lots}"])

    @property
    def _adjusted(self) -> dict[Held, None]:
        """Where differences were booked."""
        return dict.fromkeys((fund, symbol) for fund, symbol, _q, _p in self.reckoning.adjusted)

    def _check_account(self, symbol: str, currency: str) -> None:
        """What was traded in the exchange's account by all funds; a booked difference of a position moves no money."""
        held, paid = ZERO, ZERO
        for order in self.model.orders.values():
            size, _base, paid_in = TRADED[order.symbol]
            for row in order.counting if symbol == order.symbol or paid_in == currency else ():
                quantity = SIGNS[order.side] * Decimal(row["quantity"])
                held += quantity if order.symbol == symbol else ZERO
                if paid_in == currency:
                    paid -= quantity * Decimal(row["price"]) * size + Decimal(row["fee"])
        held += sum((q for _f, s, q, _p in self.reckoning.adjusted if s == symbol), ZERO)
        paid += sum((amount for _f, c, amount in self.reckoning.moved if c == currency), ZERO)
        for kind, name, ours in (("position", symbol, held), ("cash", currency, paid)):
            sql = "SELECT quantity FROM account_holdings WHERE kind = ? AND name = ?"
            rows = self._query(sql, kind, name)
            stands = Decimal(rows[0][0]) if rows else ZERO
            if stands != ours:
                self._say([f"the account's {kind} of {name} is {stands}, fills and adjustments make {ours}"])
        key = f"paper:BaseToken:{currency}"
        of_funds = sum(
            (
                Decimal(row[0])
                for row in self._query("SELECT amount FROM balances WHERE position_key = ?", key)
            ),
            ZERO,
        )
        if of_funds != paid:
            self._say([f"the funds have {of_funds} of {currency}, the account {paid}"])

    def _cash(self, fund: str, currency: str) -> Decimal:
        """A booked difference of a position moves none: it was not paid for."""
        total = sum((amount for f, c, amount in self.reckoning.moved if (f, c) == (fund, currency)), ZERO)
        for order in self.model.orders.values():
            size, _base, paid_in = TRADED[order.symbol]
            if order.fund == fund and paid_in == currency:
                for row in order.counting:
                    total -= SIGNS[order.side] * Decimal(row["quantity"]) * Decimal(row["price"]) * size
                    total -= Decimal(row["fee"])
        return total

    def _check_balance(self, fund: str, asset: str, amount: Decimal) -> None:
        key = f"paper:BaseToken:{asset}"
        rows = self._query("SELECT amount FROM balances WHERE fund_id = ? AND position_key = ?", fund, key)
        stands = Decimal(rows[0][0]) if rows else ZERO
        if stands != amount:
            self._say([f"{fund} has {stands} of {asset}, its fills make {amount}"])

    # What passes.

    @property
    def excused(self) -> set[str]:
        """Orders of which bytes left after another node had taken over, and which it proved absent, after the
        venue's grace: what became of them there need not be what the journal says."""
        if not self._believes_absence:
            return set()
        return {name.rpartition(".")[0] for name in self._stale if self.model.disproved[name]}

    def leaves(self, request: Send | Withdraw | Change, *, stale: bool) -> None:
        """Nothing leaves that is not on disk, once for each time that it is, and as it was approved."""
        self.grew()
        self._left[request.client_id] += 1
        if stale:
            self._stale.add(request.client_id)
        left, written = self._left[request.client_id], self.model.sent[request.client_id]
        if left > written > 0:
            self._say([f"{request.client_id} has left {left} times, and was journalled {written} times"])
        known = self.model.sends.get(request.client_id)
        if known is None:
            self._say([f"{request.client_id} leaves for the venue, the journal knows of no such request"])
            return
        kind, order, terms = known
        sent = {Send: "submit", Withdraw: "cancel", Change: "replace"}[type(request)]
        if kind != sent:
            self._say([f"{request.client_id} leaves as {sent}, the journal says {kind}"])
        if isinstance(request, Send):
            tif = "gtc" if order.tif in ("day", "gtd") and order.tif not in self._tifs else order.tif
            until = order.over_at if tif == "gtd" else None
            ours = (order.symbol, order.side, order.approved, order.order_type, tif, until)
            theirs = (
                request.symbol, request.side, request.quantity, request.order_type, request.tif, request.expires_at,
            )  # fmt: skip
            if ours != theirs:
                self._say([f"{request.client_id} leaves as {theirs}, approved was {ours}"])
        elif isinstance(request, Change):
            quantity = terms.get("quantity")
            if request.quantity != (None if quantity is None else Decimal(quantity)):
                self._say([f"{request.client_id} asks for {request.quantity}, approved was {quantity}"])

    def arrives(self, request: Send | Withdraw | Change, count: int) -> None:
        """No order comes twice where the venue might take it twice, unless it is excused."""
        twice = count > 1 and isinstance(request, Send) and not self._resends
        if twice and request.client_id.rpartition(".")[0] not in self.excused:
            self._say([f"{request.client_id} came to the venue {count} times, which takes each as an order"])

    def answered(self, answer: Any) -> None:
        """What a caller is told is on disk."""
        self.grew()
        if isinstance(answer, SignalResult):
            if answer.order is None and answer.refusal is not None:
                return
            answer = OrderResult(order=answer.order)
        if not isinstance(answer, OrderResult):
            return
        order = answer.order
        rows = self._query("SELECT version FROM orders WHERE order_id = ?", order.order_id)
        if not rows or rows[0][0] < order.version:
            self._say([f"order {order.order_id} was answered at version {order.version}, on disk is {rows}"])

    def denied(self, request: str, error: Exception) -> None:
        """A caller is told that nothing has happened, and nothing does."""
        self.grew()
        self.model.denied.add(request)
        if request in self.model.requests:
            self._say([f"what the caller was told has not happened stands in the journal: {error}"])

    @property
    def doubtful(self) -> bool:
        """Whether somebody was told that nobody knows whether an order is at the exchange."""
        orders = self.model.orders.values()
        return any(o.state not in ENDED and "parked" in o.requests.values() for o in orders)

    def unsettled(self, working: Callable[[str], bool]) -> list[str]:
        """The orders that are neither ended, nor at work at the venue, nor left to a person."""
        self.grew()
        left = []
        for order in self.model.orders.values():
            if order.state in ENDED or order.revised or self.reckoning.parked(order.order_id):
                continue
            if "parked" in order.requests.values() and "unresolved" in order.breaks:
                continue
            if self.model.last > order.over_at + LATE:
                left.append(f"{order.order_id} is {order.state}, its time was over at {order.over_at}")
            elif order.requests or not working(order.order_id):
                left.append(
                    f"{order.order_id} is {order.state} with {order.requests or 'nothing at the venue'}"
                )
        return left


def _pairs(text: str) -> list[tuple[str, str]]:
    return [tuple(pair) for pair in json.loads(text)]

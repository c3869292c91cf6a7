"""The account at the Acme venue: orders that trade against a market, and what is held. README.md says what it does."""

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass
class Order:
    """An order."""

    name: str
    ids: list[str]
    symbol: str
    sign: int
    quantity: Decimal
    limit: Decimal | None
    tif: str
    filled: Decimal = Decimal(0)
    end: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def leaves(self) -> Decimal:
        """What still works."""
        return self.quantity - self.filled if self.end is None else Decimal(0)


class Refused(Exception):
    """An answer that is no 200."""

    def __init__(self, status: int, code: str, reason: str, **more: Any) -> None:
        self.answer = {"status": status, "code": code, "reason": reason, **more}


class Account:
    """One account.

    Attributes:
        fault: what goes wrong: `refuse` (every order), `clock` (it is wrong), `half` (of a list is told), and what
            `AcmeVenue` knows of.
        log: all events, in order.
    """

    def __init__(self, permissions: tuple[str, ...]) -> None:
        self.permissions = permissions
        self.tick, self.step = Decimal("0.01"), Decimal(1)
        self.bid = self.ask = Decimal(0)
        self.sizes = {1: Decimal(0), -1: Decimal(0)}
        self.orders: dict[str, Order] = {}
        self.known: dict[str, Order] = {}
        self.log: list[dict[str, Any]] = []
        self.balances, self.positions = {"USD": Decimal(1_000_000)}, {"ACME": Decimal(0)}
        self.fault: str | None = None
        self.ahead_us = 0

    def now(self) -> int:
        """Microseconds since 1970, by the venue's clock."""
        ahead = 3_600_000_000 if self.fault == "clock" else self.ahead_us
        return time.time_ns() // 1_000 + ahead

    def do_hello(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Who we are, and what that may do."""
        return {"now": self.now(), "permissions": self.permissions}

    def do_follow(self, _request: dict[str, Any]) -> dict[str, Any]:
        """Events from here on."""
        return {}

    def do_order(self, request: dict[str, Any]) -> dict[str, Any]:
        """A new order."""
        self._check_new(request)
        limit = None if request["limit"] is None else Decimal(request["limit"])
        quantity = Decimal(request["quantity"])
        self._check(request["symbol"], quantity, limit)
        sign = 1 if request["side"] == "buy" else -1
        order = self._new(request, request["symbol"], sign, quantity, limit)
        self._tell(order, kind="taken")
        self._trade()
        if limit is None and order.leaves:
            self._end(order, "canceled")
        return {"order": order.name}

    def do_transfer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Money leaves the account."""
        self._check_new(request)
        token, amount = request["token"], Decimal(request["amount"])
        if amount > self.balances.get(token, 0):
            raise Refused(
                422, "REFUSED", f"amount is {amount}, and there is {self.balances.get(token, 0)} {token}"
            )
        order = self._new(request, token, -1, amount, None)
        self._tell(order, kind="taken")
        order.filled = amount
        self._move(order, token, -amount)
        return {"order": order.name}

    def _move(self, order: Order, token: str, amount: Decimal, what: str = "trade", **more: Any) -> None:
        self.balances[token] += amount
        said = {
            "exec_id": f"X{len(self.log) + 1}",
            "at": self.now(),
            "token": token,
            "amount": str(amount),
            **more,
        }
        self._tell(order, kind="moved", what=what, **said)

    def _check_new(self, request: dict[str, Any]) -> None:
        there = self.known.get(request["client_id"])
        if there is not None:
            raise Refused(409, "DUPLICATE", "there is an order of that client id", order=there.name)
        if self.fault == "refuse":
            raise Refused(422, "REFUSED", "the account is closed for today")

    def _new(
        self, request: dict[str, Any], symbol: str, sign: int, quantity: Decimal, limit: Decimal | None
    ) -> Order:
        name, client_id = f"A{len(self.orders) + 1}", request["client_id"]
        order = Order(name, [client_id], symbol, sign, quantity, limit, request.get("tif", "gtc"))
        self.orders[name] = self.known[client_id] = order
        return order

    def _check(self, symbol: str, quantity: Decimal, limit: Decimal | None) -> None:
        if symbol not in self.positions:
            raise Refused(422, "REFUSED", f"symbol {symbol} is none; there are {', '.join(self.positions)}")
        for name, value, step in (("quantity", quantity, self.step), ("limit", limit, self.tick)):
            if value is not None and value % step:
                raise Refused(422, "REFUSED", f"{name} is {value}: it must be a multiple of {step}")

    def do_cancel(self, request: dict[str, Any]) -> dict[str, Any]:
        """The end of an order."""
        order = self._working(request["order"])
        self.known[request["client_id"]] = order
        self._end(order, "canceled")
        return {"order": order.name}

    def do_replace(self, request: dict[str, Any]) -> dict[str, Any]:
        """New terms; the order has the request's client id from then on."""
        order = self._working(request["order"])
        quantity = Decimal(request.get("quantity", order.quantity))
        limit = Decimal(request["limit"]) if "limit" in request else order.limit
        self._check(order.symbol, quantity, limit)
        if quantity <= order.filled:
            raise Refused(422, "REFUSED", f"quantity is {quantity}, and {order.filled} is filled already")
        order.quantity, order.limit = quantity, limit
        order.ids.append(request["client_id"])
        self.known[request["client_id"]] = order
        self._tell(order, kind="replaced", quantity=str(quantity), limit=str(limit))
        self._trade()
        return {"order": order.name}

    def _working(self, client_id: str) -> Order:
        order = self.known.get(client_id)
        if order is None:
            raise Refused(404, "UNKNOWN_ORDER", f"client id {client_id} is of no order")
        if not order.leaves:
            raise Refused(422, "REFUSED", f"order {order.name} does not work any more")
        return order

    def do_find(self, request: dict[str, Any]) -> dict[str, Any]:
        """Everything about an order."""
        order = self.known.get(request["client_id"])
        if order is None:
            raise Refused(404, "UNKNOWN_ORDER", "the client id is of no order")
        return {"events": order.events}

    def do_open(self, _request: dict[str, Any]) -> dict[str, Any]:
        """What works."""
        ids = [order.ids[-1] for order in self.orders.values() if order.leaves]
        half = self.fault == "half"
        return {"complete": not half, "client_ids": ids[1:] if half else ids}

    def do_account(self, request: dict[str, Any]) -> dict[str, Any]:
        """What is in the account, and what was executed."""
        since = request["since"]
        return {
            "complete": self.fault != "half",
            "positions": {symbol: str(held) for symbol, held in self.positions.items()},
            "balances": {currency: str(money) for currency, money in self.balances.items()},
            "events": [said for said in self.log if said["kind"] == "executed" and said["at"] >= since],
        }

    def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        """That much can be bought at the ask and sold at the bid."""
        self.bid, self.ask, self.sizes = bid, ask, {1: size, -1: size}
        self._trade()

    def end_day(self) -> None:
        """Day orders are over."""
        for order in self.orders.values():
            if order.leaves and order.tif == "day":
                self._end(order, "expired")

    def say_otherwise(self, exec_id: str, quantity: Decimal, price: Decimal) -> None:
        """Corrects an execution, or takes it back where nothing is left of it; the order is that much smaller."""
        was = next(said for said in self.log if said.get("exec_id") == exec_id)
        order = self.orders[was["order"]]
        order.quantity += quantity - Decimal(was["quantity"])
        self._book(order, -Decimal(was["quantity"]), Decimal(was["price"]))
        self._book(order, quantity, price)
        what = "correct" if quantity else "bust"
        self._executed(order, quantity, price, what=what, refers_to=exec_id)

    def do_again(self) -> None:
        """The last execution is taken back, and done again."""
        last = [said for said in self.log if said["kind"] in ("executed", "moved")][-1]
        if last["kind"] == "moved":
            order, token, amount = self.orders[last["order"]], last["token"], Decimal(last["amount"])
            self._move(order, token, -amount, what="bust", refers_to=last["exec_id"])
            self._move(order, token, amount)
            return
        quantity, price = Decimal(last["quantity"]), Decimal(last["price"])
        order = self.orders[last["order"]]
        self.say_otherwise(last["exec_id"], Decimal(0), Decimal(0))
        order.quantity += quantity
        self._book(order, quantity, price)
        self._executed(order, quantity, price)

    def _trade(self) -> None:
        for order in self.orders.values():
            price = self.ask if order.sign > 0 else self.bid
            limit = price if order.limit is None else order.limit
            done = min(order.leaves, self.sizes[order.sign])
            if price and done > 0 and (price - limit) * order.sign <= 0:
                self.sizes[order.sign] -= done
                self._book(order, done, price)
                self._executed(order, done, price)

    def _book(self, order: Order, quantity: Decimal, price: Decimal) -> None:
        order.filled += quantity
        self.positions[order.symbol] += order.sign * quantity
        self.balances["USD"] -= order.sign * quantity * price

    def _executed(
        self, order: Order, quantity: Decimal, price: Decimal, what: str = "trade", **more: Any
    ) -> None:
        self._tell(
            order,
            kind="executed",
            what=what,
            exec_id=f"X{len(self.log) + 1}",
            at=self.now(),
            quantity=str(quantity),
            price=str(price),
            symbol=order.symbol,
            side="buy" if order.sign > 0 else "sell",
            completes=order.filled == order.quantity,
            **more,
        )

    def _end(self, order: Order, end: str) -> None:
        order.end = end
        self._tell(order, kind="ended", end=end)

    def _tell(self, order: Order, **said: Any) -> None:
        event = {"event": len(self.log) + 1, "order": order.name, "client_id": order.ids[-1], **said}
        self.log.append(event)
        order.events.append(event)
        self.publish(event)

    def publish(self, event: dict[str, Any]) -> None:
        """Tells those who follow."""

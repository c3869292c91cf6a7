"""A conversation with the engine: what we ask, what a broker says, what follows. No store, no clock, no I/O.

    Playbook().submit(100).expect("InstrumentDefined", "OrderEntered", state=State.SUBMITTED)
              .report(fill("x1", 40, "180.4")).expect("OrderFilled", state=State.PARTIALLY_FILLED, filled=40)
              .cancel().expect("RequestOpened")
              .report(ended(End.CANCELED)).expect("OrderCanceled", state=State.CANCELED, leaves=0)

A report that names nobody is about the order spoken of last, or, where it answers one, about its last request.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ordergate.application.engine import Engine, Input, Step
from ordergate.application.entry import Entry, Origin, decode, encode
from ordergate.application.recovery import apply
from ordergate.application.view import View
from ordergate.domain.book import Book
from ordergate.domain.events import AnyEvent
from ordergate.domain.funds import Fund
from ordergate.domain.identifiers import client_order_id
from ordergate.domain.instruments import built_in
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import ExecutionKind, Mark, OrderType, Side, State

START: Final = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
BROKER: Final = "paper"
FUND: Final = Fund(fund_id="fund", broker=BROKER, unlimited=True)
Number = Decimal | int | str
_OF_A_REQUEST: Final = (r.Answered, r.Replaced, r.RequestRefused, r.LookedUp)


class Playbook:
    """An engine with one fund, the broker `paper` and, where `session`, its session.

    Attributes:
        now: the virtual time; it stands still unless it is set.
        entries: the journal; `events` are those of the last step, `answer` is what it answered.
        order_id: of the order spoken of last.
    """

    def __init__(self, fund: Fund = FUND, *, session: bool = True) -> None:
        self.now, self.fund, self.order_id, self._orders = START, fund, "", 0
        self.entries: list[Entry] = []
        self.events: list[AnyEvent] = []
        self.answer: Any = None
        view = View(instrument=built_in, new_order_id=self._name_order, brokers=frozenset({BROKER}))
        self.engine = Engine(Book(), view)
        self.step(c.Configure((fund,), ()))
        if session:
            self.open_session()

    def _name_order(self) -> str:
        self._orders += 1
        return f"ord-{self._orders}"

    def step(self, given: Input) -> Step:
        """One input at the present moment."""
        done = self.engine.step(given, self.now, Origin())
        self.entries += done.entries
        self.events, self.answer = [entry.event for entry in done.entries], done.answer
        return done

    def open_session(self) -> "Playbook":
        """The broker's session comes up, in a new epoch."""
        self.engine.view.sessions[BROKER] = self.step(c.OpenSession(BROKER, "test")).answer
        return self

    def close_session(self) -> "Playbook":
        """The broker's session is gone."""
        self.engine.view.sessions.pop(BROKER, None)
        return self

    def submit(self, quantity: Number = 100, *, limit: Number | None = None, **more: Any) -> "Playbook":
        """Asks for an order: buy AAPL at the market or a limit; `more` are fields of `SubmitOrder`."""
        self.order_id = self.step(self.wanted(quantity, limit, c.SubmitOrder, **more)).answer.order.order_id
        return self

    def create(self, quantity: Number = 100, *, limit: Number | None = None, **more: Any) -> "Playbook":
        """Asks for the same order, but only to be created."""
        self.order_id = self.step(self.wanted(quantity, limit, c.CreateOrder, **more)).answer.order.order_id
        return self

    def submit_created(self) -> "Playbook":
        """Asks for the order spoken of last to be sent."""
        self.step(c.SubmitCreated(self.order_id))
        return self

    def wanted(
        self, quantity: Number, limit: Number | None, kind: type[c.SubmitOrder], **more: Any
    ) -> c.SubmitOrder:
        """The command for an order, as `submit` has it."""
        fields: dict[str, Any] = {
            "fund_id": self.fund.fund_id,
            "symbol": "AAPL",
            "side": Side.BUY,
            "quantity": Decimal(quantity),
            "order_type": OrderType.MARKET if limit is None else OrderType.LIMIT,
            "limit_price": _decimal(limit),
            "key_kind": "idempotency_key",
            "key": f"key-{self._orders + 1}",
        }
        return kind(**(fields | more))

    def cancel(self) -> "Playbook":
        """Asks for a cancel."""
        self.step(c.CancelOrder(order_id=self.order_id))
        return self

    def replace(self, quantity: Number | None = None, *, limit: Number | None = None) -> "Playbook":
        """Asks for other terms."""
        wanted, price = _decimal(quantity), _decimal(limit)
        self.step(c.ReplaceOrder(order_id=self.order_id, quantity=wanted, limit_price=price))
        return self

    def report(self, *said: r.AnyReport, request: int | None = None) -> "Playbook":
        """A broker says something, of that request where one is numbered; `events` are those of all of it."""
        events: list[AnyEvent] = []
        for one in said:
            self.step(self.addressed(one, request))
            events += self.events
        self.events = events
        return self

    def addressed(self, said: r.AnyReport, request: int | None = None) -> r.AnyReport:
        """The report with the name of the order or request that it is about, where it names none itself."""
        order = self.order
        if said.client_id is not None:
            return said
        if request is None:
            request = order.request_count if isinstance(said, _OF_A_REQUEST) else order.accepted_number
        if not request and order.broker_order_id is not None:  # one that we never sent
            return replace(said, broker_order_id=order.broker_order_id)
        return replace(said, client_id=client_order_id(self.order_id, request or 1))

    @property
    def order(self) -> Order:
        """The order spoken of last, as it is now."""
        return self.engine.state.orders.rows[self.order_id]

    def expect(self, *kinds: str, state: State | None = None, **attributes: Number) -> "Playbook":
        """Checks the last events' kinds, the state, and `filled`, `leaves` or another number of the order.

        Raises:
            AssertionError: naming what was expected and what is.
        """
        names = {"filled": "filled_quantity", "leaves": "leaves_quantity"}
        numbers = {name: Decimal(getattr(self.order, names.get(name, name))) for name in attributes}
        is_now = [type(event).__name__ for event in self.events], state and self.order.state, numbers
        wanted = list(kinds), state, {name: Decimal(value) for name, value in attributes.items()}
        assert is_now == wanted, f"expected {wanted}, got {is_now}"
        return self

    def replayed(self) -> Book:
        """An empty book after folding the journal's bytes."""
        state = Book()
        for entry in self.entries:
            apply(state, decode(encode(entry).data, entry.index))
        return state


def ack(broker_order_id: str | None = "B1") -> r.Acknowledged:
    """The broker has the order."""
    return r.Acknowledged(broker=BROKER, broker_order_id=broker_order_id)


def fill(exec_id: str, quantity: Number, price: Number, *, seconds: float = 0, **more: Any) -> r.Executed:
    """A trade, so many seconds after START by the broker's clock; `more` are fields of `Executed`."""
    fields: dict[str, Any] = {"quantity": Decimal(quantity), "price": Decimal(price)} | more
    return r.Executed(broker=BROKER, exec_id=exec_id, time=START + timedelta(seconds=seconds), **fields)


def correct(exec_id: str, refers_to: str, quantity: Number, price: Number, **more: Any) -> r.Executed:
    """A trade is corrected."""
    return fill(exec_id, quantity, price, execution_kind=ExecutionKind.CORRECT, refers_to=refers_to, **more)


def bust(exec_id: str, refers_to: str, **more: Any) -> r.Executed:
    """A trade is taken back."""
    return fill(exec_id, 0, 0, execution_kind=ExecutionKind.BUST, refers_to=refers_to, **more)


def replaced(quantity: Number | None = None, limit: Number | None = None) -> r.Replaced:
    """Our replace was done; the terms are named where they differ from ours."""
    return r.Replaced(broker=BROKER, quantity=_decimal(quantity), limit_price=_decimal(limit))


def restated(quantity: Number | None = None, limit: Number | None = None, ratio: Number = 1) -> r.Restated:
    """The broker changed the order unasked."""
    terms: dict[str, Any] = {"quantity": _decimal(quantity), "limit_price": _decimal(limit)}
    return r.Restated(broker=BROKER, reason="verbal", ratio=Decimal(ratio), **terms)


def ended(end: r.End) -> r.Ended:
    """The order is at its end."""
    return r.Ended(broker=BROKER, end=end)


def refused() -> r.RequestRefused:
    """Our cancel or replace was refused."""
    return r.RequestRefused(broker=BROKER)


def marked(mark: Mark, *, on: bool = True) -> r.Marked:
    """An attribute of the working order was set or cleared."""
    return r.Marked(broker=BROKER, mark=mark, on=on)


def _decimal(value: Number | None) -> Decimal | None:
    return None if value is None else Decimal(value)

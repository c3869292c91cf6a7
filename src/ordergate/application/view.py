"""What a decision may look at beside the state: volatile, and perhaps different on another node.

What was used of it stands in the event.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.expiry import Calendar
from ordergate.domain.orders.states import OrderType, Protection
from ordergate.domain.risk.case import BrokerAccount
from ordergate.domain.signals import Signal


class SignalRouting(Struct, frozen=True, kw_only=True):
    """What a signal becomes that does not say it itself: which fund's order, of which type, and how protected.

    Attributes:
        max_slippage_pips: what the order bears, where it has no stop price and its instrument counts in pips.
        by_key: a signal with an `idempotency_key` is known again by that, and not by its id.
        windowed: a signal is known again for `window` (None is for ever), and not for as long as its fund says.
        least_window: but never for less.
    """

    fund: str = "paper-momentum"
    order_type: str = "market"
    protect: Protection = Protection.NONE
    max_slippage_pips: Decimal | None = None
    by_key: bool = False
    windowed: bool = False
    window: timedelta | None = None
    least_window: timedelta = timedelta(0)

    def key_of(self, signal: Signal) -> tuple[str, str]:
        """The kind of key that makes the signal the same signal, and the key."""
        if self.by_key and signal.idempotency_key is not None:
            return "idempotency_key", signal.idempotency_key
        return "signal_id", signal.signal_id

    def window_of(self, command: SubmitOrder, fund: Fund) -> timedelta | None:
        """For how long the order's key makes the same order; None is for ever."""
        by = "idempotency_key" if self.by_key and command.signal_id is not None else "signal_id"
        if command.key_kind not in ("signal_id", by):
            return fund.dedupe_window
        window = self.window if self.windowed else fund.dedupe_window
        return None if window is None else max(window, self.least_window)


class GateTerms(Struct, frozen=True, kw_only=True):
    """How an external gate is asked.

    Attributes:
        timeout_s: how long an order waits for it.
        advisory: silence agrees; else it refuses.
    """

    timeout_s: int = 5
    advisory: bool = False


PAR: Final[Mapping[str, Decimal]] = {"USDT/USD": Decimal(1)}
"""The rate of the one currency of the built-in instruments that no pair of them converts."""


class View(Struct, kw_only=True):
    """The world at this moment.

    Attributes:
        instrument: the catalogue: configured, built in, or None.
        brokers: names that orders may be sent to.
        quotes: the last quote of each symbol.
        sessions: per broker whose session is up and ours, its epoch.
        is_down: whether a broker, by its name, takes no orders now, as far as this node knows.
        unchecked: brokers of whose account nothing has been compared in this session yet: no new order is sent.
        rates: fixed ones, such as `{"USDT/USD": 1}`.
        gates: the external ones, by name.
        account: what a broker has said last of its account; None where it says nothing.
        replaces: whether a broker, by its name, makes working orders smaller.
        operations: what orders may do at a broker.
        switched_off: types of orders of which no new one is taken.
        configuration: the digest of the change of the configuration that was journalled last in this run, by any node.
        calendar: the sessions of instruments; None where nobody says, and then they end no order.
    """

    instrument: Callable[[str], Instrument | None]
    new_order_id: Callable[[], str]
    brokers: frozenset[str] = frozenset()
    signals: SignalRouting = SignalRouting()
    quotes: dict[str, Quote] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    unchecked: set[str] = field(default_factory=set)
    rates: Mapping[str, Decimal] = field(default_factory=lambda: PAR)
    gates: dict[str, GateTerms] = field(default_factory=dict)
    account: Callable[[str], BrokerAccount | None] = lambda _broker: None
    replaces: Callable[[str], bool] = lambda _broker: True
    operations: Callable[[str], frozenset[Operation]] = lambda _broker: frozenset(Operation)
    is_down: Callable[[str], bool] = lambda _broker: False
    switched_off: frozenset[OrderType] = frozenset()
    calendar: Calendar | None = None
    configuration: str = ""

    def opens(self, broker: str) -> int | None:
        """The epoch in which a new order may be sent there; None where it waits."""
        return None if broker in self.unchecked else self.sessions.get(broker)

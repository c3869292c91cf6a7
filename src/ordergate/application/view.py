"""What a decision may look at beside the state: volatile, and perhaps different on another node.

What was used of it stands in the event.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from msgspec import Struct, field

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote
from ordergate.domain.orders.expiry import Calendar
from ordergate.domain.orders.states import Protection
from ordergate.domain.risk.case import BrokerAccount


class SignalRouting(Struct, frozen=True, kw_only=True):
    """What a signal becomes that does not say it itself: which fund's order, of which type, and how protected."""

    fund: str = "paper-momentum"
    order_type: str = "market"
    protect: Protection = Protection.NONE


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
        unchecked: brokers of whose account nothing has been compared in this session yet: no new order is sent.
        rates: fixed ones, such as `{"USDT/USD": 1}`.
        gates: the external ones, by name.
        account: what a broker has said last of its account; None where it says nothing.
        replaces: whether a broker, by its name, changes orders.
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
    calendar: Calendar | None = None
    configuration: str = ""

    def opens(self, broker: str) -> int | None:
        """The epoch in which a new order may be sent there; None where it waits."""
        return None if broker in self.unchecked else self.sessions.get(broker)

"""What a decision may look at beside the state: volatile, and perhaps different on another node.

What was used of it stands in the event.
"""

from collections.abc import Callable

from msgspec import Struct, field

from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote


class SignalRouting(Struct, frozen=True, kw_only=True):
    """What a signal becomes that does not say it itself: which fund's order, of which type."""

    fund: str = "paper-momentum"
    order_type: str = "market"


class View(Struct, kw_only=True):
    """The world at this moment.

    Attributes:
        instrument: the catalogue: configured, built in, or None.
        brokers: names that orders may be sent to.
        quotes: the last quote of each symbol.
        sessions: per broker whose session is up and ours, its epoch.
    """

    instrument: Callable[[str], Instrument | None]
    new_order_id: Callable[[], str]
    brokers: frozenset[str] = frozenset()
    signals: SignalRouting = SignalRouting()
    quotes: dict[str, Quote] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)

"""How accounts are compared with their brokers' records, and what a comparison came to."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.breaks import Break
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.orders.states import TERMINAL, State
from ordergate.domain.recon.statement import Terms


class Policy(StrEnum):
    """What follows from a break. ALERT: it is raised.

    HALT: if it is still there after 1, 2 and 4 s, the broker is halted; so it is for a trade that cannot be.
    CORRECT: the difference of a position or balance is booked. A journal that is behind always halts.
    """

    ALERT = "alert"
    HALT = "halt"
    CORRECT = "correct"


class AccountTerms(Struct, frozen=True, kw_only=True):
    """How one account is compared, how often, and what follows.

    Attributes:
        every_s: between two comparisons; None compares when the session begins, and when somebody asks.
        strict: also after each order.
    """

    every_s: float | None = 300
    strict: bool = False
    policy: Policy = Policy.ALERT
    terms: Terms = Terms()

    def for_broker(self, grace_s: float) -> Terms:
        """How it is compared with a broker that takes so long to show a trade."""
        return replace(self.terms, grace_s=max(self.terms.grace_s, grace_s))


def is_done(event: object) -> bool:
    """Whether an order has come to its end: in strict mode that is when an account is compared."""
    if not isinstance(event, OrderEvent) or not event.path:
        return False
    return event.path[-1] in TERMINAL or event.path[-1] is State.FILLED


class Found(StrEnum):
    """What a comparison came to.

    AGREES: nothing differs but what is explained. NOT_COMPARED: the statement was incomplete, or failed.
    """

    AGREES = "agrees"
    UNDER_WAY = "under_way"
    BREAKS = "breaks"
    NOT_COMPARED = "not_compared"


class Comparison(Struct, frozen=True, kw_only=True):
    """One comparison.

    Attributes:
        breaks: those open then that comparisons look after; none where nothing was compared.
        under_way: how many differences may come right by themselves.
        explained: how many are there, and a person has said that nothing is to be done.
        why: nothing was compared.
    """

    broker: str
    at: datetime
    found: Found
    breaks: tuple[Break, ...] = ()
    under_way: int = 0
    explained: int = 0
    halted: bool = False
    why: str | None = None

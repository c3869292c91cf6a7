"""A change of the configuration of a running gate: what is asked, and what the journal keeps of it."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.events import Event
from ordergate.domain.risk.limits import ConfiguredLimits

MOST_KEYS: Final = 50
"""Keys that an entry names; how many more there were, it counts."""

HIDDEN: Final = "hidden"
"""Stands for a value that may be secret."""


class KeyClass(StrEnum):
    """When a change of a key counts.

    HOT: at once. NEXT_SESSION: when the session at the broker is opened next. RESTART: when the service is started
    next. WITHOUT_OPEN_ORDERS: at once, and refused while orders that it is about have not ended.
    """

    HOT = "hot"
    NEXT_SESSION = "next_session"
    RESTART = "restart"
    WITHOUT_OPEN_ORDERS = "without_open_orders"


class ChangedKey(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key.

    Attributes:
        key: with dots, such as limits.funds.pairs.max_order_qty.
        old, new: as JSON, cut where it is long; None where there was or is nothing. Of what may be secret it only says
            that it is hidden.
    """

    key: str
    key_class: KeyClass
    old: str | None = None
    new: str | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether one secret took the place of another."""
        return HIDDEN in (self.old, self.new)


class Guarded(Struct, frozen=True, kw_only=True):
    """A key that may not change while orders of that fund, broker or symbol have not ended."""

    key: str
    fund_id: str | None = None
    broker: str | None = None
    symbol: str | None = None


class ChangeConfiguration(Struct, frozen=True, gc=False, kw_only=True):
    """Take over what the configuration says otherwise than before.

    Attributes:
        source: where the news came from, such as file; revision: of what it says there.
        digest: of all that is in force then; a change that another node has journalled already is no news.
        funds, instruments, limits: those that changed.
    """

    source: str
    revision: str
    digest: str
    changes: tuple[ChangedKey, ...]
    funds: tuple[Fund, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    limits: tuple[ConfiguredLimits, ...] = ()
    guarded: tuple[Guarded, ...] = ()


class ConfigurationChanged(
    Event, frozen=True, kw_only=True, omit_defaults=True, tag="ConfigurationChanged/1"
):
    """The configuration in force is another from here on.

    Attributes:
        more: how many keys changed beside those that are named.
    """

    source: str
    revision: str
    digest: str
    changes: tuple[ChangedKey, ...]
    more: int = 0


ConfigurationCommand = ChangeConfiguration
ConfigurationEvent = ConfigurationChanged

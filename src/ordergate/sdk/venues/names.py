"""The words of venues: what can be done, where, and which kind of place that is."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class OrderOperation(StrEnum):
    """What is done at a venue."""

    SPOT_TRADE = "spot_trade"
    PERP_TRADE = "perp_trade"
    SUPPLY = "supply"
    BORROW = "borrow"
    REPAY = "repay"
    WITHDRAW = "withdraw"
    STAKE = "stake"
    UNSTAKE = "unstake"
    SWAP = "swap"
    FLASH_BORROW = "flash_borrow"
    FLASH_REPAY = "flash_repay"
    TRANSFER = "transfer"


TRADES: Final = frozenset({OrderOperation.SPOT_TRADE, OrderOperation.PERP_TRADE})
ON_CHAIN: Final = frozenset(OrderOperation) - TRADES - {OrderOperation.TRANSFER}


class VenueType(StrEnum):
    """A kind of venue: an exchange, a protocol, what works on top of protocols, or a wallet."""

    CEX = "cex"
    DEFI = "defi"
    DEFI_MIDDLEWARE = "defi_middleware"
    WALLET = "wallet"


WALLET: Final = "wallet"
VENUES: Final[Mapping[str, VenueType]] = {
    "binance": VenueType.CEX,
    "bybit": VenueType.CEX,
    "okx": VenueType.CEX,
    "aave_v3": VenueType.DEFI,
    "etherfi": VenueType.DEFI,
    "lido": VenueType.DEFI,
    "morpho": VenueType.DEFI,
    "instadapp": VenueType.DEFI_MIDDLEWARE,
    "uniswap": VenueType.DEFI_MIDDLEWARE,
    "curve": VenueType.DEFI_MIDDLEWARE,
    WALLET: VenueType.WALLET,
    "alchemy": VenueType.WALLET,
}
"""The venues that are known by name, whether a broker is configured for them or not."""
_ALSO: Final[Mapping[str, str]] = {"aave": "aave_v3"}


def canonical(venue: str) -> str:
    """The venue's one name: in lower case, `aave` is `aave_v3`; an unknown one as it is written."""
    lower = venue.lower()
    lower = _ALSO.get(lower, lower)
    return lower if lower in VENUES else venue


def known_as(venue: str, broker: str) -> str:
    """A venue's name in position keys, where that broker does it: the broker's, if it is called so."""
    name = canonical(venue)
    return broker if canonical(broker) == name else name


def type_of(venue: str) -> VenueType:
    """The kind of a venue; one that is not known counts as a protocol."""
    return VENUES.get(canonical(venue), VenueType.DEFI)

"""What can be traded, in which unit and steps.

Built in: FX pairs of eight currencies in the order in which the market quotes them, gold, two coins, and by
rule every US equity and every token (`token:USDC`: what is moved, lent or staked, and not traded). Anything else
is refused until it is configured.
"""

import re
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Final

from msgspec import Struct

from ordergate.domain.errors import Code, Invalid
from ordergate.domain.money import is_multiple, text


class AssetClass(StrEnum):
    """Decides the trading calendar and which funds may trade it."""

    FX = "fx"
    METALS = "metals"
    CRYPTO = "crypto"
    EQUITIES = "equities"


class Unit(StrEnum):
    """What a quantity of one means."""

    LOTS = "lots"
    SHARES = "shares"
    COINS = "coins"
    OUNCES = "ounces"


class Instrument(Struct, frozen=True, gc=False, kw_only=True):
    """How a symbol is traded.

    Attributes:
        tick: smallest step of a price.
        lot_step: smallest step of a quantity, in `unit`.
        minimum: smallest quantity, in `unit`.
        contract_size: how much of `base` one unit is.
        base: what is bought; its balance moves with a fill.
        currency: what prices are in.
        pip_size: what slippage in pips is counted in; None where the market has no pips.
        sector, country: what exposure is added up by; None where nobody said.
        average_daily_volume: in `unit`, of the whole market; None where nobody said.
        perpetual: a future without end: a fill pays for nothing, what it makes is settled in `currency`.
    """

    symbol: str
    asset_class: AssetClass
    unit: Unit
    tick: Decimal
    lot_step: Decimal
    minimum: Decimal
    contract_size: Decimal
    base: str
    currency: str
    pip_size: Decimal | None = None
    sector: str | None = None
    country: str | None = None
    average_daily_volume: Decimal | None = None
    perpetual: bool | None = None

    def check_quantity(self, quantity: Decimal, pointer: str = "#/quantity") -> None:
        """Refuses a quantity off the lot step or below the minimum.

        Raises:
            Invalid: with the step or minimum that would be right.
        """
        if quantity < self.minimum:
            detail = (
                f"{text(quantity)} {self.unit} of {self.symbol} is below the minimum of {text(self.minimum)}"
            )
            raise Invalid(Code.BELOW_MINIMUM, detail, pointer)
        if not is_multiple(quantity, self.lot_step):
            detail = f"{text(quantity)} {self.unit} of {self.symbol} is no multiple of {text(self.lot_step)}"
            raise Invalid(Code.OFF_LOT, detail, pointer)

    def check_price(self, price: Decimal, pointer: str) -> None:
        """Refuses a price off the tick.

        Raises:
            Invalid: with the tick that would be right.
        """
        if not is_multiple(price, self.tick):
            detail = f"{text(price)} is no multiple of the tick {text(self.tick)} of {self.symbol}"
            raise Invalid(Code.OFF_TICK, detail, pointer)


# The order in which the market quotes a pair: the earlier is the base.
_CURRENCIES: Final = ("EUR", "GBP", "AUD", "NZD", "USD", "CAD", "CHF", "JPY")
_EQUITY: Final = re.compile(r"[A-Z]{1,5}")
_LOT: Final = Decimal(100_000)


def _fx(symbol: str) -> Instrument | None:
    base, quote = symbol[:3], symbol[3:]
    if base not in _CURRENCIES or quote not in _CURRENCIES:
        return None
    if _CURRENCIES.index(base) >= _CURRENCIES.index(quote):
        return None
    yen = quote == "JPY"
    return Instrument(
        symbol=symbol,
        asset_class=AssetClass.FX,
        unit=Unit.LOTS,
        tick=Decimal("0.001") if yen else Decimal("0.00001"),
        lot_step=Decimal("0.01"),
        minimum=Decimal("0.01"),
        contract_size=_LOT,
        base=base,
        currency=quote,
        pip_size=Decimal("0.01") if yen else Decimal("0.0001"),
    )


def _coin(symbol: str, lot_step: str) -> Instrument:
    base, _, quote = symbol.partition("/")
    return Instrument(
        symbol=symbol,
        asset_class=AssetClass.CRYPTO,
        unit=Unit.COINS,
        tick=Decimal("0.01"),
        lot_step=Decimal(lot_step),
        minimum=Decimal(lot_step),
        contract_size=Decimal(1),
        base=base,
        currency=quote,
    )


_GOLD: Final = Instrument(
    symbol="XAUUSD",
    asset_class=AssetClass.METALS,
    unit=Unit.LOTS,
    tick=Decimal("0.001"),
    lot_step=Decimal("0.01"),
    minimum=Decimal("0.01"),
    contract_size=Decimal(100),
    base="XAU",
    currency="USD",
    pip_size=Decimal("0.1"),
)
_NAMED: Final = {i.symbol: i for i in (_GOLD, _coin("BTC/USDT", "0.00001"), _coin("ETH/USDT", "0.0001"))}


def _equity(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        asset_class=AssetClass.EQUITIES,
        unit=Unit.SHARES,
        tick=Decimal("0.01"),
        lot_step=Decimal(1),
        minimum=Decimal(1),
        contract_size=Decimal(1),
        base=symbol,
        currency="USD",
    )


TOKEN: Final = "token:"  # noqa: S105  (no secret: the kind of an asset)
_TOKEN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SMALLEST: Final = Decimal(1).scaleb(-18)


def _token(name: str) -> Instrument | None:
    """A token as such, which is moved and not traded: it is worth itself."""
    if not _TOKEN_NAME.fullmatch(name):
        return None
    return Instrument(
        symbol=f"{TOKEN}{name}",
        asset_class=AssetClass.CRYPTO,
        unit=Unit.COINS,
        tick=_SMALLEST,
        lot_step=_SMALLEST,
        minimum=_SMALLEST,
        contract_size=Decimal(1),
        base=name,
        currency=name,
    )


@lru_cache(maxsize=4096)
def built_in(symbol: str) -> Instrument | None:
    """The instrument that ordergate knows by that symbol without configuration, or None."""
    if symbol in _NAMED:
        return _NAMED[symbol]
    if symbol.startswith(TOKEN):
        return _token(symbol.removeprefix(TOKEN))
    if len(symbol) == 6:
        return _fx(symbol)
    return _equity(symbol) if _EQUITY.fullmatch(symbol) else None

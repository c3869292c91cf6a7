"""The instruments of the configuration."""

from decimal import Decimal
from functools import lru_cache

from msgspec import Struct, field

from ordergate.config.funds import checked
from ordergate.domain.identifiers import parse_name
from ordergate.domain.instruments import AssetClass, Instrument, Unit
from ordergate.domain.money import parse_positive


class InstrumentSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An instrument; `class` decides its sessions."""

    asset_class: AssetClass = field(name="class")
    unit: Unit
    tick: Decimal
    lot_step: Decimal
    currency: str
    minimum: Decimal | None = None
    contract_size: Decimal = Decimal(1)
    pip_size: Decimal | None = None
    base: str | None = None
    sector: str | None = None
    country: str | None = None
    average_daily_volume: Decimal | None = None
    perpetual: bool = False


def check_instrument(symbol: str, section: InstrumentSection, where: str) -> None:
    """Raises ConfigError unless names are names, and numbers above zero.

    That of a perpetual may end with what it is settled in, as `BTC/USDT:USDT`.
    """
    for name in symbol.split(":", 1) if section.perpetual else (symbol,):
        checked(parse_name, name, where)
    for key in ("currency", "base"):
        checked(parse_name, getattr(section, key), f"{where}.{key}")
    for key in ("tick", "lot_step", "minimum", "contract_size", "pip_size", "average_daily_volume"):
        checked(parse_positive, getattr(section, key), f"{where}.{key}")


@lru_cache(maxsize=4096)
def instrument_of(symbol: str, section: InstrumentSection) -> Instrument:
    """The instrument that is configured so."""
    return Instrument(
        symbol=symbol,
        asset_class=section.asset_class,
        unit=section.unit,
        tick=section.tick,
        lot_step=section.lot_step,
        minimum=section.minimum or section.lot_step,
        contract_size=section.contract_size,
        base=section.base or symbol.partition("/")[0],
        currency=section.currency,
        pip_size=section.pip_size,
        sector=section.sector,
        country=section.country,
        average_daily_volume=section.average_daily_volume,
        perpetual=section.perpetual or None,
    )

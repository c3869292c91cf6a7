"""What a terminal says of a symbol, and whether it is the instrument that we take it for."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.domain.instruments import AssetClass, Instrument, Unit
from ordergate.domain.money import is_multiple, plain, text

_METALS: Final = ("XAU", "XAG", "XPT", "XPD")


class Unreadable(Exception):
    """What the terminal said is not what the package's reference says that it says."""


def number(value: Any, name: str) -> Decimal:
    """A number of the package's, by its shortest text.

    Raises:
        Unreadable: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unreadable(f"{name} is {value!r}, no number")
    found = Decimal(repr(value))
    if not found.is_finite():
        raise Unreadable(f"{name} is {value!r}, no number")
    return plain(found)


def lots(said: Mapping[str, Any], name: str) -> Decimal:
    """A volume among what the package said; the server keeps eight digits of them, whatever a float makes of that.

    Raises:
        Unreadable: it is none.
    """
    return plain(round(number(said.get(name), name), 8))


def whole(said: Mapping[str, Any], name: str) -> int:
    """A whole number among what the package said.

    Raises:
        Unreadable: it is none.
    """
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unreadable(f"{name} is {value!r}, no whole number")
    return value


class Symbol(Struct, frozen=True, gc=False, kw_only=True):
    """A symbol as the terminal has it now.

    Attributes:
        point: one digit's worth of a price; distances are counted in it.
        tick: the smallest step of a price.
        contract_size: how much of what is bought one lot is.
        least, most, step: of a volume, in lots; `most` is 0 where there is no end.
        stops_level: how far from the market stops and resting orders must be, in points.
        fillings, times, orders: masks of what it takes.
        bid, ask: 0 where there is no quote.
    """

    name: str
    digits: int
    point: Decimal
    tick: Decimal
    contract_size: Decimal
    least: Decimal
    most: Decimal
    step: Decimal
    stops_level: int
    execution: int
    trade_mode: int
    calc_mode: int
    fillings: int
    times: int
    orders: int
    bid: Decimal
    ask: Decimal
    base: str
    currency: str
    visible: bool

    @property
    def distance(self) -> Decimal:
        """The stops level as a price."""
        return self.stops_level * self.point


def symbol_of(said: Mapping[str, Any]) -> Symbol:
    """A SymbolInfo of the package's. Raises Unreadable."""
    digits, point = whole(said, "digits"), number(said.get("point"), "point")
    tick = number(said.get("trade_tick_size"), "trade_tick_size") or point
    contract, step = number(said.get("trade_contract_size"), "trade_contract_size"), said.get("volume_step")
    found = Symbol(
        name=str(said.get("name")),
        digits=digits,
        point=point,
        tick=tick,
        contract_size=contract,
        least=number(said.get("volume_min"), "volume_min"),
        most=number(said.get("volume_max"), "volume_max"),
        step=number(step, "volume_step"),
        stops_level=whole(said, "trade_stops_level"),
        execution=whole(said, "trade_exemode"),
        trade_mode=whole(said, "trade_mode"),
        calc_mode=whole(said, "trade_calc_mode"),
        fillings=whole(said, "filling_mode"),
        times=whole(said, "expiration_mode"),
        orders=whole(said, "order_mode"),
        bid=number(said.get("bid"), "bid"),
        ask=number(said.get("ask"), "ask"),
        base=str(said.get("currency_base")),
        currency=str(said.get("currency_profit")),
        visible=bool(said.get("visible")),
    )
    for name in ("point", "tick", "contract_size", "step"):
        if getattr(found, name) <= 0:
            raise Unreadable(f"{name} of {found.name} is {getattr(found, name)}, not above zero")
    return found


def disagreements(symbol: Symbol, instrument: Instrument) -> list[str]:
    """Where an instrument is not what the terminal has under its name, so that an order would be another one there.

    Each says both, and what would be right.
    """
    ours, theirs, found = f"instruments.{instrument.symbol}", symbol.name, []
    if symbol.calc_mode in c.CALC_FOREX and instrument.base != symbol.base:
        found.append(f"{ours}.base is {instrument.base}, and {theirs} is {symbol.base}: map the right symbol")
    if instrument.currency != symbol.currency:
        found.append(
            f"{ours}.currency is {instrument.currency}, and {theirs} is priced in {symbol.currency}: write that"
        )
    if instrument.unit is Unit.LOTS and instrument.contract_size != symbol.contract_size:
        right = text(symbol.contract_size)
        found.append(
            f"{ours}.contract_size is {text(instrument.contract_size)}, and a lot of {theirs} is {right}: write {right}"
        )
    if not (is_multiple(symbol.tick, instrument.tick) or is_multiple(instrument.tick, symbol.tick)):
        right = text(symbol.tick)
        found.append(
            f"{ours}.tick is {text(instrument.tick)}, and {theirs} moves by {right} ({symbol.digits} digits): "
            f"write {right}"
        )
    return found


def finer(symbol: Symbol, instrument: Instrument) -> list[str]:
    """Where our steps are finer than the terminal's: orders between its own are refused."""
    ours, theirs, found = f"instruments.{instrument.symbol}", symbol.name, []
    step = volume_of(instrument.lot_step, symbol, instrument)
    if not is_multiple(instrument.tick, symbol.tick):
        found.append(f"{ours}.tick is {text(instrument.tick)}, and {theirs} moves by {text(symbol.tick)}")
    if not is_multiple(step, symbol.step):
        right = quantity_of(symbol.step, symbol, instrument)
        found.append(f"{ours}.lot_step is {text(instrument.lot_step)}, and {theirs} takes {text(right)}")
    return found


def volume_of(quantity: Decimal, symbol: Symbol, instrument: Instrument) -> Decimal:
    """A quantity of ours in the terminal's lots; exact, or what is nearest to 40 digits."""
    return plain_ratio(quantity, instrument.contract_size, symbol.contract_size)


def quantity_of(volume: Decimal, symbol: Symbol, instrument: Instrument) -> Decimal:
    """The terminal's lots in our unit."""
    return plain_ratio(volume, symbol.contract_size, instrument.contract_size)


def plain_ratio(value: Decimal, times: Decimal, by: Decimal) -> Decimal:
    """A product and a quotient, in the plain form."""
    if times == by:
        return plain(value)
    return plain((value * times) / by)


def pip_of(symbol: Symbol) -> Decimal | None:
    """A pip by digits: ten points where a pair is quoted with 3 or 5 digits, else one; None of what has no pips."""
    if symbol.calc_mode not in c.CALC_FOREX or symbol.base in _METALS:
        return None
    return plain(symbol.point * 10) if symbol.digits in (3, 5) else symbol.point


def section_of(ours: str, symbol: Symbol) -> str:
    """The table of the configuration that describes the symbol, as TOML.

    What the terminal does not say (its class, of what is neither a pair nor a metal) is left to be filled in.
    """
    metal = symbol.base in _METALS
    forex = symbol.calc_mode in c.CALC_FOREX and not metal
    kind = AssetClass.METALS if metal else AssetClass.FX if forex else None
    pip = pip_of(symbol)
    lines = [
        f"[instruments.{_quoted(ours)}]",
        f'class = "{kind}"' if kind is not None else "# class = one of fx, metals, crypto, equities",
        'unit = "lots"',
        f'tick = "{text(symbol.tick)}"',
        f'lot_step = "{text(symbol.step)}"',
        f'minimum = "{text(symbol.least)}"',
        f'contract_size = "{text(symbol.contract_size)}"',
        f'base = "{symbol.base}"',
        f'currency = "{symbol.currency}"',
    ]
    lines.append(
        f'pip_size = "{text(pip)}"'
        if pip is not None
        else "# pip_size = what your broker calls a pip, if anything"
    )
    return "\n".join(lines)


def _quoted(name: str) -> str:
    bare = all((one.isalnum() and one.isascii()) or one in "-_" for one in name)
    return name if bare else f'"{name}"'

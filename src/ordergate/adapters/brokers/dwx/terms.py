"""An order in the terminal's terms: lots, two digits of them, and prices as they are told.

What the expert advisor would cut is refused: it would be another order than was approved.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.dwx.settings import SEPARATORS, DwxSettings
from ordergate.application.ports.brokers import Capabilities, Send
from ordergate.domain.errors import Invalid
from ordergate.domain.instruments import Instrument, Unit
from ordergate.domain.money import EXACT, ZERO, is_multiple, is_sane, plain, text
from ordergate.domain.orders.states import OrderType

Catalogue = Callable[[str], Instrument | None]
_LOT_STEP: Final = Decimal("0.01")
_PRICE_STEP: Final = Decimal("0.00001")
_TYPES: Final = {OrderType.MARKET: "", OrderType.LIMIT: "limit", OrderType.STOP: "stop"}


class Refused(Exception):
    """An order is none that can be given as it is; the text says why, and what would be right."""


class Terms(Struct, frozen=True, kw_only=True):
    """An order as the terminal takes it.

    Attributes:
        unit: how much of our quantity one lot is.
        price: 0 is the market's.
    """

    theirs: str
    type: str
    lots: Decimal
    unit: Decimal
    price: Decimal
    stop_loss: Decimal
    take_profit: Decimal


def unit_of(symbol: str, settings: DwxSettings, catalogue: Catalogue) -> Decimal:
    """How much of our quantity one of the terminal's lots is. Raises Refused."""
    instrument = catalogue(symbol)
    if instrument is None:
        raise Refused(f"there is no instrument {symbol}: configure it")
    size = settings.lot_sizes.get(symbol)
    if size is None and instrument.unit is not Unit.LOTS:
        raise Refused(
            f"{symbol} is counted in {instrument.unit}, the terminal counts lots: write lot_sizes.{symbol}, how much "
            f"{instrument.base} one lot is"
        )
    if size is None:
        return Decimal(1)
    try:
        return plain(EXACT.divide(size, instrument.contract_size))
    except ArithmeticError:
        detail = f"one lot of {text(size)} is no number of {text(instrument.contract_size)} {instrument.base}"
        raise Refused(f"{symbol}: {detail}") from None


def terms_of(send: Send, settings: DwxSettings, can: Capabilities, catalogue: Catalogue) -> Terms:
    """Raises Refused."""
    _check_kind(send, can)
    theirs = settings.symbols.get(send.symbol)
    if theirs is None:
        raise Refused(f"{send.symbol} is none of symbols: {', '.join(settings.symbols)}")
    unit = unit_of(send.symbol, settings, catalogue)
    _check_numbers(send)
    _check_steps(send, catalogue)
    lots = _lots(send, unit)
    price = send.limit_price if send.order_type is OrderType.LIMIT else send.stop_price
    return Terms(
        theirs=theirs,
        type=("buy" if send.side.sign > 0 else "sell") + _TYPES[send.order_type],
        lots=lots,
        unit=unit,
        price=ZERO if send.order_type is OrderType.MARKET or price is None else price,
        stop_loss=send.stop_loss or ZERO,
        take_profit=send.take_profit or ZERO,
    )


def written(*fields: object) -> str:
    """The content of a command. Raises Refused where a field would break it."""
    texts = [text(field) if isinstance(field, Decimal) else str(field) for field in fields]
    for one in texts:
        if not one.isascii() or not one.isprintable() or any(sign in SEPARATORS for sign in one):
            raise Refused(
                f"{one!r} cannot be written into a command: it has one of {SEPARATORS}, or is not ASCII"
            )
    return ",".join(texts)


def _check_kind(send: Send, can: Capabilities) -> None:
    if send.operation not in can.operations:
        raise Refused(f"the terminal does no {send.operation}")
    if send.order_type not in can.order_types:
        raise Refused(f"the expert advisor takes no {send.order_type} orders")
    if send.tif not in can.tifs:
        raise Refused(f"the expert advisor takes no {send.tif} orders: they are good till canceled")


def _check_numbers(send: Send) -> None:
    needed = {"quantity": send.quantity}
    if send.order_type is not OrderType.MARKET:
        limited = send.order_type is OrderType.LIMIT
        needed |= {"limit_price": send.limit_price} if limited else {"stop_price": send.stop_price}  # type: ignore[dict-item]
    given = {"stop_loss": send.stop_loss, "take_profit": send.take_profit}
    numbers = {**needed, **{name: value for name, value in given.items() if value is not None}}
    for name, value in numbers.items():
        if value is None or not is_sane(value) or value <= 0:
            raise Refused(f"{name} is {value}: it must be a number above zero")
        if name != "quantity" and not is_multiple(value, _PRICE_STEP):
            raise Refused(f"{name} is {text(value)}: the files carry five digits behind the point")


def _check_steps(send: Send, catalogue: Catalogue) -> None:
    instrument = catalogue(send.symbol)
    if instrument is None:
        raise Refused(f"there is no instrument {send.symbol}: configure it")
    try:
        instrument.check_quantity(send.quantity)
        for name in ("limit_price", "stop_price", "stop_loss", "take_profit"):
            value: Decimal | None = getattr(send, name)
            if value is not None:
                instrument.check_price(value, f"#/{name}")
    except Invalid as error:
        raise Refused(error.detail) from None


def _lots(send: Send, unit: Decimal) -> Decimal:
    try:
        lots = plain(EXACT.divide(send.quantity, unit))
    except ArithmeticError:
        lots = None
    if lots is None or not is_multiple(lots, _LOT_STEP):
        said = f"{text(send.quantity)} of {send.symbol}" + ("" if lots is None else f" is {text(lots)} lots")
        raise Refused(f"{said}: the files carry two digits of lots, so it must be a multiple of 0.01")
    return lots

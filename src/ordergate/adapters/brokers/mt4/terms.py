"""What the terminal takes of a symbol, checked before anything is sent: nothing is ever rounded."""

from collections.abc import Mapping
from decimal import Decimal

from ordergate.adapters.brokers.mt4.settings import Mt4Settings
from ordergate.adapters.brokers.mt4.wire import Row, Symbol, Tick
from ordergate.application.ports.brokers import Change, Send
from ordergate.domain.instruments import Instrument, Unit
from ordergate.domain.money import is_multiple, is_sane, plain, text
from ordergate.domain.orders.states import OrderType, TimeInForce

_PRICES = ("limit_price", "stop_price", "stop_loss", "take_profit")
_NEEDED: Mapping[OrderType, tuple[str, ...]] = {
    OrderType.MARKET: (),
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP: ("stop_price",),
}
_BOUNDED = ("request", "instant")
"""Ways of execution in which the server looks at how far the price may be from the one that was asked for."""


def wrong_order(send: Send, settings: Mt4Settings, name: str) -> str | None:
    """Why an order is none for here, as far as the terminal need not be asked; None where it is one."""
    if send.symbol not in settings.symbols:
        known = ", ".join(settings.symbols)
        return f"symbol: {send.symbol} is not traded here: brokers.{name}.symbols has {known}"
    if not send.operation.is_trade:
        return f"operation: a terminal trades, it does no {send.operation}"
    if send.order_type not in _NEEDED:
        return f"order_type: MetaTrader 4 has no {send.order_type} orders"
    if send.tif not in (TimeInForce.GTC, TimeInForce.GTD, TimeInForce.FOK):
        return f"tif: MetaTrader 4 has no {send.tif} orders: gtc, gtd and fok are"
    if send.tif is TimeInForce.GTD and send.expires_at is None:
        return "expires_at: is missing: a gtd order needs one"
    if send.tif is TimeInForce.FOK and send.order_type is OrderType.STOP:
        return "tif: a stop order cannot be fok: it waits"
    if not is_sane(send.quantity) or send.quantity <= 0:
        return f"quantity: {send.quantity} is no number above zero"
    return _wrong_prices(send)


def _wrong_prices(send: Send) -> str | None:
    for name in _PRICES:
        value: Decimal | None = getattr(send, name)
        if value is None and name in _NEEDED[send.order_type]:
            return f"{name}: is missing: a {send.order_type} order needs one"
        if value is not None and (not is_sane(value) or value <= 0):
            return f"{name}: {value} is no number above zero"
    return None


def wrong_terms(send: Send, instrument: Instrument | None, symbol: Symbol | None, theirs: str) -> str | None:
    """What the symbol there would not take of an order; None where it takes it."""
    if instrument is None:
        return f"symbol: there is no instrument {send.symbol}: configure it"
    if symbol is None:
        return f"symbol: the terminal does not tell of {theirs}: show it in its Market Watch, or map another"
    found = disagreements(instrument, symbol)
    if found:
        return found[0]
    if not symbol.trade_allowed:
        return f"symbol: {theirs} is not traded in this account"
    for name in _PRICES:
        value: Decimal | None = getattr(send, name)
        if value is not None and not is_multiple(value, symbol.tick_size):
            return f"{name}: {text(value)} is no multiple of {text(plain(symbol.tick_size))}, the tick of {theirs}"
    return _wrong_lots(lots_of(send.quantity, instrument, symbol), send, symbol)


def disagreements(instrument: Instrument, symbol: Symbol) -> list[str]:
    """Where an instrument is not what the terminal has under its name; each says both, and what would be right."""
    ours, theirs, found = f"instruments.{instrument.symbol}", symbol.symbol, []
    lot, tick = plain(symbol.lot_size), plain(symbol.tick_size)
    if symbol.currency_profit and instrument.currency != symbol.currency_profit:
        found.append(
            f"{ours}.currency is {instrument.currency}, and {theirs} is priced in {symbol.currency_profit}: write that"
        )
    if instrument.unit is Unit.LOTS and instrument.contract_size != lot:
        found.append(
            f"{ours}.contract_size is {text(instrument.contract_size)}, and a lot of {theirs} is {text(lot)}: "
            f"write {text(lot)}"
        )
    if tick <= 0 or not (is_multiple(tick, instrument.tick) or is_multiple(instrument.tick, tick)):
        found.append(
            f"{ours}.tick is {text(instrument.tick)}, and {theirs} moves by {text(tick)} ({symbol.digits} digits): "
            f"write {text(tick)}"
        )
    return found


def lots_of(quantity: Decimal, instrument: Instrument, symbol: Symbol) -> Decimal:
    """A quantity in the instrument's unit as the terminal counts."""
    return plain(quantity * instrument.contract_size / symbol.lot_size)


def _wrong_lots(lots: Decimal, send: Send, symbol: Symbol) -> str | None:
    said = f"quantity: {text(send.quantity)} of {send.symbol} is {text(lots)} lots of {symbol.symbol}"
    if lots < symbol.lot_min:
        return f"{said}, below the minimum of {text(plain(symbol.lot_min))}"
    if lots > symbol.lot_max:
        return f"{said}, above the maximum of {text(plain(symbol.lot_max))}"
    if not is_multiple(lots, symbol.lot_step):
        return f"{said}, no multiple of {text(plain(symbol.lot_step))}"
    return None


def is_marketable(send: Send, tick: Tick | None) -> bool:
    """Whether a limit order would trade at once, as the terminal's last quote says."""
    if send.order_type is not OrderType.LIMIT or send.limit_price is None or tick is None:
        return False
    if send.side.sign > 0:
        return 0 < tick.ask <= send.limit_price
    return tick.bid >= send.limit_price


def is_bounded(symbol: Symbol) -> bool:
    """Whether the server keeps to a price that it is given, where an order trades at once."""
    return symbol.execution in _BOUNDED


def wrong_change(change: Change, row: Row, lots: Decimal | None, symbol: Symbol) -> str | None:
    """What the terminal cannot change of an order that works; None where it can."""
    if lots is not None and lots != row.lots:
        return "quantity: MetaTrader 4 changes none: cancel the order and make a new one"
    name = "stop_price" if row.type.endswith("stop") else "limit_price"
    other = "limit_price" if name == "stop_price" else "stop_price"
    if getattr(change, other) is not None:
        return f"{other}: the order has none"
    price: Decimal | None = getattr(change, name)
    if price is None:
        return None if lots is not None else f"{name}: is missing: nothing else of it can be changed"
    if not is_sane(price) or price <= 0:
        return f"{name}: {price} is no number above zero"
    if not is_multiple(price, symbol.tick_size):
        tick = text(plain(symbol.tick_size))
        return f"{name}: {text(price)} is no multiple of {tick}, the tick of {symbol.symbol}"
    return None

"""What an order for a venue means to the engine: a command."""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from ordergate.domain.errors import Code, Invalid, quoted
from ordergate.domain.instruments import TOKEN, Instrument
from ordergate.domain.money import DIGITS, EXACT, ONE, divide, exact, text
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import SubmitOrder, parse_order
from ordergate.domain.orders.operations import Leg
from ordergate.domain.orders.states import Side
from ordergate.sdk.venues.models import Order
from ordergate.sdk.venues.names import OrderOperation, canonical
from ordergate.sdk.venues.registry import Place

Catalogue = Callable[[str], Instrument | None]
_SIDES: Final[Mapping[str, Side]] = {
    "BUY": Side.BUY,
    "LONG": Side.BUY,
    "SELL": Side.SELL,
    "SHORT": Side.SHORT,
}
_BPS: Final = Decimal(10_000)
_SMALLEST: Final = ONE.scaleb(-18)
KEY: Final = "idempotency_key"
_GIVEN: Final = ("token_in", "token_out", "moved_token")
_GOT: Final = ("token_out", "token_in", "moved_token")
_TOKENS: Final[Mapping[OrderOperation, tuple[str, ...]]] = {
    OrderOperation.SUPPLY: _GIVEN,
    OrderOperation.REPAY: _GIVEN,
    OrderOperation.STAKE: _GIVEN,
    OrderOperation.SWAP: _GIVEN,
    OrderOperation.FLASH_REPAY: _GIVEN,
    OrderOperation.BORROW: _GOT,
    OrderOperation.WITHDRAW: _GOT,
    OrderOperation.FLASH_BORROW: _GOT,
    OrderOperation.UNSTAKE: ("token_in",),
    OrderOperation.TRANSFER: ("moved_token",),
}
"""Where the token is named that the amount counts, the first first."""
_SAYS_OUT: Final = (OrderOperation.STAKE, OrderOperation.UNSTAKE, OrderOperation.SWAP)
_STAKED: Final = {"lido": "stETH", "etherfi": "eETH"}
"""What is taken back there, where an order does not say it."""


def named_key(order: Order) -> str | None:
    """What makes a repetition the same order, as its caller says; None where each call is an order of its own."""
    named = order.metadata.get(KEY) or order.operation_id
    return str(named) if named else None


def key_of_order(order: Order, fresh: Callable[[], str]) -> str:
    """What makes a repetition the same order: as its caller says, else a new one for this call."""
    return named_key(order) or f"venues/{fresh()}"


def key_of_bundle(key: str) -> str:
    """What makes a bundle the same order, by the key of its first."""
    return f"{key}/bundle"


def command_of(
    order: Order, place: Place, fund_id: str, key: str, catalogue: Catalogue, target: str | None = None
) -> SubmitOrder:
    """The order as the engine takes it.

    Args:
        target: of a transfer: the broker, venue or address that it goes to.

    Raises:
        Invalid: naming the field, its value and what would be right.
    """
    what = _trade(order, catalogue) if order.is_cex_trade() else _operation(leg_of(order, place, target))
    return parse_order({**_whose(order, place, fund_id, key), **what})


def bundle_of(orders: Sequence[Order], places: Sequence[Place], fund_id: str, key: str) -> SubmitOrder:
    """Operations on a chain as one order, in their sequence, each at its place; all have one broker.

    Raises:
        Invalid: as `command_of`.
    """
    legs = [leg_of(order, place, None) for order, place in zip(orders, places, strict=True)]
    first, place = legs[0], places[0]
    return parse_order(
        {
            **_whose(orders[0], place, fund_id, key),
            "symbol": f"{TOKEN}{first.token}",
            "quantity": first.quantity,
            "operation": Operation.BUNDLE,
            "terms": {"legs": [_shown(leg) for leg in legs]},
        }
    )


def _whose(order: Order, place: Place, fund_id: str, key: str) -> dict[str, Any]:
    return {
        "fund_id": fund_id,
        "broker": place.broker,
        "idempotency_key": key,
        "strategy_id": order.strategy_id,
    }


def _number(order: Order, name: str) -> Decimal | None:
    value = getattr(order, name)
    return None if value is None else exact(value, f"#/{name}")


def _trade(order: Order, catalogue: Catalogue) -> dict[str, Any]:
    price = _number(order, "price")
    limit = order.order_type == "limit"
    if limit and price is None:
        raise Invalid(Code.PRICE_MISSING, "is missing: a limit order needs one", "#/price")
    instrument = instrument_of(order, catalogue)
    return {
        "symbol": instrument.symbol,
        "quantity": divide(exact(order.amount, "#/amount"), instrument.contract_size, DIGITS),
        "side": _SIDES[order.side or ""],
        "order_type": order.order_type,
        "operation": order.operation.value,
        "tif": "gtc",
        "limit_price": price if limit else None,
        "entry_price": price,
        "stop_loss": _number(order, "stop_loss"),
        "take_profit": _number(order, "take_profit"),
        "max_slippage_bps": None if limit else _most_slippage(order),
    }


def _most_slippage(order: Order) -> Decimal | None:
    """Basis points of a market order's price that it may lose; None is any."""
    tolerance = _number(order, "slippage_tolerance")
    if tolerance is None:
        return None
    if tolerance <= 0:
        detail = (
            f"{text(tolerance)} must be above zero for a market order: None bears any, a limit order none"
        )
        raise Invalid(Code.BAD_VALUE, detail, "#/slippage_tolerance")
    return tolerance * _BPS


def instrument_of(order: Order, catalogue: Catalogue) -> Instrument:
    """The instrument of a pair: `BTC/USDT`; of a perpetual `BTC/USDT:USDT`, for which the pair stands, too.

    Raises:
        Invalid: there is none.
    """
    pair = order.pair or ""
    _base, slash, quote = pair.partition("/")
    perpetual = order.operation is OrderOperation.PERP_TRADE
    names = (f"{pair}:{quote}", pair) if perpetual and slash and ":" not in quote else (pair,)
    for name in names:
        instrument = catalogue(name)
        if instrument is not None and perpetual == bool(instrument.perpetual):
            return instrument
    kind = "perpetual" if perpetual else "pair"
    detail = f"{quoted(pair)} is no {kind} that is built in or configured"
    raise Invalid(Code.UNKNOWN_SYMBOL, detail, "#/pair")


def leg_of(order: Order, place: Place, target: str | None) -> Leg:
    """The operation that an order asks for.

    Raises:
        Invalid: it names no token.
    """
    named = _TOKENS[order.operation]
    token = next((value for name in named if (value := getattr(order, name))), None)
    if order.operation is OrderOperation.UNSTAKE:
        token = token or _STAKED.get(canonical(place.venue))
    if token is None:
        detail = f"is missing: which token shall the {order.operation} be of?"
        raise Invalid(Code.MISSING, detail, f"#/{named[0]}")
    by_claim = order.operation is OrderOperation.WITHDRAW and not order.token_out
    return Leg(
        operation=Operation(order.operation.value),
        quantity=exact(order.amount, "#/amount"),
        token=_underlying(token) if by_claim else token,
        venue=place.protocol,
        token_out=order.token_out if order.operation in _SAYS_OUT else None,
        target=target,
        least_out=_least_out(order),
    )


def _underlying(token: str) -> str:
    """What a claim of a lending protocol is on: USDC of aUSDC, wstETH of awstETH; a name all in lower case is none."""
    return token[1:] if token[:1] == "a" and token[1:] and not token.islower() else token


def _least_out(order: Order) -> Decimal | None:
    """Of a swap: what is expected to come out, less the tolerance; None where either is not said."""
    tolerance = _number(order, "slippage_tolerance")
    if order.operation is not OrderOperation.SWAP or tolerance is None:
        return None
    if order.price is not None:
        expected = exact(order.amount, "#/amount") * exact(order.price, "#/price")
    elif order.token_out in order.expected_deltas:
        expected = exact(order.expected_deltas[order.token_out], f"#/expected_deltas/{order.token_out}")
    else:
        return None
    return EXACT.multiply(expected, ONE - tolerance).quantize(_SMALLEST, ROUND_DOWN)


def _operation(leg: Leg) -> dict[str, Any]:
    terms = _shown(leg)
    for name in ("operation", "quantity", "token"):
        del terms[name]
    token = f"{TOKEN}{leg.token}"
    return {"symbol": token, "quantity": leg.quantity, "operation": leg.operation, "terms": terms}


def _shown(leg: Leg) -> dict[str, Any]:
    return {name: getattr(leg, name) for name in Leg.__struct_fields__ if getattr(leg, name) is not None}

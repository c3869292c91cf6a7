"""The opposite of an order: what undoes what it has executed."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from ordergate.domain.instruments import TOKEN, Instrument
from ordergate.domain.money import DIGITS, EXACT, ZERO, divide, plain
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import COMPENSATES, SubmitOrder
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.operations import OperationTerms, side_of
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

_SIDES: Final[Mapping[Side, Side]] = {
    Side.BUY: Side.SELL,
    Side.SELL: Side.BUY,
    Side.SHORT: Side.COVER,
    Side.COVER: Side.SHORT,
}
_OPPOSITE: Final[Mapping[Operation, Operation]] = {
    Operation.SUPPLY: Operation.WITHDRAW,
    Operation.WITHDRAW: Operation.SUPPLY,
    Operation.BORROW: Operation.REPAY,
    Operation.REPAY: Operation.BORROW,
    Operation.STAKE: Operation.UNSTAKE,
    Operation.UNSTAKE: Operation.STAKE,
    Operation.SWAP: Operation.SWAP,
    Operation.TRANSFER: Operation.TRANSFER,
}
_ELSEWHERE: Final = (Operation.STAKE, Operation.UNSTAKE, Operation.SWAP)
"""What gives another token, which the opposite order gives back."""


def opposite_of(order: Order, fills: Sequence[Fill], instrument: Instrument | None) -> SubmitOrder | None:
    """The order that undoes it, the same one whoever asks and however often; None where none does."""
    common: dict[str, Any] = {
        "fund_id": order.fund_id,
        "order_type": OrderType.MARKET,
        "tif": TimeInForce.GTC,
        "key_kind": COMPENSATES,
        "key": order.order_id,
        "strategy_id": order.strategy_id,
    }
    if order.operation.is_trade:
        return SubmitOrder(
            symbol=order.symbol,
            side=_SIDES[order.side],
            quantity=_left(order, fills, instrument),
            operation=order.operation,
            broker=order.broker,
            **common,
        )
    operation = _OPPOSITE.get(order.operation)
    terms = order.terms or OperationTerms()
    if operation is None:
        return None
    token, quantity, broker = order.symbol.removeprefix(TOKEN), order.filled_quantity, order.broker
    back = OperationTerms(venue=terms.venue)
    if operation is Operation.TRANSFER:
        if terms.target is None:
            return None
        broker, back = terms.target, OperationTerms(target=order.broker)
    elif order.operation in _ELSEWHERE:
        got, quantity = _got(fills, token)
        if got is None:
            return None
        back, token = OperationTerms(venue=terms.venue, token_out=token), got
    return SubmitOrder(
        symbol=f"{TOKEN}{token}",
        side=side_of(operation),
        quantity=quantity,
        operation=operation,
        terms=back,
        broker=broker,
        **common,
    )


def _left(order: Order, fills: Sequence[Fill], instrument: Instrument | None) -> Decimal:
    """What there is to trade back: of what was bought, less a fee that was taken of it, in whole lots."""
    taken = sum(
        (fill.fee for fill in fills if instrument is not None and fill.fee_currency == instrument.base), ZERO
    )
    if instrument is None or order.side is not Side.BUY or instrument.perpetual or taken <= 0:
        return order.filled_quantity
    left = order.filled_quantity - divide(taken, instrument.contract_size, DIGITS)
    return plain(left - EXACT.remainder(left, instrument.lot_step))


def _got(fills: Sequence[Fill], given: str) -> tuple[str | None, Decimal]:
    """The other token that executions have brought, and how much of it after fees."""
    amounts: dict[str, Decimal] = {}
    for fill in fills:
        for delta in fill.deltas:
            name = delta.position_key.rpartition(":")[2]
            amounts[name] = amounts.get(name, ZERO) + delta.amount
    brought = [(name, amount) for name, amount in amounts.items() if amount > 0 and name != given]
    return brought[0] if len(brought) == 1 else (None, ZERO)

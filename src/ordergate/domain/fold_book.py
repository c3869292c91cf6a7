"""The fold of an execution into the books: positions and lots, balances, the fund's profits and the day's volume.

What is no trade moves balances alone; its fee is a loss of the fund's like any other.
"""

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from ordergate.domain.book import Book
from ordergate.domain.fold_account import count_at_broker
from ordergate.domain.fold_risk import count_fee, count_fill
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.positions.ledger import Balance, deltas
from ordergate.domain.positions.lots import matching
from ordergate.domain.positions.position import Position, StrategyPosition, Trade, book, unbook


def book_fill(state: Book, fill: Fill, time: datetime, *, taken_back: bool) -> Fill:
    """Moves position, lots and balances by a fill that counts now, or no longer does."""
    instrument = state.instruments.rows[fill.symbol]
    fund = state.funds.rows[fill.fund_id]
    order, sign = state.orders.get(fill.order_id), -1 if taken_back else 1  # no order of an adjustment
    if order is None or order.operation.is_trade:
        _book_trade(state, fill, order, fund, instrument, time, taken_back=taken_back)
    else:
        count_fee(state, fill, fund, sign)
    moved = deltas(fill, fill.quantity, instrument)
    if order is None:
        moved = moved[:1]  # an adjustment was not paid for: money that differs is adjusted by itself
    count_at_broker(state, fill, instrument, sign, adjusts=order is None)
    for delta in moved:
        before = state.balances.get((fill.fund_id, delta.position_key))
        amount = (before.amount if before else ZERO) + delta.amount * sign
        state.balances.put(Balance(fund_id=fill.fund_id, position_key=delta.position_key, amount=amount))
    return replace(fill, deltas=moved)


def _book_trade(
    state: Book,
    fill: Fill,
    order: Order | None,
    fund: Fund,
    instrument: Instrument,
    time: datetime,
    *,
    taken_back: bool,
) -> None:
    """Moves position and lots, the fund's profits and the day's volume."""
    known = state.positions.get((fill.fund_id, fill.symbol)) or Position(
        fund_id=fill.fund_id, symbol=fill.symbol, updated_at=time
    )
    trade = Trade(
        fill.fill_id, fill.quantity * fill.side.sign, fill.price, fill.fee, fill.fee_currency, fill.time,
        min(fill.time, fill.booked_at).year,
    )  # fmt: skip
    how = matching(fund.tax_lot_method, None if order is None else order.lots)
    booking = unbook if taken_back else book
    position, lots = booking(known, trade, state.open_lots(known), how, instrument.contract_size)
    count_fill(state, fill, fund, instrument, (known, position), -1 if taken_back else 1)
    strategy_id = None if order is None else order.strategy_id
    if strategy_id is not None:
        key = fill.fund_id, fill.symbol, strategy_id
        add_to_strategy(state, key, -trade.quantity if taken_back else trade.quantity)
    for lot in lots:
        state.lots.put(lot)
    state.positions.put(replace(position, oldest_open=state.oldest_open(position), updated_at=time))


def add_to_strategy(state: Book, key: tuple[str, str, str], quantity: Decimal) -> None:
    """What a strategy has built in a fund becomes so much more.

    Args:
        key: fund, symbol and strategy.
        quantity: signed, in the instrument's unit.
    """
    before = state.strategy_positions.get(key)
    total = plain((ZERO if before is None else before.quantity) + quantity)
    fund_id, symbol, strategy_id = key
    state.strategy_positions.put(
        StrategyPosition(fund_id=fund_id, symbol=symbol, strategy_id=strategy_id, quantity=total)
    )

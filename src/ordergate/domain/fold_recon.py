"""The fold of breaks and of adjustments."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.book import Book
from ordergate.domain.fold_account import move_at_broker
from ordergate.domain.fold_book import book_fill
from ordergate.domain.money import ZERO
from ordergate.domain.positions.ledger import Balance, position_key
from ordergate.domain.recon import events as e
from ordergate.domain.recon.holding import HoldingKind


def _break(
    state: Book, event: e.BreakChanged | e.BreakAssigned | e.BreakResolved, _i: int, _t: datetime
) -> None:
    state.breaks.put(event.item)


def _adjusted(state: Book, event: e.PositionAdjusted, _index: int, time: datetime) -> None:
    if event.trade is not None:
        book_fill(state, event.trade, time, taken_back=False)
    if event.currency is not None and event.amount is not None:
        move_at_broker(state, event.broker, ((HoldingKind.CASH, event.currency, event.amount),))
        key = event.fund_id, position_key(event.broker, event.currency)
        before = state.balances.get(key) or Balance(fund_id=key[0], position_key=key[1], amount=ZERO)
        state.balances.put(replace(before, amount=before.amount + event.amount))


RECON_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    e.BreakChanged: _break,
    e.BreakAssigned: _break,
    e.BreakResolved: _break,
    e.PositionAdjusted: _adjusted,
}

"""The fold of a fund's move: rows as the events say them, in the shard that it leaves and in the one it comes to."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain import moving as m
from ordergate.domain.book import Book
from ordergate.domain.errors import Defect
from ordergate.domain.fold_account import move_at_broker
from ordergate.domain.fold_book import add_to_strategy
from ordergate.domain.fold_risk import count_runs
from ordergate.domain.money import ZERO
from ordergate.domain.moves import Move, MovePhase, emptied
from ordergate.domain.risk.account import Account


def _expected(state: Book, event: m.FundExpected, _index: int, _time: datetime) -> None:
    state.moves.put(
        Move(fund_id=event.fund_id, phase=MovePhase.EXPECTED, shard=event.shard, origin=event.origin)
    )


def _left(state: Book, event: m.FundLeft, index: int, time: datetime) -> None:
    first = index - event.number
    state.moves.put(
        Move(
            fund_id=event.fund_id,
            phase=MovePhase.LEFT,
            shard=event.shard,
            origin=event.origin,
            first=first,
            parts=event.parts,
        )
    )
    if event.account is not None:
        state.accounts.put(Account(fund_id=event.fund_id))  # it is worth that elsewhere from now on
    for holding in event.holdings:
        state.positions.put(emptied(holding.position))
        for lot in holding.lots:
            state.lots.put(replace(lot, remaining=ZERO, closed_at=time))
    for balance in event.balances:
        state.balances.put(replace(balance, amount=ZERO))
    for built in event.strategies:
        add_to_strategy(state, built.key, -built.quantity)
    for held in event.at_brokers:
        move_at_broker(state, held.broker, ((held.kind, held.name, -held.quantity),))


def _arrived(state: Book, event: m.FundArrived, _index: int, _time: datetime) -> None:
    move = _expecting(state, event)
    if move.parts != event.number:
        raise Defect(f"part {event.number} of fund {event.fund_id}, of which {move.parts} have come")
    state.moves.put(replace(move, first=event.index - event.number, parts=event.number + 1))
    if event.fund is not None:
        state.funds.put(event.fund)
    _take_what_risk_keeps(state, event)
    for holding in event.holdings:
        state.positions.put(holding.position)
        for lot in holding.lots:
            state.lots.put(lot)
    for balance in event.balances:
        before = state.balances.get((balance.fund_id, balance.position_key))
        state.balances.put(replace(balance, amount=balance.amount + (before.amount if before else ZERO)))
    for built in event.strategies:
        add_to_strategy(state, built.key, built.quantity)
    for held in event.at_brokers:
        move_at_broker(state, held.broker, ((held.kind, held.name, held.quantity),))


def _take_what_risk_keeps(state: Book, event: m.FundArrived) -> None:
    if event.account is not None:
        state.accounts.put(event.account)
    if event.limits is not None:
        state.limits.put(event.limits)
    if event.halt is not None:
        state.halts.put(event.halt)
    for volume in event.volumes:
        state.volumes.put(volume)
    for said in event.runs:
        count_runs(state, said.strategy_id, said.runs)


def _keys(state: Book, event: m.KeysArrived, _index: int, _time: datetime) -> None:
    for key in event.keys:
        state.keys.put(key)
    last = event.keys[-1]
    state.moves.put(replace(_expecting(state, event), key_kind=last.kind, key=last.key))


def _opened(state: Book, event: m.FundOpened, _index: int, _time: datetime) -> None:
    state.moves.put(replace(_expecting(state, event), phase=MovePhase.HERE))


def _expecting(state: Book, event: m.FundArrived | m.KeysArrived | m.FundOpened) -> Move:
    move = state.moves.get(event.fund_id)
    if move is None or move.phase is not MovePhase.EXPECTED:
        raise Defect(f"{type(event).__name__} of fund {event.fund_id}, which is not expected")
    return move


MOVE_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    m.FundExpected: _expected,
    m.FundLeft: _left,
    m.FundArrived: _arrived,
    m.KeysArrived: _keys,
    m.FundOpened: _opened,
}

"""The fold of what risk keeps: limits, halts, strategies, accounts, volumes, and the answers of gates."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace

from ordergate.domain.book import Book, Strategy
from ordergate.domain.errors import Defect
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.events import OrderEntered, OrderJudged
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import State
from ordergate.domain.positions.position import Position
from ordergate.domain.risk import events as r
from ordergate.domain.risk.account import Account, Period, add_to, trading_day
from ordergate.domain.risk.limits import FIRM, Level, Scope


def _limits_set(state: Book, event: r.LimitsSet, _index: int, _time: datetime) -> None:
    before, after = event.before, event.after
    state.limits.put(after)
    if after.level is Level.STRATEGY and not _is_watched(state, after.name):
        _forget_sign_of_life(state, after.name)
    if before is not None and before.limits.nav_usd is not None and after.limits.nav_usd is not None:
        _add_money(state, after.name, after.limits.nav_usd - before.limits.nav_usd)


def _is_watched(state: Book, strategy_id: str) -> bool:
    """Whether its limits state how long a strategy may be silent."""
    return _SILENCE in state.stated.get((Level.STRATEGY, strategy_id), ())


def _forget_sign_of_life(state: Book, strategy_id: str) -> None:
    """So that a limit that is set again later begins with the next one."""
    known = state.strategies.get(strategy_id)
    if known is not None and known.seen_at is not None:
        state.strategies.put(replace(known, seen_at=None))


def _add_money(state: Book, fund_id: str, amount: Decimal) -> None:
    """Money that is paid in or out is neither profit nor loss: each period began with so much more.

    What that is in another currency would need the rate of now: it is not known any more.
    """
    account = state.accounts.get(fund_id)
    if amount and account is not None and account.periods:
        periods = (Period(p.kind, p.began, p.nav_usd + amount) for p in account.periods)
        state.accounts.put(replace(account, periods=tuple(periods)))


def _halted(state: Book, event: r.TradingHalted, _index: int, _time: datetime) -> None:
    state.halts.put(event.halt)


def _resumed(state: Book, event: r.TradingResumed, _index: int, time: datetime) -> None:
    halt = state.halts.get((event.level, event.name))
    if halt is None or not halt.holds:
        raise Defect(f"trading of {event.level} {event.name} resumed, which is not halted")
    state.halts.put(replace(halt, lifted_at=time, lifted_by=event.by, lifted_because=event.reason))


def _enabled(state: Book, event: r.StrategyEnabled, _index: int, time: datetime) -> None:
    known = _strategy(state, event.strategy_id)
    state.strategies.put(replace(known, runs=0, enabled_at=time, enabled_by=event.by))


def _seen(state: Book, event: r.StrategySeen, _index: int, time: datetime) -> None:
    state.strategies.put(replace(_strategy(state, event.strategy_id), seen_at=time))


def _strategy(state: Book, strategy_id: str) -> Strategy:
    return state.strategies.get(strategy_id) or Strategy(strategy_id=strategy_id)


def count_runs(state: Book, strategy_id: str, runs: int) -> None:
    """A strategy has run so often in another shard, if that is more than here: both may have counted the same runs."""
    known = _strategy(state, strategy_id)
    state.strategies.put(replace(known, runs=max(known.runs, runs)))


def _valued(state: Book, event: r.FundValued, _index: int, _time: datetime) -> None:
    account = state.accounts.get(event.fund_id) or Account(fund_id=event.fund_id)
    state.accounts.put(replace(account, periods=event.periods))


def _override_asked(state: Book, event: r.OverrideAsked, _index: int, _time: datetime) -> None:
    state.overrides.put(event.override)


def _override_answered(state: Book, event: r.OverrideAnswered, _index: int, time: datetime) -> None:
    override = state.overrides.get(event.order_id)
    if override is None or override.approved is not None:
        raise Defect(f"the override of order {event.order_id} is not open, and was answered")
    answered = {"approved": event.approved, "answered_by": event.by, "answered_at": time}
    state.overrides.put(replace(override, **answered, answer=event.reason, made=event.made))


def count_order(state: Book, event: OrderEntered | OrderJudged, order: Order, at: datetime) -> None:
    """Counts an order that was let through, for throttles, runs and duplicates; any is its strategy's sign of life.

    One that is only created is not let through yet.

    Args:
        order: as it is behind the event.
        at: when it was made, or submitted.
    """
    made = order.strategy_id if order.parent_order_id is None else None
    if made is not None and _is_watched(state, made):
        state.strategies.put(replace(_strategy(state, made), seen_at=at))
    if order.state in (State.REJECTED, State.CREATED):
        return
    if order.algo is None and (throttled := _throttled(state, order)):  # of a parent nothing leaves
        state.traffic.order_made(at, throttled)
    if event.remember_s:
        state.traffic.remember(order, at, event.remember_s)
    if event.run is not None and order.strategy_id is not None:
        state.strategies.put(replace(_strategy(state, order.strategy_id), runs=event.run))


def count_message(state: Book, order: Order, at: datetime) -> None:
    """Counts a replace or cancel that was asked for."""
    if throttled := _throttled(state, order):
        state.traffic.message_sent(at, throttled)


def _throttled(state: Book, order: Order) -> list[Scope]:
    """The scopes of an order whose orders or messages within a second are limited: only theirs are counted."""
    scopes = (
        FIRM,
        (Level.FUND, order.fund_id),
        (Level.BROKER, order.broker),
        (Level.STRATEGY, order.strategy_id or ""),
    )
    return [scope for scope in scopes if scope in state.stated and not _RATES.isdisjoint(state.stated[scope])]


_SILENCE: Final = "max_silence_s"
_RATES: Final = frozenset({"max_orders_per_s", "max_messages_per_s"})


def count_fee(
    state: Book, fill: Fill, fund: Fund, sign: int, realized: tuple[str, Decimal] | None = None
) -> None:
    """What a fill's fee, or (-1) that of one taken back, does to the fund's profits; beside what it realised."""
    account = state.accounts.get(fund.fund_id) or Account(fund_id=fund.fund_id)
    now = account if realized is None else account.plus(*realized)
    if fill.fee and fill.fee_currency is not None:
        now = now.plus(fill.fee_currency, -fill.fee * sign)
    if now is not account:
        state.accounts.put(now)


def count_fill(
    state: Book,
    fill: Fill,
    fund: Fund,
    instrument: Instrument,
    positions: tuple[Position, Position],
    sign: int,
) -> None:
    """What a fill, or (-1) one that is taken back, does to the fund's profits and the day's volume.

    Args:
        positions: before and after it.
    """
    before, after = positions
    count_fee(state, fill, fund, sign, (instrument.currency, after.realized_pnl - before.realized_pnl))
    day = trading_day(instrument.asset_class, fill.time)
    quantity = fill.quantity * sign
    worth = quantity * fill.price * instrument.contract_size
    known = state.volumes.get((fill.fund_id, fill.symbol))
    state.volumes.put(add_to(known, fill.fund_id, fill.symbol, day, quantity, worth))


RISK_FOLDS: Final[Mapping[type, Callable[[Book, Any, int, datetime], None]]] = {
    r.LimitsSet: _limits_set,
    r.TradingHalted: _halted,
    r.TradingResumed: _resumed,
    r.StrategyEnabled: _enabled,
    r.StrategySeen: _seen,
    r.FundValued: _valued,
    r.OverrideAsked: _override_asked,
    r.OverrideAnswered: _override_answered,
}

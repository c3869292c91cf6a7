"""A fund's move to another shard, step by step: each may be asked for again, and is done once."""

from typing import Any, Final

from msgspec.structs import asdict

from ordergate.application.decide.context import Context, Decision
from ordergate.domain import moving as m
from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.funds import Fund
from ordergate.domain.moves import Holding, Move, MovePhase, Part, StrategyRuns, arrived, in_parts
from ordergate.domain.orders.events import InstrumentDefined
from ordergate.domain.orders.order import Order
from ordergate.domain.positions.ledger import Balance
from ordergate.domain.positions.position import StrategyPosition
from ordergate.domain.recon.holding import AccountHolding
from ordergate.domain.risk.account import Volume, trading_day
from ordergate.domain.risk.limits import Level

MOST_BYTES: Final = 48_000
"""Of what one entry carries, as JSON: what stands around it, and must fit too, is far below the rest."""
_NAMED: Final = 20


def check_here(ctx: Context, fund_id: str) -> None:
    """Raises Conflict where the fund has left this shard, or has not arrived yet."""
    move = ctx.state.moves.get(fund_id)
    if move is None or move.phase is MovePhase.HERE:
        return
    if move.phase is MovePhase.LEFT:
        detail = f"fund {fund_id!r} has moved to shard {move.shard}: ask there"
        raise Conflict(Code.FUND_MOVED, detail, "#/fund_id")
    detail = (
        f"fund {fund_id!r} is still on its way from shard {move.shard}: ordergate funds move completes that"
    )
    raise Conflict(Code.FUND_EXPECTED, detail, "#/fund_id")


def expect(ctx: Context, command: m.ExpectFund) -> Decision[Move]:
    """Closes the door to a fund until it has come.

    Raises:
        Conflict: the fund is here, or comes from elsewhere, or something of it was left behind here.
    """
    fund_id, move = command.fund_id, ctx.state.moves.get(command.fund_id)
    if move is not None and move.phase is MovePhase.EXPECTED:
        if move.shard != command.shard and move.parts:
            raise Conflict(Code.FUND_EXPECTED, f"fund {fund_id!r} comes from shard {move.shard}", "#/fund_id")
        if move.shard == command.shard:
            return move
    elif fund_id in ctx.state.funds.rows and (move is None or move.phase is MovePhase.HERE):
        raise Conflict(Code.FUND_MOVED, f"fund {fund_id!r} is in this shard already", "#/fund_id")
    left_behind = sorted(symbol for fund, symbol in ctx.state.positions.rows if fund == fund_id)
    if left_behind:
        detail = (
            f"fund {fund_id!r} still has {', '.join(left_behind[:_NAMED])} here, booked after it had left"
        )
        raise Conflict(Code.FUND_BUSY, detail, "#/fund_id")
    yield m.FundExpected(fund_id=fund_id, shard=command.shard, origin=command.origin)
    return ctx.state.moves.rows[fund_id]


def leave(ctx: Context, command: m.LeaveFund) -> Decision[Move]:
    """Lets go of a fund and of all that it holds, for good.

    Raises:
        Invalid: there is no such fund.
        Conflict: it has orders that are not finished, or is elsewhere.
    """
    fund_id, move = command.fund_id, ctx.state.moves.get(command.fund_id)
    if move is not None and move.phase is MovePhase.LEFT and move.shard == command.shard:
        return move
    check_here(ctx, fund_id)
    fund = ctx.state.funds.get(fund_id)
    if fund is None:
        raise Invalid(Code.UNKNOWN_FUND, f"{fund_id!r} is no fund of this shard", "#/fund_id")
    open_orders = [order for order in ctx.state.orders.rows.values() if order.fund_id == fund_id]
    if open_orders:
        raise Conflict(Code.FUND_BUSY, _unfinished(fund_id, open_orders), "#/fund_id")
    parts = in_parts(_all_of(ctx, fund, command.brokers), MOST_BYTES)
    for number, part in enumerate([Part(), *parts]):
        yield m.FundLeft(
            fund_id=fund_id,
            shard=command.shard,
            origin=command.origin,
            number=number,
            parts=len(parts) + 1,
            fund=None if number else fund,
            **asdict(part),
            **({} if number else _kept_by_risk(ctx, fund_id)),
        )
    return ctx.state.moves.rows[fund_id]


def _all_of(ctx: Context, fund: Fund, brokers: frozenset[str]) -> Part:
    return Part(
        holdings=_holdings(ctx, fund.fund_id),
        balances=_balances(ctx, fund.fund_id),
        strategies=_built(ctx, fund.fund_id),
        volumes=_volumes(ctx, fund.fund_id),
        runs=_runs(ctx, fund),
        at_brokers=_at_brokers(ctx, brokers),
    )


def _kept_by_risk(ctx: Context, fund_id: str) -> dict[str, Any]:
    scope = Level.FUND, fund_id
    return {
        "account": ctx.state.accounts.get(fund_id),
        "limits": ctx.state.limits.get(scope),
        "halt": ctx.state.halts.get(scope),
    }


def _unfinished(fund_id: str, orders: list[Order]) -> str:
    shown = [f"{order.order_id} ({order.state})" for order in sorted(orders, key=lambda o: o.order_id)]
    more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
    return f"fund {fund_id!r} has orders that are not finished: {', '.join(shown[:_NAMED])}{more}"


def _holdings(ctx: Context, fund_id: str) -> tuple[Holding, ...]:
    rows = ctx.state.positions.rows
    held = [rows[key] for key in sorted(rows) if key[0] == fund_id and rows[key].quantity]
    return tuple(Holding(position=position, lots=tuple(ctx.state.open_lots(position))) for position in held)


def _balances(ctx: Context, fund_id: str) -> tuple[Balance, ...]:
    rows = ctx.state.balances.rows
    return tuple(rows[key] for key in sorted(rows) if key[0] == fund_id and rows[key].amount)


def _built(ctx: Context, fund_id: str) -> tuple[StrategyPosition, ...]:
    rows = ctx.state.strategy_positions.rows
    return tuple(rows[key] for key in sorted(rows) if key[0] == fund_id and rows[key].quantity)


def _volumes(ctx: Context, fund_id: str) -> tuple[Volume, ...]:
    """Those that still count."""
    state, now = ctx.state, ctx.now()
    rows = [row for key, row in sorted(state.volumes.rows.items()) if key[0] == fund_id]
    return tuple(
        row for row in rows if row.day >= trading_day(state.instruments.rows[row.symbol].asset_class, now)
    )


def _runs(ctx: Context, fund: Fund) -> tuple[StrategyRuns, ...]:
    rows = sorted(ctx.state.strategies.rows.items())
    return tuple(
        StrategyRuns(strategy_id=name, runs=row.runs)
        for name, row in rows
        if row.runs and (not fund.strategies or name in fund.strategies)
    )


def _at_brokers(ctx: Context, brokers: frozenset[str]) -> tuple[AccountHolding, ...]:
    rows = ctx.state.account_holdings.rows
    return tuple(rows[key] for key in sorted(rows) if key[0] in brokers and rows[key].quantity)


def take_part(ctx: Context, command: m.TakePart) -> Decision[Move]:
    """Books what has left another shard; nothing, where that was done.

    Raises:
        Conflict: the fund is not expected, or not this part of it.
        Invalid: it holds what is not configured here.
    """
    left = command.left
    move = _expected(ctx, left.fund_id)
    if left.number < move.parts:
        return move
    if left.number > move.parts:
        detail = f"part {left.number} of fund {left.fund_id!r} has come before part {move.parts}"
        raise Conflict(Code.FUND_EXPECTED, detail, "#/number")
    for symbol in _symbols(left):
        yield from _define(ctx, symbol)
    known = ctx.state.positions
    yield m.FundArrived(
        fund_id=left.fund_id,
        shard=move.shard,
        end=command.end,
        index=command.index,
        number=left.number,
        fund=left.fund,
        holdings=tuple(arrived(h, known.get((left.fund_id, h.position.symbol))) for h in left.holdings),
        balances=left.balances,
        strategies=left.strategies,
        volumes=left.volumes,
        runs=left.runs,
        at_brokers=left.at_brokers,
        account=left.account,
        limits=left.limits,
        halt=left.halt,
    )
    return ctx.state.moves.rows[left.fund_id]


def _symbols(left: m.FundLeft) -> list[str]:
    """What the fund's part is about, each once."""
    named = [holding.position.symbol for holding in left.holdings]
    named += [built.symbol for built in left.strategies]
    return list(dict.fromkeys([*named, *(volume.symbol for volume in left.volumes)]))


def _define(ctx: Context, symbol: str) -> Decision[None]:
    """Makes the journal know an instrument: without it nobody can say what the position is worth."""
    if ctx.state.instruments.get(symbol) is not None:
        return
    instrument = ctx.view.instrument(symbol)
    if instrument is None:
        detail = f'{symbol!r} is held and unknown here: add [instruments."{symbol}"] to the configuration'
        raise Invalid(Code.UNKNOWN_SYMBOL, detail, "#/symbol")
    yield InstrumentDefined(instrument=instrument)


def take_keys(ctx: Context, command: m.TakeKeys) -> Decision[Move]:
    """Takes over the keys that have not come yet.

    Raises:
        Conflict: the fund is not expected.
    """
    move = _expected(ctx, command.fund_id)
    new = tuple(
        key for key in command.keys if move.key is None or (key.kind, key.key) > (move.key_kind, move.key)
    )
    if new:
        yield m.KeysArrived(fund_id=command.fund_id, shard=move.shard, end=command.end, keys=new)
    return ctx.state.moves.rows[command.fund_id]


def open_fund(ctx: Context, command: m.OpenFund) -> Decision[Move]:
    """Opens a fund of which all has come; nothing, where that was done.

    Raises:
        Conflict: it is not expected, or something of it is missing.
    """
    known = ctx.state.moves.get(command.fund_id)
    if known is not None and known.phase is MovePhase.HERE:
        return known
    move = _expected(ctx, command.fund_id)
    if move.parts != command.parts:
        detail = f"of fund {command.fund_id!r}, {move.parts} of {command.parts} parts have come"
        raise Conflict(Code.FUND_EXPECTED, detail, "#/parts")
    yield m.FundOpened(fund_id=command.fund_id, shard=move.shard, end=command.end)
    return ctx.state.moves.rows[command.fund_id]


def _expected(ctx: Context, fund_id: str) -> Move:
    move = ctx.state.moves.get(fund_id)
    if move is None or move.phase is not MovePhase.EXPECTED:
        raise Conflict(Code.FUND_EXPECTED, f"fund {fund_id!r} is not expected in this shard", "#/fund_id")
    return move

"""What the terminal tells of the account: the values of the package's structs, in order. Here money is float."""

from decimal import Decimal
from typing import Any

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5.account import Account, Checked, Result
from ordergate.testing.metatrader5.money import figures, profit_now, rate
from ordergate.testing.metatrader5.records import Deal, Order, Position, State, Symbol
from ordergate.testing.metatrader5.structs import (
    AccountInfo,
    OrderCheckResult,
    OrderSendResult,
    Sequence,
    SymbolInfo,
    Tick,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)
from ordergate.testing.metatrader5.texts import Refusal

Row = list[Any]


def row(kind: type[Sequence], given: dict[str, Any]) -> Row:
    """The values of a struct; what is not given is 0 or empty. Decimal numbers become float. Raises KeyError."""
    unknown = set(given) - set(kind.FIELDS)
    if unknown:
        raise KeyError(f"{kind.__name__} has no {sorted(unknown)}")
    told: Row = []
    for name, of in kind.FIELDS.items():
        value = given.get(name, of() if of is not TradeRequest else None)
        told.append(float(value) if isinstance(value, Decimal) else value)
    return told


def account(state: State, expert: bool = True) -> Row:
    """`account_info`; `expert`: whether programs may trade, where the account says so too."""
    now = figures(state)
    given = {
        name: getattr(state, name)
        for name in (
            "login", "trade_mode", "leverage", "limit_orders", "trade_allowed", "margin_mode",
            "currency_digits", "fifo_close", "balance", "credit", "name", "server", "currency", "company",
        )
    }  # fmt: skip
    given |= {
        "trade_expert": state.trade_expert and expert,
        "profit": now.profit,
        "equity": now.equity,
        "margin": now.margin,
        "margin_free": now.free,
        "margin_level": now.level,
        "margin_so_call": state.margin_call,
        "margin_so_so": state.stop_out,
    }
    return row(AccountInfo, given)


def symbol(state: State, one: Symbol, selected: bool) -> Row:
    """`symbol_info`: without prices where it is not in the Market Watch."""
    given: dict[str, Any] = {
        "select": selected,
        "visible": selected,
        "digits": one.digits,
        "spread_float": True,
        "ticks_bookdepth": 10,
        "trade_calc_mode": one.calc_mode,
        "trade_mode": one.trade_mode,
        "trade_stops_level": one.stops_level,
        "trade_freeze_level": one.freeze_level,
        "trade_exemode": one.exemode,
        "swap_mode": one.swap_mode,
        "swap_rollover3days": one.swap_triple_day,
        "expiration_mode": one.expiration_mode,
        "filling_mode": one.filling_mode,
        "order_mode": one.order_mode,
        "order_gtc_mode": one.gtc_mode,
        "point": one.point,
        "trade_tick_size": one.tick,
        "trade_contract_size": one.contract_size,
        "volume_min": one.volume_min,
        "volume_max": one.volume_max,
        "volume_step": one.volume_step,
        "volume_limit": one.volume_limit,
        "swap_long": one.swap_long,
        "swap_short": one.swap_short,
        "margin_initial": one.margin_initial,
        "margin_hedged": one.contract_size if one.margin_hedged is None else one.margin_hedged,
        "currency_base": one.base,
        "currency_profit": one.profit,
        "currency_margin": one.margin_in,
        "name": one.name,
        "path": f"{one.path}\\{one.name}",
        "description": one.name,
    }
    if selected:
        value = _tick_value(state, one)
        given |= {"bid": one.bid, "ask": one.ask, "last": one.last, "time": one.time_msc // 1000}
        given |= {f"trade_tick_value{end}": value for end in ("", "_profit", "_loss")}
        given["spread"] = int((one.ask - one.bid) / one.point)
    return row(SymbolInfo, given)


def _tick_value(state: State, one: Symbol) -> Decimal:
    try:
        return one.tick * one.contract_size * rate(state, one.profit, state.currency)
    except Refusal:
        return Decimal(0)


def tick(one: Symbol) -> Row:
    """`symbol_info_tick`."""
    given = {"time": one.time_msc // 1000, "time_msc": one.time_msc, "bid": one.bid, "ask": one.ask}
    return row(Tick, given | {"last": one.last, "flags": mt5.TICK_FLAG_BID | mt5.TICK_FLAG_ASK})


def order(one: Order) -> Row:
    """Of `orders_get` and `history_orders_get`."""
    given = {
        name: getattr(one, name)
        for name in (
            "ticket", "type", "state", "magic", "position_id", "position_by_id", "reason", "sl", "tp",
            "price_current", "symbol", "comment",
        )
    }  # fmt: skip
    given |= {
        "time_setup": one.setup_msc // 1000,
        "time_setup_msc": one.setup_msc,
        "time_done": one.done_msc // 1000,
        "time_done_msc": one.done_msc,
        "time_expiration": one.expiration,
        "type_time": one.lasts,
        "type_filling": one.filling,
        "volume_initial": one.volume,
        "volume_current": one.left,
        "price_open": one.price,
        "price_stoplimit": one.stoplimit,
    }
    return row(TradeOrder, given)


def position(state: State, one: Position) -> Row:
    """Of `positions_get`."""
    given = {
        name: getattr(one, name)
        for name in (
            "ticket",
            "magic",
            "identifier",
            "reason",
            "volume",
            "sl",
            "tp",
            "swap",
            "symbol",
            "comment",
        )
    }
    given |= {
        "time": one.time_msc // 1000,
        "time_msc": one.time_msc,
        "time_update": one.updated_msc // 1000,
        "time_update_msc": one.updated_msc,
        "type": mt5.POSITION_TYPE_BUY if one.buys else mt5.POSITION_TYPE_SELL,
        "price_open": one.price,
        "price_current": state.symbols[one.symbol].touch(not one.buys),
        "profit": profit_now(state, one),
    }
    return row(TradePosition, given)


def deal(one: Deal) -> Row:
    """Of `history_deals_get`."""
    given = {name: getattr(one, name) for name in one.__struct_fields__}
    return row(TradeDeal, given | {"time": one.time_msc // 1000})


def request(given: dict[str, Any]) -> Row:
    """The request as a result repeats it."""
    return row(TradeRequest, given)


def result(answered: Result, given: dict[str, Any], request_id: int) -> Row:
    """Of `order_send`."""
    told = {name: getattr(answered, name) for name in answered.__struct_fields__}
    return row(OrderSendResult, told | {"request_id": request_id, "request": request(given)})


def checked(found: Checked, comment: str, given: dict[str, Any]) -> Row:
    """Of `order_check`."""
    now = found.figures
    told = {
        "retcode": found.retcode,
        "balance": now.balance,
        "equity": now.equity,
        "profit": now.profit,
        "margin": now.margin,
        "margin_free": now.free,
        "margin_level": now.level,
        "comment": comment,
        "request": request(given),
    }
    return row(OrderCheckResult, told)


def everything(account_: Account) -> dict[str, Any]:
    """For tests: the whole account as dictionaries of the package's own structs."""
    state = account_.state

    def named(kind: type[Sequence], rows: list[Row]) -> list[dict[str, Any]]:
        return [dict(zip(kind.FIELDS, one, strict=True)) for one in rows]

    return {
        "account": named(AccountInfo, [account(state)])[0],
        "orders": named(TradeOrder, [order(one) for one in state.orders.values()]),
        "history": named(TradeOrder, [order(one) for one in state.history.values()]),
        "deals": named(TradeDeal, [deal(one) for one in state.deals.values()]),
        "positions": named(TradePosition, [position(state, one) for one in state.positions.values()]),
        "sent": list(state.sent),
    }

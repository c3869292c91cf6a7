"""Whatever is done to an account, its books agree: money with deals, positions with deals, orders with their parts."""

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.testing.metatrader5 import constants as mt5
from ordergate.testing.metatrader5 import keeping
from ordergate.testing.metatrader5.records import State

from .desk import EXCHANGE, HEDGING, NOON, Desk

D = Decimal
VOLUMES = st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0])
PRICES = st.integers(-40, 40).map(lambda points: round(1.1 + points / 10_000, 5))
LEVELS = st.one_of(st.just(0.0), PRICES)
FILLINGS = st.sampled_from([0, 1, 2])
STEPS = st.one_of(
    st.tuples(st.just("deal"), st.integers(0, 1), VOLUMES, FILLINGS, LEVELS, LEVELS, st.integers(0, 3)),
    st.tuples(st.just("pending"), st.integers(2, 7), VOLUMES, FILLINGS, PRICES, PRICES, LEVELS),
    st.tuples(
        st.just("quote"),
        PRICES,
        st.integers(0, 3),
        st.one_of(st.none(), st.sampled_from(["0", "0.105", "0.3"])),
    ),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("late")),
    st.tuples(st.just("hours"), st.integers(1, 40)),
    st.tuples(st.just("by"), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("rollover"), st.booleans()),
)


def pick(these: Any, place: int) -> int:
    there = list(these)
    return there[place % len(there)].ticket if there else 0


def do(desk: Desk, step: tuple[Any, ...]) -> None:
    state = desk.state
    match step:
        case ("deal", kind, volume, filling, sl, tp, which):
            position = pick(state.positions.values(), which) if which else 0
            desk.deal(kind, volume, type_filling=filling, sl=sl, tp=tp, position=position, magic=which)
        case ("pending", kind, volume, filling, price, stoplimit, sl):
            asked = {"stoplimit": stoplimit if kind > 5 else 0.0, "type_time": mt5.ORDER_TIME_DAY}
            desk.pending(kind, volume, price, type_filling=filling, sl=sl, **asked)
        case ("quote", bid, spread, size):
            desk.quote(f"{bid:.5f}", f"{bid + spread / 10_000:.5f}", size, size)
        case ("remove", which):
            desk.mt5.order_send(
                {"action": mt5.TRADE_ACTION_REMOVE, "order": pick(state.orders.values(), which)}
            )
        case ("late",):
            desk.does.inject("late", {"after_ms": 3_600_000}, times=1)
        case ("hours", many):
            desk.does.advance(many * 3_600_000)
        case ("by", one, other):
            pair = {
                "position": pick(state.positions.values(), one),
                "position_by": pick(state.positions.values(), other),
            }
            desk.mt5.order_send({"action": mt5.TRADE_ACTION_CLOSE_BY, **pair})
        case ("rollover", reopen):
            desk.does.rollover(reopen)


def agree(state: State, began: Decimal) -> None:
    deals = list(state.deals.values())
    assert state.balance == began + sum(
        deal.profit + deal.swap + deal.commission + deal.fee for deal in deals
    )
    held: Counter[int] = Counter()
    of_order: Counter[int] = Counter()
    for deal in deals:
        sign = 1 if deal.type == mt5.DEAL_TYPE_BUY else -1
        held[deal.position_id] += sign * deal.volume  # type: ignore[assignment]
        if deal.reason != mt5.DEAL_REASON_ROLLOVER and deal.entry != mt5.DEAL_ENTRY_OUT_BY:
            of_order[deal.order] += deal.volume  # type: ignore[assignment]
        assert deal.volume > 0
    assert {one.identifier: one.sign * one.volume for one in state.positions.values()} == {
        identifier: volume for identifier, volume in held.items() if volume
    }
    assert not set(state.orders) & set(state.history)
    for order in (*state.orders.values(), *state.history.values()):
        assert order.ticket in state.history or order.state in (
            mt5.ORDER_STATE_PLACED,
            mt5.ORDER_STATE_PARTIAL,
        )
        if order.reason != mt5.DEAL_REASON_ROLLOVER and order.type != mt5.ORDER_TYPE_CLOSE_BY:
            assert order.volume - order.left == of_order[order.ticket]
        assert (order.state == mt5.ORDER_STATE_FILLED) == (order.left == 0)
    if not state.hedging:
        assert len(state.positions) == len({one.symbol for one in state.positions.values()})
    tickets = [one.ticket for one in state.positions.values()]
    assert len(set(tickets)) == len(tickets)


@pytest.mark.parametrize("mode", [mt5.ACCOUNT_MARGIN_MODE_RETAIL_NETTING, EXCHANGE, HEDGING])
@settings(max_examples=40)
@given(steps=st.lists(STEPS, max_size=25))
def test_books_agree_whatever_is_done(mode: int, steps: list[tuple[Any, ...]]) -> None:
    desk = Desk(
        symbol={
            "exemode": 3 if mode == EXCHANGE else 2, "commission": D("3.5"), "swap_long": D("-1.3"), "swap_short": D("0.4"),
        },
        margin_mode=mode, balance=D(1500),
    )  # fmt: skip
    for step in steps:
        do(desk, step)
        agree(desk.state, D(1500))


@pytest.mark.parametrize("mode", [0, HEDGING])
def test_what_is_kept_in_a_file_is_all_of_it(tmp_path: Path, mode: int) -> None:
    desk = Desk(symbol={"commission": D("3.5"), "swap_long": D("-1.3")}, margin_mode=mode, offset_s=7200)
    desk.deal(0, 0.3, sl=1.05, magic=2**62, comment="é")
    desk.pending(6, 0.1, 1.12, stoplimit=1.11, type_time=2, expiration=NOON // 1000 + 10**6)
    desk.does.inject("late", {"after_ms": None}, times=1)
    desk.deal(1, 0.1)
    desk.does.rollover()
    assert keeping.load(tmp_path / "none.json") is None
    keeping.save(tmp_path / "account.json", desk.state)
    assert keeping.load(tmp_path / "account.json") == desk.state
    assert [path.name for path in tmp_path.iterdir()] == ["account.json"]

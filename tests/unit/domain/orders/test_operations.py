"""Orders that are no trades: what they must say, what the gate makes of them, and that deltas alone move balances."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.domain.errors import Conflict, Invalid
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.operations import Operation
from ordergate.domain.orders.commands import Configure, parse_order
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.operations import Leg, OperationTerms, check_terms, side_of
from ordergate.domain.orders.reports import End
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.domain.recon.holding import HoldingKind
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Mode
from ordergate.domain.risk.limits import Level, Limits
from ordergate.testing.playbook import BROKER, FUND, Playbook, bust, ended, fill
from tests.unit.domain.risk.limited import Limited

D = Decimal
BODY = {"idempotency_key": "k", "fund_id": "fund", "symbol": "token:USDC", "quantity": "100"}
GAVE = Delta(f"{BROKER}:BaseToken:USDC", D(-100), "trade")
GOT = Delta("aave_v3:aToken:aUSDC", D(100), "trade")
SUPPLY = {
    "symbol": "token:USDC", "side": Side.SELL, "operation": Operation.SUPPLY, "tif": TimeInForce.GTC,
    "terms": OperationTerms(venue="aave_v3", token_out="aUSDC"),
}  # fmt: skip
BORROW = SUPPLY | {"operation": Operation.BORROW, "side": Side.BUY, "terms": None}


def balances(book: Playbook) -> dict[str, D]:
    return {row.position_key: row.amount for row in book.engine.state.balances.rows.values() if row.amount}


def test_a_body_need_not_say_what_follows_from_the_operation() -> None:
    order = parse_order(BODY | {"operation": "supply", "terms": {"venue": "aave_v3", "token_out": "aUSDC"}})
    assert (order.side, order.order_type, order.tif) == (Side.SELL, OrderType.MARKET, TimeInForce.GTC)
    assert order.terms == OperationTerms(venue="aave_v3", token_out="aUSDC")
    with pytest.raises(Invalid, match="is missing"):
        parse_order(BODY)


def test_a_trade_has_the_fingerprint_that_it_had_before_there_were_operations() -> None:
    order = parse_order(BODY | {"symbol": "AAPL", "side": "buy", "order_type": "market"})
    assert order.fingerprint() == "34e5d4668de2819c78e9ced3f711253adbf6b5cf7096e3fda9cd0c55c2f190bf"
    assert order.fingerprint() == replace(order, operation=Operation.SPOT_TRADE).fingerprint()
    assert order.fingerprint() != replace(order, operation=Operation.PERP_TRADE).fingerprint()


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        ({"operation": "mint"}, "#/operation"),
        ({"operation": "supply", "terms": []}, "#/terms"),
        ({"operation": "supply", "terms": {"pool": "x"}}, "#/terms/pool"),
        ({"operation": "swap", "terms": {"token_out": "WETH", "least_out": "-1"}}, "#/terms/least_out"),
        ({"operation": "bundle", "terms": {"legs": "all"}}, "#/terms/legs"),
        ({"operation": "bundle", "terms": {"legs": [{"operation": "supply"}]}}, "#/terms/legs/0/quantity"),
        (
            {"operation": "bundle", "terms": {"legs": [{"operation": "x", "quantity": 1, "token": "A"}]}},
            "#/terms/legs/0/operation",
        ),
    ],
)
def test_a_body_that_is_wrong(terms: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as wrong:
        parse_order(BODY | terms)
    assert wrong.value.pointer == pointer


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"symbol": "AAPL"}, "#/symbol"),
        ({"symbol": "token:US DC"}, "#/symbol"),
        ({"side": Side.BUY}, "#/side"),
        ({"order_type": OrderType.LIMIT, "limit_price": D(1)}, "#/order_type"),
        ({"tif": TimeInForce.DAY}, "#/tif"),
        ({"operation": Operation.SPOT_TRADE, "terms": None, "side": Side.BUY}, "#/symbol"),
        ({"operation": Operation.SPOT_TRADE, "symbol": "AAPL"}, "#/terms"),
        ({"operation": Operation.PERP_TRADE, "terms": None, "symbol": "AAPL"}, "#/operation"),
        ({"terms": OperationTerms(legs=(Leg(operation=Operation.SUPPLY, quantity=D(1), token="A"),))}, "#/terms/legs"),
        ({"terms": OperationTerms(target="binance")}, "#/terms/target"),
        ({"operation": Operation.SWAP, "terms": None}, "#/terms/token_out"),
        ({"operation": Operation.TRANSFER, "terms": None}, "#/terms/target"),
        ({"operation": Operation.BUNDLE, "terms": None}, "#/terms/legs"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(more: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as wrong:
        Playbook().submit(**(SUPPLY | more))
    assert wrong.value.pointer == pointer


@pytest.mark.parametrize("operation", [Operation.BUNDLE, Operation.SPOT_TRADE, Operation.PERP_TRADE])
def test_a_bundle_holds_operations_alone(operation: Operation) -> None:
    legs = (
        Leg(operation=Operation.SUPPLY, quantity=D(1), token="A"),
        Leg(operation=operation, quantity=D(1), token="A"),
    )
    with pytest.raises(Invalid, match="none of what a bundle can do") as wrong:
        check_terms(Operation.BUNDLE, OperationTerms(legs=legs))
    assert wrong.value.pointer == "#/terms/legs/1/operation"


def test_deltas_move_balances_and_no_position() -> None:
    book = Playbook().submit(**SUPPLY).expect("InstrumentDefined", "OrderEntered", state=State.SUBMITTED)
    done = fill("x1", 100, 0, deltas=(GAVE, GOT), fee=D("0.002"), fee_currency="ETH", completes=True)
    book.report(done).expect("OrderFilled", state=State.CLOSED, filled=100)
    assert balances(book) == {
        f"{BROKER}:BaseToken:USDC": D(-100),
        "aave_v3:aToken:aUSDC": D(100),
        f"{BROKER}:BaseToken:ETH": D("-0.002"),
    }
    state = book.engine.state
    assert not state.positions.rows
    assert not state.lots.rows
    holdings = {(row.kind, row.name): row.quantity for row in state.account_holdings.rows.values()}
    assert holdings == {(HoldingKind.CASH, "USDC"): D(-100), (HoldingKind.CASH, "ETH"): D("-0.002")}
    assert dict(state.accounts.rows["fund"].profits) == {"ETH": D("-0.002")}
    assert book.replayed().balances.rows == state.balances.rows


def test_what_a_reorganisation_took_back_moves_back() -> None:
    book = Playbook().submit(**SUPPLY)
    book.report(fill("x1", 100, 0, deltas=(GAVE, GOT), fee=D(1), fee_currency="ETH"))
    assert book.order.state is State.FILLED
    book.report(bust("x2", "x1")).expect("FillBusted", state=State.SUBMITTED, filled=0)
    assert balances(book) == {}
    assert all(not row.quantity for row in book.engine.state.account_holdings.rows.values())
    again = fill("x3", 100, 0, deltas=(GAVE, GOT), completes=True)
    book.report(again).expect("OrderFilled", state=State.CLOSED)
    assert balances(book) == {GAVE.position_key: D(-100), GOT.position_key: D(100)}


def test_a_step_and_a_fee_alone() -> None:
    asked = Delta("lido:Claim:stETH", D(100), "trade")
    book = Playbook().submit(**SUPPLY)
    book.report(fill("x1", 0, 0, deltas=(asked,), fee=D(1), fee_currency="ETH"))
    assert (book.order.state, book.order.filled_quantity) == (State.SUBMITTED, 0)
    book.report(fill("x2", 0, 0, deltas=(), fee=D(2), fee_currency="ETH"), ended(End.FAILED))
    assert (book.order.state, balances(book)[f"{BROKER}:BaseToken:ETH"]) == (State.FAILED, -3)


@pytest.mark.parametrize(
    "said",
    [
        fill("x1", 100, 0),
        fill("x1", -1, 0, deltas=(GOT,)),
        fill("x1", 100, -1, deltas=(GOT,)),
        fill("x1", 100, 0, deltas=(Delta("aUSDC", D(1), "trade"),)),
        fill("x1", 100, 0, deltas=(Delta("a:b:c", D("NaN"), "trade"),)),
    ],
)
def test_an_execution_that_cannot_be_is_a_break(said: Any) -> None:
    book = Playbook().submit(**SUPPLY).report(said)
    book.expect("BreakRaised", state=State.SUBMITTED, filled=0)
    assert balances(book) == {}


def test_a_trade_may_not_be_a_step() -> None:
    Playbook().submit().report(fill("x1", 0, 0, deltas=(GOT,))).expect("BreakRaised", filled=0)


def test_a_transfer_between_two_accounts_moves_both() -> None:
    terms = {"operation": Operation.TRANSFER, "terms": OperationTerms(target="binance")}
    book = Playbook().submit(**(SUPPLY | terms))
    there = Delta("binance:BaseToken:USDC", D(100), "transfer")
    book.report(fill("x1", 100, 0, deltas=(replace(GAVE, source="transfer"), there)))
    held = {(row.broker, row.name): row.quantity for row in book.engine.state.account_holdings.rows.values()}
    assert held == {(BROKER, "USDC"): D(-100), ("binance", "USDC"): D(100)}


def test_what_the_broker_does_not_do_is_refused() -> None:
    book = Playbook()
    book.engine.view.operations = lambda _broker: frozenset({Operation.SPOT_TRADE})
    book.submit(**SUPPLY).expect("InstrumentDefined", "OrderEntered", state=State.REJECTED)
    assert (book.order.reason_code, book.order.reason) == (
        "RISK_OPERATION", "supply: broker paper does spot_trade",
    )  # fmt: skip


def test_the_gate_measures_a_token_by_itself() -> None:
    limited = Limited().limits(Limits(max_order_notional_usd=D(99)), Level.FIRM)
    usdt = SUPPLY | {"symbol": "token:USDT"}
    assert limited.submit(100, **usdt).order.reason_code == "RISK_ORDER_NOTIONAL"
    assert limited.submit(99, **usdt).order.state is State.SUBMITTED
    assert limited.submit(1, **SUPPLY).order.reason_code == "RISK_NO_RATE"


@pytest.mark.parametrize(
    ("operation", "passes"), [(Operation.SUPPLY, False), (Operation.BORROW, False), (Operation.REPAY, True)]
)
def test_what_only_takes_back_is_let_through_where_nothing_may_be_opened(
    operation: Operation, passes: bool
) -> None:
    limited = Limited()
    limited.step(ThrowSwitch(level=Level.FIRM, name="", reason="a drill", mode=Mode.REDUCE_ONLY))
    more = {"operation": operation, "side": side_of(operation)}
    code = limited.submit(1, **(SUPPLY | more)).order.reason_code
    assert code == (None if passes else "RISK_REDUCE_ONLY")


def test_an_operation_is_not_changed() -> None:
    with pytest.raises(Conflict, match="which is not changed"):
        Playbook().submit(**SUPPLY).replace(50)


def perpetual() -> Instrument:
    coin = built_in("BTC/USDT")
    assert coin is not None
    return replace(coin, symbol="BTC/USDT:USDT", perpetual=True)


def test_a_perpetual_is_not_paid_for() -> None:
    book, swap = Playbook(), perpetual()
    book.engine.view.instrument = lambda symbol: swap if symbol == swap.symbol else built_in(symbol)
    book.step(Configure((FUND,), (swap,)))
    book.submit(2, symbol=swap.symbol)
    assert book.order.operation is Operation.PERP_TRADE
    book.report(fill("x1", 2, 60_000, fee=D(3), fee_currency="USDT"))
    assert balances(book) == {f"{BROKER}:Perp:BTCUSDT": D(2), f"{BROKER}:BaseToken:USDT": D(-3)}
    assert book.engine.state.positions.rows["fund", swap.symbol].quantity == 2
    held = {row.name: row.quantity for row in book.engine.state.account_holdings.rows.values()}
    assert held == {swap.symbol: D(2), "USDT": D(-3)}


def test_a_perpetual_is_settled_as_its_venue_says() -> None:
    book, swap = Playbook(), perpetual()
    book.engine.view.instrument = lambda _symbol: swap
    book.submit(2, symbol=swap.symbol, side=Side.SELL)
    told = (Delta("paper:Perp:BTCUSDT", D(-2), "trade"), Delta("paper:BaseToken:USDT", D(17), "trade"))
    book.report(fill("x1", 2, 60_000, deltas=told))
    assert balances(book) == {"paper:Perp:BTCUSDT": D(-2), "paper:BaseToken:USDT": D(17)}
    held = {row.name: row.quantity for row in book.engine.state.account_holdings.rows.values()}
    assert held == {swap.symbol: D(-2), "USDT": D(17)}


def test_funds_that_trade_no_coins_move_none() -> None:
    book = Playbook(Fund(fund_id="fund", broker=BROKER, unlimited=True, asset_classes=("fx",)))  # type: ignore[arg-type]
    assert book.submit(**SUPPLY).order.reason_code == "RISK_ASSET_CLASS"


LOOP = SUPPLY | {
    "operation": Operation.BUNDLE,
    "terms": OperationTerms(
        legs=(
            Leg(
                operation=Operation.SUPPLY, quantity=D(100), token="USDC", venue="aave_v3", token_out="aUSDC"
            ),
            Leg(operation=Operation.TRANSFER, quantity=D(5_000), token="DAI", target="treasury"),
        )
    ),
}


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"allowed_operations": (Operation.BUNDLE, Operation.SUPPLY)}, "RISK_OPERATION"),
        ({"allowed_operations": (Operation.BUNDLE, Operation.SUPPLY, Operation.TRANSFER)}, None),
        ({"restricted_symbols": ("token:DAI",)}, "RISK_RESTRICTED"),
        ({"restricted_symbols": ("token:aUSDC",)}, "RISK_RESTRICTED"),
        ({"restricted_symbols": ("token:WETH",)}, None),
        ({"max_order_notional_usd": D(4_999)}, "RISK_ORDER_NOTIONAL"),
        ({"max_order_notional_usd": D(5_000)}, None),
    ],
)
def test_what_a_limit_forbids_no_leg_of_a_bundle_may_do(limits: dict[str, Any], code: str | None) -> None:
    book = Limited(Limits(**limits))
    book.engine.view.rates = {"USDC/USD": D(1), "DAI/USD": D(1)}
    book.submit(100, **LOOP)
    assert book.order.reason_code == code


def test_a_leg_that_cannot_be_measured_is_not_let_through() -> None:
    book = Limited(Limits(max_order_notional_usd=D(1_000_000)))
    book.engine.view.rates = {"USDC/USD": D(1)}
    book.submit(100, **LOOP)
    assert book.order.reason_code == "RISK_NO_RATE"


def test_a_restricted_token_may_not_be_got_either() -> None:
    book = Limited(Limits(restricted_symbols=("token:aUSDC",)))
    assert book.submit(100, **SUPPLY).order.reason_code == "RISK_RESTRICTED"

"""What is no trade: loans, stakes, swaps, transfers and bundles, where nothing but paper is configured."""

from collections.abc import Iterator
from decimal import Decimal
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.paper.capabilities import CAPABILITIES
from ordergate.application.ports.brokers import Answer
from ordergate.bootstrap import Gate
from ordergate.config import Config
from ordergate.config.instruments import InstrumentSection
from ordergate.domain.breaks import BreakKind
from ordergate.domain.instruments import AssetClass, Unit
from ordergate.domain.operations import Operation
from ordergate.domain.orders.reports import Outcome
from ordergate.sdk.venues import (
    ExecutionHandshake,
    ExecutionManager,
    Order,
    OrderOperation,
    VenueInterfaceManager,
)
from ordergate.sdk.venues.registry import NoVenue, Place, place_of
from ordergate.sdk.venues.wanted import leg_of
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot

PERPETUAL = InstrumentSection(
    asset_class=AssetClass.CRYPTO, unit=Unit.COINS, tick=Decimal("0.1"), lot_step=Decimal("0.001"), currency="USDT",
    base="BTC", perpetual=True,
)  # fmt: skip
CONFIG = Config(
    rates={"USDT/USD": Decimal(1), "stETH/USD": Decimal(3000)}, instruments={"BTC/USDT:USDT": PERPETUAL}
)


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """One for all: no test asks for what another left."""
    with running(CONFIG) as gate:
        quote(gate, "ETH/USDT", 2_999, 3_000)
        quote(gate, "BTC/USDT:USDT", 45_000, 45_001)
        yield gate


def order(operation: str, venue: str, amount: float = 10, **given) -> Order:
    return Order(operation=operation, venue=venue, amount=amount, **given)


OPERATIONS = [
    (order("supply", "aave", token_in="USDT", token_out="aUSDT"),
     {"wallet:BaseToken:USDT": -10.0, "aave_v3:aToken:aUSDT": 10.0}),
    (order("withdraw", "aave_v3", token_in="aUSDT", token_out="USDT"),
     {"wallet:BaseToken:USDT": 10.0, "aave_v3:aToken:aUSDT": -10.0}),
    (order("withdraw", "aave_v3", token_in="aUSDT"),
     {"wallet:BaseToken:USDT": 10.0, "aave_v3:aToken:aUSDT": -10.0}),
    (order("borrow", "aave_v3", token_out="USDT"),
     {"wallet:BaseToken:USDT": 10.0, "aave_v3:debtToken:variableDebtUSDT": 10.0}),
    (order("repay", "aave_v3", token_in="USDT"),
     {"wallet:BaseToken:USDT": -10.0, "aave_v3:debtToken:variableDebtUSDT": -10.0}),
    (order("stake", "lido", token_in="ETH"), {"wallet:BaseToken:ETH": -10.0, "lido:LST:stETH": 10.0}),
    (order("stake", "etherfi", token_in="ETH", token_out="weETH"),
     {"wallet:BaseToken:ETH": -10.0, "etherfi:LST:weETH": 10.0}),
    (order("unstake", "lido", token_in="stETH", token_out="ETH"),
     {"wallet:BaseToken:ETH": 10.0, "lido:LST:stETH": -10.0}),
    (order("unstake", "lido", token_out="ETH"), {"wallet:BaseToken:ETH": 10.0, "lido:LST:stETH": -10.0}),
    (order("swap", "uniswap", token_in="ETH", token_out="USDT"),
     {"wallet:BaseToken:ETH": -10.0, "wallet:BaseToken:USDT": 29990.0}),
    (order("transfer", "wallet", source_venue="wallet", target_venue="binance", token="USDT"),
     {"USDT": -10.0, "binance:BaseToken:USDT": 10.0}),
    (order("transfer", "wallet", source_venue="okx", target_venue="wallet", source_token="USDT"),
     {"okx:BaseToken:USDT": -10.0, "USDT": 10.0}),
    (order("transfer", "wallet", source_venue="wallet", target_venue="0x" + "ab" * 20, token="USDT"), {"USDT": -10.0}),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "moved"), OPERATIONS, ids=lambda one: getattr(one, "operation", None))
def test_each_operation_moves_what_it_should(gate: Gate, wanted: Order, moved: dict[str, float]) -> None:
    manager = ExecutionManager(gate=gate)
    before = manager.position_update_handler.position_monitor.simulated_positions
    (done,) = manager.process_orders(AT, [wanted])
    assert (done.status, done.error_message) == ("executed", None)
    assert done.position_deltas == moved
    assert done.simulated
    assert done.validate_execution()
    assert manager.system_failure is None
    after = manager.position_update_handler.position_monitor.simulated_positions
    for key, amount in moved.items():
        whole = key if ":" in key else f"wallet:BaseToken:{key}"
        assert after[whole] - before.get(whole, 0) == pytest.approx(amount)
    (made,) = [
        one for one in on_loop(gate, gate.queries.orders()) if one.order_id == done.venue_metadata["order_id"]
    ]
    assert made.operation == wanted.operation.value


@pytest.mark.parametrize(("given", "token"), [
    ({"token_in": "aUSDC"}, "USDC"), ({"token_in": "awstETH"}, "wstETH"), ({"token_in": "aweETH"}, "weETH"),
    ({"token_in": "aUSDC.e"}, "USDC.e"), ({"token_in": "aAAVE"}, "AAVE"), ({"token_in": "AAVE"}, "AAVE"),
    ({"token_in": "aave"}, "aave"), ({"token_in": "a"}, "a"), ({"token_in": "wstETH"}, "wstETH"),
    ({"token_in": "awstETH", "token_out": "wstETH"}, "wstETH"), ({"token_out": "alETH"}, "alETH"),
])  # fmt: skip
def test_what_is_withdrawn_by_its_claim(given: dict[str, str], token: str) -> None:
    place = Place(venue="aave_v3", broker="wallet", simulated=True)
    assert leg_of(order("withdraw", "aave_v3", **given), place, None).token == token


def test_every_operation_is_tried() -> None:
    alone = {wanted.operation for wanted, _moved in OPERATIONS}
    assert set(OrderOperation) - alone == {
        OrderOperation.SPOT_TRADE, OrderOperation.PERP_TRADE, OrderOperation.FLASH_BORROW,
        OrderOperation.FLASH_REPAY,
    }  # fmt: skip


def test_a_perpetual_is_not_paid_for_but_settled() -> None:
    with running(CONFIG) as gate:
        quote(gate, "BTC/USDT:USDT", 45_000, 45_001)
        manager = ExecutionManager(gate=gate)
        long, short = manager.process_orders(
            AT,
            [
                order("perp_trade", "binance", 0.01, pair="BTC/USDT", side="LONG"),
                order("perp_trade", "binance", 0.01, pair="BTC/USDT:USDT", side="SHORT"),
            ],
        )
        assert (long.position_deltas, long.executed_price) == ({"binance:Perp:BTCUSDT": 0.01}, 45_001)
        assert short.position_deltas == {"binance:Perp:BTCUSDT": -0.01, "USDT": -0.01}
        assert manager.system_failure is None


@pytest.mark.parametrize(
    ("wanted", "code", "message"),
    [
        (order("flash_borrow", "instadapp", token_out="ETH"), "VIM-007", "within one bundle"),
        (order("swap", "uniswap", token_in="ETH"), "VIM-012", "token_out: is missing"),
        (order("swap", "uniswap", token_in="USDT", token_out="DOGE"), "DATA-001", "no price"),
        (order("borrow", "aave_v3"), "VIM-012", "token_out: is missing: which token shall the borrow be of?"),
        (order("unstake", "morpho"), "VIM-012", "token_in: is missing"),
        (order("supply", "nowhere", token_in="USDT"), "VIM-003", "no known venue"),
        (order("supply", "aave_v3", 2_000_000, token_in="USDT"), "VIM-007", "2000000"),
    ],
    ids=str,
)
def test_what_is_not_done_says_why(gate: Gate, wanted: Order, code: str, message: str) -> None:
    done = VenueInterfaceManager(gate).route_to_venue(AT, wanted)
    assert (done.status, done.error_code) == ("failed", code)
    assert message in (done.error_message or "")


@pytest.mark.parametrize(
    ("given", "least"),
    [
        ({"price": 3000}, None),
        ({"slippage_tolerance": 0.01}, None),
        ({"price": 3000, "slippage_tolerance": 0.01}, Decimal(29_700)),
        ({"expected_deltas": {"USDT": 30_000}, "slippage_tolerance": 0.005}, Decimal(29_850)),
    ],
    ids=str,
)
def test_how_much_a_swap_must_bring_at_least(gate: Gate, given: dict, least: Decimal | None) -> None:
    routing = VenueInterfaceManager(gate)
    done = routing.route_to_venue(AT, order("swap", "uniswap", token_in="ETH", token_out="USDT", **given))
    assert done.was_successful()
    made = on_loop(gate, gate.queries.order(done.venue_metadata["order_id"]))
    assert made.terms.least_out == least
    assert made.terms.venue == "uniswap"


def test_a_swap_that_brings_too_little_failed(gate: Gate) -> None:
    wanted = order("swap", "uniswap", token_in="ETH", token_out="USDT", price=3100, slippage_tolerance=0.01)
    done = VenueInterfaceManager(gate).route_to_venue(AT, wanted)
    assert (done.status, done.error_code) == ("failed", "VIM-007")
    assert "at least 30690 must" in (done.error_message or "")


def test_a_protocol_is_done_by_the_one_wallet_that_is_configured() -> None:
    def wallet(name: str) -> SimpleNamespace:
        return SimpleNamespace(
            name=name, capabilities=replace(CAPABILITIES, operations=frozenset({Operation.SUPPLY}))
        )

    with running(CONFIG) as gate:
        gate.brokers["hot"] = wallet("hot")
        found = on_loop(gate, place_of(gate, "aave", {}))
        assert (found.venue, found.broker, found.simulated, found.protocol) == (
            "aave_v3",
            "hot",
            False,
            "aave_v3",
        )
        assert on_loop(gate, place_of(gate, "instadapp", {})).protocol is None
        assert on_loop(gate, place_of(gate, "wallet", {})).broker == "hot"
        gate.brokers["cold"] = wallet("cold")
        with pytest.raises(NoVenue, match="is done by one of hot, cold: say which"):
            on_loop(gate, place_of(gate, "lido", {}))
        assert on_loop(gate, place_of(gate, "lido", {"lido": "cold"})).broker == "cold"
        assert on_loop(gate, place_of(gate, "binance", {})).simulated
        for name in ("hot", "cold"):
            del gate.brokers[name]


def grouped(*orders: Order, group: str) -> list[Order]:
    return [
        one.model_copy(update={"execution_mode": "atomic", "atomic_group_id": group, "sequence_in_group": at})
        for at, one in enumerate(orders)
    ]


def leverage(supplied: float = 10) -> list[Order]:
    """Borrows, lends what it got, and borrows on that what it owes."""
    return grouped(
        order("flash_borrow", "instadapp", token_out="ETH"),
        order("supply", "aave_v3", supplied, token_in="ETH"),
        order("borrow", "aave_v3", token_out="ETH"),
        order("flash_repay", "instadapp", token_in="ETH"),
        group="leverage",
    )


def test_a_group_on_a_chain_is_one_order(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    before = len(on_loop(gate, gate.queries.orders()))
    done = manager.process_orders(AT, leverage())
    assert [one.status for one in done] == ["executed"] * 4
    assert all(one.validate_execution() for one in done)
    made = on_loop(gate, gate.queries.orders())[before:]
    assert [one.operation for one in made] == [Operation.BUNDLE]
    assert [leg.operation for leg in made[0].terms.legs] == [
        "flash_borrow",
        "supply",
        "borrow",
        "flash_repay",
    ]
    assert [leg.venue for leg in made[0].terms.legs] == [None, "aave_v3", "aave_v3", None]
    assert {one.venue_metadata["bundle"] for one in done} == {made[0].order_id}
    assert {one.venue_metadata["group_status"] for one in done} == {"completed"}
    # What was moved is told once.
    assert done[0].position_deltas == {"aave_v3:aToken:aETH": 10.0, "aave_v3:debtToken:variableDebtETH": 10.0}
    assert [one.position_deltas for one in done[1:]] == [{}, {}, {}]
    assert [one.executed_amount for one in done] == [10.0] * 4
    assert manager.system_failure is None


def test_a_bundle_of_which_one_leg_cannot_be_done_does_nothing(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    done = manager.process_orders(AT, leverage()[:3])
    assert [one.status for one in done] == ["failed"] * 3
    assert {one.error_code for one in done} == {"VIM-007"}
    assert "is not repaid within the bundle" in (done[2].error_message or "")
    assert {one.venue_metadata["rollback_triggered"] for one in done} == {False}
    assert all(not one.position_deltas for one in done)


def test_a_repeated_group_with_names_is_the_same_order(gate: Gate) -> None:
    named = [one.model_copy(update={"operation_id": f"op-{at}"}) for at, one in enumerate(leverage())]
    manager = ExecutionManager(gate=gate)
    first, again = (manager.process_orders(AT, named)[0] for _ in range(2))
    assert first.venue_metadata["order_id"] == again.venue_metadata["order_id"]
    assert manager.system_failure is None


FAILING = spot(pair="ETH/BTC")
UNDOES = [
    (order("supply", "aave_v3", token_in="USDT"), "withdraw"),
    (order("withdraw", "aave_v3", token_in="USDT"), "supply"),
    (order("borrow", "aave_v3", token_out="USDT"), "repay"),
    (order("repay", "aave_v3", token_in="USDT"), "borrow"),
    (order("stake", "lido", token_in="ETH"), "unstake"),
    (order("unstake", "lido", token_in="stETH", token_out="ETH"), "stake"),
    (order("swap", "uniswap", token_in="ETH", token_out="USDT"), "swap"),
    (order("transfer", "wallet", source_venue="wallet", target_venue="okx", token="USDT"), "transfer"),
    (order("perp_trade", "binance", 0.01, pair="BTC/USDT", side="LONG"), "perp_trade"),
]  # fmt: skip


@pytest.mark.parametrize(("wanted", "opposite"), UNDOES, ids=lambda one: getattr(one, "operation", None))
def test_each_operation_has_an_opposite(gate: Gate, wanted: Order, opposite: str) -> None:
    VenueInterfaceManager(gate).route_to_venue(AT, spot(venue="okx", pair="ETH/USDT"))  # so that it is there
    manager = ExecutionManager(gate=gate)
    group = f"undo-{wanted.operation}-{wanted.venue}"
    done = manager.process_orders(AT, grouped(wanted, FAILING, group=group))
    assert [one.status for one in done] == ["rolled_back", "failed"]
    made = on_loop(gate, gate.queries.order(done[0].venue_metadata["undone_by"]))
    assert made.operation == opposite
    lost = sum(abs(amount) for amount in done[0].position_deltas.values())
    assert lost < 0.02, "but for the spread all is as it was"
    assert manager.system_failure is None


def test_what_went_to_an_address_cannot_be_undone(gate: Gate) -> None:
    gone = order("transfer", "wallet", source_venue="wallet", target_venue="0x" + "cd" * 20, token="USDT")
    done = ExecutionManager(gate=gate).process_orders(AT, grouped(gone, FAILING, group="gone"))
    assert [one.status for one in done] == ["executed", "failed"]
    item = gate.runner.engine.state.breaks.rows[done[0].venue_metadata["breaks"][0]]
    assert (item.kind, item.is_open) == (BreakKind.NOT_UNDONE, True)
    assert "nothing undoes a transfer such as this" in item.detail


def test_what_a_chain_rejects_failed(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    VenueInterfaceManager(gate).route_to_venue(AT, order("supply", "aave_v3", token_in="USDT"))
    wallet = gate.brokers["wallet"]

    async def refuse(_send: object) -> Answer:
        return Answer(outcome=Outcome.REJECTED, reason="reverted")

    monkeypatch.setattr(wallet, "submit", refuse)
    done = ExecutionManager(gate=gate).process_orders(AT, [order("supply", "aave_v3", token_in="USDT")])
    assert (done[0].status, done[0].error_message) == ("failed", "reverted")


def test_a_handshake_with_a_fee_alone_is_reconciled() -> None:
    told = ExecutionHandshake(
        order=order("supply", "aave_v3", token_in="USDT"), status="failed", error_code="VIM-007",
        error_message="reverted", fee_amount=0.001, fee_currency="ETH", venue_metadata={"broker": "wallet"},
    )  # fmt: skip
    with running(CONFIG) as gate:
        manager = ExecutionManager(gate=gate)
        assert manager._convert_trade_to_execution_deltas(told) == [
            {
                "position_key": "wallet:BaseToken:ETH",
                "delta_amount": 0.0,
                "source": "fee",
                "price": None,
                "fee": 0.001,
            }
        ]

"""What is no trade at a paper venue: what each moves, what is refused, and that a contract pays for nothing."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from operationkit import BIG, PERP, OperationBench, ends, moves, send_of
from paperkit import START

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType, TimeInForce

MOVES = {
    "supply 100 USDC at aave_v3": ["paper:BaseToken:USDC -100", "aave_v3:aToken:aUSDC +100"],
    "supply 100 USDC at aave_v3 for aEthUSDC": ["paper:BaseToken:USDC -100", "aave_v3:aToken:aEthUSDC +100"],
    "withdraw 40 USDC at aave_v3": ["paper:BaseToken:USDC +40", "aave_v3:aToken:aUSDC -40"],
    "withdraw 40 aEthUSDC at aave_v3 for USDC": [
        "paper:BaseToken:USDC +40",
        "aave_v3:aToken:aEthUSDC -40",
    ],
    "borrow 7 DAI at aave_v3": ["paper:BaseToken:DAI +7", "aave_v3:debtToken:variableDebtDAI +7"],
    "repay 7 DAI at aave_v3": ["paper:BaseToken:DAI -7", "aave_v3:debtToken:variableDebtDAI -7"],
    "supply 1 ETH": ["paper:BaseToken:ETH -1", "paper:aToken:aETH +1"],
    "stake 3 ETH at lido": ["paper:BaseToken:ETH -3", "lido:LST:stETH +3"],
    "stake 3 ETH at etherfi for weETH": ["paper:BaseToken:ETH -3", "etherfi:LST:weETH +3"],
    "unstake 3 ETH at lido": ["lido:LST:stETH -3", "paper:BaseToken:ETH +3"],
    "unstake 3 weETH at etherfi for ETH least 3": ["etherfi:LST:weETH -3", "paper:BaseToken:ETH +3"],
    "transfer 5 USDC to binance": ["paper:BaseToken:USDC -5", "binance:BaseToken:USDC +5"],
    "transfer 5 USDC to 0x00000000000000000000000000000000000000Aa": ["paper:BaseToken:USDC -5"],
    "swap 2 ETH for USDC": ["paper:BaseToken:ETH -2", "paper:BaseToken:USDC +5000"],
    "swap 2502 USDC for ETH": ["paper:BaseToken:USDC -2502", "paper:BaseToken:ETH +1"],
    "swap 2 BTC for USDC": ["paper:BaseToken:BTC -2", "paper:BaseToken:USDC +64000"],
    "swap 1 ETH for BTC": ["paper:BaseToken:ETH -1", "paper:BaseToken:BTC +0.04"],
    "swap 3 ETH for USDT": ["paper:BaseToken:ETH -3", "paper:BaseToken:USDT +6000"],
    "bundle 1 USDC = flash_borrow 1000 USDC at aave_v3; swap 1000 USDC for USDT; repay 2 DAI at aave_v3;"
    " flash_repay 1000.5 USDC at aave_v3": [
        "paper:BaseToken:USDC +1000",
        "paper:BaseToken:USDC -1000",
        "paper:BaseToken:USDT +800",
        "paper:BaseToken:DAI -2",
        "aave_v3:debtToken:variableDebtDAI -2",
        "paper:BaseToken:USDC -1000.5",
    ],
}


TINY = "0.000000000000000001"


async def opened(settings: PaperSettings | None = None, place: Any = None) -> OperationBench:
    bench = await OperationBench(settings, place).open()
    markets = {"ETH/USDC": "2500/2502", "ETH/USDT": "2000/2500", "BTC/USDT": "40000/50000"}
    for symbol, prices in {
        **markets,
        "USDC/USDT": "0.8/1.25",
        "GNAT/USDC": f"{TINY}/{TINY}",
        "GNAT/USDT": f"{TINY}/{TINY}",
        PERP: "1/1",
    }.items():
        bench.market(symbol, *prices.split("/"))
    return bench


@pytest.mark.parametrize("line", MOVES)
def test_what_each_moves(line: str) -> None:
    async def main() -> None:
        bench = await opened()
        answer = await bench.ask(f"A: {line}")
        assert answer.outcome == "accepted", answer.reason
        (said,) = bench.executions()
        assert moves(said) == MOVES[line]
        assert (said.completes, said.price, said.quantity) == (True, 0, send_of("A.1", line).quantity)
        assert (said.symbol or "").startswith("token:")

    run_virtual(main())


COSTS = PaperSettings(slippage_bps=Decimal(100), fee_bps=Decimal(10))


def test_a_swap_slips_and_pays_of_what_comes_out() -> None:
    async def main() -> None:
        bench = await opened(COSTS)
        await bench.ask("A: swap 2 ETH for USDC least 4945.05")
        too_much = await bench.ask("B: swap 2 ETH for USDC least 4945.06")
        assert too_much.outcome == "rejected"
        assert too_much.reason == "4945.05 USDC would come out, and at least 4945.06 must"
        await bench.ask("C: supply 100 USDC at aave_v3")
        first, second = bench.executions()
        assert moves(first) == ["paper:BaseToken:ETH -2", "paper:BaseToken:USDC +4950", "fee 4.95 USDC"]
        assert not second.fee, "nothing else costs"

    run_virtual(main())


def test_the_fees_of_a_bundle_in_several_tokens_are_executions_of_their_own() -> None:
    async def main() -> None:
        bench = await opened(COSTS)
        await bench.ask("A: bundle 1 ETH = swap 2 ETH for USDC; swap 2 ETH for USDC; swap 1 BTC for USDT")
        alone, said = bench.executions()
        assert (alone.quantity, alone.completes, alone.deltas, moves(alone)) == (
            0,
            False,
            (),
            ["fee 9.9 USDC"],
        )
        assert (said.quantity, said.completes, moves(said)[-1]) == (1, True, "fee 39.6 USDT")
        assert len(said.deltas or ()) == 6
        assert [said.exec_id, alone.exec_id] == ["P1-2", "P1-1"]

    run_virtual(main())


REFUSED = {
    "swap 1 XYZ for USDC": "no price: nothing quotes XYZ in USDC, nor both in dollars",
    "swap 1 ETH for ETH": "a swap needs token_out, another token than the one that is given",
    "swap 1 ETH": "a swap needs token_out, another token than the one that is given",
    "swap 0.000000000000000001 USDC for ETH": "nothing would come out of 0.000000000000000001 USDC",
    "swap 999999999999999999 ETH for USDC": "more USDC would come out of 999999999999999999 ETH than can be counted",
    "swap 999999999999999999 USDC for GNAT": "more GNAT would come out of 999999999999999999 USDC than can be counted",
    "swap 999999999999999999 ETH for GNAT": "more GNAT would come out of 999999999999999999 ETH than can be counted",
    "swap 1 ETH for USDC least 2501": "2500 USDC would come out, and at least 2501 must",
    "unstake 1 ETH at lido least 2": "1 ETH would come out, and at least 2 must",
    "stake 1 ETH at nowhere": "a stake needs token_out, what is got for what is staked",
    "unstake 1 ETH at nowhere": "an unstake needs token_out, what is got for what was staked",
    "unstake 1 stETH at lido": "an unstake needs token_out, what is got for what was staked",
    "transfer 1 ETH": "a transfer needs a target, a venue's name or an address, that is not where it starts",
    "transfer 1 ETH to paper": "a transfer needs a target, a venue's name or an address, that is not where it starts",
    "transfer 1 ETH to a:b": "target is 'a:b': a name in a position key has no colon",
    "supply 1 ETH at a:b": "venue is 'a:b': a name in a position key has no colon",
    "flash_borrow 1 ETH at aave_v3": "a flash loan is taken and repaid within one bundle",
    "flash_repay 1 ETH at aave_v3": "a flash loan is taken and repaid within one bundle",
    "bundle 1 ETH": "a bundle needs legs",
    "bundle 1 ETH = flash_borrow 9 ETH at aave_v3; flash_repay 8.5 ETH at aave_v3": "the flash loan of ETH is not"
    " repaid within the bundle: 0.5 is missing",
    "bundle 1 ETH = flash_borrow 9 ETH at aave_v3; flash_repay 9 ETH at morpho": "no flash loan of ETH is there to"
    " be repaid",
    "bundle 1 ETH = flash_repay 9 ETH at aave_v3; flash_borrow 9 ETH at aave_v3": "no flash loan of ETH is there to"
    " be repaid",
    "bundle 1 ETH = supply 1 ETH; swap 1 XYZ for ETH": "leg 2 of the bundle, a swap: no price: nothing quotes XYZ in"
    " ETH, nor both in dollars",
    "bundle 1 ETH = supply 1 ETH; bundle 1 ETH": "leg 2 of the bundle, a bundle: that is none of what a bundle can do",
    "bundle 1 ETH = supply 1 ETH; spot_trade 1 ETH": "leg 2 of the bundle, a spot_trade: that is none of what a bundle can do",
    "bundle 1 ETH = supply 1 ETH; supply 0 ETH": "leg 2 of the bundle, a supply: the quantity is 0: it must be above"
    " zero",
    "supply 0.0000000000000000001 ETH": "0.0000000000000000001 coins of token:ETH is below the minimum of"
    " 0.000000000000000001",
}


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_refused_is_refused_at_once_and_for_ever(line: str) -> None:
    async def main() -> None:
        bench = await opened()
        for _ in range(2):
            answer = await bench.ask(f"A: {line}")
            assert (answer.outcome, answer.reason) == ("rejected", REFUSED[line])
        looked_up = await bench.broker.lookup("A.1")
        assert (looked_up.presence, ends(list(looked_up.reports))) == (Presence.FOUND, [REFUSED[line]])
        assert bench.sink.reports == []
        bench.market("XYZ/USDC", "1", "2")
        assert (await bench.ask(f"A: {line}")).outcome == "rejected", "also when a price has come"

    run_virtual(main())


def test_what_does_not_go_with_the_symbol_is_refused() -> None:
    async def main() -> None:
        bench = await opened()
        supply = send_of("A.1", "supply 1 ETH")
        wrong = {
            "a supply of BTC/USDT: tokens are moved, and pairs and contracts traded": replace(
                supply, symbol="BTC/USDT"
            ),
            "a spot_trade of token:ETH: tokens are moved, and pairs and contracts traded": replace(
                supply, operation=Operation.SPOT_TRADE
            ),
            "BTC/USDT is no perpetual contract": replace(
                supply, symbol="BTC/USDT", operation=Operation.PERP_TRADE
            ),
            "a supply is a market order": replace(supply, order_type=OrderType.LIMIT, limit_price=Decimal(1)),
            "a gtd order needs a time to come at which it expires": replace(
                supply, tif=TimeInForce.GTD, expires_at=START
            ),
        }
        for number, (why, send) in enumerate(wrong.items()):
            answer = await bench.broker.submit(replace(send, client_id=f"W{number}"))
            assert (answer.outcome, answer.reason) == ("rejected", why)

    run_virtual(main())


# --- perpetual contracts

TRADES = [
    # order, price, deltas, made so far
    ("buy 2", "100", ["paper:Perp:BTCUSDT +2"]),
    ("buy 1", "130", ["paper:Perp:BTCUSDT +1"]),
    ("sell 1", "140", ["paper:Perp:BTCUSDT -1", "paper:BaseToken:USDT +30"]),
    ("sell 4", "100", ["paper:Perp:BTCUSDT -4", "paper:BaseToken:USDT -20"]),
    ("sell 1", "90", ["paper:Perp:BTCUSDT -1"]),
    ("buy 3", "80", ["paper:Perp:BTCUSDT +3", "paper:BaseToken:USDT +50"]),
    ("sell 0.5", "80", ["paper:Perp:BTCUSDT -0.5"]),
    ("buy 0.5", "80", ["paper:Perp:BTCUSDT +0.5"]),
]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_contract_pays_for_nothing_but_what_it_makes(kept: Any, restarts: bool) -> None:
    async def main() -> None:
        bench = await OperationBench(path=kept.place).open()
        for number, (order, price, deltas) in enumerate(TRADES):
            bench.market(PERP, price, price)
            await bench.ask(f"T{number}: {order} {PERP}")
            assert moves(bench.executions()[-1]) == deltas
            if restarts:
                await bench.reopen(str(number + 1))
        told = await bench.broker.statement(START)
        assert told.positions == {}
        assert told.balances is not None
        assert told.balances["USDT"] == 60
        assert told.bound == {}

    kept.run(main())


def test_a_contract_counts_by_its_size_and_costs_its_fee() -> None:
    async def main() -> None:
        bench = await OperationBench(PaperSettings(fee_bps=Decimal(10))).open()
        bench.market(BIG, "100", "100")
        await bench.ask(f"A: sell 2 {BIG}")
        bench.market(BIG, "90", "90")
        await bench.ask(f"B: buy 2 {BIG}")
        first, second = bench.executions()
        assert moves(first) == ["paper:Perp:ETHUSDT -20", "fee 2 USDT"]
        assert moves(second) == ["paper:Perp:ETHUSDT +20", "paper:BaseToken:USDT +200", "fee 1.8 USDT"]
        told = await bench.broker.statement(START)
        assert (told.balances or {})["USDT"] == Decimal("196.2")

    run_virtual(main())


def test_a_contract_works_as_any_order_does_and_partial_fills_count() -> None:
    async def main() -> None:
        bench = await OperationBench().open()
        assert await bench.do("A: buy 3 limit 100") == ["A rests"]
        assert await bench.do("quote 99/100 1x2") == ["A 2 @ 100"]
        assert await bench.do("quote 99/100 1x2") == ["A 1 @ 100 done"]
        assert [moves(said) for said in bench.executions()] == [
            ["paper:Perp:BTCUSDT +2"],
            ["paper:Perp:BTCUSDT +1"],
        ]
        assert (await bench.broker.statement(START)).positions == {PERP: Decimal(3)}

    run_virtual(main())

"""The parts of the chain adapter that need no chain: words of nodes, reasons, amounts, fees, logs, the ledger."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.brokers.evm.assets import Asset, Assets, Kind
from ordergate.adapters.brokers.evm.bundle import bundle_of
from ordergate.adapters.brokers.evm.calls import amount, call, selector, units
from ordergate.adapters.brokers.evm.chain import Chain, Log, Receipt
from ordergate.adapters.brokers.evm.deltas import TRANSFER, happened, moved
from ordergate.adapters.brokers.evm.gas import Fee, bumped, fee_of
from ordergate.adapters.brokers.evm.ledger import Ledger
from ordergate.adapters.brokers.evm.operations import NOBODY, Need, Refused
from ordergate.adapters.brokers.evm.records import Intent, Life, Signed, Step, StepKind
from ordergate.adapters.brokers.evm.reverts import reason_of
from ordergate.adapters.brokers.evm.rpc import Away, Node, Nodes, RpcError, Said, meaning
from ordergate.adapters.brokers.evm.settings import (
    AaveSettings,
    EvmSettings,
    TokenSettings,
    UniswapSettings,
)
from ordergate.application.ports.brokers import Send
from ordergate.domain.errors import StoreError
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import Leg, OperationTerms
from ordergate.domain.orders.reports import Confirmed, End, Ended, Executed
from ordergate.domain.orders.states import ExecutionKind, OrderType, Side, TimeInForce

ME, YOU, USDC = (f"0x{40 * digit}" for digit in "123")
GWEI = 10**9


def settings(**more: Any) -> EvmSettings:
    given: dict[str, Any] = {"chain_id": 1, "rpc": ("http://x",), "address": ME}
    return EvmSettings(**(given | more))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("already known", Said.TAKEN),
        ("AlreadyKnown", Said.TAKEN),
        ("transaction already imported", Said.TAKEN),
        ("known transaction: 0xabc", Said.TAKEN),
        ("nonce too low", Said.USED),
        ("nonce too low: address 0x1, tx: 1 state: 2", Said.USED),
        ("OldNonce, Current nonce: 5, nonce of rejected tx: 4", Said.USED),
        ("replacement transaction underpriced", Said.UNDERPRICED),
        ("insufficient funds for gas * price + value: balance 1", Said.REFUSED),
        ("max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1", Said.REFUSED),
        ("intrinsic gas too low", Said.REFUSED),
        ("exceeds block gas limit", Said.REFUSED),
        ("transaction underpriced", Said.REFUSED),
        ("invalid sender", Said.REFUSED),
        ("internal error", Said.UNCLEAR),
        ("txpool is full", Said.UNCLEAR),
        ("nonce too high", Said.UNCLEAR),
        ("unknown transaction type 9", Said.UNCLEAR),
        ("", Said.UNCLEAR),
    ],
)
def test_words_of_nodes(words: str, said: Said) -> None:
    assert meaning(RpcError(-32000, words)) is said


@pytest.mark.parametrize(
    ("words", "code", "data", "of_chain"),
    [
        ("execution reverted: no", 3, None, True),
        ("execution reverted", -32000, None, True),
        ("VM execution error", -32015, "0x1234", True),
        ("insufficient funds for gas * price + value", -32000, None, True),
        ("gas required exceeds allowance (21000)", -32000, None, True),
        ("out of gas", -32000, None, True),
        ("invalid opcode: INVALID", -32000, None, True),
        ("EVM error InvalidJump", -32603, None, True),
        ("Internal error", -32603, None, False),
        ("execution aborted (timeout = 5s)", -32000, None, False),
        ("daily request limit reached", -32000, None, False),
        ("your app has exceeded its compute units per second capacity", 429, None, False),
        ("upstream request failed", -32000, None, False),
        ("insufficient credits", -32000, None, False),
        ("Method not found", -32601, None, False),
    ],
)
def test_what_is_the_chain_s_answer_and_what_a_node_s_trouble(
    words: str, code: int, data: str | None, of_chain: bool
) -> None:
    assert RpcError(code, words, data).of_chain is of_chain


def _data(signature: str, types: list[str], *values: Any) -> str:
    return f"0x{(selector(signature) + encode(types, values)).hex()}"


def _error(text: str) -> str:
    return _data("Error(string)", ["string"], text)


INNER = bytes.fromhex(_error("no")[2:])


@pytest.mark.parametrize(
    ("message", "data", "reason"),
    [
        ("execution reverted", _error("too late"), "too late"),
        ("execution reverted", _error("35"), "35 (health factor would be too low)"),
        ("execution reverted: 36", None, "36 (collateral cannot cover the new borrow)"),
        ("execution reverted", _data("Panic(uint256)", ["uint256"], 0x11), "panic: overflow"),
        (
            "execution reverted",
            _data("NotOwner()", []),
            "the executor is another's: only its owner may use it",
        ),
        (
            "execution reverted",
            _data("CallFailed(uint256,bytes)", ["uint256", "bytes"], 2, INNER),
            "call 2: no",
        ),
        ("execution reverted", "0x12345678", "reverted with 0x12345678"),
        ("execution reverted", "0x08c379a0ff", "reverted with 0x08c379a0ff"),
        ("execution reverted", "0xnonsense", "execution reverted"),
        ("out of gas", None, "out of gas"),
    ],
)
def test_reasons(message: str, data: str | None, reason: str) -> None:
    assert reason_of(RpcError(3, message, data)) == reason


@given(st.integers(0, 10**30), st.integers(0, 18))
def test_amounts_are_exact(count: int, decimals: int) -> None:
    whole = count % 10 ** (18 + decimals)  # as many digits as are kept
    assert units(amount(whole, decimals), decimals) == whole


@pytest.mark.parametrize("text", ["0.0000001", "-1", "1e80", "NaN"])
def test_amounts_that_a_contract_cannot_count(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        units(Decimal(text), 6)


def test_calls_are_as_the_contracts_have_them() -> None:
    assert selector("transfer(address,uint256)").hex() == "a9059cbb"
    words = YOU[2:].rjust(64, "0") + "1".rjust(64, "0")
    assert call(USDC, "transfer(address,uint256)", YOU, 1).data.hex() == f"a9059cbb{words}"
    signature = "run((address,uint256,bytes)[],address[])"
    assert call(USDC, signature, [(ME, 0, b"x")], [YOU]).data[:4] == selector(signature)


def test_fees_stay_under_the_caps() -> None:
    terms = settings(max_fee_gwei=Decimal(50), max_gas_cost=Decimal("0.01"))
    assert fee_of(100_000, 10 * GWEI, GWEI, terms) == Fee(150_000, 21 * GWEI, GWEI)
    assert fee_of(100_000, 30 * GWEI, GWEI, terms).max_fee == 50 * GWEI * 8 // 9  # a cancel must fit too
    assert fee_of(100_000, 10 * GWEI, 9 * GWEI, terms).priority == 2 * GWEI  # max_priority_gwei
    with pytest.raises(Refused, match="above max_fee_gwei"):
        fee_of(100_000, 50 * GWEI, GWEI, terms)
    with pytest.raises(Refused, match="above max_gas_cost"):
        fee_of(1_000_000, 10 * GWEI, GWEI, terms)


@given(st.integers(1, 40 * GWEI), st.integers(0, 2 * GWEI), st.integers(1, 60 * GWEI))
def test_a_replacement_pays_an_eighth_more(max_fee: int, priority: int, base: int) -> None:
    terms = settings(max_fee_gwei=Decimal(50), max_gas_cost=Decimal(1))
    fee = bumped(Fee(21_000, max(max_fee, priority), priority), base, GWEI, terms, cancels=True)
    if fee is None:
        assert max(max_fee, priority) * 9 > (50 * GWEI - 2) * 8
        return
    assert fee.max_fee * 8 >= max_fee * 9
    assert fee.priority * 8 >= priority * 9
    assert fee.priority <= fee.max_fee <= 50 * GWEI


def test_a_tip_that_rises_above_what_gas_may_cost_is_cut() -> None:
    """Every node refuses a transaction whose tip is above its fee, and with it each cancel of it."""
    terms = settings(max_fee_gwei=Decimal("0.5"))
    fee = bumped(Fee(150_000, 21_000_000, 1_000_000), GWEI // 100, GWEI, terms, cancels=False)
    assert fee == Fee(150_000, 444_444_444, 444_444_444)
    cancel = bumped(Fee(21_000, fee.max_fee, fee.priority), GWEI // 100, GWEI // 1000, terms, cancels=True)
    assert cancel == Fee(21_000, 500_000_000, 500_000_000)


@given(
    st.integers(GWEI // 100, 50 * GWEI),
    st.integers(0, 50 * GWEI),
    st.lists(st.integers(0, 3 * GWEI), min_size=1, max_size=9),
    st.integers(21_000, 90_000),
)
def test_a_cancel_is_within_the_caps_however_often_the_fee_was_raised(
    cap: int, base: int, tips: list[int], gas: int
) -> None:
    terms = settings(max_fee_gwei=Decimal(cap) / GWEI, max_gas_cost=Decimal("0.01"))
    try:
        fee = fee_of(gas, base % cap, tips[0], terms)
    except Refused:
        return
    for tip in tips:
        assert fee.priority <= fee.max_fee
        fee = bumped(fee, base % cap, tip, terms, cancels=False) or fee
    cancel = bumped(Fee(21_000, fee.max_fee, fee.priority), base % cap, tips[-1], terms, cancels=True)
    assert cancel is not None
    assert fee.priority * 9 <= cancel.priority * 8
    assert fee.max_fee * 9 <= cancel.max_fee * 8
    assert cancel.priority <= cancel.max_fee <= cap
    assert cancel.cost <= 10**16


class NodeAt(Node):
    """A node that knows of its head alone; None while it is away."""

    def __init__(self, number: int | None) -> None:
        super().__init__("http://x", 1, 1)
        self.number = number

    async def ask(self, method: str, *params: Any) -> Any:
        if self.number is None:
            raise Away("it is away")
        return {"number": hex(self.number), "timestamp": "0x1", "hash": "0x2", "baseFeePerGas": "0x3"}


def test_a_node_that_is_far_behind_is_passed_over() -> None:
    async def main() -> None:
        nodes, first, second = Nodes((), 1, 1), NodeAt(100), NodeAt(95)
        nodes.all, chain = (first, second), Chain(nodes, ME)
        assert (await chain.head()).number == 100
        first.number = None
        assert (await chain.head()).number == 95  # a few blocks are no matter
        first.number = 101
        assert (await chain.head()).number == 95  # who answered last
        nodes.begin_again()
        assert (await chain.head()).number == 101
        first.number, second.number = 60, 102
        nodes.begin_again()
        assert (await chain.head()).number == 102
        second.number = 60
        with pytest.raises(Away, match="at block 60, and block 102 was seen"):
            await chain.head()
        first.number = 103
        assert (await chain.head()).number == 103

    asyncio.run(main())


class Refusing(Node):
    """A node that refuses everything."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__("http://x", 1, 1)
        self.refusal = RpcError(code, words)

    async def ask(self, method: str, *params: Any) -> Any:
        raise self.refusal


@pytest.mark.parametrize(
    ("code", "words", "none"),
    [
        (-32000, "transaction not found", True),
        (-32000, f"transaction 0x{64 * 'a'} not found", True),
        (-32000, "Transaction with hash 0xab was not found", True),
        (-32000, "receipt not found", True),
        (-32001, "Requested resource not found", True),
        (-32601, "Method not found", False),
        (-32601, "transaction not found", False),
        (-32000, "Method not found", False),
        (-32000, "method eth_getTransactionReceipt not found", False),
        (-32000, "project not found", False),
        (-32001, "unauthorized", False),
    ],
)
def test_only_a_node_that_names_it_says_that_it_has_no_such_transaction(
    code: int, words: str, none: bool
) -> None:
    async def main() -> None:
        nodes = Nodes((), 1, 1)
        nodes.all, chain = (Refusing(code, words),), Chain(nodes, ME)
        for asked in (chain.receipt, chain.knows, chain.known_anywhere):
            if none:
                assert not await asked("0xab")
            else:
                with pytest.raises(RpcError, match=words):
                    await asked("0xab")

    asyncio.run(main())


def test_a_node_that_refuses_for_its_own_sake_is_passed_over() -> None:
    async def main() -> None:
        nodes, well = Nodes((), 1, 1), NodeAt(7)
        nodes.all = (Refusing(-32603, "Internal error"), well)
        assert (await Chain(nodes, ME).head()).number == 7
        well.number = None
        with pytest.raises(RpcError, match="Internal error"):  # what is told rather than silence
            await Chain(nodes, ME).head()
        nodes.all, well.number = (Refusing(3, "execution reverted"), well), 7
        nodes.begin_again()
        with pytest.raises(RpcError, match="reverted"):  # the chain says so, and the next node would too
            await Chain(nodes, ME).head()

    asyncio.run(main())


def test_each_node_is_asked_whatever_others_ask_meanwhile() -> None:
    async def main() -> None:
        nodes = Nodes((), 1, 1)

        class Meddled(NodeAt):
            async def ask(self, method: str, *params: Any) -> Any:
                nodes.begin_again()
                return await super().ask(method, *params)

        nodes.all = (NodeAt(None), NodeAt(7))
        assert (await Chain(nodes, ME).head()).number == 7  # now the second is asked first
        nodes.all = (NodeAt(8), Meddled(None))
        assert (await Chain(nodes, ME).head()).number == 8

    asyncio.run(main())


def _log(address: str, giver: str, taker: str, value: int, *more: str) -> Log:
    topics = (TRANSFER, *(f"0x{party[2:].rjust(64, '0')}" for party in (giver, taker)), *more)
    return Log(address, topics, hex(value), "0x1")


def test_only_transfers_of_known_tokens_count() -> None:
    assets = Assets("wallet", settings(tokens={"USDC": TokenSettings(address=USDC, decimals=6)}))
    known = assets.by_address()
    logs = [
        _log(USDC, ME, YOU, 5),
        _log(USDC, YOU, ME, 7),
        _log(USDC, YOU, YOU, 100),
        _log(USDC, ME, ME, 100),
        _log(f"0x{40 * '9'}", YOU, ME, 10**30),  # anybody can say that
        _log(USDC, YOU, ME, 1, f"0x{64 * '0'}"),  # four topics: one of its kind
        Log(USDC, (f"0x{64 * '0'}",), "0x1", "0x1"),
    ]
    assert {asset.symbol: count for asset, count in moved(logs, ME, known).items()} == {"USDC": 2}


class Forgetful(Chain):
    """Its node keeps no states of the past."""

    async def nonces(self, block: str = "latest") -> int:
        raise Away("missing trie node")


@pytest.mark.parametrize(
    ("logs", "failed"),
    [
        ((), True),
        (((NOBODY, ME, 4),), True),
        (((ME, YOU, 0),), True),
        (((ME, YOU, 1),), False),
        (((NOBODY, ME, 4), (ME, YOU, 1)), False),  # interest that has accrued, written with what is paid
    ],
)
def test_a_payment_has_failed_only_where_nothing_left(
    logs: tuple[tuple[str, str, int], ...], failed: bool
) -> None:
    tokens = {"aUSDC": TokenSettings(address=USDC, decimals=0)}
    send = Send(
        client_id="pays.1",
        symbol="token:aUSDC",
        side=Side.SELL,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        operation=Operation.TRANSFER,
        terms=OperationTerms(target=YOU),
    )
    paying = call(USDC, "transfer(address,uint256)", YOU, 1)
    step = Step(kind=StepKind.ACT, to=USDC, value=0, data=paying.data.hex(), nonce=0)
    told = tuple(_log(USDC, *log) for log in logs)
    receipt = Receipt(hash="0xaa", block=2, block_hash="0xbb", ok=True, gas=1, cost=1, logs=told)

    async def main() -> None:
        chain = Forgetful(Nodes((), 1, 1), ME)
        intent = Intent(client_id=send.client_id, send=send)
        found = await happened(intent, step, receipt, chain, Assets("wallet", settings(tokens=tokens)))
        assert (found.failed, found.quantity) == (failed, 0 if failed else 1)

    asyncio.run(main())


def test_a_bundle_needs_one_allowance_of_a_token() -> None:
    """For all of its legs: a contract keeps only the last that it was given."""
    weth, a_weth, owed, executor = (f"0x{40 * digit}" for digit in "4567")
    tokens = {"WETH": TokenSettings(address=weth)}
    terms = settings(tokens=tokens, executor=executor, aave_v3=AaveSettings(pool=USDC))
    assets = Assets("wallet", terms)
    assets.supplied["WETH"] = Asset("aWETH", a_weth, 18, Kind.ATOKEN, "aWETH", "WETH")
    assets.owed["WETH"] = Asset("dWETH", owed, 18, Kind.DEBT, "dWETH", "WETH")
    said = [(Operation.WITHDRAW, 1), (Operation.BORROW, 3), (Operation.WITHDRAW, 2), (Operation.BORROW, 4)]
    legs = tuple(Leg(operation=what, quantity=Decimal(much), token="WETH") for what, much in said)
    needs = bundle_of(legs, terms, assets, ME, 1, 5).needs
    assert needs == (
        Need(a_weth, executor, 3 * 10**18),
        Need(owed, executor, 7 * 10**18, delegated=True),
    )


def intent() -> Intent:
    send = Send(
        client_id="ord-1.1",
        symbol="token:ETH",
        side=Side.SELL,
        quantity=Decimal("1.000000000000000001"),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        operation=Operation.TRANSFER,
        terms=OperationTerms(target=YOU),
    )
    signed = Signed(hash="0xa", raw="0xb", max_fee=2**70, priority=1, gas=21_000, signed_at=1.5)
    step = Step(kind=StepKind.ACT, to=YOU, value=10**20, data="", nonce=7, signed=[signed])
    return Intent(client_id="ord-1.1", send=send, life=Life.OPEN, steps=[step])


def _said(exec_id: str, **more: Any) -> Executed:
    return Executed(broker="wallet", client_id="ord-1.1", exec_id=exec_id, time=datetime.now(UTC), **more)


def test_the_ledger_outlives_its_process(tmp_path: Path) -> None:
    ledger = Ledger("wallet", tmp_path / "l.db")
    ledger.begin(1, ME, None)
    assert (ledger.doubts, ledger.next_nonce(), ledger.last_used()) == (False, 0, -1)
    kept = intent()
    ledger.save(kept)
    reports = (
        _said("x", quantity=Decimal(1)),
        _said("x/gone", execution_kind=ExecutionKind.BUST, refers_to="x"),
        Confirmed(broker="wallet", client_id="ord-1.1"),
    )
    told = [*ledger.save(kept, *reports)]
    assert ledger.counted("ord-1") == []
    ledger.close()
    with pytest.raises(StoreError, match="closed"):
        ledger.find("ord-1.1")
    again = Ledger("wallet", tmp_path / "l.db")
    again.begin(1, ME, told[0].cursor)
    assert again.find("ord-1.1") == again.order("ord-1") == kept
    assert again.open_intents() == [kept]
    assert (again.doubts, again.forgets, again.next_nonce()) == (False, False, 8)
    assert again.after(told[0].cursor) == told[1:]
    with pytest.raises(StoreError, match="is of wallet"):
        again.begin(2, ME, None)


def test_a_ledger_that_has_told_less_than_the_journal_has_seen(tmp_path: Path) -> None:
    ledger = Ledger("wallet", tmp_path / "l.db")
    ledger.begin(1, ME, "41")
    assert ledger.forgets
    assert ledger.tell("ord-2", Ended(broker="wallet", end=End.FAILED)).cursor == "42"
    ledger.close()
    again = Ledger("wallet", tmp_path / "l.db")
    again.begin(1, ME, "42")
    assert again.forgets
    again.close()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: settings(address="0x12"), "0x and 40 hexadecimal digits"),
        (lambda: settings(rpc=()), "one node at least"),
        (lambda: settings(rpc=("ftp://x",)), "one node at least"),
        (lambda: settings(confirmations=0), "confirmations is 0"),
        (lambda: settings(timeout_ms=11_000), "timeout_ms is 11000"),
        (lambda: settings(max_fee_gwei=Decimal(0)), "max_fee_gwei is 0"),
        (lambda: settings(max_gas_cost=Decimal("NaN")), "max_gas_cost is NaN"),
        (lambda: settings(tokens={"ETH": TokenSettings(address=USDC)}), "the chain's own money"),
        (lambda: settings(tokens={"a b": TokenSettings(address=USDC)}), "no name of a token"),
        (lambda: settings(targets={"desk": "desk"}), "targets.desk"),
        (lambda: TokenSettings(address=USDC, decimals=19), "decimals is 19"),
        (lambda: AaveSettings(pool="x"), "pool is 'x'"),
        (lambda: UniswapSettings(router=USDC, version=4), "version is 4"),
        (lambda: UniswapSettings(router=USDC, fee=0), "fee is 0"),
        (lambda: UniswapSettings(router=USDC, slippage_bps=10_000), "slippage_bps is 10000"),
    ],
)
def test_settings_that_cannot_be(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()

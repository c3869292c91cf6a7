"""The commands of a fund's move, given twice, too early or by mistake; and what they never do."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import asdict, replace

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.entry import LARGEST, Entry, Origin, encode
from ordergate.domain import moving as m
from ordergate.domain.book import Key
from ordergate.domain.errors import Code, Refused
from ordergate.domain.funds import Fund
from ordergate.domain.moves import Holding, LogEnd, MovePhase, Part, StrategyRuns, in_parts, packed
from ordergate.domain.orders.commands import Configure
from ordergate.domain.positions.ledger import Balance
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position, StrategyPosition
from ordergate.domain.recon.holding import AccountHolding, HoldingKind
from ordergate.domain.risk.account import Volume
from ordergate.protocols.tlog import Signer
from tests.journals.desk import BROKER, START, Desk

END = LogEnd(origin="other.example/log", size=9, root="AAAA")
GAMMA = Fund(fund_id="gamma", broker=BROKER)
EXPECT = m.ExpectFund(fund_id="gamma", shard="other", origin=END.origin)
LEFT = m.FundLeft(fund_id="gamma", shard="here", origin="here.example", number=0, parts=1, fund=GAMMA)
TAKE = m.TakePart(left=LEFT, index=8, end=END)
OPEN = m.OpenFund(fund_id="gamma", end=END, parts=1)
LEAVE = m.LeaveFund(fund_id="gamma", shard="third", origin="third.example")


def key(name):
    return Key(fund_id="gamma", kind="idempotency_key", key=name, order_id=f"ord-{name}", fingerprint="f")


def take_keys(*names):
    return m.TakeKeys(fund_id="gamma", end=END, keys=tuple(map(key, names)))


def told(*commands):
    """The kinds of entries that each command leads to, or the code with which it is refused."""

    async def main():
        desk = await Desk.open(MemoryJournal(), Signer("here.example", bytes(32)))
        found = []
        for command in commands:
            try:
                step = desk.engine.step(command, desk.now, Origin())
            except Refused as refused:
                found.append(refused.code)
            else:
                found.append([type(entry.event).__name__ for entry in step.entries])
        return found, desk.engine.state

    return asyncio.run(main())


def test_every_step_is_done_once():
    found, state = told(
        EXPECT, EXPECT, TAKE, TAKE, take_keys("a", "b"), take_keys("a", "b", "c"), OPEN, OPEN, LEAVE, LEAVE
    )
    assert found == [
        ["FundExpected"], [], ["FundArrived"], [], ["KeysArrived"], ["KeysArrived"], ["FundOpened"], [], ["FundLeft"], [],
    ]  # fmt: skip
    assert state.moves.rows["gamma"].phase is MovePhase.LEFT


def test_what_it_holds_is_defined_here_before_it_is_booked():
    """Without the instrument nobody could say what the position is worth."""

    def holding(symbol):
        position = Position(
            fund_id="gamma", symbol=symbol, updated_at=START, quantity=Decimal(3), cost=Decimal(3)
        )
        return replace(TAKE, left=replace(LEFT, holdings=(Holding(position=position, lots=()),)))

    found, state = told(EXPECT, holding("NOSUCH1"), holding("AAPL"))
    assert found == [["FundExpected"], Code.UNKNOWN_SYMBOL, ["InstrumentDefined", "FundArrived"]]
    assert state.exposures.cell("gamma", "AAPL").held == 3
    assert state.positions.get(("gamma", "NOSUCH1")) is None


def _built(symbol, quantity):
    return StrategyPosition(fund_id="gamma", symbol=symbol, strategy_id="trend", quantity=Decimal(quantity))


def test_what_strategies_have_built_comes_and_leaves_with_the_fund():
    """Also of a symbol of which the fund itself is flat, for two strategies are against each other."""
    other = replace(_built("MSFT", -7), strategy_id="carry")
    built = (_built("AAPL", 3), _built("MSFT", 7), other)
    take = replace(TAKE, left=replace(LEFT, strategies=built))
    found, state = told(EXPECT, take, take)
    assert found == [["FundExpected"], ["InstrumentDefined", "InstrumentDefined", "FundArrived"], []]
    assert {row.key: row for row in built} == state.strategy_positions.rows
    assert state.exposures.strategy_cell("gamma", "MSFT", "carry").held == -7
    assert state.exposures.cell("gamma", "MSFT") is None
    found, state = told(EXPECT, take, OPEN, LEAVE)
    assert found[-1] == ["FundLeft", "FundLeft"]
    assert {row.quantity for row in state.strategy_positions.rows.values()} == {0}
    assert state.exposures.strategy_cell("gamma", "MSFT", "carry").held == 0


def test_what_a_strategy_built_here_before_is_added():
    found, state = told(
        EXPECT, TAKE, OPEN, LEAVE, EXPECT, replace(TAKE, left=replace(LEFT, strategies=(_built("AAPL", 3),)))
    )
    assert found[-1] == ["InstrumentDefined", "FundArrived"]
    assert state.strategy_positions.rows["gamma", "AAPL", "trend"].quantity == 3


def _volume(day, quantity="5"):
    return Volume(fund_id="gamma", symbol="AAPL", day=day, quantity=Decimal(quantity), value=Decimal(905))


def test_what_was_traded_today_is_traded_wherever_the_fund_is():
    today, yesterday = _volume("2026-01-05"), _volume("2026-01-04")
    take = replace(TAKE, left=replace(LEFT, volumes=(today,)))
    found, state = told(EXPECT, take, OPEN)
    assert found[1] == ["InstrumentDefined", "FundArrived"]
    assert state.volumes.rows == {("gamma", "AAPL"): today}
    # And back again: it is the same volume, not twice as much.
    _found, state = told(EXPECT, take, OPEN, LEAVE, EXPECT, take)
    assert state.volumes.rows == {("gamma", "AAPL"): today}
    # A day that is over does not count any more, and does not travel.
    old = replace(TAKE, left=replace(LEFT, volumes=(yesterday,)))
    assert told(EXPECT, old, OPEN, LEAVE)[0][-1] == ["FundLeft"]
    assert told(EXPECT, take, OPEN, LEAVE)[0][-1] == ["FundLeft", "FundLeft"]


def test_how_often_strategies_have_run_is_counted_on_and_not_twice():
    runs = (StrategyRuns(strategy_id="trend", runs=3), StrategyRuns(strategy_id="carry", runs=1))
    take = replace(TAKE, left=replace(LEFT, runs=runs))
    fewer = replace(take, left=replace(take.left, runs=(StrategyRuns(strategy_id="trend", runs=2),)))
    for commands in ((EXPECT, take, OPEN), (EXPECT, take, OPEN, LEAVE, EXPECT, fewer, OPEN)):
        found, state = told(*commands)
        assert found[1] == ["FundArrived"]
        assert {name: row.runs for name, row in state.strategies.rows.items()} == {"trend": 3, "carry": 1}
    # A fund that names its strategies takes along theirs alone.
    only = replace(take, left=replace(take.left, fund=replace(GAMMA, strategies=("carry",))))
    _found, state = told(EXPECT, only, OPEN, LEAVE)
    assert state.moves.rows["gamma"].parts == 2


def _at(broker, quantity, name="AAPL", kind=HoldingKind.POSITION):
    return AccountHolding(broker=broker, kind=kind, name=name, quantity=Decimal(quantity))


def test_our_record_of_an_account_goes_where_the_account_is_asked():
    here = (_at("own", 20), _at("own", "-3610", "USD", HoldingKind.CASH), _at("other", 7))
    take = replace(TAKE, left=replace(LEFT, at_brokers=here))
    leave = replace(LEAVE, brokers=frozenset({"own", "unheard"}))
    found, state = told(EXPECT, take, OPEN)
    assert {row.quantity for row in state.account_holdings.rows.values()} == {20, -3610, 7}
    found, state = told(EXPECT, take, OPEN, LEAVE)  # the fund trades at another broker from now on
    assert found[-1] == ["FundLeft"]
    assert state.account_holdings.rows["own", "position", "AAPL"].quantity == 20
    found, state = told(EXPECT, take, OPEN, leave)
    assert found[-1] == ["FundLeft", "FundLeft"]
    left = {(row.broker, row.name): row.quantity for row in state.account_holdings.rows.values()}
    assert left == {("own", "AAPL"): 0, ("own", "USD"): 0, ("other", "AAPL"): 7}
    # What was booked here meanwhile, or stayed, is added.
    _found, state = told(EXPECT, take, OPEN, LEAVE, EXPECT, take)
    assert state.account_holdings.rows["own", "position", "AAPL"].quantity == 40


def test_keys_that_have_come_are_not_written_again():
    found, _state = told(EXPECT, TAKE, take_keys("a", "b"), take_keys("a", "b"))
    assert found[-1] == []


@pytest.mark.parametrize(
    ("before", "command", "code"),
    [
        ([], TAKE, Code.FUND_EXPECTED),
        ([], take_keys("a"), Code.FUND_EXPECTED),
        ([], OPEN, Code.FUND_EXPECTED),
        ([EXPECT], OPEN, Code.FUND_EXPECTED),
        ([EXPECT], m.TakePart(left=replace(LEFT, number=1, parts=2), index=9, end=END), Code.FUND_EXPECTED),
        ([EXPECT], LEAVE, Code.FUND_EXPECTED),
        ([EXPECT, TAKE], m.ExpectFund(fund_id="gamma", shard="third", origin="x"), Code.FUND_EXPECTED),
        ([EXPECT, TAKE, OPEN], EXPECT, Code.FUND_MOVED),
        ([EXPECT, TAKE, OPEN, LEAVE], m.LeaveFund(fund_id="gamma", shard="fourth", origin="x"), Code.FUND_MOVED),
        ([], LEAVE, Code.UNKNOWN_FUND),
        ([], m.ExpectFund(fund_id="alpha", shard="other", origin="x"), Code.FUND_MOVED),
    ],
)  # fmt: skip
def test_what_comes_out_of_turn_is_refused(before, command, code):
    assert told(*before, command)[0][-1] is code


def test_an_expectation_that_came_to_nothing_can_be_another():
    other = m.ExpectFund(fund_id="gamma", shard="third", origin="third.example")
    found, state = told(EXPECT, other)
    assert found == [["FundExpected"], ["FundExpected"]]
    assert state.moves.rows["gamma"].shard == "third"


def test_a_fund_that_is_not_here_is_not_configured():
    found, state = told(EXPECT, Configure((GAMMA,), ()))
    assert found[-1] == []
    assert "gamma" not in state.funds.rows
    found, _state = told(EXPECT, TAKE, OPEN, LEAVE, Configure((Fund(fund_id="gamma", broker="other"),), ()))
    assert found[-1] == []


def _lots(count):
    return tuple(
        Lot(
            lot_id=f"ord-{number}-f1", fund_id="gamma", symbol="BTC/USDT", number=number, quantity=Decimal(1),
            remaining=Decimal(1), price=Decimal("64000.123456"), opened_at=START,
        )
        for number in range(1, count + 1)
    )  # fmt: skip


def test_however_much_a_fund_holds_each_part_fits_into_an_entry_and_nothing_is_lost():
    lots = _lots(3_000)
    position = Position(
        fund_id="gamma", symbol="BTC/USDT", updated_at=START, quantity=Decimal(3_000), lot_count=3_000
    )
    flat = Position(fund_id="gamma", symbol="AAPL", updated_at=START, quantity=Decimal(1), lot_count=1)
    balances = [
        Balance(fund_id="gamma", position_key=f"paper:BaseToken:X{n}", amount=Decimal(n)) for n in range(900)
    ]
    built = [
        StrategyPosition(fund_id="gamma", symbol="AAPL", strategy_id=f"s-{n}", quantity=Decimal(n))
        for n in range(900)
    ]
    holdings = [Holding(position=position, lots=lots), Holding(position=flat)]
    held = [
        AccountHolding(broker=BROKER, kind=HoldingKind.POSITION, name=f"S{n}", quantity=Decimal(n))
        for n in range(900)
    ]
    whole = Part(
        holdings=tuple(holdings), balances=tuple(balances), strategies=tuple(built), at_brokers=tuple(held)
    )
    parts = in_parts(whole, 48_000)
    assert sum((h.lots for part in parts for h in part.holdings), ()) == lots
    assert {h.position.symbol for part in parts for h in part.holdings} == {"BTC/USDT", "AAPL"}
    assert sum((part.balances for part in parts), ()) == tuple(balances)
    assert sum((part.strategies for part in parts), ()) == tuple(built)
    assert sum((part.at_brokers for part in parts), ()) == tuple(held)
    for number, part in enumerate(parts):
        event = m.FundLeft(
            fund_id="gamma", shard="s" * 32, origin="o" * 200, number=number, parts=len(parts),
            **asdict(part),
        )  # fmt: skip
        assert len(encode(_entry(event)).data) <= LARGEST


def _entry(event):
    return Entry(index=10**9, time=START, actor="a" * 64, principal="p" * 64, source="cli", event=event)


def test_groups_hold_all_in_order_and_none_is_empty():
    keys = [key(f"{number:05}" + "\u0001" * 200) for number in range(500)]
    groups = packed(keys, 48_000)
    assert [one for group in groups for one in group] == keys
    assert all(groups)
    assert len(groups) > 10
    assert packed([], 48_000) == []
    assert packed(keys[:1], 1) == [(keys[0],)]

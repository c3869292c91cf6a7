"""Six lot methods: against other implementations, and what holds under each of them (MNY-1, MNY-2, MNY-3)."""

from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from ordergate.domain.funds import TaxLotMethod
from tests.unit.domain.positions.ledgers import METHODS, SIZE, STEP, TICK, Ledger, deals, model

D = Decimal
QUICK = pytest.param(range(100), id="quick")
ALL = pytest.param(range(1_000), id="all", marks=pytest.mark.slow)
METHOD = pytest.mark.parametrize("method", METHODS)
SEEDS = pytest.mark.parametrize("seeds", [QUICK, ALL])


@METHOD
@SEEDS
def test_mny_1_every_method_equals_an_implementation_written_in_another_way(
    method: TaxLotMethod, seeds: range
) -> None:
    for seed in seeds:
        ledger, other = Ledger(method), model(method)
        for deal in deals(seed):
            ledger.deal(deal)
            other.deal(deal)
            position = ledger.position
            ours = position.quantity / STEP, Fraction(position.cost), Fraction(position.realized_pnl)
            assert ours == (other.quantity, other.cost, other.realized), (seed, deal)


def check_sums(ledger: Ledger, cash: Decimal, mark: Decimal) -> None:
    """MNY-2 and MNY-3 of one moment."""
    position = ledger.position
    worth = position.quantity * mark * SIZE
    assert position.realized_pnl + (worth - position.cost) == cash + worth
    assert sum(lot.remaining for lot in ledger.open) == position.quantity
    assert len({lot.remaining > 0 for lot in ledger.open}) <= 1
    if not position.quantity:
        assert position.cost == 0
    if ledger.method is not TaxLotMethod.AVERAGE:
        assert position.cost == sum(lot.remaining * lot.price * SIZE for lot in ledger.open)
        assert position.realized_pnl == sum(lot.realized_pnl for lot in ledger.lots.values())


@METHOD
@SEEDS
def test_mny_2_profit_is_cash_flow_and_market_value_also_where_fills_are_taken_back(
    method: TaxLotMethod, seeds: range
) -> None:
    """MNY-2, MNY-3: with busts and corrections at any time, in exact numbers."""
    for seed in seeds:
        ledger, random, counting = Ledger(method), Random(seed), []
        for deal in deals(seed):
            counting.append(ledger.deal(deal))
            if random.random() < 0.3:
                busted = counting.pop(random.randrange(len(counting)))
                ledger.bust(busted)
                if random.random() < 0.5:  # a correction is a bust with another fill in its place
                    counting.append(ledger.deal((random.choice((-7, 9)), random.randint(1, 30), ())))
            trades = [ledger.trades[name] for name in counting]
            cash = -sum((t.quantity * t.price * SIZE for t in trades), D(0))
            assert ledger.position.quantity == sum(t.quantity for t in trades)
            check_sums(ledger, cash, random.randint(1, 30) * TICK)


@METHOD
@pytest.mark.parametrize("seed", range(60))
def test_a_fill_that_is_taken_back_at_once_was_never_there(method: TaxLotMethod, seed: int) -> None:
    ledger = Ledger(method)
    sequence = deals(seed)
    for deal in sequence:
        ledger.deal(deal)
    before, open_before = ledger.position, ledger.open
    sign = 1 if before.quantity >= 0 else -1
    ledger.bust(ledger.deal((sign * 13, 17, ())))
    after = ledger.position
    assert (after.quantity, after.cost, after.realized_pnl) == (
        before.quantity, before.cost, before.realized_pnl,
    )  # fmt: skip
    assert ledger.open == open_before


def lots_after(
    method: str, *trades: tuple[int, int], named: tuple[str, ...] = ()
) -> tuple[dict[str, int], Decimal]:
    """What is open, and what was realised, behind trades of which the last names lots."""
    ledger = Ledger(TaxLotMethod(method), D(1))
    for number, (quantity, price) in enumerate(trades, 1):
        ledger.trade(D(quantity), D(price), named if number == len(trades) else ())
    return {lot.lot_id: int(lot.remaining) for lot in ledger.open}, ledger.position.realized_pnl


LONG = ((10, 5), (10, 9), (10, 7))
SHORT = ((-10, 5), (-10, 9), (-10, 7))


@pytest.mark.parametrize(
    ("method", "open_lots", "realized"),
    [
        ("fifo", {"f1": 0, "f2": 5, "f3": 10}, 10 * 3 - 5),
        ("lifo", {"f1": 10, "f2": 5, "f3": 0}, 10 - 5),
        ("hifo", {"f1": 10, "f2": 0, "f3": 5}, -10 + 5),
        ("loifo", {"f1": 0, "f2": 10, "f3": 5}, 10 * 3 + 5),
        ("average", {"f1": 0, "f2": 5, "f3": 10}, 15),
    ],
)
def test_which_lots_a_sale_of_fifteen_at_eight_takes(method: str, open_lots: dict, realized: int) -> None:
    left = {name: number for name, number in open_lots.items() if number}
    assert lots_after(method, *LONG, (-15, 8)) == (left, realized)
    # A short position is the mirror: the same lots, and the profit is the loss.
    assert lots_after(method, *SHORT, (15, 8)) == ({n: -q for n, q in left.items()}, -realized)


def test_of_equal_prices_the_oldest_goes_first() -> None:
    for method in ("hifo", "loifo"):
        assert lots_after(method, (10, 5), (10, 5), (-10, 5))[0] == {"f2": 10}


@pytest.mark.parametrize(
    ("named", "left"),
    [
        (("f3", "f2"), {"f1": 10, "f2": 5}),
        (("f2", "f3"), {"f1": 10, "f3": 5}),
        (("f3",), {"f1": 5, "f2": 10}),
        ((), {"f2": 5, "f3": 10}),
        (("gone", "f2"), {"f1": 5, "f3": 10}),
        (("gone",), {"f2": 5, "f3": 10}),
    ],
)
def test_lots_that_are_named_go_first_then_the_oldest(named: tuple[str, ...], left: dict[str, int]) -> None:
    assert lots_after("specific", *LONG, (-15, 8), named=named)[0] == left


@pytest.mark.parametrize("method", [m for m in METHODS if m != "specific"])
def test_other_methods_do_not_look_at_named_lots(method: str) -> None:
    assert lots_after(method, *LONG, (-15, 8), named=("f2",)) == lots_after(method, *LONG, (-15, 8))


@METHOD
def test_crossing_zero_closes_all_and_opens_the_rest(method: TaxLotMethod) -> None:
    for trades, rest in (((*LONG, (-40, 8)), -10), ((*SHORT, (40, 8)), 10)):
        open_lots, realized = lots_after(method, *trades)
        assert open_lots == {"f4": rest}
        assert realized == (30 if rest < 0 else -30)


def test_mny_3_what_is_rounded_off_stays_in_the_cost() -> None:
    ledger = Ledger(TaxLotMethod.AVERAGE, D(1))
    ledger.trade(D(1), D(10))
    ledger.trade(D(2), D(0) + D("0.5"))
    ledger.trade(D(-1), D(20))  # 11 / 3 does not divide
    third = D("3.666666666666666667")
    assert (ledger.position.cost, ledger.position.realized_pnl) == (D(11) - third, D(20) - third)
    ledger.trade(D(-1), D(20))
    ledger.trade(D(-1), D(20))
    assert (ledger.position.cost, ledger.position.realized_pnl) == (0, 60 - 11)


def test_a_fill_whose_cost_was_averaged_is_taken_back_at_the_average() -> None:
    ledger = Ledger(TaxLotMethod.AVERAGE, D(1))
    ledger.trade(D(10), D(1))
    wrong = ledger.trade(D(10), D(100))
    ledger.trade(D(-10), D(60))  # at 50.5 a unit: 95
    assert ledger.position.averaged == 2
    ledger.bust(wrong)
    assert (ledger.position.quantity, ledger.position.cost) == (0, 0)
    assert ledger.position.realized_pnl == 10 * 60 - 10 * 1  # as if the wrong fill had never been


def test_what_a_year_has_realised() -> None:
    ledger = Ledger(TaxLotMethod.FIFO, D(1))
    ledger.trade(D(10), D(10), year=2025)
    ledger.trade(D(-4), D(12), year=2025)
    assert (ledger.position.year, ledger.position.realized_in_year) == (2025, 8)
    last = ledger.trade(D(-4), D(13), year=2026)
    assert (ledger.position.year, ledger.position.realized_in_year, ledger.position.realized_pnl) == (
        2026,
        12,
        20,
    )
    ledger.trade(D(-1), D(20), year=2025)  # a late report of the old year
    assert (ledger.position.year, ledger.position.realized_in_year, ledger.position.realized_pnl) == (
        2026,
        12,
        30,
    )
    ledger.bust(last)  # 4 are open again at 13; nothing of the 12 is taken away
    assert (ledger.position.quantity, ledger.position.realized_in_year) == (5, 12)

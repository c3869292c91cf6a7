"""What brokers tell of their accounts, beside what trades there explain."""

from datetime import UTC, datetime
from decimal import Decimal

from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.recon.holding import HoldingKind
from ordergate.domain.recon.statement import Statement
from ordergate.sdk.venues.looking import differences

AT = datetime(2026, 1, 5, tzinfo=UTC)


def known(*symbols: str) -> dict[str, Instrument]:
    found = {symbol: built_in(symbol) for symbol in symbols}
    return {symbol: one for symbol, one in found.items() if one is not None}


def told(**given) -> Statement:
    return Statement(as_of=AT, complete=True, **given)


def test_positions_are_counted_in_what_is_bought() -> None:
    theirs = told(positions={"EURUSD": Decimal("0.3"), "BTC/USDT": Decimal(2)})
    ours = {(HoldingKind.POSITION, "EURUSD"): Decimal("0.2"), (HoldingKind.POSITION, "ETH/USDT"): Decimal(1)}
    instruments = known("EURUSD", "BTC/USDT", "ETH/USDT")
    assert differences("b", theirs, ours, {}, instruments) == {
        "b:BaseToken:EUR": Decimal(10_000), "b:BaseToken:BTC": Decimal(2), "b:BaseToken:ETH": Decimal(-1),
    }  # fmt: skip


def test_money_is_counted_from_what_was_there() -> None:
    theirs = told(balances={"USD": Decimal(900), "EUR": Decimal(7)})
    ours = {(HoldingKind.CASH, "USD"): Decimal(-100), (HoldingKind.CASH, "JPY"): Decimal(5)}
    assert differences("b", theirs, ours, {"USD": Decimal(1000)}, {}) == {
        "b:BaseToken:USD": Decimal(0), "b:BaseToken:EUR": Decimal(7),
    }  # fmt: skip


def test_what_is_not_told_differs_in_nothing() -> None:
    ours = {(HoldingKind.POSITION, "BTC/USDT"): Decimal(1), (HoldingKind.CASH, "USDT"): Decimal(-1)}
    assert differences("b", told(), ours, {}, known("BTC/USDT")) == {}
    assert differences("b", told(positions={"WHO": Decimal(1)}), {}, {}, {}) == {}

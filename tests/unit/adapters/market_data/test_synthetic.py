"""The market out of a seed: the same for the same seed, tradable, and with the cases that a demo shows."""

import hashlib
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordergate.adapters.market_data.synthetic import OPEN, synthetic_quotes, synthetic_signals
from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.orders.states import Side

SYMBOLS = ("EURUSD", "AAPL", "BTC/USDT")
CLOSE = OPEN + timedelta(hours=6, minutes=30)


def instrument_of(symbol: str) -> Instrument:
    instrument = built_in(symbol)
    assert instrument is not None
    return instrument


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    assert list(synthetic_quotes(7)) == list(synthetic_quotes(7))
    assert synthetic_signals(7) == synthetic_signals(7)
    assert list(synthetic_quotes(7)) != list(synthetic_quotes(8))


def test_the_numbers_of_a_seed_are_those_of_every_python() -> None:
    shown = "\n".join(map(repr, [*synthetic_quotes(7), *synthetic_signals(7)]))
    assert (
        hashlib.sha256(shown.encode()).hexdigest()
        == "83ee37aac341099ad8e6e59f31ecfe0b6c259fff1c3c0826feae61633d3ea026"
    )


@settings(max_examples=20, deadline=None)
@given(st.integers())
def test_quotes_of_any_seed_are_in_session_by_time_on_tick_and_not_crossed(seed: int) -> None:
    quotes = list(synthetic_quotes(seed))
    assert Counter(quote.symbol for quote in quotes) == dict.fromkeys(SYMBOLS, 1_000)
    assert all(one.time <= two.time for one, two in pairwise(quotes))
    assert quotes[0].time >= OPEN
    assert quotes[-1].time < CLOSE
    for quote in quotes:
        instrument = instrument_of(quote.symbol)
        instrument.check_price(quote.bid, "#/bid")
        instrument.check_price(quote.ask, "#/ask")
        assert 0 < quote.bid < quote.ask
        for size in (quote.bid_size, quote.ask_size):
            assert (size is None) == (quote.symbol == "EURUSD")
            if size is not None:
                instrument.check_quantity(size)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers())
def test_entry_prices_of_any_seed_are_the_touched_side_with_the_stop_behind(seed: int) -> None:
    quotes = list(synthetic_quotes(seed))
    for _, signal in synthetic_signals(seed):
        if signal.symbol not in SYMBOLS:
            continue
        at = signal.time
        assert at is not None
        seen = [q for q in quotes if q.symbol == signal.symbol and q.time <= at][-1]
        buys = signal.side is Side.BUY
        entry, stop, profit = signal.entry_price, signal.stop_loss, signal.take_profit
        assert entry is not None
        assert stop is not None
        assert profit is not None
        assert entry == (seen.ask if buys else seen.bid)
        assert (stop < entry < profit) if buys else (profit < entry < stop)
        for price in (entry, stop, profit):
            instrument_of(signal.symbol).check_price(price, "#/price")


def test_signals_come_by_time_within_the_session_and_never_with_a_quote() -> None:
    times = [at for at, _ in synthetic_signals(7)]
    assert times == sorted(times)
    assert all(OPEN < at < CLOSE for at in times)
    assert not {quote.time for quote in synthetic_quotes(7)} & set(times)


def test_positions_are_opened_and_a_part_of_them_is_left() -> None:
    position = dict.fromkeys(SYMBOLS, Decimal(0))
    known = {signal.signal_id: signal for _, signal in synthetic_signals(7)}
    for signal in known.values():
        if not signal.approved or signal.symbol not in position:
            continue
        assert signal.quantity is not None
        assert signal.strategy_id
        instrument_of(signal.symbol).check_quantity(signal.quantity)
        position[signal.symbol] += signal.quantity * (1 if signal.side is Side.BUY else -1)
        assert position[signal.symbol] >= 0
    assert position == {"EURUSD": Decimal("0.2"), "AAPL": Decimal(150), "BTC/USDT": Decimal(0)}


def test_the_cases_that_make_no_order_are_there() -> None:
    signals = [signal for _, signal in synthetic_signals(7)]
    assert len(signals) == 13
    disapprovals = [signal.disapproval for signal in signals if not signal.approved]
    assert disapprovals == ["approved is false", "risk_approval_status is rejected"]
    assert [built_in(signal.symbol) for signal in signals].count(None) == 1
    (replayed,) = (name for name, n in Counter(s.signal_id for s in signals).items() if n == 2)
    first, again = (signal for signal in signals if signal.signal_id == replayed)
    assert first == again


@pytest.mark.parametrize(("signal_id", "side"), [("demo-07", "ask_size"), ("demo-10", "bid_size")])
def test_large_orders_exceed_the_size_of_any_quote(signal_id: str, side: str) -> None:
    quantity = next(s.quantity for _, s in synthetic_signals(7) if s.signal_id == signal_id)
    assert quantity is not None
    assert all(getattr(quote, side) < quantity for quote in synthetic_quotes(7) if quote.symbol == "AAPL")

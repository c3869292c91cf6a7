"""What the demo sends over NATS: signals that the market can fill, and among them what makes no order."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ordergate.cli.demo_signals import Fate, messages, wishes
from ordergate.config import Config
from ordergate.domain.exact_json import parse_json
from ordergate.domain.market import Quote
from ordergate.domain.signals import parse_signal

NOW = datetime(2026, 3, 2, 21, tzinfo=UTC)


def quote(symbol: str, size: str | None = None) -> Quote:
    least = None if size is None else Decimal(size)
    return Quote(symbol=symbol, time=NOW, bid=Decimal("1.1"), ask=Decimal("1.2"), bid_size=least)


def sent(*quotes: Quote, **held: Decimal) -> list:
    return messages(wishes("nats", quotes, Config().catalogue, held, NOW))


def test_at_most_three_are_approved_and_two_make_no_order() -> None:
    found = sent(*map(quote, ("MSFT", "EURUSD", "AAPL", "IBM")))
    fates = [one.fate for one in found]
    assert fates == [Fate.NOTHING, Fate.ORDER, Fate.DEAD, Fate.ORDER, Fate.ORDER]
    assert [one.subject.rpartition(".")[2] for one in found] == ["AAPL", "AAPL", "AAPL", "EURUSD", "IBM"]
    assert [one.subject.split(".")[1] for one in found if one.fate is Fate.NOTHING] == ["rejected"]


def test_every_signal_can_be_read_but_the_broken_one() -> None:
    for one in sent(quote("AAPL"), quote("BTC/USDT")):
        if one.fate is Fate.DEAD:
            with pytest.raises(ValueError, match="Unterminated"):
                json.loads(one.data)
            continue
        signal = parse_signal(parse_json(one.data.decode()))
        assert signal.signal_id == one.signal_id
        assert signal.approved
        assert signal.time == NOW


def test_what_is_held_is_sold_and_the_rest_is_bought() -> None:
    found = sent(quote("AAPL"), quote("MSFT"), AAPL=Decimal(10), MSFT=Decimal(9))
    signals = {one["symbol"]: one for one in (json.loads(f.data) for f in found if f.fate is Fate.ORDER)}
    assert (signals["AAPL"]["signal_type"], signals["AAPL"]["entry_price"]) == ("sell", "1.1")
    assert (signals["MSFT"]["signal_type"], signals["MSFT"]["entry_price"]) == ("buy", "1.2")


@pytest.mark.parametrize(
    ("size", "quantity"), [(None, "10"), ("10", "10"), ("9", "1"), ("1", "1"), ("0", None)]
)
def test_no_more_than_the_market_shows(size: str | None, quantity: str | None) -> None:
    found = [json.loads(one.data) for one in sent(quote("AAPL", size)) if one.fate is Fate.ORDER]
    assert [one["position_size"] for one in found] == ([] if quantity is None else [quantity])


def test_nothing_is_sent_of_what_cannot_be_traded() -> None:
    assert sent(quote("NOSUCH9")) == []

"""What trades, at what price, in which order."""

from decimal import Decimal

import pytest
from paperkit import Bench

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.adapters.clock import run_virtual

Talk = list[tuple[str, list[str]]]

CONVERSATIONS: dict[str, Talk] = {
    "market orders take the far side": [
        ("quote 10.00/10.02", []),
        ("A: buy 100", ["A 100 @ 10.02 done"]),
        ("B: sell 100", ["B 100 @ 10.00 done"]),
        ("C: short 100", ["C 100 @ 10.00 done"]),
        ("D: cover 100", ["D 100 @ 10.02 done"]),
    ],
    "a market order waits for the first quote": [
        ("A: buy 100 day", ["A rests"]),
        ("quote 10.00/10.02", ["A 100 @ 10.02 done"]),
    ],
    "immediate orders do not wait for a quote": [
        ("A: buy 100 ioc", ["A canceled"]),
        ("B: buy 100 fok", ["B canceled"]),
        ("C: buy 100 limit 10.00 ioc", ["C canceled"]),
    ],
    "a size is used up until the next quote": [
        ("quote 10.00/10.02 500x100", []),
        ("A: buy 60", ["A 60 @ 10.02 done"]),
        ("B: buy 60", ["B 40 @ 10.02"]),
        ("C: buy 60", ["C rests"]),
        ("D: sell 60", ["D 60 @ 10.00 done"]),
        ("quote 10.01/10.03 500x50", ["B 20 @ 10.03 done", "C 30 @ 10.03"]),
        ("quote 10.01/10.03 500x50", ["C 30 @ 10.03 done"]),
    ],
    "a size is cut to whole lots": [
        ("quote 10.00/10.02 1x7.9", []),
        ("A: buy 10", ["A 7 @ 10.02"]),
    ],
    "a size of zero trades nothing": [
        ("quote 10.00/10.02 0x0", []),
        ("A: buy 10", ["A rests"]),
        ("B: buy 10 ioc", ["B canceled"]),
    ],
    "a limit order takes the quote's price where it is better": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 limit 10.05", ["A 100 @ 10.02 done"]),
        ("B: sell 100 limit 9.90", ["B 100 @ 10.00 done"]),
        ("C: buy 100 limit 10.02", ["C 100 @ 10.02 done"]),
    ],
    "a resting limit order trades at the quote's price": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 limit 10.01", ["A rests"]),
        ("B: sell 100 limit 10.01", ["B rests"]),  # our orders meet quotes, not each other
        ("quote 9.97/9.99", ["A 100 @ 9.99 done"]),
        ("quote 10.01/10.03", ["B 100 @ 10.01 done"]),
    ],
    "the better limit first, then the earlier": [
        ("A: buy 10 limit 10.00", ["A rests"]),
        ("B: buy 10 limit 10.01", ["B rests"]),
        ("C: buy 10 limit 10.01", ["C rests"]),
        ("D: buy 10", ["D rests"]),
        (
            "quote 9.98/10.00 0x35",
            ["D 10 @ 10.00 done", "B 10 @ 10.00 done", "C 10 @ 10.00 done", "A 5 @ 10.00"],
        ),
    ],
    "sells: the better limit is the lower": [
        ("A: sell 10 limit 10.01", ["A rests"]),
        ("B: sell 10 limit 10.00", ["B rests"]),
        ("quote 10.02/10.03 15x0", ["B 10 @ 10.02 done", "A 5 @ 10.02"]),
    ],
    "immediate or cancel ends with what it got": [
        ("quote 10.00/10.02 0x40", []),
        ("A: buy 100 ioc", ["A 40 @ 10.02", "A canceled"]),
        ("B: buy 100 limit 10.01 ioc", ["B canceled"]),
    ],
    "fill or kill gets all or nothing": [
        ("quote 10.00/10.02 0x100", []),
        ("A: buy 101 fok", ["A canceled"]),
        ("B: buy 100 limit 10.01 fok", ["B canceled"]),
        ("C: buy 100 limit 10.02 fok", ["C 100 @ 10.02 done"]),
    ],
    "a buy stop waits for the ask": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 stop 10.05", ["A rests"]),
        ("quote 10.03/10.04", []),
        ("quote 10.04/10.05", ["A triggered", "A 100 @ 10.05 done"]),
    ],
    "a sell stop waits for the bid": [
        ("quote 10.00/10.02", []),
        ("A: sell 100 stop 9.95", ["A rests"]),
        ("quote 9.94/9.97", ["A triggered", "A 100 @ 9.94 done"]),
    ],
    "a stop that is reached on entry": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 stop 10.02", ["A triggered", "A 100 @ 10.02 done"]),
    ],
    "a stop limit rests once triggered": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 stop 10.05 limit 10.06", ["A rests"]),
        ("quote 10.06/10.08", ["A triggered"]),
        ("quote 10.04/10.07", []),
        ("quote 10.04/10.06", ["A 100 @ 10.06 done"]),
    ],
    "a stop limit that triggers on entry and rests": [
        ("quote 10.00/10.10", []),
        ("A: buy 100 stop 10.05 limit 10.06", ["A rests", "A triggered"]),
    ],
    "triggered stops queue behind market orders": [
        ("quote 10.00/10.02 0x0", []),
        ("A: buy 10 stop 10.05", ["A rests"]),
        ("B: buy 10", ["B rests"]),
        ("quote 10.04/10.05 0x15", ["A triggered", "B 10 @ 10.05 done", "A 5 @ 10.05"]),
    ],
    "the nearer stop triggers first": [
        ("A: sell 10 stop 9.90", ["A rests"]),
        ("B: sell 10 stop 9.95", ["B rests"]),
        ("quote 9.80/9.99 15x0", ["B triggered", "A triggered", "B 10 @ 9.80 done", "A 5 @ 9.80"]),
    ],
    "an immediate stop waits for its trigger only": [
        ("A: buy 10 stop 10.05 ioc", ["A rests"]),
        ("B: buy 10 stop 10.05 fok", ["B rests"]),
        ("quote 10.04/10.05 0x5", ["A triggered", "B triggered", "A 5 @ 10.05", "A canceled", "B canceled"]),
    ],
    "a fill or kill leaves the size to those behind it": [
        ("A: buy 10 stop 10.00 limit 10.05 fok", ["A rests"]),
        ("B: buy 5 limit 10.04", ["B rests"]),
        ("quote 10.01/10.02 0x7", ["A triggered", "B 5 @ 10.02 done", "A canceled"]),
    ],
    "cancels": [
        ("A: buy 100 limit 10.00", ["A rests"]),
        ("A: cancel", ["A canceled"]),
        ("A: cancel", ["rejected"]),
        ("quote 9.90/9.92", []),
        ("B: buy 100", ["B 100 @ 9.92 done"]),
        ("B: cancel", ["rejected"]),
    ],
    "a cancel after a partial fill": [
        ("quote 9.98/10.00 0x40", []),
        ("A: buy 100 limit 10.00", ["A 40 @ 10.00"]),
        ("A: cancel", ["A canceled"]),
        ("quote 9.98/10.00 0x100", []),
    ],
    "a cancel of an untriggered stop": [
        ("A: buy 100 stop 10.00", ["A rests"]),
        ("A: cancel", ["A canceled"]),
        ("quote 10.00/10.02", []),
    ],
    "a replaced limit may trade at once": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 limit 10.00", ["A rests"]),
        ("A: replace limit 10.02", ["A now 100 limit 10.02", "A 100 @ 10.02 done"]),
        ("A: replace limit 10.03", ["rejected"]),
    ],
    "a lower quantity keeps the place in time": [
        ("A: buy 100 limit 10.00", ["A rests"]),
        ("B: buy 100 limit 10.00", ["B rests"]),
        ("A: replace quantity 50", ["A now 50 limit 10.00"]),
        ("quote 9.99/10.00 0x60", ["A 50 @ 10.00 done", "B 10 @ 10.00"]),
    ],
    "a higher quantity loses the place in time": [
        ("A: buy 100 limit 10.00", ["A rests"]),
        ("B: buy 100 limit 10.00", ["B rests"]),
        ("A: replace quantity 150", ["A now 150 limit 10.00"]),
        ("quote 9.99/10.00 0x110", ["B 100 @ 10.00 done", "A 10 @ 10.00"]),
    ],
    "another price and back loses the place in time": [
        ("A: buy 100 limit 10.00", ["A rests"]),
        ("B: buy 100 limit 10.00", ["B rests"]),
        ("A: replace limit 9.99", ["A now 100 limit 9.99"]),
        ("A: replace limit 10.00", ["A now 100 limit 10.00"]),
        ("quote 9.99/10.00 0x100", ["B 100 @ 10.00 done"]),
    ],
    "a quantity below what is filled completes the order": [
        ("quote 9.98/10.00 0x40", []),
        ("A: buy 100 limit 10.00", ["A 40 @ 10.00"]),
        ("A: replace quantity 30", ["A now 40 limit 10.00", "A confirmed"]),
        ("A: cancel", ["rejected"]),
        ("quote 9.98/10.00 0x40", []),
    ],
    "a stop can be moved until it triggers": [
        ("quote 10.00/10.02", []),
        ("A: buy 100 stop 10.10", ["A rests"]),
        ("A: replace stop 10.20", ["A now 100 stop 10.20"]),
        ("quote 10.10/10.12", []),
        ("A: replace stop 10.12", ["A now 100 stop 10.12", "A triggered", "A 100 @ 10.12 done"]),
    ],
    "a triggered stop cannot be moved": [
        ("quote 10.05/10.07", []),
        ("A: buy 100 stop 10.05 limit 10.06", ["A rests", "A triggered"]),
        ("A: replace stop 10.10", ["rejected"]),
        ("A: replace limit 10.07", ["A now 100 stop 10.05 limit 10.07", "A 100 @ 10.07 done"]),
    ],
    "terms that the venue does not take": [
        ("A: buy 0", ["rejected"]),
        ("B: buy -5", ["rejected"]),
        ("C: buy 1.5", ["rejected"]),
        ("D: buy 10 limit 10.001", ["rejected"]),
        ("E: buy 10 limit NaN", ["rejected"]),
        ("F: buy 1E+300", ["rejected"]),
        ("G: buy Infinity", ["rejected"]),
        ("H: buy 10 limit 10.00", ["H rests"]),
        ("H: replace quantity 0", ["rejected"]),
        ("H: replace stop 10.00", ["rejected"]),
        ("H: replace limit -1", ["rejected"]),
    ],
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(name: str) -> None:
    async def main() -> None:
        bench = await Bench().open()
        for line, expected in CONVERSATIONS[name]:
            assert await bench.do(line) == expected, line

    run_virtual(main())


SLIPPAGE = [
    # bps, side and limit, price: 1 bp of 10.02 is 0.001002, less than a tick
    ("1", "buy 10", "10.03"),
    ("1", "sell 10", "9.99"),
    ("10", "buy 10", "10.04"),
    ("10", "sell 10", "9.99"),
    ("100", "buy 10 limit 10.05", "10.05"),
    ("100", "sell 10 limit 9.95", "9.95"),
    ("9999", "sell 10", "0.01"),
]


@pytest.mark.parametrize(("bps", "order", "price"), SLIPPAGE)
def test_slippage_is_adverse_on_the_tick_and_never_through_the_limit(
    bps: str, order: str, price: str
) -> None:
    async def main() -> None:
        bench = await Bench(PaperSettings(slippage_bps=Decimal(bps))).open()
        await bench.do("quote 10.00/10.02")
        assert await bench.do(f"A: {order}") == [f"A 10 @ {price} done"]

    run_virtual(main())


@pytest.mark.parametrize(
    ("symbol", "quote", "quantity", "fee", "currency"),
    [
        ("ACME", "quote 10.00/10.02", "100", "0.501", "USD"),
        ("EURUSD", "quote 1.08420/1.08423", "0.01", "0.0542115", "USD"),
        ("USDJPY", "quote 155.120/155.123", "1", "775.615", "JPY"),
    ],
)
def test_fee(symbol: str, quote: str, quantity: str, fee: str, currency: str) -> None:
    async def main() -> None:
        bench = await Bench(
            PaperSettings(fee_bps=Decimal("0.5") if symbol != "ACME" else Decimal(5)), symbol=symbol
        ).open()
        await bench.do(quote)
        await bench.do(f"A: buy {quantity}")
        (report,) = bench.sink.reports
        assert (report.fee, report.fee_currency) == (Decimal(fee), currency)

    run_virtual(main())

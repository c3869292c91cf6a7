"""The paper venue's market, set by hand."""

from decimal import Decimal

from ordergate.bootstrap import Gate
from ordergate.domain.identifiers import parse_key
from ordergate.domain.market import Quote
from ordergate.domain.money import exact
from ordergate.sdk.line import Line

Number = str | int | float | Decimal


class PaperMarket:
    """Bid and ask of symbols at a paper venue.

    Args:
        gate: a running gate, as `open_gate` gives it; None takes the process's own.
        broker: the venue's name.
    """

    def __init__(self, gate: Gate | None = None, broker: str = "paper") -> None:
        self._line, self._broker = Line(gate), broker

    async def set_quote(
        self,
        symbol: str,
        bid: Number,
        ask: Number,
        bid_size: Number | None = None,
        ask_size: Number | None = None,
    ) -> None:
        """The market from now on, until it is set again; what that makes marketable has traded on return.

        Args:
            bid_size, ask_size: in the instrument's unit; None is unlimited.

        Raises:
            NotFound: no paper venue of that name, or no such instrument.
            Invalid: a price is no number above zero, or a size below it.
        """

        def size(value: Number | None, name: str) -> Decimal | None:
            return None if value is None else exact(value, f"#/{name}")

        name = parse_key(symbol, "#/symbol")
        prices = exact(bid, "#/bid"), exact(ask, "#/ask")
        sizes = size(bid_size, "bid_size"), size(ask_size, "ask_size")

        async def work(gate: Gate) -> None:
            await gate.set_quote(self._broker, Quote(name, gate.clock.now(), *prices, *sizes, pinned=True))

        await self._line.command(work)

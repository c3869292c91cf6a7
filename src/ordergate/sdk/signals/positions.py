"""Our positions beside those that the broker has."""

from collections.abc import Mapping
from decimal import Decimal

from ordergate.bootstrap import Gate
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.money import ZERO
from ordergate.sdk.line import Line
from ordergate.sdk.oms.records import Record
from ordergate.sdk.signals.following import broker_of_signals

Positions = dict[str, Decimal]


class PositionDiscrepancy(Record):
    """A symbol of which we hold something else than the broker says.

    Attributes:
        ours, theirs: signed, in the instrument's unit.
    """

    symbol: str
    ours: Decimal
    theirs: Decimal


class PositionReconciler:
    """Compares the account at the broker of the fund of signals.

    Args:
        gate: a running gate, as `open_gate` gives it; None takes the process's own.
    """

    def __init__(self, gate: Gate | None = None) -> None:
        self._line = Line(gate)

    async def get_db_positions(self) -> Positions:
        """What all funds of that broker hold by our record: by symbol, signed, in its unit; without what is flat."""
        return await self._line.read(lambda gate: _ours(gate, broker_of_signals(gate)))

    async def get_broker_positions(self) -> Positions:
        """What the broker says is in the account, in the same form.

        Raises:
            Conflict: it does not tell, or not all of it now: that is never read as empty.
        """
        return await self._line.read(lambda gate: _theirs(gate, broker_of_signals(gate)))

    async def get_mt5_positions(self) -> Positions:
        """As `get_broker_positions`, whichever broker it is."""
        return await self.get_broker_positions()

    async def compare_positions(
        self, db_positions: Mapping[str, Decimal], broker_positions: Mapping[str, Decimal]
    ) -> list[PositionDiscrepancy]:
        """What differs, by symbol; nothing is changed by it. What is on its way just now may differ for a moment."""
        pairs = (
            (symbol, db_positions.get(symbol, ZERO), broker_positions.get(symbol, ZERO))
            for symbol in sorted({*db_positions, *broker_positions})
        )
        return [PositionDiscrepancy(symbol=s, ours=o, theirs=t) for s, o, t in pairs if o != t]


async def _ours(gate: Gate, broker: str) -> Positions:
    state = gate.runner.engine.state
    funds = tuple(fund.fund_id for fund in state.funds.rows.values() if fund.broker == broker)
    held: Positions = {}
    for row in await gate.journal.select("positions", {"fund_id": funds}):
        held[row.symbol] = held.get(row.symbol, ZERO) + row.quantity
    return {symbol: quantity for symbol, quantity in held.items() if quantity}


async def _theirs(gate: Gate, broker: str) -> Positions:
    """Asks the broker, where it is one that tells of the account."""
    statement = getattr(gate.brokers[broker], "statement", None)
    told = None if statement is None else await statement(gate.clock.now())
    if told is None or not told.complete or told.positions is None:
        said = "does not tell its positions" if told is None else "did not tell all of its positions now"
        raise Conflict(Code.BAD_VALUE, f"broker {broker!r} {said}: nothing can be compared", None)
    return {symbol: quantity for symbol, quantity in told.positions.items() if quantity}

"""Our positions beside those that the broker has."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from ordergate.application.entry import Origin
from ordergate.bootstrap import Gate
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.money import ZERO
from ordergate.domain.recon.commands import AdjustBreak
from ordergate.domain.recon.comparing import BY_NAME
from ordergate.domain.recon.holding import HoldingKind
from ordergate.sdk.line import Line
from ordergate.sdk.oms.records import Record
from ordergate.sdk.signals.following import broker_of_signals

_ORIGIN: Final = Origin(source="sdk", principal="signals", actor="signals")
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

    async def correct_positions(
        self, discrepancies: Iterable[PositionDiscrepancy]
    ) -> list[PositionDiscrepancy]:
        """Books what the account has more or less into the fund that trades there; each adjustment names its break.

        The account is compared once more, by the gate itself: only what it still finds to differ by as much is booked.

        Returns:
            What was booked.

        Raises:
            Conflict: the broker tells nothing; something under way may still explain a difference: ask again later; or
                a break of a fill or order does: resolve that first. What could be booked was.
            Invalid: several funds trade there, or nobody has quoted the symbol: `ordergate recon resolve` takes both.
                Or those are no discrepancies.
        """
        wanted = _by_symbol(discrepancies)
        return await self._line.command(lambda gate: _correct(gate, broker_of_signals(gate), wanted))


def _by_symbol(discrepancies: Iterable[PositionDiscrepancy]) -> dict[str, PositionDiscrepancy]:
    if not isinstance(discrepancies, Iterable):
        detail = f"expected what compare_positions gave, got {type(discrepancies).__name__}"
        raise Invalid(Code.WRONG_TYPE, detail, "#/discrepancies")
    wanted = {}
    for number, one in enumerate(discrepancies):
        if not isinstance(one, PositionDiscrepancy):
            detail = f"expected a PositionDiscrepancy, got {type(one).__name__}"
            raise Invalid(Code.WRONG_TYPE, detail, f"#/discrepancies/{number}")
        wanted[one.symbol] = one
    return wanted


async def _ours(gate: Gate, broker: str) -> Positions:
    rows = await gate.journal.select("account_holdings", {"broker": broker, "kind": HoldingKind.POSITION})
    return {row.name: row.quantity for row in rows if row.quantity}


async def _correct(
    gate: Gate, broker: str, wanted: Mapping[str, PositionDiscrepancy]
) -> list[PositionDiscrepancy]:
    done = await gate.compare(broker)
    breaks = {item.symbol: item for item in done.breaks if item.kind is BreakKind.POSITION}
    corrected = []
    for symbol, one in wanted.items():
        item = breaks.get(symbol)
        if item is None or (item.ours, item.theirs) != (one.ours, one.theirs):
            continue
        command = AdjustBreak(break_id=item.break_id, why="the positions of the account are taken over")
        await gate.execute(command, _ORIGIN)
        corrected.append(one)
    left = wanted.keys() - {one.symbol for one in corrected}
    named = [item for item in done.breaks if item.kind in BY_NAME and item.symbol in left]
    if named:
        detail = (
            f"{named[0].symbol} was not corrected: {named[0].break_id} ({named[0].kind}: {named[0].detail}) explains "
            "it and is a break of its own; resolve it first, then correct what is left"
        )
        raise Conflict(Code.NOT_COMPARED, detail, None)
    if done.under_way and len(corrected) < len(wanted):
        detail = (
            f"{done.under_way} differences at {broker!r} may still come right by themselves: ask again later"
        )
        raise Conflict(Code.NOT_COMPARED, detail, None)
    return corrected


async def _theirs(gate: Gate, broker: str) -> Positions:
    told = await gate.statement(broker)
    if told is None or not told.complete or told.positions is None:
        detail = f"broker {broker!r} did not tell all of its positions now: nothing can be compared"
        raise Conflict(Code.NOT_COMPARED, detail, None)
    return {symbol: quantity for symbol, quantity in told.positions.items() if quantity}

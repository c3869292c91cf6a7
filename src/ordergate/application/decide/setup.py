"""What the journal must know before orders come: funds, instruments, and which session sends."""

from ordergate.application.decide.context import Context, Decision
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.funds import Fund, TaxLotMethod
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import text
from ordergate.domain.moves import MovePhase
from ordergate.domain.orders.commands import Configure, OpenSession
from ordergate.domain.orders.events import FundConfigured, InstrumentDefined, SessionOpened

_NAMED = 5


def configure(ctx: Context, command: Configure) -> Decision[None]:
    """Journals what differs from what the journal knows; a fund that is not here is left alone.

    Raises:
        Conflict: what a unit of an instrument is would change under an open position or order, or a cost that is
            averaged would have to be told apart again.
    """
    for instrument in command.instruments:
        known = ctx.state.instruments.get(instrument.symbol)
        if known is not None and _worth(known) != _worth(instrument) and _in_use(ctx, instrument.symbol):
            detail = f"{instrument.symbol} cannot become {_worth(instrument)} from {_worth(known)} while it is held"
            raise Conflict(Code.INSTRUMENT_IN_USE, detail, f"#/instruments/{instrument.symbol}")
        if known != instrument:
            yield InstrumentDefined(instrument=instrument)
    for fund in command.funds:
        move = ctx.state.moves.get(fund.fund_id)
        here = move is None or move.phase is MovePhase.HERE
        known_fund = ctx.state.funds.get(fund.fund_id)
        if here and known_fund != fund:
            if known_fund is not None:
                _check_lots(ctx, known_fund, fund)
            yield FundConfigured(fund=fund)


def _worth(instrument: Instrument) -> str:
    """What one unit of it is."""
    size, base = instrument.contract_size, instrument.base
    return f"{instrument.unit} of {text(size)} {base} in {instrument.currency}"


def _check_lots(ctx: Context, before: Fund, after: Fund) -> None:
    """What a lot of an averaged cost has cost, nobody can say."""
    method = TaxLotMethod.AVERAGE
    if before.tax_lot_method is not method or after.tax_lot_method is method:
        return
    held = sorted(
        p.symbol for p in ctx.state.positions.rows.values() if p.fund_id == after.fund_id and p.quantity
    )
    if held:
        detail = (
            f"fund {after.fund_id!r} cannot change from average to {after.tax_lot_method} while it holds "
            f"{', '.join(held[:_NAMED])}{' and more' if len(held) > _NAMED else ''}: change it when it is flat"
        )
        raise Conflict(Code.LOTS_AVERAGED, detail, f"#/funds/{after.fund_id}/tax_lot_method")


def _in_use(ctx: Context, symbol: str) -> bool:
    held = any(p.symbol == symbol and p.quantity for p in ctx.state.positions.rows.values())
    return held or any(order.symbol == symbol for order in ctx.state.orders.rows.values())


def open_session(ctx: Context, command: OpenSession) -> Decision[int]:
    """The new epoch."""
    before = ctx.state.sessions.get(command.broker)
    epoch = before.epoch + 1 if before else 1
    yield SessionOpened(broker=command.broker, epoch=epoch, version=command.version, node=command.node)
    return epoch

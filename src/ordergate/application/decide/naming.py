"""What an order names, or its fund for it: its instrument and its broker."""

from ordergate.application.decide.context import Context
from ordergate.application.decide.parents import parent_of
from ordergate.domain.errors import Code, Invalid
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.events import InstrumentDefined
from ordergate.domain.orders.operations import operation_of
from ordergate.domain.routing import Routed, routed, routed_along


def where_to(ctx: Context, command: SubmitOrder, fund: Fund, instrument: Instrument) -> Routed:
    """The broker that an order names, else as its fund's rules say, else its fund's; of a slice, its parent's way."""
    parent = parent_of(ctx, command)
    if parent is not None:
        return routed_along(parent.broker, parent.route, lambda broker: _gets_nothing(ctx, broker))
    if command.broker is not None or fund.routes is None:
        return Routed(command.broker or fund.broker)
    operation = operation_of(command.operation, instrument)
    return routed(
        fund.routes, fund.broker, instrument.asset_class, operation, command.symbol, ctx.view.is_down
    )


def _gets_nothing(ctx: Context, broker: str) -> bool:
    return broker not in ctx.view.brokers or ctx.view.is_down(broker)


def known_instrument(ctx: Context, symbol: str) -> tuple[Instrument, InstrumentDefined | None]:
    """The instrument, and the event that defines it where the journal does not know it yet."""
    instrument, known = ctx.view.instrument(symbol), ctx.state.instruments.get(symbol)
    if instrument is not None and known is not None:
        return known, None
    if instrument is None:
        detail = f'{symbol!r} is neither built in nor configured: add [instruments."{symbol}"] to the configuration'
        raise Invalid(Code.UNKNOWN_SYMBOL, detail, "#/symbol")
    return instrument, InstrumentDefined(instrument=instrument)


def check_broker(ctx: Context, broker: str) -> None:
    """Raises Invalid unless there is a broker of that name."""
    if broker not in ctx.view.brokers:
        known = ", ".join(sorted(ctx.view.brokers))
        raise Invalid(Code.UNKNOWN_BROKER, f"{broker!r} is no broker; there are {known}", "#/broker")

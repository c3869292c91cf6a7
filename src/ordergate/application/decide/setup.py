"""What the journal must know before orders come: funds, instruments, and which session sends."""

from ordergate.application.decide.context import Context, Decision
from ordergate.domain.orders.commands import Configure, OpenSession
from ordergate.domain.orders.events import FundConfigured, InstrumentDefined, SessionOpened


def configure(ctx: Context, command: Configure) -> Decision[None]:
    """Journals what differs from what the journal knows."""
    for instrument in command.instruments:
        if ctx.state.instruments.get(instrument.symbol) != instrument:
            yield InstrumentDefined(instrument=instrument)
    for fund in command.funds:
        if ctx.state.funds.get(fund.fund_id) != fund:
            yield FundConfigured(fund=fund)


def open_session(ctx: Context, command: OpenSession) -> Decision[int]:
    """The new epoch."""
    before = ctx.state.sessions.get(command.broker)
    epoch = before.epoch + 1 if before else 1
    yield SessionOpened(broker=command.broker, epoch=epoch, version=command.version)
    return epoch

"""What the journal is told of the configuration when a gate opens, and what a fund must have by then."""

from collections.abc import Iterable

from ordergate.application.entry import Origin
from ordergate.application.runner import Runner
from ordergate.config import Config
from ordergate.config.errors import ConfigError
from ordergate.domain.book import Book
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import Configure
from ordergate.domain.risk.commands import ConfigureLimits
from ordergate.domain.risk.limits import ConfiguredLimits, Level


async def configure(runner: Runner, config: Config, instruments: tuple[Instrument, ...]) -> None:
    """Journals funds, instruments and limits, as far as they have changed.

    Raises:
        ConfigError: a fund has no limits.
        Refused: the journal does not take what is configured.
    """
    limits = config.limit_values()
    check_limited(config.fund_values(), limits, runner.engine.state)
    await runner.execute(Configure(config.fund_values(), instruments), Origin())
    if limits:
        await runner.execute(ConfigureLimits(limits), Origin())


def check_limited(funds: Iterable[Fund], limits: Iterable[ConfiguredLimits], state: Book) -> None:
    """Raises ConfigError for a fund without limits, in the configuration or the journal, that is not unlimited."""
    limited = {stated.name for stated in limits if stated.level is Level.FUND}
    for fund in funds:
        known = fund.unlimited or fund.fund_id in limited or (Level.FUND, fund.fund_id) in state.limits.rows
        if not known:
            raise ConfigError(
                f"funds.{fund.fund_id}: has no limits: write some under [limits.funds.{fund.fund_id}], or "
                "unlimited = true"
            )

"""What the journal is told of the configuration when a gate opens, and what a fund must have by then."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ordergate.application.entry import Origin
from ordergate.config.errors import ConfigError
from ordergate.domain.book import Book
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import Configure
from ordergate.domain.risk.commands import ConfigureLimits
from ordergate.domain.risk.limits import ConfiguredLimits, Level

if TYPE_CHECKING:
    from ordergate.bootstrap.gate import Gate


async def configure(gate: "Gate", instruments: tuple[Instrument, ...]) -> None:
    """Journals funds, instruments and limits, as far as they have changed.

    Raises:
        ConfigError: a fund has no limits.
        Refused: the journal does not take what is configured.
    """
    config, limits = gate.config, gate.config.limit_values()
    check_limited(config.fund_values(), limits, gate.runner.engine.state)
    await gate.runner.execute(Configure(config.fund_values(), instruments), Origin())
    if limits:
        await gate.runner.execute(ConfigureLimits(limits), Origin())


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

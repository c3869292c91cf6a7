"""What doors value positions at."""

from datetime import UTC

from ordergate.api.gate import Gate
from ordergate.domain.risk.valuation import Market


def market_of(gate: Gate) -> Market:
    """The last quotes, the configured rates, and the present year."""
    view = next(iter(gate.shards.values())).runner.engine.view  # rates are the same in all shards
    return Market(year=gate.clock.now().astimezone(UTC).year, quotes=gate.quotes, rates=view.rates)

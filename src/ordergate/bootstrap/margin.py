"""Whether a broker behind a gate has margin for an order, as far as it is able to say before there is one."""

import asyncio
from typing import Any, cast

import structlog

from ordergate.application.ports.brokers import MarginBroker
from ordergate.bootstrap.gate import Gate
from ordergate.domain.errors import Invalid
from ordergate.domain.money import exact
from ordergate.domain.operations import Operation
from ordergate.domain.routing import routed

_log = structlog.get_logger("ordergate.margin")


async def has_margin(
    gate: Gate, fund_id: str, broker: str | None, volume: Any, symbol: str, timeout_s: float
) -> bool:
    """False only where the broker that would get the order says so; what cannot be an order is refused as one.

    Args:
        broker: where the order would go; None goes the fund's way.
    """
    fund, instrument = gate.runner.engine.state.funds.get(fund_id), gate.runner.engine.view.instrument(symbol)
    if instrument is None or (fund is None and broker is None):
        return True
    if broker is None and fund is not None:
        rules, is_down = fund.routes or (), gate.runner.engine.view.is_down
        kind = instrument.asset_class
        broker = routed(rules, fund.broker, kind, Operation.SPOT_TRADE, symbol, is_down).broker
    asked = gate.brokers.get(broker or "")
    if not hasattr(asked, "has_margin"):
        return True
    try:
        quantity = exact(volume, "#/volume")
        async with asyncio.timeout(timeout_s):
            return await cast(MarginBroker, asked).has_margin(symbol, quantity) is not False
    except Invalid:
        return True
    except Exception as error:  # somebody's adapter
        _log.warning("a broker could not be asked for its margin", broker=broker, error=repr(error))
        return True

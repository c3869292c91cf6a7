"""Brokers as doors show them: what each can do, and how it is as far as this node knows."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ordergate.api.gate import Gate, Shard
from ordergate.application.health import BrokerHealth
from ordergate.domain.errors import Code, NotFound, quoted

Shown = dict[str, Any]
_PLACES: Final = 6


def list_brokers(gate: Gate) -> list[Shown]:
    """All, by name."""
    return sorted((_show(one) for one, _shard in _of(gate).values()), key=lambda shown: str(shown["name"]))


async def reconnect(gate: Gate, broker: str) -> Shown:
    """Tries a login again that was refused, and shows how the broker is then.

    Raises:
        NotFound: there is no broker of that name.
        Conflict: its login was not refused here.
        StoreError: it cannot be reached, or the store cannot be used.
    """
    of = _of(gate)
    if broker not in of:
        raise NotFound(
            Code.UNKNOWN_BROKER,
            f"{quoted(broker)} is no broker; there are {', '.join(sorted(of))}",
            "#/broker",
        )
    health, shard = of[broker]
    await shard.logins.reconnect(broker)
    return _show(health)


def down(gate: Gate) -> dict[str, str]:
    """Why those take no orders that are known to take none, by name."""
    found = {name: health.why_down for name, (health, _shard) in sorted(_of(gate).items())}
    return {name: why for name, why in found.items() if why is not None}


def _of(gate: Gate) -> Mapping[str, tuple[BrokerHealth, Shard]]:
    return {name: (one, shard) for shard in gate.shards.values() for name, one in shard.health.of.items()}


def _show(health: BrokerHealth) -> Shown:
    latency, can = health.latency, health.broker.capabilities
    return {
        "name": health.broker.name,
        "adapter": health.adapter,
        "session_open": health.is_open,
        "login_refused": health.refused,
        "down": health.why_down,
        "calls": latency.calls,
        "latency_p50_s": _seconds(latency.p50_s),
        "latency_p99_s": _seconds(latency.p99_s),
        "answer_age_s": _seconds(health.answer_age_s),
        "report_age_s": _seconds(health.report_age_s),
        "clock_ahead_s": _seconds(health.clock_ahead_s),
        "capabilities": {
            name: sorted(value) if isinstance(value, list) else value
            for name, value in msgspec.to_builtins(can).items()
        },
    }


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES)

"""Asks a broker for the orders of what was not told, and books what it says as reports are."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from ordergate.application.account_record import AccountRecord
from ordergate.application.ports.brokers import Broker, Presence
from ordergate.application.runner import Runner
from ordergate.domain.recon.difference import Difference

_DEADLINE_S: Final = 30.0
_log = structlog.get_logger("ordergate.reconciliation")


def asked_of(differences: Iterable[Difference]) -> dict[str, set[str]]:
    """By order, the keys of the differences that the broker's record of it may explain."""
    asked: dict[str, set[str]] = {}
    for one in differences:
        own = (one.order_id,) if one.look_up and one.order_id is not None else ()
        for order_id in (*own, *one.asks):
            asked.setdefault(order_id, set()).add(one.key)
    return asked


async def fetch(
    broker: Broker, runner: Runner, record: AccountRecord, asked: Mapping[str, set[str]]
) -> tuple[frozenset[str], frozenset[str]]:
    """Looks the orders up; the keys of those that the broker told of, and of those of which something was not told.

    Raises:
        StoreError: the store cannot be read or written.
    """
    fetched, silent = set[str](), set[str]()
    for order_id, keys in sorted(asked.items()):
        order = await record.order(order_id)
        if order is None or order.client_id is None:
            continue
        try:
            async with asyncio.timeout(_DEADLINE_S):
                found = await broker.lookup(order.client_id, order.broker_order_id)
        except Exception as error:  # somebody's adapter
            _log.warning("an order could not be looked up", order=order_id, error=repr(error))
            silent |= keys
            continue
        if found.presence is Presence.FOUND:
            for report in found.reports:
                await runner.deliver(report)
            fetched |= keys
        elif found.presence is not Presence.ABSENT:
            silent |= keys
    return frozenset(fetched), frozenset(silent)

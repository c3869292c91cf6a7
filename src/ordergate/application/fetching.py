"""Asks a broker for its account, and for the orders of what was not told; books what it says of them as reports are."""

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, cast

import structlog
from msgspec.structs import replace

from ordergate.application.account_record import AccountRecord
from ordergate.application.ports.brokers import Broker, Lookup, Presence, SymbolBroker, TellingBroker
from ordergate.application.runner import Runner
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Confirmed
from ordergate.domain.recon.difference import Difference
from ordergate.domain.recon.statement import Statement, wrong_in

_DEADLINE_S: Final = 30.0
_log = structlog.get_logger("ordergate.reconciliation")


async def statement_of(broker: Broker, since: datetime) -> Statement | str:
    """The account as the broker tells it; else why: it fails to, does not tell all of it, or says what cannot be."""
    try:
        async with asyncio.timeout(_DEADLINE_S):
            told = await cast(TellingBroker, broker).statement(since)
        wrong = wrong_in(told)
    except Exception as error:  # somebody's adapter
        wrong = repr(error)
    if wrong is None and not told.complete:
        wrong = told.why or "it does not tell all of the account now"
    return told if wrong is None else wrong


def asked_of(differences: Iterable[Difference]) -> dict[str, set[str]]:
    """By order, the keys of the differences that the broker's record of it may explain."""
    asked: dict[str, set[str]] = {}
    for one in differences:
        own = (one.order_id,) if one.look_up and one.order_id is not None else ()
        for order_id in (*own, *one.asks):
            asked.setdefault(order_id, set()).add(one.key)
    return asked


async def book_closings(runner: Runner, differences: Iterable[Difference]) -> frozenset[str]:
    """Books what the broker closed by itself, as its statement tells it: no order of ours can be asked for. The keys.

    Raises:
        StoreError: the store cannot be read or written.
    """
    booked = set[str]()
    for one in differences:
        if one.closing is not None:
            await runner.deliver(replace(one.closing, cursor=None))
            booked.add(one.key)
    return frozenset(booked)


async def confirm(runner: Runner, broker: str, names: Iterable[str]) -> None:
    """Says that the broker's record has those orders, by its own names, as they are booked. Raises StoreError."""
    for name in names:
        await runner.deliver(Confirmed(broker=broker, broker_order_id=name))


async def look_up(broker: Broker, order: Order, client_id: str) -> Lookup:
    """What the broker knows of a request of an order. Raises TimeoutError, and what somebody's adapter raises."""
    async with asyncio.timeout(_DEADLINE_S):
        if hasattr(broker, "lookup_in"):
            return await cast(SymbolBroker, broker).lookup_in(order.symbol, client_id, order.broker_order_id)
        return await broker.lookup(client_id, order.broker_order_id)


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
            found = await look_up(broker, order, order.client_id)
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

"""What is in the account: several questions, and no answer unless nothing moved between them."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from ordergate.adapters.brokers.mt5 import constants as c
from ordergate.adapters.brokers.mt5.link import Row
from ordergate.adapters.brokers.mt5.reading import busted, by_server, is_canceled, is_trade
from ordergate.adapters.brokers.mt5.sessions import Session
from ordergate.adapters.brokers.mt5.symbols import lots, quantity_of, whole
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import Executed
from ordergate.domain.recon.statement import MOVED, Statement

_LOOKS: Final = 3


async def statement_of(session: Session, since: datetime) -> Statement:
    """Of one moment, else not complete. Money is not told: an account on margin holds what it may lose.

    Raises Failed, Unreadable, Unreachable and Refused.
    """
    as_of = session.now()
    if not await session.link.is_connected():  # it shows what it knew
        return Statement(as_of=as_of, complete=False, why="the terminal is not connected to the broker")
    for _look in range(_LOOKS):
        before = await _counts(session, since)
        working, positions = await session.link.working(), await _positions(session)
        deals = await session.link.history("deals", max(session.server.server_s(since), 0))
        if await _counts(session, since) == before and len(deals) == before[2]:
            owners = [(session.telling.owner(row), whole(row, "ticket")) for row in working]
            latest = session.commands.latest
            return Statement(
                as_of=as_of,
                complete=True,
                positions=positions,
                working=frozenset(latest(ticket, one) for one, ticket in owners if one is not None),
                executions=await _executions(session, deals, since),
                executions_since=since,
            )
    return Statement(as_of=as_of, complete=False, why=MOVED)


async def _counts(session: Session, since: datetime) -> tuple[int, ...]:
    since_s = max(session.server.server_s(since), 0)
    return (
        await session.link.total("orders_total"),
        await session.link.total("positions_total"),
        await session.link.total("history_deals_total", since_s, session.link.until_s()),
    )


async def _positions(session: Session) -> dict[str, Decimal]:
    """What is held of each symbol that is traded here, by whomever, long and short against each other."""
    sums: dict[str, Decimal] = {}
    for row in await session.link.positions():
        place = session.reader.place(str(row.get("symbol")))
        if place is None:
            continue
        ours, symbol, instrument = place
        volume = lots(row, "volume") * (1 if row.get("type") == c.BUY else -1)
        sums[ours] = plain(sums.get(ours, ZERO) + quantity_of(volume, symbol, instrument))
    return sums


async def _executions(session: Session, deals: list[Row], since: datetime) -> tuple[Executed, ...]:
    """Those of orders of ours, what the server closed of them, and what the broker has canceled since."""
    told = list[Executed]()
    for deal in filter(is_trade, deals):
        if session.server.instant(whole(deal, "time_msc")) < since:
            continue
        said = await _executed(session, deal)
        if said is not None:
            told += [said, busted(said)] if is_canceled(deal) else [said]
    return tuple(told)


async def _executed(session: Session, deal: Row) -> Executed | None:
    if not by_server(deal):
        client_id = session.looking.owner(deal)
        return None if client_id is None else session.reader.executed(deal, client_id)
    return await session.looking.closings.executed(deal)

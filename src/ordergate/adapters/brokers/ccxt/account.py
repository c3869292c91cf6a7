"""What is in the account: several questions, and no answer unless nothing moved between them.

Of a spot account coins are told and not positions: a fee that is taken in the coin that was bought, and what was there
before, make the balance of a coin another number than what was traded of it. Money is told of currencies that are only
paid with. Of perpetuals positions are told and no money: funding moves it, and no order of ours does.
"""

from decimal import Decimal
from typing import Any, Final

from ordergate.adapters.brokers.ccxt.link import Link
from ordergate.adapters.brokers.ccxt.reading import Told, Unreadable, executed, instant
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings, Wallet
from ordergate.adapters.brokers.ccxt.steps import contract_size, number
from ordergate.adapters.brokers.ccxt.telling import Telling
from ordergate.domain.money import ZERO, plain
from ordergate.domain.orders.reports import Executed
from ordergate.domain.recon.statement import MOVED, Statement
from ordergate.domain.risk.case import BrokerAccount

_LOOKS: Final = 3
_FARTHEST_MS: Final = 7 * 24 * 3_600_000
_SIGNS: Final = {"long": 1, "short": -1}


async def statement_of(
    broker: str, settings: CcxtSettings, link: Link, telling: Telling, since_ms: int
) -> Statement:
    """Of one moment, else not complete. Raises ccxt's errors, Unreadable, and Behind."""
    now = await link.time_ms()
    if link.there(settings.symbols) != settings.symbols:  # nobody can ask what is in a market that is gone
        return Statement(
            as_of=instant(now), complete=False, why="the exchange has no market of some symbols now"
        )
    since = max(since_ms, now - _FARTHEST_MS)
    trades = await _trades(link, settings, since)
    for _look in range(_LOOKS):
        working = await _working(link, settings)
        positions, balances = await _holdings(link, settings)
        again = await _trades(link, settings, since)
        unmoved = again.keys() == trades.keys() and await _working(link, settings) == working
        trades = again
        if unmoved:
            return Statement(
                as_of=instant(now),
                complete=True,
                positions=positions,
                balances=balances,
                working=frozenset(working),
                executions=await _executions(broker, telling, link, trades),
                executions_since=instant(since),
            )
    return Statement(as_of=instant(now), complete=False, why=MOVED)


async def _trades(link: Link, settings: CcxtSettings, since: int) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for symbol in settings.symbols:
        found.update((one.exec_id, one) for one in await link.trades(symbol, since))
    return found


async def _working(link: Link, settings: CcxtSettings) -> set[str]:
    """Client ids of the orders of ours that work."""
    listed = [found for symbol in settings.symbols for found in await link.working(symbol)]
    return {found.client_id for found in listed if found.client_id is not None}


async def _holdings(
    link: Link, settings: CcxtSettings
) -> tuple[dict[str, Decimal] | None, dict[str, Decimal] | None]:
    """Positions by symbol, or money by currency."""
    if settings.market is Wallet.LINEAR:
        return _positions(await link.exchange.fetch_positions(list(settings.symbols)), link), None
    markets = [link.market(symbol) or {} for symbol in settings.symbols]
    bases = {market.get("base") for market in markets}
    paid_with = {str(market.get("quote")) for market in markets if market.get("quote") not in bases}
    total = (await link.exchange.fetch_balance())["total"]
    return None, {name: _money(total, name) for name in sorted(paid_with)}


def _positions(said: list[dict[str, Any]], link: Link) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for one in said:
        contracts, sign = number(one.get("contracts")), _SIGNS.get(str(one.get("side")))
        market = link.market(str(one.get("symbol")))
        if contracts is None or market is None or (contracts and sign is None):
            raise Unreadable(f"a position that cannot be read: {str(one.get('info'))[:200]}")
        quantity = contracts * contract_size(market) * (sign or 0)
        sums[market["symbol"]] = plain(sums.get(market["symbol"], ZERO) + quantity)
    return sums


async def margin_of(settings: CcxtSettings, link: Link) -> BrokerAccount | None:
    """What is free for margin, where that is told: of perpetuals that are settled in one currency.

    Raises ccxt's errors, and Unreadable.
    """
    markets = [link.market(symbol) or {} for symbol in link.there(settings.symbols)]
    settled = {str(market.get("settle")) for market in markets}
    if settings.market is not Wallet.LINEAR or len(settled) != 1:
        return None
    now, currency = link.server_ms(), settled.pop()
    free = (await link.exchange.fetch_balance())["free"]
    if currency not in free:  # ccxt leaves out what the exchange has never brought up to date
        return None
    return BrokerAccount(currency=currency, free_margin=_money(free, currency), at=instant(now))


def _money(total: dict[str, Any], currency: str) -> Decimal:
    if currency not in total:
        return ZERO
    amount = number(total[currency])
    if amount is None:
        raise Unreadable(f"the balance of {currency} is {total[currency]!r}, no number")
    return amount


async def _executions(
    broker: str, telling: Telling, link: Link, trades: dict[str, Told]
) -> tuple[Executed, ...]:
    """Those of orders of ours."""
    told: list[Executed] = []
    for one in trades.values():
        client_id = await telling.owner(one)
        if client_id is not None:
            told.append(executed(one, broker, client_id))
    return tuple(told)

"""Net asset value and the profit of day, week and month of funds, as loss limits measure them.

Worth is what a fund began with, plus what it has made less fees, plus what it holds at the mid of the last quotes: in
US dollars, and by the rate of now in the fund's base currency. The profit of a period in that currency is what it is
worth now less what it was worth when the period began, each by the rate of its time. Where a quote, a rate or the
beginning is missing there is no worth, and `missing` says which.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, localcontext
from typing import Final

from msgspec.structs import replace

from ordergate.application.ports.journal import RowReader
from ordergate.application.queries import Shown, shown_value
from ordergate.domain.errors import Code, NotFound, quoted
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import mid
from ordergate.domain.money import EXACT, ONE, ZERO, divide
from ordergate.domain.moves import MovePhase
from ordergate.domain.positions.position import Position
from ordergate.domain.risk.account import Account, Period, PeriodKind, present_periods
from ordergate.domain.risk.exposure import Exposures
from ordergate.domain.risk.limits import NOTHING, Level, Limits
from ordergate.domain.risk.valuation import USD, Market, exchanged
from ordergate.domain.risk.worth import equity_usd

_PLACES: Final = 10


async def navs(reader: RowReader, market: Market, now: datetime, fund_id: str | None = None) -> list[Shown]:
    """Of every fund that is in a store, or of one.

    Raises:
        NotFound: there is no such fund.
    """
    left = {move.fund_id for move in await reader.select("moves", {"phase": MovePhase.LEFT})}
    bases = {fund.fund_id: fund.base_currency for fund in await reader.select("funds")}
    funds = sorted(bases.keys() - left)
    if fund_id is not None and fund_id not in funds:
        known = ", ".join(funds) or "none"
        raise NotFound(Code.UNKNOWN_FUND, f"{quoted(fund_id)} is no fund; there are {known}", "#/fund_id")
    instruments = {row.symbol: row for row in await reader.select("instruments")}
    return [
        await _nav(reader, (name, bases[name]), instruments, market, now)
        for name in (funds if fund_id is None else (fund_id,))
    ]


async def _nav(
    reader: RowReader,
    fund: tuple[str, str],
    instruments: Mapping[str, Instrument],
    market: Market,
    now: datetime,
) -> Shown:
    fund_id, base_currency = fund
    limits = await reader.get("limits", [(Level.FUND.value, fund_id)])
    accounts = await reader.get("accounts", [(fund_id,)])
    positions = [row for row in await reader.select("positions", {"fund_id": fund_id}) if row.quantity]
    with localcontext(EXACT):
        return show_nav(
            limits[0].at(now) if limits else NOTHING,
            accounts[0] if accounts else Account(fund_id=fund_id),
            (positions, instruments),
            market,
            now,
            base_currency,
        )


def show_nav(
    limits: Limits,
    account: Account,
    held: tuple[Iterable[Position], Mapping[str, Instrument]],
    market: Market,
    now: datetime,
    base_currency: str,
) -> Shown:
    """A fund's worth and profits, in US dollars and in its base currency, to 10 places.

    Args:
        limits: the fund's; `nav_usd` is what it began with.
        held: its open positions, and instruments by symbol.
    """
    positions, instruments = list(held[0]), held[1]
    rates = market.conversion()
    exposures = Exposures(instruments.get)
    for position in positions:
        exposures.position_changed(None, position)
        quote = market.quotes.get(position.symbol)
        if quote is not None:
            exposures.mark(position.symbol, mid(quote.bid, quote.ask))
    no_quotes = sorted({p.symbol for p in positions} - market.quotes.keys())
    begun = replace(limits, nav_usd=limits.nav_usd or ZERO)
    realized = equity_usd(begun, account, {}, rates.to_usd)
    sums = exposures.sums(account.fund_id)
    unrealized = None if no_quotes else equity_usd(begun, None, sums, rates.to_usd)
    worth = None
    if limits.nav_usd is not None and not no_quotes:
        worth = equity_usd(limits, account, sums, rates.to_usd)
    currencies = {currency for currency, amount in account.profits if amount}
    currencies |= {instruments[position.symbol].currency for position in positions}
    missing = [f"a quote of {symbol}" for symbol in no_quotes]
    missing += [f"a rate from {c} to USD" for c in sorted(currencies) if rates.to_usd(c) is None]
    rate = rates.found(USD, base_currency)
    if rate is None:
        missing.append(f"a rate from USD to {base_currency}")
    if limits.nav_usd is None:
        missing.append("nav_usd among the fund's limits: what it began with")
    realized, unrealized = _less(realized, begun.nav_usd), _less(unrealized, begun.nav_usd)
    in_base = base_currency, exchanged(worth, rate)
    return {
        "fund_id": account.fund_id,
        "time": shown_value(now),
        "nav_usd": _shown(worth),
        "began_with_usd": shown_value(limits.nav_usd),
        "realized_usd": _shown(realized),
        "unrealized_usd": _shown(unrealized),
        "profits": {currency: shown_value(amount) for currency, amount in account.profits},
        "fund_currency": base_currency,
        "fund_rate": shown_value(rate),
        "nav_fund": _shown(in_base[1]),
        "realized_fund": _shown(exchanged(realized, rate)),
        "unrealized_fund": _shown(exchanged(unrealized, rate)),
        **{
            f"{kind}": _period(account.period(kind), present_periods(now)[kind], worth, in_base)
            for kind in PeriodKind
        },
        "missing": missing,
    }


def _less(worth: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if worth is None or before is None else worth - before


def _shown(amount: Decimal | None) -> str | None:
    return None if amount is None else str(shown_value(divide(amount, ONE, _PLACES)))


def _period(
    period: Period | None, began: date, worth: Decimal | None, in_base: tuple[str, Decimal | None]
) -> Shown | None:
    """None where the fund has not been valued since the period began."""
    if period is None or period.began != began:
        return None
    base_currency, worth_now = in_base
    if base_currency == USD:
        then: Decimal | None = period.nav_usd
    else:
        then = period.nav if period.currency == base_currency else None
    return {
        "began": period.began.isoformat(),
        "nav_usd": _shown(period.nav_usd),
        "pnl_usd": _shown(_less(worth, period.nav_usd)),
        "nav_fund": _shown(then),
        "pnl_fund": _shown(_less(worth_now, then)),
    }

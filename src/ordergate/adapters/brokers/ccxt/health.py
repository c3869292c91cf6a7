"""How an exchange is, when it is only asked: reached, clock, login, what the key may do, what works there."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.brokers.ccxt.known import known_of
from ordergate.adapters.brokers.ccxt.link import Link
from ordergate.adapters.brokers.ccxt.outcomes import reason_of
from ordergate.adapters.brokers.ccxt.permissions import permissions_of
from ordergate.adapters.brokers.ccxt.sessions import Skewed, check_skew, login_refused, shown_refusal
from ordergate.adapters.brokers.ccxt.settings import CcxtSettings
from ordergate.application.ports.brokers import Health


async def health_of(broker: str, settings: CcxtSettings, make: Callable[[], Any]) -> Health:
    """Asks, read-only, over a connection of its own; raises nothing for the exchange's or the network's sake."""
    link = Link(make(), known_of(settings.exchange))
    health = Health(reached=False)
    try:
        await link.exchange.load_markets()
        await link.time_ms()
        health = Health(
            reached=True,
            clock_ahead_s=Decimal(round(link.skew_ms)) / 1000,
            clock_most_s=Decimal(settings.receive_window_ms) / 1000,
            problems=tuple(_missing(link, settings)),
        )
        return await _of_login(broker, settings, link, health)
    except Skewed as skewed:
        return _with(health, str(skewed))
    except Exception as error:  # of ccxt's many kinds
        return _with(health, f"the exchange could not be asked: {reason_of(error)}")
    finally:
        await link.close()


def _missing(link: Link, settings: CcxtSettings) -> list[str]:
    gone = (symbol for symbol in settings.symbols if link.market(symbol) is None)
    return [f"symbols: the exchange has no market {symbol}: take it out" for symbol in gone]


async def _of_login(broker: str, settings: CcxtSettings, link: Link, health: Health) -> Health:
    check_skew(link.skew_ms, settings)
    refusal = await login_refused(link, link.known)
    if refusal is not None:
        return _with(replace(health, login=False), shown_refusal(broker, settings, refusal))
    permissions = await permissions_of(link.exchange, settings)
    return replace(
        health,
        login=True,
        permissions=permissions.names,
        may_trade=permissions.may_trade,
        may_withdraw=permissions.may_withdraw,
        open_orders=sum([len(await link.working(symbol)) for symbol in link.there(settings.symbols)]),
        statement=True,
        notes=permissions.notes,
    )


def _with(health: Health, problem: str) -> Health:
    return replace(health, problems=(*health.problems, problem))

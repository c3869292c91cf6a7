"""The funds of the configuration."""

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta, Struct

from ordergate.config.errors import ConfigError
from ordergate.domain.algos.terms import (
    DEFAULT_HORIZON_MINUTES,
    LONGEST_HORIZON_MINUTES,
    SHORTEST_HORIZON_MINUTES,
    SplitTerms,
)
from ordergate.domain.delays import WorkerTerms
from ordergate.domain.errors import Invalid
from ordergate.domain.funds import Fund, SlippageTerms, TaxLotMethod
from ordergate.domain.identifiers import parse_key, parse_name
from ordergate.domain.instruments import AssetClass
from ordergate.domain.money import parse_positive, plain
from ordergate.domain.routing import Route

DEFAULT_BROKER: Final = "paper"
_WINDOW: Final = re.compile(r"(\d{1,6})(s|m|h|d)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class FundSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fund.

    `dedupe_window` is such as 5m or 24h, or forever; `shard` is where it lies, if there are shards. A fund that has no
    limits does not start unless it is `unlimited`, and one that has some cannot be. `slippage_pause` leaves a strategy
    in REDUCE_ONLY whose fill exceeds what is borne. `workers` stands in place of the section of that name. A market
    order worth more than `split_above`, in `base_currency`, is worked in slices over `horizon_minutes`; without it none
    is. Orders that name no broker go by the first of `routes` that fits them, else to `broker`.
    """

    broker: str = DEFAULT_BROKER
    shard: str | None = None
    base_currency: str = "USD"
    asset_classes: tuple[AssetClass, ...] = ()
    strategies: tuple[str, ...] = ()
    tax_lot_method: TaxLotMethod = TaxLotMethod.FIFO
    dedupe_window: str = "forever"
    unlimited: bool = False
    slippage_alert_bps: Decimal | None = None
    slippage_alert_pips: Decimal | None = None
    slippage_pause: bool = False
    workers: WorkerTerms | None = None
    split_above: Decimal | None = None
    horizon_minutes: Annotated[int, Meta(ge=SHORTEST_HORIZON_MINUTES, le=LONGEST_HORIZON_MINUTES)] = (
        DEFAULT_HORIZON_MINUTES
    )
    routes: tuple[Route, ...] = ()


def check_fund(name: str, section: FundSection, brokers: Iterable[str], where: str) -> None:
    """Raises ConfigError unless a fund names what there is."""
    checked(parse_name, name, where)
    if section.broker not in brokers:
        known = ", ".join(brokers)
        raise ConfigError(f"{where}.broker: {section.broker!r} is no broker; there are {known}")
    for number, route in enumerate(section.routes):
        _check_route(route, section, brokers, f"{where}.routes[{number}]")
    checked(parse_name, section.base_currency, f"{where}.base_currency")
    for strategy in section.strategies:
        checked(parse_name, strategy, f"{where}.strategies")
    window(section.dedupe_window, f"{where}.dedupe_window")
    for key in ("slippage_alert_bps", "slippage_alert_pips", "split_above"):
        checked(parse_positive, getattr(section, key), f"{where}.{key}")


def _check_route(route: Route, section: FundSection, brokers: Iterable[str], where: str) -> None:
    if not route.brokers:
        raise ConfigError(f"{where}.brokers: is empty: name at least one of {', '.join(brokers)}")
    for at, broker in enumerate(route.brokers):
        if broker not in brokers:
            known = ", ".join(brokers)
            raise ConfigError(f"{where}.brokers: {broker!r} is no broker; there are {known}")
        if broker in route.brokers[:at]:
            raise ConfigError(f"{where}.brokers: {broker!r} is named twice: an order goes to each once")
    for symbol in route.symbols:
        checked(parse_key, symbol, f"{where}.symbols")
    others = [
        one for one in route.asset_classes if section.asset_classes and one not in section.asset_classes
    ]
    if others:
        allowed = ", ".join(section.asset_classes)
        raise ConfigError(f"{where}.asset_classes: the fund trades no {others[0]}; it trades {allowed}")


def checked(parse: Callable[[object, str], object], value: object, where: str) -> None:
    """Refuses what a rule of the domain refuses; None is a value that was left out."""
    try:
        if value is not None:
            parse(value, where)
    except Invalid as error:
        raise ConfigError(f"{where}: {error.detail}") from error


def window(text: str, where: str) -> timedelta | None:
    """A span of time; None is for ever.

    Raises:
        ConfigError: it is not written like one.
    """
    if text == "forever":
        return None
    match = _WINDOW.fullmatch(text)
    if match is None or not int(match[1]):
        raise ConfigError(f"{where}: {text!r} is no window: write such as 5m, 24h, 7d or forever")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def fund_of(name: str, section: FundSection, alert_pips: Decimal | None = None) -> Fund:
    """The fund, as the journal knows it; `alert_pips` is of those that say nothing of alerts."""
    return Fund(
        fund_id=name,
        broker=section.broker,
        base_currency=section.base_currency,
        asset_classes=section.asset_classes,
        strategies=section.strategies,
        tax_lot_method=section.tax_lot_method,
        dedupe_window=window(section.dedupe_window, f"funds.{name}.dedupe_window"),
        unlimited=section.unlimited,
        slippage=_slippage(section, alert_pips),
        split=_split(section),
        routes=section.routes or None,
    )


def _split(section: FundSection) -> SplitTerms | None:
    if section.split_above is None:
        return None
    return SplitTerms(above=plain(section.split_above), horizon_minutes=section.horizon_minutes)


def _slippage(section: FundSection, alert_pips: Decimal | None) -> SlippageTerms | None:
    own = section.slippage_alert_pips, section.slippage_alert_bps
    terms = SlippageTerms(
        alert_bps=section.slippage_alert_bps,
        alert_pips=alert_pips if own == (None, None) else section.slippage_alert_pips,
        pause=section.slippage_pause,
    )
    return None if terms == SlippageTerms() else terms

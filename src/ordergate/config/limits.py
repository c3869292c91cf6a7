"""The limits of the configuration: per firm, fund, strategy, symbol and broker; a fund's begin with the envelope."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from ordergate.config.errors import ConfigError
from ordergate.domain.errors import Invalid
from ordergate.domain.money import parse_positive
from ordergate.domain.risk.limits import ENVELOPE, ConfiguredLimits, Level, Limits, check_limits

_WITHOUT: Final = "none"


class LimitSections(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits by level and name. What a fund leaves out has the envelope's default; `none` takes a limit away."""

    firm: Limits | None = None
    funds: dict[str, Limits] = field(default_factory=dict)
    strategies: dict[str, Limits] = field(default_factory=dict)
    symbols: dict[str, Limits] = field(default_factory=dict)
    brokers: dict[str, Limits] = field(default_factory=dict)

    def values(self, defaults: Mapping[str, Limits]) -> tuple[ConfiguredLimits, ...]:
        """All of them; `defaults` are of funds that have none here."""
        sections = (
            (Level.FIRM, {} if self.firm is None else {"": self.firm}),
            (Level.FUND, {**defaults, **self.funds}),
            (Level.STRATEGY, self.strategies),
            (Level.SYMBOL, self.symbols),
            (Level.BROKER, self.brokers),
        )
        return tuple(
            ConfiguredLimits(level=level, name=name, limits=limits)
            for level, section in sections
            for name, limits in section.items()
        )

    def of_shard(self, firm: Limits | None, funds: Iterable[str], brokers: Iterable[str]) -> "LimitSections":
        """Those of one shard: the firm's are the shard's budget."""
        here, there = set(funds), set(brokers)
        return replace(
            self,
            firm=firm,
            funds={name: limits for name, limits in self.funds.items() if name in here},
            brokers={name: limits for name, limits in self.brokers.items() if name in there},
        )


class _Limited(Protocol):
    """As much of a configuration as this is about."""

    @property
    def limits(self) -> LimitSections: ...

    @property
    def funds(self) -> Mapping[str, Any]: ...

    @property
    def brokers(self) -> Mapping[str, Any]: ...

    @property
    def shards(self) -> Mapping[str, Any]: ...

    @property
    def rates(self) -> Mapping[str, Decimal]: ...

    def catalogue(self, symbol: str) -> Any: ...

    def limit_values(self) -> tuple[ConfiguredLimits, ...]: ...


def with_envelope(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    """A file's tables with the envelope under each fund's limits, and without those that are `none`."""
    limits = raw.get("limits")
    funds = limits.get("funds") if isinstance(limits, dict) else None
    if not isinstance(limits, dict) or not isinstance(funds, dict):
        return raw
    envelope = msgspec.to_builtins(ENVELOPE, builtin_types=(Decimal,))
    return {**raw, "limits": {**limits, "funds": {n: _on(envelope, section) for n, section in funds.items()}}}


def _on(envelope: Mapping[str, Any], section: Any) -> Any:
    if not isinstance(section, dict):
        return section
    return {name: value for name, value in {**envelope, **section}.items() if value != _WITHOUT}


def check_limit_sections(config: _Limited, where: str) -> None:
    """Raises ConfigError unless limits name what there is, and each level knows its own."""
    sections = config.limits
    if sections.firm is not None and config.shards:
        raise ConfigError(f"{where}limits.firm: write what each shard may have of it, as shards.NAME.limits")
    for name in sections.funds:
        _check_limited(name, config.funds, where)
    for name in sections.brokers:
        _check_known(name, config.brokers, "broker", f"{where}limits.brokers.{name}")
    for symbol in sections.symbols:
        if config.catalogue(symbol) is None:
            raise ConfigError(f"{where}limits.symbols.{symbol}: is neither built in nor configured")
    for stated in config.limit_values():
        check_stated(stated, where)
    for shard, section in config.shards.items():
        if section.limits is not None:
            check_stated(
                ConfiguredLimits(level=Level.FIRM, name="", limits=section.limits), f"{where}{shard}."
            )
    for pair, rate in config.rates.items():
        _check_rate(pair, rate, f"{where}rates")


def check_stated(stated: ConfiguredLimits, where: str) -> None:
    """Raises ConfigError where a level does not know a limit, or a number is none."""
    try:
        check_limits(stated.level, stated.limits)
    except Invalid as error:
        plural = {Level.STRATEGY: "strategies"}.get(stated.level, f"{stated.level}s")
        table = "firm" if stated.level is Level.FIRM else f"{plural}.{stated.name}"
        name = (error.pointer or "").removeprefix("#/")
        raise ConfigError(f"{where}limits.{table}.{name}: {error.detail}") from error


def _check_limited(fund: str, known: Mapping[str, Any], where: str) -> None:
    _check_known(fund, known, "fund", f"{where}limits.funds.{fund}")
    if known[fund].unlimited:
        raise ConfigError(
            f"{where}funds.{fund}.unlimited: true says that it has no limits, and limits.funds.{fund} gives it "
            'some, with defaults for the rest: leave out one of the two; "none" takes a single limit away'
        )


def _check_known(name: str, known: Mapping[str, Any], kind: str, where: str) -> None:
    if name not in known:
        raise ConfigError(f"{where}: is no {kind}; there are {', '.join(known)}")


def _check_rate(pair: str, rate: Decimal, where: str) -> None:
    base, slash, currency = pair.partition("/")
    if not (base and slash and currency):
        raise ConfigError(f'{where}: {pair!r} is no pair of currencies: write such as "USDT/USD" = 1')
    try:
        parse_positive(rate, where)
    except Invalid as error:
        raise ConfigError(f"{where}.{pair}: {error.detail}") from error

"""Configuration: one TOML file, read into frozen values; what it does not say has a default here.

Unknown keys are errors. Each adapter owns its settings, this module assembles them.
"""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from ordergate.application.triggers import Triggers
from ordergate.application.view import PAR, GateTerms, SignalRouting
from ordergate.config.alerts import AlertsSection, check_alerts
from ordergate.config.brokers import (
    AnyBroker,
    BusBroker,
    CcxtBroker,
    DwxBroker,
    EvmBroker,
    Mt4Broker,
    Mt5Broker,
    PaperBroker,
    PluginBroker,
    SyncBroker,
    check_broker,
    check_broker_name,
    check_folders,
    open_schema,
    with_adapter,
)
from ordergate.config.clickhouse import ClickHouseSection, check_clickhouse
from ordergate.config.converting import convert
from ordergate.config.errors import ConfigError
from ordergate.config.funds import DEFAULT_BROKER, FundSection, check_fund, fund_of
from ordergate.config.grpc import GrpcSection
from ordergate.config.hub import HubSection, check_hub
from ordergate.config.instruments import InstrumentSection, check_instrument, instrument_of
from ordergate.config.kafka import KafkaSection, check_kafka
from ordergate.config.limits import LimitSections, check_limit_sections, with_envelope
from ordergate.config.nats import NatsSection, check_bus_brokers, check_nats
from ordergate.config.orders import FillsSection, OrdersSection, check_fills
from ordergate.config.reconciliation import ReconciliationSection, check_reconciliation
from ordergate.config.risk import GateSection, check_gate_sections, terms_of
from ordergate.config.secret_places import check_places
from ordergate.config.secrets import SecretsSection
from ordergate.config.sharding import (
    ORIGIN,
    ShardSection,
    check_shards,
    origin_of_shard,
    origins_beside,
    shard_of_broker,
    url_of_shard,
)
from ordergate.config.signals import Signals, check_signals, routing_of
from ordergate.config.sourcing import SourcesSection, check_sources
from ordergate.config.workers import check_workers
from ordergate.domain.delays import WorkerTerms
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument, built_in
from ordergate.domain.risk.limits import PAPER, ConfiguredLimits

__all__ = [
    "AnyBroker",
    "BusBroker",
    "CcxtBroker",
    "Config",
    "ConfigError",
    "DwxBroker",
    "EvmBroker",
    "Mt4Broker",
    "Mt5Broker",
    "PaperBroker",
    "PluginBroker",
    "ShardSection",
    "SyncBroker",
    "check_broker_name",
    "load",
    "schema",
]

DEFAULT_FUND: Final = "paper-momentum"


class _Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class Server(_Section, frozen=True, kw_only=True):
    """Where the service listens."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65_535)] = 8012


class Database(_Section, frozen=True, kw_only=True):
    """Where the journal is; and where the password is for a URL without one: a variable, a file, a name."""

    url: str = "sqlite:///ordergate.db"
    password_env: str | None = None
    password_file: str | None = None
    password_secret: str | None = None


class Audit(_Section, frozen=True, kw_only=True):
    """The log's name in its checkpoints, and the file, or the name, of the key that signs them."""

    origin: str = "ordergate.local/journal"
    key_file: str | None = None
    key_secret: str | None = None


class Config(_Section, frozen=True, kw_only=True):
    """The whole file."""

    server: Server = Server()
    grpc: GrpcSection = GrpcSection()
    database: Database = Database()
    audit: Audit = Audit()
    signals: Signals = Signals()
    orders: OrdersSection = OrdersSection()
    fills: FillsSection = FillsSection()
    shards: dict[str, ShardSection] = field(default_factory=dict)
    funds: dict[str, FundSection] = field(default_factory=lambda: {DEFAULT_FUND: FundSection()})
    brokers: dict[str, AnyBroker] = field(default_factory=lambda: {DEFAULT_BROKER: PaperBroker()})
    instruments: dict[str, InstrumentSection] = field(default_factory=dict)
    limits: LimitSections = LimitSections()
    rates: dict[str, Decimal] = field(default_factory=lambda: dict(PAR))
    gates: dict[str, GateSection] = field(default_factory=dict)
    triggers: Triggers = Triggers()
    reconciliation: ReconciliationSection = ReconciliationSection()
    workers: WorkerTerms = WorkerTerms()
    alerts: AlertsSection = AlertsSection()
    nats: NatsSection = NatsSection()
    kafka: KafkaSection = KafkaSection()
    clickhouse: ClickHouseSection = ClickHouseSection()
    secrets: SecretsSection = SecretsSection()
    hub: HubSection = HubSection()
    sources: SourcesSection = field(default=SourcesSection(), name="config")

    def worker_terms(self, fund_id: str) -> WorkerTerms:
        """What is done about a fund's orders that take too long: as it says, else as is said for all."""
        section = self.funds.get(fund_id)
        return self.workers if section is None or section.workers is None else section.workers

    def shard(self, name: str) -> "Config":
        """The configuration of one shard alone: its database, its log, its funds and their brokers.

        Raises:
            ConfigError: there is no such shard.
        """
        if name not in self.shards:
            known = ", ".join(self.shards) or "none"
            raise ConfigError(f"{name!r} is no shard; there are {known}")
        section = self.shards[name]
        return replace(
            self,
            database=Database(
                url=url_of_shard(name, section, self.database.url),
                password_env=section.password_env,
                password_file=section.password_file,
                password_secret=section.password_secret,
            ),
            audit=Audit(
                origin=origin_of_shard(name, section, self.audit.origin),
                key_file=section.key_file or (None if section.key_secret else self.audit.key_file),
                key_secret=section.key_secret or (None if section.key_file else self.audit.key_secret),
            ),
            clickhouse=self.clickhouse.beside(origins_beside(name, self.shards, self.audit.origin)),
            shards={},
            funds={n: replace(f, shard=None) for n, f in self.funds.items() if f.shard == name},
            brokers={n: b for n, b in self.brokers.items() if shard_of_broker(self, n) == name},
            limits=self.limits.of_shard(
                section.limits,
                [n for n, f in self.funds.items() if f.shard == name],
                [n for n in self.brokers if shard_of_broker(self, n) == name],
            ),
        )

    def fund_values(self) -> tuple[Fund, ...]:
        """The funds, as the journal knows them."""
        alert_pips = self.fills.slippage_alert_pips
        return tuple(fund_of(name, section, alert_pips) for name, section in self.funds.items())

    def limit_values(self) -> tuple[ConfiguredLimits, ...]:
        """The limits, as they are given to the journal; the built-in fund has its own where none are named."""
        section = self.funds.get(DEFAULT_FUND)
        built_in_fund = {DEFAULT_FUND: PAPER} if section is not None and not section.unlimited else {}
        return self.limits.values(built_in_fund)

    def gate_terms(self) -> dict[str, GateTerms]:
        """How the external gates are asked."""
        return terms_of(self.gates)

    def signal_routing(self) -> SignalRouting:
        """What signals become."""
        return routing_of(self.signals, max(self.nats.inputs.max_age_s, self.clickhouse.signals.max_age_s))

    def catalogue(self, symbol: str) -> Instrument | None:
        """The instrument as configured, else as built in, else None."""
        section = self.instruments.get(symbol)
        return built_in(symbol) if section is None else instrument_of(symbol, section)


def load(path: Path | None) -> Config:
    """The configuration in a file, or the defaults.

    Raises:
        ConfigError: the file is missing, not TOML, or says what cannot be.
    """
    return Config() if path is None else assembled(tables_of(path), str(path))


def tables_of(path: Path) -> dict[str, Any]:
    """What stands in a file. Raises ConfigError where it cannot be read, or is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, ArithmeticError, RecursionError) as error:  # also numbers that are too long to read
        raise ConfigError(f"{path} is not TOML: {error}") from error


def assembled(raw: Mapping[str, Any], where: str) -> Config:
    """The configuration that tables say; `where` they stand, for errors.

    Raises:
        ConfigError: they say what cannot be.
    """
    brokers = raw.get("brokers")
    if isinstance(brokers, dict):
        brokers = {name: with_adapter(section) for name, section in brokers.items()}
        raw = {**raw, "brokers": brokers}
    raw = with_envelope(raw)
    try:
        config = convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}; `ordergate config schema` shows what there is") from error
    check(config, where)
    return config


def check(config: Config, path: str) -> None:
    """Raises ConfigError where a configuration contradicts itself; `path` is where it stands."""
    if not ORIGIN.fullmatch(config.audit.origin):
        raise ConfigError(
            f"{path}: audit.origin: {config.audit.origin!r} is no name of a log: write it without spaces and "
            "'+', such as oms.example/journal"
        )
    for name, broker in config.brokers.items():
        check_broker(name, broker, f"{path}: brokers.{_shown(name)}")
    check_folders(config.brokers, f"{path}: ")
    check_bus_brokers(
        {n: b for n, b in config.brokers.items() if isinstance(b, BusBroker)}, config.nats, f"{path}: "
    )
    for name, fund in config.funds.items():
        check_fund(name, fund, config.brokers, f"{path}: funds.{_shown(name)}")
    if config.signals.fund not in config.funds:
        known = ", ".join(config.funds)
        raise ConfigError(f"{path}: signals.fund: {config.signals.fund!r} is no fund; there are {known}")
    check_signals(config.signals, config.orders, f"{path}: ")
    check_fills(config.fills, f"{path}: ")
    check_shards(config, f"{path}: ")
    check_limit_sections(config, f"{path}: ")
    check_gate_sections(config.gates, f"{path}: ", has_nats=bool(config.nats.servers))
    check_reconciliation(config.reconciliation, config.brokers, f"{path}: ")
    own_workers = ((f"funds.{_shown(name)}.workers", fund.workers) for name, fund in config.funds.items())
    check_workers((("workers", config.workers), *own_workers), f"{path}: ")
    check_alerts(config.alerts, f"{path}: ")
    check_nats(config.nats, f"{path}: ")
    check_kafka(config.kafka, f"{path}: ")
    check_clickhouse(config.clickhouse, f"{path}: ")
    check_places(config, f"{path}: ")
    check_hub(config.hub, f"{path}: ")
    check_sources(config.sources, f"{path}: ", has_nats=bool(config.nats.servers))
    for symbol, section in config.instruments.items():
        check_instrument(symbol, section, f"{path}: instruments.{_shown(symbol)}")


def _shown(name: str) -> str:
    return name if name.isprintable() and name else repr(name)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return open_schema(msgspec.json.schema(Config))

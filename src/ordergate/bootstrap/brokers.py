"""Brokers made from the configuration: the one table that says which section becomes which adapter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ordergate.adapters.brokers import evm
from ordergate.adapters.brokers.ccxt import CcxtBroker
from ordergate.adapters.brokers.ccxt.library import Credentials
from ordergate.adapters.brokers.dwx.broker import DwxBroker
from ordergate.adapters.brokers.mt4 import Mt4Broker
from ordergate.adapters.brokers.mt5 import Mt5Broker
from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.adapters.brokers.plugin import BrokerParts
from ordergate.adapters.brokers.sync import broker_of
from ordergate.adapters.journals.location import locate, place_beside
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.beside import beside
from ordergate.bootstrap.connecting import bus_broker
from ordergate.bootstrap.in_force import InForce
from ordergate.bootstrap.metatrader import terminals_of
from ordergate.bootstrap.secrets import BrokerSecrets
from ordergate.config import BusBroker as BusSection
from ordergate.config import CcxtBroker as CcxtSection
from ordergate.config import ConfigError
from ordergate.config import DwxBroker as DwxSection
from ordergate.config import EvmBroker as EvmSection
from ordergate.config import Mt4Broker as Mt4Section
from ordergate.config import Mt5Broker as Mt5Section
from ordergate.config import PaperBroker as PaperSection
from ordergate.config import PluginBroker as PluginSection
from ordergate.config import SyncBroker as SyncSection
from ordergate.config.plugins import checked_settings, distribution_of, plugin_of, published
from ordergate.config.secret_places import of_broker


@dataclass(frozen=True)
class Opening:
    """What makers take from: the configuration in force, the secrets, the database's URL and the clock."""

    in_force: InForce
    secrets: Secrets
    url: str
    clock: Clock

    def place(self, name: str) -> Path | None:
        """The file of a broker of that name; None in memory."""
        return beside(place_beside(self.url), name)

    def held(self, name: str, section: Any) -> BrokerSecrets:
        """The secrets that a broker's section names, by what its adapter calls them.

        Raises:
            SecretError: one cannot be had.
        """
        return BrokerSecrets(
            {own: self.secrets.hold(place) for own, place in of_broker(name, section).items()}
        )


def _paper(opening: Opening, name: str, section: PaperSection) -> Broker:
    url = opening.url
    place = url if locate(url).kind == "server" else opening.place(name)
    return PaperBroker(name, section, place, opening.clock, opening.in_force.catalogue)


def _sync(opening: Opening, name: str, section: SyncSection) -> Broker:
    held = opening.held(name, section)
    return broker_of(name, section, opening.place(name), opening.clock, secrets=held or None)


def _bus(opening: Opening, name: str, section: BusSection) -> Broker:
    return bus_broker(opening.in_force.config, opening.secrets, name, section, opening.clock)


def _ccxt(opening: Opening, name: str, section: CcxtSection) -> Broker:
    held = {own: opening.secrets.hold(place) for own, place in of_broker(name, section).items()}
    return CcxtBroker(name, section, Credentials(**held), opening.clock)


def _evm(opening: Opening, name: str, section: EvmSection) -> Broker:
    secrets = opening.held(name, section)
    own = "key" if section.keystore is None else "password"
    try:
        return evm.broker_of(name, section, opening.place(name), opening.clock, lambda: secrets[own])
    except ImportError as error:
        what = 'web3 is not installed: pip install "ordergate[evm]"'
        raise ConfigError(f"brokers.{name}: {what}") from error


def _dwx(opening: Opening, name: str, section: DwxSection) -> Broker:
    return DwxBroker(name, section, opening.place(name), opening.clock, opening.in_force.catalogue)


def _mt5(opening: Opening, name: str, section: Mt5Section) -> Broker:
    secrets, catalogue = opening.held(name, section), opening.in_force.catalogue
    terminals = terminals_of(name, section, opening.place(name), secrets, opening.clock)
    return Mt5Broker(name, section, terminals, catalogue, opening.clock)


def _mt4(opening: Opening, name: str, section: Mt4Section) -> Broker:
    return Mt4Broker(name, section, opening.clock, opening.in_force.catalogue)


def _plugin(opening: Opening, name: str, section: PluginSection) -> Broker:
    where = f"brokers.{name}"
    parts = BrokerParts(
        name=name,
        settings=checked_settings(section.plugin, section.options, where),
        place=opening.place(name),
        clock=opening.clock,
        secrets=opening.held(name, section),
        catalogue=opening.in_force.catalogue,
    )
    plugin = plugin_of(section.plugin, where)
    try:
        return plugin.make(parts)
    except Exception as error:
        of = distribution_of(published()[section.plugin][0])
        raise ConfigError(
            f"{where}: {section.plugin!r} of {of} makes no broker: {type(error).__name__}: {error}"
        ) from error


MAKERS: Final[Mapping[type, Callable[[Opening, str, Any], Broker]]] = {
    PaperSection: _paper,
    SyncSection: _sync,
    BusSection: _bus,
    CcxtSection: _ccxt,
    EvmSection: _evm,
    DwxSection: _dwx,
    Mt5Section: _mt5,
    Mt4Section: _mt4,
    PluginSection: _plugin,
}


def make_broker(opening: Opening, name: str) -> Broker:
    """The broker of that name in the configuration, not connected.

    Raises:
        ConfigError: it cannot be as it is configured.
        SecretError: a secret of its cannot be had.
    """
    section = opening.in_force.config.brokers[name]
    return MAKERS[type(section)](opening, name, section)


def make_brokers(in_force: InForce, secrets: Secrets, url: str, clock: Clock) -> list[Broker]:
    """All that are configured; raises as `make_broker`."""
    opening = Opening(in_force, secrets, url, clock)
    return [make_broker(opening, name) for name in in_force.config.brokers]

"""The Acme venue as a broker of ordergate."""

from acme_broker.broker import CAPABILITIES, AcmeBroker
from acme_broker.settings import AcmeSettings
from ordergate.adapters.brokers.plugin import BrokerPlugin

PLUGIN = BrokerPlugin(
    interface=1,
    settings=AcmeSettings,
    secrets=("api_key",),
    make=AcmeBroker,
    capabilities=CAPABILITIES,
    about="the Acme venue",
)

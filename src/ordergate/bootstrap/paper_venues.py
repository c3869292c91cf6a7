"""What paper venues have of each other and of their market, before their sessions begin."""

from collections.abc import Mapping

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.application.ports.brokers import Broker, Sink


async def introduce(broker: Broker, brokers: Mapping[str, Broker], sink: Sink) -> None:
    """Tells `sink` the quotes of a paper venue that are set by hand, and the venue of the others: they send it money.

    Args:
        brokers: all that there are, also those that come later.

    Raises:
        StoreError: the venue's database cannot be used.
    """
    if isinstance(broker, PaperBroker):
        broker.telling.neighbors = lambda: [
            one.telling for one in brokers.values() if isinstance(one, PaperBroker)
        ]
        await broker.watch(sink)

"""Anyone's class with `place_order`, `get_order_status` and `close_order`, behind the broker port."""

from ordergate.adapters.brokers.sync.broker import SyncBroker
from ordergate.adapters.brokers.sync.settings import SyncSettings
from ordergate.adapters.brokers.sync.ticket import Ticket, check_class, make

__all__ = ["SyncBroker", "SyncSettings", "Ticket", "check_class", "make"]

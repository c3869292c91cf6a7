"""Every kind of event: what happens to orders, risk's own state, breaks, funds on the move, and the configuration."""

from ordergate.domain.configuration import ConfigurationEvent
from ordergate.domain.contingencies.events import ContingencyEvent
from ordergate.domain.moving import MoveEvent
from ordergate.domain.orders.events import AnyOrderEvent
from ordergate.domain.orders.parent_events import AlgoEvent
from ordergate.domain.orders.rerouting import RoutingEvent
from ordergate.domain.recon.events import ReconEvent
from ordergate.domain.risk.events import RiskEvent

AnyEvent = (
    AnyOrderEvent
    | AlgoEvent
    | RoutingEvent
    | RiskEvent
    | MoveEvent
    | ReconEvent
    | ContingencyEvent
    | ConfigurationEvent
)

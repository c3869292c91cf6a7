"""Every kind of event: what happens to orders, to risk's own state, to breaks, and to funds on the move."""

from ordergate.domain.contingencies.events import ContingencyEvent
from ordergate.domain.moving import MoveEvent
from ordergate.domain.orders.events import AnyOrderEvent
from ordergate.domain.recon.events import ReconEvent
from ordergate.domain.risk.events import RiskEvent

AnyEvent = AnyOrderEvent | RiskEvent | MoveEvent | ReconEvent | ContingencyEvent

"""The door on NATS: signals and commands that come as messages."""

from ordergate.api.nats.door import NatsDoor
from ordergate.api.nats.settings import Inputs

__all__ = ["Inputs", "NatsDoor"]

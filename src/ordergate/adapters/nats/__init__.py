"""NATS: one connection for everything that goes over it."""

from ordergate.adapters.nats.connection import Connection, NatsError

__all__ = ["Connection", "NatsError"]

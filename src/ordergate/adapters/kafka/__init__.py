"""Kafka: where the brokers are, and the calls to them, which block and so run in threads of their own."""

from ordergate.adapters.kafka.reading import Reading, Taken
from ordergate.adapters.kafka.sending import Message, Sender
from ordergate.adapters.kafka.target import KafkaError, Target

__all__ = ["KafkaError", "Message", "Reading", "Sender", "Taken", "Target"]

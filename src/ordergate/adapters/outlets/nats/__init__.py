"""What goes out over NATS: what happens to orders in several dialects, positions, alerts."""

from ordergate.adapters.outlets.nats.alerts import SUBJECTS as ALERT_SUBJECTS
from ordergate.adapters.outlets.nats.alerts import NatsAlerts
from ordergate.adapters.outlets.nats.dialects import Dialect, Render, renderers, subjects
from ordergate.adapters.outlets.nats.events import NatsEvents
from ordergate.adapters.outlets.nats.positions import BucketTerms, NatsPositions, bucket_subject
from ordergate.adapters.outlets.nats.publishing import RETRY_S, Stream, StreamTerms

__all__ = [
    "ALERT_SUBJECTS",
    "RETRY_S",
    "BucketTerms",
    "Dialect",
    "NatsAlerts",
    "NatsEvents",
    "NatsPositions",
    "Render",
    "Stream",
    "StreamTerms",
    "bucket_subject",
    "renderers",
    "subjects",
]

"""Where entries of the journal go."""

from ordergate.adapters.outlets.webhook import Webhook

__all__ = ["Webhook"]

"""Where entries of the journal go."""

from ordergate.adapters.outlets.webhook import Target, Webhook

__all__ = ["Target", "Webhook"]

"""Where entries of the journal go."""

from ordergate.adapters.outlets.webhook import SecretError, Target, Webhook, read_secret

__all__ = ["SecretError", "Target", "Webhook", "read_secret"]

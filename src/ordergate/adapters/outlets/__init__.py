"""Where entries of the journal go."""

from ordergate.adapters.outlets.webhook import SecretError, Webhook, read_secret

__all__ = ["SecretError", "Webhook", "read_secret"]

"""Secrets for tests that name them by variable or file alone."""

from ordergate.adapters.secrets.providers import Providers
from ordergate.application.secrets import Secrets


def secrets() -> Secrets:
    """Holds nothing yet."""
    return Secrets(Providers())

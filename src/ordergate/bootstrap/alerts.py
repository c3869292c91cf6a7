"""Where alerts go beside the log of a gate."""

from ordergate.adapters.outlets import Webhook
from ordergate.application.naming import Naming
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import Journal
from ordergate.application.secrets import Secrets
from ordergate.config import Config
from ordergate.config.secrets import LEAST_SIGNING, place_of


def webhook_of(config: Config, secrets: Secrets, journal: Journal, clock: Clock) -> Webhook | None:
    """The webhook of a journal's alerts; None where none is configured.

    Raises:
        SecretError: there is a webhook, and no secret to sign with.
    """
    section = config.alerts
    place = place_of(section, "secret", "alerts", LEAST_SIGNING)
    if section.webhook is None or place is None:
        return None
    return Webhook(section.webhook, secrets.hold(place), Naming(journal, config.audit.origin), clock)

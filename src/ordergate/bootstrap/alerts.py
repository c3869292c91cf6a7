"""The webhook of alerts: where it is configured, and where it is moved to while the gate runs."""

from collections.abc import Awaitable, Callable

from ordergate.adapters.outlets import Target, Webhook
from ordergate.application.naming import Naming
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Place
from ordergate.application.secrets import Secrets
from ordergate.config.alerts import AlertsSection
from ordergate.config.secrets import LEAST_SIGNING, place_of


def place_in(section: AlertsSection) -> Place | None:
    """Where the secret is that signs alerts; None where none is named."""
    return place_of(section, "secret", "alerts", LEAST_SIGNING)


async def target_of(section: AlertsSection, secrets: Secrets) -> Target | None:
    """Where alerts go, with the secret that signs them; None is nowhere.

    Raises:
        SecretError: there is no secret.
    """
    place = place_in(section)
    if section.webhook is None or place is None:
        return None
    await secrets.load([place])
    return Target(section.webhook, secrets.hold(place))


class Alerts:
    """Of one gate.

    Args:
        feed: feeds an outlet what happens from then on.
        naming: of the gate's journal.
    """

    def __init__(self, feed: Callable[[Webhook], Awaitable[None]], naming: Naming, clock: Clock) -> None:
        self._feed, self._naming, self._clock = feed, naming, clock
        self._webhook: Webhook | None = None
        self._follows = False

    def turn(self, target: Target | None) -> None:
        """From now on alerts go there, once `follow` was called; nothing is kept for a time without a webhook."""
        if self._webhook is not None:
            self._webhook.turn(target)
        elif target is not None:
            self._webhook = Webhook(target, self._naming, self._clock)

    async def follow(self) -> None:
        """Feeds the webhook from where it was left, from the first time on that there is one.

        Raises:
            StoreError: that cannot be read.
        """
        if self._webhook is not None and not self._follows:
            await self._feed(self._webhook)
            self._follows = True

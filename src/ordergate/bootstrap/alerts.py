"""The webhook of alerts: where it is configured, and where it is moved to while the gate runs."""

from typing import TYPE_CHECKING

from ordergate.adapters.outlets import Target, Webhook, read_secret
from ordergate.application.naming import Naming
from ordergate.config.alerts import AlertsSection

if TYPE_CHECKING:
    from ordergate.bootstrap.gate import Gate


def target_of(section: AlertsSection) -> Target | None:
    """Where alerts go, with the secret that signs them; None is nowhere.

    Raises:
        SecretError: there is no secret.
    """
    if section.webhook is None:
        return None
    return Target(section.webhook, read_secret(section.secret_env, section.secret_file))


class Alerts:
    """Of one gate."""

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate
        self._webhook: Webhook | None = None
        self._follows = False

    def turn(self, target: Target | None) -> None:
        """From now on alerts go there, once `follow` was called; nothing is kept for a time without a webhook."""
        if self._webhook is not None:
            self._webhook.turn(target)
        elif target is not None:
            gate = self._gate
            self._webhook = Webhook(target, Naming(gate.journal, gate.config.audit.origin), gate.clock)

    async def follow(self) -> None:
        """Feeds the webhook from where it was left, from the first time on that there is one.

        Raises:
            StoreError: that cannot be read.
        """
        if self._webhook is not None and not self._follows:
            await self._gate.follow(self._webhook, from_its_start=False)
            self._follows = True

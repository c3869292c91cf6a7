"""Alerts by HTTP: one signed POST for each, at least once, in order.

The header `X-Ordergate-Signature: t=SECONDS,v1=HEX` has the time of sending and the HMAC-SHA256, under the shared
secret, of that time, a full stop and the body as it came. A receiver compares it in constant time, refuses an old time,
and counts by the body's `log`, `journal` and `id`: what was not answered with 2xx comes again.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from ordergate.application.alerting import Alert, alert_of
from ordergate.application.entry import Entry
from ordergate.application.naming import Naming
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Held, Secret
from ordergate.domain.errors import OrdergateError

if TYPE_CHECKING:
    import httpx2

SIGNATURE: Final = "X-Ordergate-Signature"
ANSWER_S: Final = 3.0
"""How long one delivery may take altogether."""
_ENCODE: Final = msgspec.json.Encoder().encode


class WebhookError(OrdergateError):
    """A delivery was not taken."""


def signature(secret: Secret, at_s: int, body: bytes) -> str:
    """The value of the header.

    Args:
        at_s: when it is sent, in seconds since 1970 UTC.
    """
    digest = hmac.new(secret.reveal().encode(), f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"


class Target(NamedTuple):
    """Where alerts are posted, and what signs them."""

    url: str
    secret: Held


class Webhook:
    """An outlet that posts alerts to a URL.

    Args:
        target: None posts nothing: what happens meanwhile is nobody's news later.
        naming: of the journal.
    """

    def __init__(self, target: Target | None, naming: Naming, clock: Clock) -> None:
        self._target, self._naming, self._clock = target, naming, clock
        self._taken = -1

    @property
    def name(self) -> str:
        """Of its cursor."""
        return "alerts"

    def turn(self, target: Target | None) -> None:
        """What is posted from now on goes there."""
        self._target = target

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Posts what is worth an alert; what this process has seen taken is not posted again.

        Raises:
            WebhookError: one was not taken, or not in time; it and those behind it come again.
            StoreError: the journal cannot be read.
        """
        if self._target is None:
            return
        name = await self._naming.name()
        alerts = [alert for entry in entries if (alert := alert_of(entry, name)) is not None]
        new = [alert for alert in alerts if alert.id > self._taken]
        if not new:
            return
        import httpx2  # only here: most gates never need it

        # Redirects are not followed and proxies of the environment not asked: it goes where it was configured to go.
        timeout = httpx2.Timeout(ANSWER_S)
        async with httpx2.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False) as client:
            for alert in new:
                await self._post(client, self._target, alert)
                self._taken = alert.id

    async def _post(self, client: "httpx2.AsyncClient", target: Target, alert: Alert) -> None:
        import httpx2

        body = _ENCODE(alert)
        headers = self._headers(target, body)
        try:
            async with (
                asyncio.timeout(ANSWER_S),
                client.stream("POST", target.url, content=body, headers=headers) as reply,
            ):
                status = reply.status_code
        except TimeoutError:
            raise WebhookError(f"alert {alert.id} was not answered within {ANSWER_S:.0f} s") from None
        except httpx2.HTTPError as error:
            raise WebhookError(f"alert {alert.id} was not taken: {type(error).__name__}: {error}") from None
        if not 200 <= status < 300:
            raise WebhookError(f"alert {alert.id} was answered with {status}: 2xx takes it")

    def _headers(self, target: Target, body: bytes) -> Mapping[str, str]:
        at_s = int(self._clock.now().timestamp())
        return {"Content-Type": "application/json", SIGNATURE: signature(target.secret(), at_s, body)}

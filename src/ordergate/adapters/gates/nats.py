"""A gate behind NATS: a question goes out as JSON, a verdict comes back.

A verdict is `{"approved": true|false, "reason": "..."}`; what else a risk service says beside it (`position_size`,
`checks`, ...) is left alone. What is no such object, and silence, is no answer.
"""

from typing import Any, Final

import msgspec

from ordergate.adapters.gates import Connected
from ordergate.adapters.nats.connection import Connection, NatsError
from ordergate.application.ports.gates import GateQuestion, Verdict

_ENCODE: Final = msgspec.json.Encoder(decimal_format="string").encode
_FOREVER_S: Final = 3_600.0
"""Who asks the gate stops waiting at its own time."""


class NatsGate(Connected):
    """Asks a risk service by request and reply.

    Args:
        subject: that the service listens on.
        timeout_s: how long it has.
    """

    def __init__(
        self, name: str, subject: str, connection: Connection, timeout_s: float = _FOREVER_S
    ) -> None:
        self._name, self._subject, self._connection = name, subject, connection
        self.timeout_s = timeout_s

    @property
    def name(self) -> str:
        """As limits name it."""
        return self._name

    async def check(self, question: GateQuestion) -> Verdict:
        """What the service says.

        Raises:
            NatsError: it says nothing, or nothing that can be understood.
        """
        client = await self._connection.client()
        try:
            reply = await client.request(self._subject, _ENCODE(question), timeout=self.timeout_s)
        except Exception as error:  # the library raises many kinds
            why = str(error) or type(error).__name__
            raise NatsError(f"no answer on {self._subject}: {why}") from error
        return verdict_of(reply.data)

    async def close(self) -> None:
        """Asks no more."""
        await self._connection.close()


def verdict_of(data: bytes) -> Verdict:
    """The verdict in an answer.

    Raises:
        NatsError: there is none.
    """
    try:
        said: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NatsError(f"the answer is not JSON: {error}") from None
    approved = said.get("approved") if isinstance(said, dict) else None
    if not isinstance(approved, bool):
        raise NatsError('the answer has no "approved" that is true or false')
    reason = said.get("reason")
    return Verdict(approved, None if reason is None else str(reason))

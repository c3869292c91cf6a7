"""Calls to a connector: what was never sent is told from what nobody has answered."""

from typing import Any, Final, TypeVar

import msgspec

from ordergate.adapters.brokers.bus.settings import PUBLISHED
from ordergate.adapters.brokers.bus.wire import AS_NUMBERS, AS_TEXT
from ordergate.adapters.nats.connection import Connection, NatsError
from ordergate.adapters.nats.streams import DAY_S, find_or_make

T = TypeVar("T")
ORDERS: Final = "ORDERGATE_ORDERS"
_KEPT_S: Final = DAY_S


class NotAsked(Exception):
    """Nothing has left."""


class NotAnswered(Exception):
    """It may have been done."""


class Call:
    """Asks a connector over one connection."""

    def __init__(self, connection: Connection, deadline_s: float) -> None:
        self._connection, self._deadline_s = connection, deadline_s

    async def ask(self, subject: str, question: Any, kind: type[T]) -> tuple[str, T]:
        """The answer as it came, and what it says.

        Raises:
            NotAsked: nobody can have got the question.
            NotAnswered: there is no answer, or none that can be read.
        """
        body = AS_TEXT(question)
        try:
            client = await self._connection.client()
        except NatsError as error:
            raise NotAsked(str(error)) from error
        from nats.errors import MaxPayloadError, NoRespondersError, OutboundBufferLimitError

        try:
            reply = await client.request(subject, body, timeout=self._deadline_s)
        except NoRespondersError as error:
            raise NotAsked(f"nobody listens on {subject}") from error
        except (OutboundBufferLimitError, MaxPayloadError) as error:
            raise NotAsked(f"it could not be sent: {str(error) or type(error).__name__}") from error
        except Exception as error:  # the library raises many kinds
            raise NotAnswered(f"no answer on {subject}: {str(error) or type(error).__name__}") from error
        try:
            text = reply.data.decode()
            return text, msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotAnswered(f"the answer on {subject} cannot be read: {error}") from None

    async def put(self, subject: str, order: Any, message_id: str) -> bool:
        """Puts an order into the stream of published orders; whether it was there already.

        Raises:
            NotAsked, NotAnswered: as `ask`.
        """
        body = AS_NUMBERS(order)
        try:
            stream = await self._connection.stream()
            await find_or_make(stream, ORDERS, (f"{PUBLISHED}.*",), max_age_s=_KEPT_S)
        except NatsError as error:
            raise NotAsked(str(error)) from error
        from nats.errors import MaxPayloadError, OutboundBufferLimitError
        from nats.js.errors import NoStreamResponseError

        try:
            taken = await stream.publish(
                subject, body, timeout=self._deadline_s, headers={"Nats-Msg-Id": message_id}
            )
        except (NoStreamResponseError, OutboundBufferLimitError, MaxPayloadError) as error:
            raise NotAsked(f"it could not be sent: {str(error) or type(error).__name__}") from error
        except Exception as error:  # the library raises many kinds
            raise NotAnswered(f"no answer on {subject}: {str(error) or type(error).__name__}") from error
        return bool(taken.duplicate)

"""A line to the door of a served database: one request and its answer, bounded in size and time.

Nothing is sent twice: there is no retry, no redirect is followed, and no proxy of the environment is asked.
"""

import asyncio
import re
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from msgspec import Struct

from ordergate.adapters.journals.door import DoorFile

if TYPE_CHECKING:
    import httpx2

_LOOPBACK: Final = re.compile(r"http://(127(\.\d{1,3}){3}|\[::1\]):\d{1,5}")
_CONNECT_S: Final = 5.0
LARGEST: Final = 1_048_576


class NotReached(Exception):
    """Nothing was sent: nobody listens there."""


class BrokenOff(Exception):
    """Something may have been sent, but no whole answer came back."""


class Answer(Struct, frozen=True):
    """What came back.

    Attributes:
        document: the body read as JSON; None where it is none.
        replayed: the door says that the same request came before.
    """

    status: int
    document: Any
    replayed: bool


class Line:
    """A connection to a door, for as long as it is entered.

    Args:
        principal: as whom the door shall know us.
    """

    def __init__(self, door: DoorFile, principal: str) -> None:
        self.door, self._principal = door, principal
        self._client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        import httpx2  # only here: most commands never need it

        self._client = httpx2.AsyncClient(
            headers={"X-Ordergate-Principal": self._principal, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(None, connect=_CONNECT_S),  # `ask` bounds the whole
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=1),
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        within_s: float,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Sends one request and reads its answer.

        Args:
            path: percent-encoded.
            body: JSON.

        Raises:
            NotReached: nobody listens at the door's address, or it is none of this machine.
            BrokenOff: the connection ended, or it took too long, or the answer is too large.
        """
        import httpx2

        if self._client is None or not _LOOPBACK.fullmatch(self.door.url):
            raise NotReached(f"{self.door.url!r} is no address of this machine")
        sent = {"Content-Type": "application/json", **(headers or {})}
        try:
            async with asyncio.timeout(within_s):
                async with self._client.stream(
                    method, self.door.url + path, content=body, headers=sent
                ) as reply:
                    content = await _read(reply)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise NotReached("nobody answers there") from error
        except TimeoutError as error:
            raise BrokenOff(f"there was no answer within {within_s:g} seconds") from error
        except httpx2.HTTPError as error:
            raise BrokenOff("the connection broke off") from error
        return Answer(reply.status_code, _json(content), reply.headers.get("idempotent-replayed") == "true")


async def _read(reply: "httpx2.Response") -> bytes:
    content = bytearray()
    async for part in reply.aiter_raw():
        content += part
        if len(content) > LARGEST:
            raise BrokenOff(f"the answer is larger than {LARGEST} bytes")
    return bytes(content)


def _json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def encoded(name: str) -> str:
    """A name as one segment of a path; every byte of it, since `..` means something else there."""
    return "".join(f"%{byte:02X}" for byte in name.encode())

"""A hub over HTTP: a service's configuration, and the register of services.

    GET    /api/v1/config/SERVICE          {"config": an object or its JSON as text, "version", "updated_at"}
    POST   /api/discovery/register         name, host, port, protocol, health_endpoint, version, metadata
    POST   /api/discovery/heartbeat        service_name, status, timestamp, metrics
    DELETE /api/discovery/SERVICE

A hub that does not know the service answers a heartbeat with 404.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from ordergate.adapters.config.answers import LARGEST, Answer, HubError, read_answer
from ordergate.application import tallying

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
ANSWER_S: Final = 10.0
"""How long one answer may take altogether."""
_MISSING, _TOO_MANY, _OF_THE_SERVER = 404, 429, 500
_log = structlog.get_logger("ordergate.hub")


class Hub:
    """A hub, and one service that it knows.

    Args:
        url: such as http://hub.example:7000, without a user or password.
        service: its name there.
        transport: of httpx2; None takes the network.
    """

    def __init__(self, url: str, service: str, transport: "httpx2.AsyncBaseTransport | None" = None) -> None:
        self.url, self.service, self._transport = url.rstrip("/"), service, transport

    async def config(self) -> Answer:
        """The service's configuration, as it is there now.

        Raises:
            HubError: there is none, or no usable one.
        """
        path = f"/api/v1/config/{self.service}"
        return read_answer(await self._asked("GET", path), f"{self.url}{path}")

    async def register(self, registration: Mapping[str, Any]) -> None:
        """Makes the service known. Raises HubError where the hub does not take it."""
        await self._asked("POST", "/api/discovery/register", registration)

    async def heartbeat(self, sign: Mapping[str, Any]) -> None:
        """Says that it is alive. Raises HubError; with outcome `missing` where the hub does not know it (any more)."""
        await self._asked("POST", "/api/discovery/heartbeat", sign)

    async def deregister(self) -> None:
        """Makes it unknown. Raises HubError, also where it was not known."""
        await self._asked("DELETE", f"/api/discovery/{self.service}")

    async def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        import httpx2  # only here: most gates never need it

        where = f"{method} {self.url}{path}"
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._answered(method, path, body)
        except TimeoutError:
            raise HubError("slow", f"{where}: not answered within {ANSWER_S:.0f} s", again=True) from None
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            said = str(error) or type(error).__name__
            raise HubError("away", f"{where}: {said}", again=True) from None

    async def _answered(self, method: str, path: str, body: Mapping[str, Any] | None) -> bytes:
        import httpx2

        where, found = f"{method} {self.url}{path}", bytearray()
        # Redirects are not followed and proxies of the environment not asked: it goes where it was configured to go.
        async with (
            httpx2.AsyncClient(
                transport=self._transport,
                timeout=ANSWER_S,
                follow_redirects=False,
                trust_env=False,
                verify=self.url.startswith("https"),
            ) as client,
            client.stream(
                method, f"{self.url}{path}", json=body, headers={"Accept-Encoding": "identity"}
            ) as reply,
        ):
            _check_status(reply.status_code, where)
            async for part in reply.aiter_bytes():
                found += part
                if len(found) > LARGEST:
                    raise HubError(
                        "large", f"{where}: more than {LARGEST:,} bytes, which no configuration has"
                    )
        return bytes(found)


def _check_status(status: int, where: str) -> None:
    if status == _MISSING:
        raise HubError("missing", f"{where}: 404, there is nothing of that name")
    if not 200 <= status < 300:
        again = status >= _OF_THE_SERVER or status == _TOO_MANY
        raise HubError("status", f"{where}: answered with {status}: 200 is right", again=again)


async def asked(what: str, ask: Callable[[], Awaitable[T]]) -> T:
    """Asks, and counts what came of it. Raises as `ask`."""
    try:
        found = await ask()
    except HubError as error:
        tallying.hub[what, error.outcome] += 1
        raise
    tallying.hub[what, "ok"] += 1
    return found


async def asked_again(
    what: str,
    ask: Callable[[], Awaitable[T]],
    sleep: Callable[[float], Awaitable[None]],
    times: int = 3,
    first_pause_s: float = 1.0,
) -> T:
    """Asks up to so many times, with pauses that double, while another answer may come.

    Raises:
        HubError: the last one.
    """
    for attempt in range(times - 1):
        try:
            return await asked(what, ask)
        except HubError as error:
            if not error.again:
                raise
            pause_s = first_pause_s * 2**attempt
            _log.warning("the hub is asked again", why=str(error), in_s=pause_s)
            await sleep(pause_s)
    return await asked(what, ask)

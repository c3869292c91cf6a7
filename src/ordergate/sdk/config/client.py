"""A service's operational settings: from its hub, as changed since, else the last ones, else what is safe."""

import asyncio
import inspect
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.config.answers import Answer, HubError, plain, read_answer
from ordergate.adapters.config.http import Hub, asked_again
from ordergate.adapters.config.updates import follow
from ordergate.adapters.nats import Connection
from ordergate.adapters.nats.connection import check_library
from ordergate.application.ports.clock import Clock
from ordergate.config import ConfigError
from ordergate.config.hub import check_hub_url, check_service
from ordergate.config.nats import check_server
from ordergate.config.operational import SERVICE, merged, settings_of

if TYPE_CHECKING:
    import httpx2

HUB_VARIABLE: Final = "CENTRAL_HUB_URL"
_PAUSE_S: Final = 30
"""After a hub has failed, it is not asked again for so long, or for as long as an answer counts, if that is less."""
_log = structlog.get_logger("ordergate.sdk.config")


class ConfigClient:
    """Reads a service's operational settings from its hub, and keeps them.

    What the hub leaves out, `safe_defaults` say; of the service `execution`, ordergate's defaults say the rest, and
    every key is checked: what has a wrong one is not taken, and what was there before stays.

    Args:
        service_name: letters, digits, '_' and '-'; its name at the hub.
        central_hub_url: such as http://hub.example:7000. None takes the variable CENTRAL_HUB_URL of the environment,
            and asks no hub where that is not set either.
        cache_ttl_seconds: for how long an answer counts before the hub is asked again.
        enable_nats_updates: whether changes are heard on `config.update.SERVICE_NAME`.
        nats_url: of the server, or several with commas between; needed for that.
        safe_defaults: JSON's types; what counts while the hub has said nothing.
        max_retries: how often the hub is asked before it counts as away, at least once.
        retry_delay_seconds: before it is asked the second time; each further pause is twice as long.
        clock, transport: for tests; None takes the machine's clock and the network.

    Attributes:
        counts: what came of asking the hub and of updates: ok, away, slow, status, missing, large, unreadable,
            refused, older, and callback for callbacks that failed.

    Raises:
        ConfigError: an argument cannot be used, or a key of `safe_defaults`, which is named.
        NatsError: updates are to be heard, and nats-py is not installed.
    """

    def __init__(
        self,
        service_name: str,
        central_hub_url: str | None = None,
        cache_ttl_seconds: float = 300,
        enable_nats_updates: bool = False,
        nats_url: str | None = None,
        safe_defaults: Mapping[str, Any] | None = None,
        max_retries: int = 3,
        retry_delay_seconds: float = 1.0,
        *,
        clock: Clock | None = None,
        transport: "httpx2.AsyncBaseTransport | None" = None,
    ) -> None:
        url = central_hub_url or os.environ.get(HUB_VARIABLE) or None
        check_service(service_name, "service_name")
        if url is not None:
            check_hub_url(url, "central_hub_url" if central_hub_url else HUB_VARIABLE)
        _check(cache_ttl_seconds, max_retries, retry_delay_seconds)
        if enable_nats_updates and not nats_url:
            raise ConfigError("nats_url: is missing: enable_nats_updates needs such as nats://127.0.0.1:4222")
        servers = tuple(str(nats_url).split(",")) if enable_nats_updates else ()
        for server in servers:
            check_server(server, "nats_url")
        if servers:
            check_library()
        self.service_name = service_name
        self._hub = None if url is None else Hub(url, service_name, transport)
        self._ttl, self._tries, self._pause_s = cache_ttl_seconds, max_retries, retry_delay_seconds
        self._updates = Connection(servers) if servers else None
        self._clock = clock or SystemClock()
        self._safe = _safe(safe_defaults)
        try:
            self._config = self._whole({})
        except ConfigError as error:
            raise ConfigError(f"safe_defaults: {error}") from None
        self._newest: Answer | None = None
        self._ask_again: datetime | None = None
        self._callbacks: list[Callable[[dict[str, Any]], Any]] = []
        self._turn = asyncio.Lock()
        self._following: asyncio.Task[None] | None = None
        self.counts: Counter[str] = Counter()

    async def init_async(self) -> None:
        """Asks the hub, and begins to hear updates where that is wanted. A hub or server that is away is no error."""
        await self.get_config()
        if self._updates is not None and self._following is None:
            self._following = asyncio.get_running_loop().create_task(
                follow(self._updates, self.service_name, self._updated)
            )

    async def get_config(self, force_refresh: bool = False) -> dict[str, Any]:
        """The settings, as a copy: of the hub while its last answer counts, else as it answers now.

        While it does not answer usably: what it said last, however long ago, else what is safe.

        Args:
            force_refresh: asks the hub even so.
        """
        changed = False
        if self._hub is not None:
            async with self._turn:
                now = self._clock.now()
                if force_refresh or self._ask_again is None or now >= self._ask_again:
                    changed = await self._refresh(self._hub)
        if changed:  # told without the turn: a callback may ask for the settings itself
            await self._tell()
        return plain(self._config)  # type: ignore[no-any-return]

    def get_value(self, path: str, default: Any = None) -> Any:
        """One setting as it is now, without asking anybody.

        Args:
            path: the keys on the way to it, with full stops between, such as operational.idempotency.enabled.
            default: what is given where there is no such setting.
        """
        found: Any = self._config
        for name in path.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return default
            found = found[name]
        return plain(found)

    def on_config_update(self, callback: Callable[[dict[str, Any]], Any]) -> None:
        """Has a function, or a coroutine function, called with the settings whenever they have changed.

        One that fails is logged and counted; the others are called all the same.
        """
        self._callbacks.append(callback)

    async def close(self) -> None:
        """Hears no more updates."""
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        if self._updates is not None:
            await self._updates.close()

    async def shutdown(self) -> None:
        """The same as `close`."""
        await self.close()

    async def _refresh(self, hub: Hub) -> bool:
        counts_s, changed = self._ttl, False
        try:
            answer = await asked_again("config", hub.config, self._clock.sleep, self._tries, self._pause_s)
            changed = self._take(answer, f"{hub.url}: version {answer.version}")
            self.counts["ok"] += 1
        except HubError as error:
            counts_s = min(self._ttl, _PAUSE_S)
            self.counts[error.outcome] += 1
            stays = "what is safe" if self._newest is None else f"version {self._newest.version}"
            _log.warning(
                "the hub gives no settings", service=self.service_name, why=str(error), in_force=stays
            )
        self._ask_again = self._clock.now() + timedelta(seconds=counts_s)
        return changed

    async def _updated(self, data: bytes) -> None:
        try:
            answer = read_answer(data, "an update")
            changed = self._take(answer, f"an update: version {answer.version}")
        except HubError as error:
            self.counts[error.outcome] += 1
            raise
        self.counts["ok"] += 1
        self._ask_again = self._clock.now() + timedelta(seconds=self._ttl)
        if changed:
            await self._tell()

    def _take(self, answer: Answer, where: str) -> bool:
        """Puts it in force; whether the settings are others than before. Raises HubError where it cannot be."""
        if self._newest is not None and answer.is_older_than(self._newest):
            raise HubError("older", f"{where} is older than {self._newest.version}, which came before")
        try:
            config = self._whole(answer.config)
        except ConfigError as error:
            raise HubError("refused", f"{where}: {error}") from error
        changed, self._config, self._newest = config != self._config, config, answer
        return changed

    def _whole(self, said: Mapping[str, Any]) -> dict[str, Any]:
        layers = plain(said), self._safe
        return settings_of(*layers) if self.service_name == SERVICE else merged(*layers)

    async def _tell(self) -> None:
        for callback in list(self._callbacks):
            try:
                came = callback(plain(self._config))
                if inspect.isawaitable(came):
                    await came
            except Exception as error:  # somebody's code
                self.counts["callback"] += 1
                _log.warning(
                    "a callback of new settings failed", service=self.service_name, error=repr(error)
                )


def _safe(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(given, Mapping | None):
        raise ConfigError(f"safe_defaults: expected a mapping, got {type(given).__name__}")
    return plain(given or {})  # type: ignore[no-any-return]


def _check(ttl_s: object, tries: object, pause_s: object) -> None:
    for name, number in (("cache_ttl_seconds", ttl_s), ("retry_delay_seconds", pause_s)):
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 86_400:
            raise ConfigError(f"{name}: {number!r} must be a number of seconds from 0 to 86,400")
    if isinstance(tries, bool) or not isinstance(tries, int) or not 1 <= tries <= 100:
        raise ConfigError(f"max_retries: {tries!r} must be a whole number from 1 to 100")

"""Terminals of MetaTrader 5: on this machine, in a process of their own, or elsewhere, through an agent.

What a terminal on this machine was given stands in a file beside the database; an agent has its own.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ordergate.adapters.brokers.mt5.agent.link import Login
from ordergate.adapters.brokers.mt5.agent.local import LocalTerminal
from ordergate.adapters.brokers.mt5.agent.port import LOOKS_ON, Refused, Terminal
from ordergate.adapters.brokers.mt5.agent.remote import RemoteTerminal
from ordergate.adapters.brokers.mt5.settings import Mt5Settings
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Secret
from ordergate.config import ConfigError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPARE_S: Final = 2.0
"""What the way to an agent may take beyond a call."""


def terminals_of(
    broker: str, settings: Mt5Settings, place: Path | None, secrets: Mapping[str, Secret], clock: Clock
) -> Callable[[bool], Terminal]:
    """Makes the terminal of a session, or one that looks on beside it; that raises Refused where a key is none.

    Args:
        place: the broker's file beside the database; None where that is in memory.
        clock: whose time numbers sessions, so that a later one ends those before it.

    Raises:
        ConfigError: the journal of a terminal on this machine has no place.
    """
    if settings.agent is not None:
        return lambda looks_on: _remote(settings, secrets, LOOKS_ON if looks_on else _number(clock))
    if place is None:
        raise ConfigError(
            f"brokers.{broker}: what the terminal was given is kept beside the database, and that is in memory: give "
            "the database a file"
        )
    journal, deadline_s = place.with_name(f"{place.name}.commands"), settings.deadline_ms / 1000

    def local(looks_on: bool) -> Terminal:
        login = _login(settings, secrets)
        return (
            _Onlooker(login, deadline_s) if looks_on else LocalTerminal(login, journal, deadline_s=deadline_s)
        )

    return local


class _Onlooker(LocalTerminal):
    """Asks the same terminal beside who has the session, who alone holds the journal of commands."""

    def __init__(self, login: Login, deadline_s: float) -> None:
        self._folder = TemporaryDirectory(prefix="ordergate-mt5-", ignore_cleanup_errors=True)
        super().__init__(login, Path(self._folder.name, "commands"), deadline_s=deadline_s)

    async def close(self) -> None:
        """Ends it, and takes its empty journal away."""
        await super().close()
        self._folder.cleanup()


def _number(clock: Clock) -> int:
    return (clock.now() - _EPOCH) // timedelta(microseconds=1) * 1_000


def _remote(settings: Mt5Settings, secrets: Mapping[str, Secret], epoch: int) -> Terminal:
    """Raises Refused where nobody could be spoken with like that."""
    host, port = settings.address
    try:
        return RemoteTerminal(
            host,
            port,
            secrets["agent_key"].reveal(),
            epoch,
            authority=None if settings.agent_ca is None else Path(settings.agent_ca),
            deadline_s=settings.deadline_ms / 1000 + _SPARE_S,
        )
    except ValueError as error:
        raise Refused(f"agent_key: {error}") from error
    except OSError as error:
        raise Refused(f"agent_ca: {settings.agent_ca} cannot be read: {error}") from error


def _login(settings: Mt5Settings, secrets: Mapping[str, Secret]) -> Login:
    return Login(
        path=settings.terminal_path,
        login=settings.login,
        password=secrets["password"].reveal() if "password" in secrets else None,
        server=settings.server,
    )

"""Sessions at brokers, and their logins: those that were refused are tried again with new secrets, or when asked to."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

import structlog

from ordergate import __version__
from ordergate.application.health import BrokersHealth
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import RowReader
from ordergate.application.runner import Runner
from ordergate.application.secrets import Secrets
from ordergate.application.session import BrokerSession
from ordergate.bootstrap.in_force import InForce
from ordergate.config.brokers import adapter_of
from ordergate.config.reconciliation import account_terms_of
from ordergate.domain.errors import Code, Conflict, NotFound, StoreError, quoted

_PAUSE_S: Final = 1.0
"""Between a secret's rotation and the try: a login often has two, which are rotated together."""
_log = structlog.get_logger("ordergate.logins")


def session_at(
    in_force: InForce,
    runner: Runner,
    clock: Clock,
    node: str | None,
    health: BrokersHealth,
    reader: RowReader,
    broker: Broker,
) -> BrokerSession:
    """A session at a broker, not begun."""
    config = in_force.config
    section = config.brokers.get(broker.name)
    return BrokerSession(
        broker,
        runner,
        clock,
        __version__,
        node,
        health.watch(broker, adapter_of(section)),
        (reader, account_terms_of(config.reconciliation, broker.name)),
        getattr(section, "max_calls_per_s", None),
    )


class Logins:
    """Of the sessions of one gate, which may become more; listens to its secrets."""

    def __init__(self, sessions: Sequence[BrokerSession], secrets: Secrets, clock: Clock) -> None:
        self._sessions, self._clock = sessions, clock
        self._tries: dict[str, asyncio.Task[None]] = {}
        self._newer: set[str] = set()
        secrets.on_change(self._rotated)

    def _rotated(self, setting: str) -> None:
        for session in self._sessions:
            name = session.broker
            if not setting.startswith(f"brokers.{name}."):
                continue
            if name in self._tries:
                self._newer.add(name)
            elif session.is_refused:
                task = self._tries[name] = asyncio.get_running_loop().create_task(self._try(session))
                task.add_done_callback(partial(self._tried, name))

    def _tried(self, broker: str, _done: asyncio.Task[None]) -> None:
        self._tries.pop(broker, None)

    async def _try(self, session: BrokerSession) -> None:
        """Again, where newer secrets come while one is under way, which may have read the older."""
        while True:
            await self._clock.sleep(_PAUSE_S)
            self._newer.discard(session.broker)
            await self._try_once(session)
            if session.broker not in self._newer or not session.is_refused:
                return

    async def _try_once(self, session: BrokerSession) -> None:
        _log.info("a login is tried with new secrets", broker=session.broker)
        try:
            await session.reconnect()
        except StoreError as error:
            _log.warning("a login could not be tried", broker=session.broker, error=str(error))

    async def reconnect(self, broker: str) -> None:
        """Tries a login again that was refused.

        Raises:
            NotFound: there is no broker of that name.
            Conflict: its login was not refused here.
            StoreError: the broker cannot be reached, or the store cannot be used.
        """
        session = next((one for one in self._sessions if one.broker == broker), None)
        if session is None:
            known = ", ".join(sorted(one.broker for one in self._sessions))
            raise NotFound(
                Code.UNKNOWN_BROKER, f"{quoted(broker)} is no broker; there are {known}", "#/broker"
            )
        if not session.is_refused:
            detail = f"{broker} has not refused a login of this node's: there is nothing to try again"
            raise Conflict(Code.NOT_REFUSED, detail, "#/broker")
        await session.reconnect()

    async def close(self) -> None:
        """Tries no more."""
        tries = list(self._tries.values())
        for task in tries:
            task.cancel()
        await asyncio.gather(*tries, return_exceptions=True)

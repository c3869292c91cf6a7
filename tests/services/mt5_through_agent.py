"""The MetaTrader 5 adapter, an agent of its own over TCP, its worker process, and the simulated terminal behind a socket.

All but the worker live in the test's process; time is the machine's.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import Mt5Broker, Mt5Settings
from ordergate.adapters.brokers.mt5.agent.link import Login
from ordergate.adapters.brokers.mt5.agent.local import LocalTerminal
from ordergate.adapters.brokers.mt5.agent.server import AgentServer
from ordergate.adapters.brokers.mt5.broker import SETTLE_S
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.secrets import Secret
from ordergate.bootstrap.metatrader import terminals_of
from ordergate.domain.instruments import built_in
from ordergate.testing.conformance.counterpart import Fault
from ordergate.testing.metatrader5 import serving
from ordergate.testing.metatrader5.pipe import VARIABLE
from tests.services.mt5 import LOGIN, NETTING, SETTINGS, Machine, TerminalCounterpart

MODULE = "ordergate.testing.metatrader5.package"
KEY = "the key that agent and service share"
DEADLINE_S = 0.5


class Now(SystemClock):
    """The machine's clock, which can jump."""

    shift = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift


@contextmanager
def leading_to(port: int) -> Iterator[None]:
    """Workers that start meanwhile find the terminal there."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(port)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def broker_through(
    port: int,
    clock: Now,
    key: str = KEY,
    kind: type[Mt5Broker] = Mt5Broker,
    settings: Mt5Settings = SETTINGS,
    settle_s: float = SETTLE_S,
) -> Mt5Broker:
    own = replace(settings, agent=f"127.0.0.1:{port}", deadline_ms=2_000, poll_ms=20)
    make = terminals_of("mt5", own, None, {"agent_key": Secret(key)}, clock)
    return kind("mt5", own, make, built_in, clock, settle_s)


class AgentCounterpart(TerminalCounterpart):
    def __init__(self, machine: Machine, port: int, kind: type[Mt5Broker] = Mt5Broker) -> None:
        super().__init__(machine, kind)
        self.port, self.key = port, KEY
        self.broker = self._broker()

    def _broker(self) -> Mt5Broker:
        clock: Any = self.machine.clock
        return broker_through(self.port, clock, self.key, self.kind, settle_s=0)

    def inject(self, *faults: Fault) -> None:
        self.key = f"another key{KEY}" if Fault.REFUSE_LOGIN in faults else KEY
        super().inject(*(fault for fault in faults if fault is not Fault.REFUSE_LOGIN))
        if Fault.INCOMPLETE_SNAPSHOT in faults:
            self.machine.steering.inject("fail", -1, calls=["orders_get", "positions_get"])

    async def reopen(self) -> None:
        await self.broker.close()
        self.broker = self._broker()


@asynccontextmanager
async def agent_at(port: int, folder: Path) -> AsyncIterator[AgentServer]:
    """An agent of the terminal at that port."""
    login = Login(login=LOGIN, password="secret")
    with leading_to(port):
        local = LocalTerminal(login, folder / "commands.db", module=MODULE, deadline_s=DEADLINE_S)
        agent = AgentServer(local, KEY)
        await agent.start("127.0.0.1", 0)
        try:
            yield agent
        finally:
            await agent.close()


@asynccontextmanager
async def counterpart_through_agent(
    mode: int = NETTING, kind: type[Mt5Broker] = Mt5Broker
) -> AsyncIterator[AgentCounterpart]:
    clock: Any = Now()
    machine = Machine(mode, clock=clock)
    with TemporaryDirectory(prefix="ordergate-mt5-") as folder:
        async with serving(machine.terminal) as port, agent_at(port, Path(folder)) as agent:
            found = AgentCounterpart(machine, agent.port, kind)
            try:
                yield found
            finally:
                await found.broker.close()

"""What a MetaTrader 5 broker says of itself when it is asked, and when it cannot be: what is wrong, and what would be right."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordergate.adapters.brokers.mt5 import Mt5Broker, Mt5Settings
from ordergate.adapters.clock import SystemClock, run_virtual
from ordergate.application.ports.brokers import LoginRefused
from ordergate.application.ports.secrets import Secret
from ordergate.bootstrap.metatrader import terminals_of
from ordergate.domain.errors import StoreError
from ordergate.domain.instruments import built_in
from ordergate.testing.conformance.counterpart import Recorder
from ordergate.testing.metatrader5 import Fault
from tests.services.mt5 import SETTINGS, Machine, broker_at
from tests.services.mt5_through_agent import KEY

ELSEWHERE = replace(SETTINGS, agent="127.0.0.1:9")
WRONG_NAME = "the terminal has no EURUSD.x: write its own name of it: it has EURUSD.r"


def through(settings: Mt5Settings, key: str = KEY) -> Mt5Broker:
    clock = SystemClock()
    terminals = terminals_of("mt5", settings, None, {"agent_key": Secret(key)}, clock)
    return Mt5Broker("mt5", settings, terminals, built_in, clock)


def test_a_symbol_that_the_terminal_calls_otherwise() -> None:
    async def scene() -> None:
        broker = broker_at(Machine(), replace(SETTINGS, symbols={"EURUSD": "EURUSD.x"}))
        assert (await broker.check()).problems == (f"symbols.EURUSD: {WRONG_NAME}",)
        with pytest.raises(StoreError) as refused:
            await broker.instruments()
        assert str(refused.value) == f"brokers.mt5.symbols.EURUSD: {WRONG_NAME}"

    run_virtual(scene())


def test_a_symbol_that_nothing_there_is_like() -> None:
    async def scene() -> None:
        broker = broker_at(Machine(), replace(SETTINGS, symbols={"XAU/USD": "GOLD"}))
        (problem,) = (await broker.check()).problems
        assert problem.endswith("write its own name of it: look into its Market Watch")

    run_virtual(scene())


def test_a_symbol_of_which_it_cannot_be_asked() -> None:
    """That says nothing of its name."""

    async def scene() -> None:
        machine = Machine()
        machine.steering.inject(Fault.FAIL, -1, calls=["symbol_info"])
        (problem,) = (await broker_at(machine).check()).problems
        assert "has no" not in problem
        assert "(-1)" in problem

    run_virtual(scene())


def wrong_key(folder: Path) -> Mt5Broker:
    return through(ELSEWHERE, key="short")


def no_certificate(folder: Path) -> Mt5Broker:
    return through(replace(ELSEWHERE, agent_ca=str(folder / "none.pem")))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (wrong_key, "agent_key: the key has 5 characters: at least 32 random ones are needed"),
        (no_certificate, "none.pem cannot be read"),
    ],
)
def test_nobody_can_be_spoken_with_like_that(make: Any, said: str, tmp_path: Path) -> None:
    async def scene() -> None:
        broker = make(tmp_path)
        health = await broker.check()
        assert (health.reached, health.login) == (False, False)
        assert said in health.problems[0]
        with pytest.raises(LoginRefused) as refused:
            await broker.connect(Recorder(), None)
        assert said in str(refused.value)
        assert "brokers.mt5" in str(refused.value)
        with pytest.raises(LoginRefused):
            await broker.instruments()

    asyncio.run(scene())


def test_an_agent_that_is_away() -> None:
    async def scene() -> None:
        health = await through(ELSEWHERE).check()
        assert not health.reached
        assert "is the agent running there" in health.problems[0]

    asyncio.run(scene())

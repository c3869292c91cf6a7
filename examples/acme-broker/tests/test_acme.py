"""The adapter passes the suite; what it says of a login, and what its settings may be."""

import asyncio

import msgspec
import pytest
from acme_broker import PLUGIN
from acme_broker.counterpart import AcmeCounterpart, AcmeSuite

from ordergate.application.ports.brokers import Health
from ordergate.application.ports.secrets import Secret


class TestAcme(AcmeSuite):
    """pytest collects the cases from here."""


def checked(key: str, permissions: tuple[str, ...], ahead_us: int = 0) -> Health:
    """What `check` says of a venue that knows `letmein`."""

    async def main() -> Health:
        counterpart = AcmeCounterpart()
        counterpart.acme.permissions, counterpart.acme.ahead_us = permissions, ahead_us
        await counterpart.start()
        counterpart.broker._secrets = {"api_key": Secret(key)}
        try:
            return await counterpart.broker.check()
        finally:
            await counterpart.acme.stop()

    return asyncio.run(main())


def test_a_key_that_may_withdraw() -> None:
    health = checked("letmein", ("read", "trade", "withdraw"), ahead_us=600_000)
    assert (health.reached, health.login, health.may_trade, health.may_withdraw) == (True, True, True, True)
    assert health.open_orders == 0
    assert 0.5 < (health.clock_ahead_s or 0) < 0.7


def test_a_key_that_is_wrong() -> None:
    health = checked("guess", ("read",))
    assert (health.reached, health.login) == (True, False)
    said = "broker acme: the venue said: the key is not known; give it a key that is valid there"
    assert health.problems == (said,)
    assert "guess" not in str(health)


def test_settings() -> None:
    with pytest.raises(msgspec.ValidationError, match="port is 0: it must be from 1 to 65535"):
        msgspec.convert({"port": 0}, PLUGIN.settings)

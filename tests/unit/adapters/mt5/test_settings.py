"""The section of a MetaTrader broker: what it may say, and what is said of what it may not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ordergate.adapters.brokers.mt5 import Mt5Broker
from ordergate.adapters.brokers.mt5.agent.local import LocalTerminal
from ordergate.adapters.brokers.mt5.agent.remote import RemoteTerminal
from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.secrets import Secret
from ordergate.bootstrap.brokers import Opening, make_broker
from ordergate.bootstrap.in_force import InForce
from ordergate.bootstrap.metatrader import terminals_of
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import ConfigError, load
from ordergate.config.changing import class_of
from ordergate.domain.configuration import KeyClass

LOCAL = 'login = 5\nsymbols = { EURUSD = "EURUSD.r" }\n'
REMOTE = LOCAL + 'agent = "10.0.0.7:7466"\nagent_key_env = "AGENT_KEY"\n'


def config(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "ordergate.toml"
    path.write_text(f'[funds.paper-momentum]\nbroker = "mt5"\n[brokers.mt5]\nadapter = "mt5"\n{text}')
    return load(path)


@pytest.mark.parametrize(
    "text", [LOCAL, REMOTE, f'{LOCAL}server = "Demo"\nterminal_path = "C:/t.exe"\npassword_env = "P"\n']
)
def test_what_a_section_may_say(tmp_path: Path, text: str) -> None:
    section = config(tmp_path, text).brokers["mt5"]
    assert (section.login, section.ours("EURUSD.r"), section.ours("EURUSD")) == (5, "EURUSD", None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("login = 5", "symbols: is missing"),
        ('symbols = { EURUSD = "EURUSD" }', "login"),
        (LOCAL.replace("5", "0", 1), "login is 0: it must be from 1"),
        ('login = 5\nsymbols = { A = "X", B = "X" }', "two of them are one"),
        (f'login = 5\nsymbols = {{ A = "{"X" * 30}" }}', "1 to 29 characters"),
        (f'{LOCAL}agent = "nowhere"\nagent_key_env = "K"', "write host:port"),
        (
            f'{LOCAL}agent = "here:7466"',
            "the key that the agent shares is missing: write one of agent_key_env",
        ),
        (f'{LOCAL}agent_key_env = "K"', "agent_key_env: is not used here, for there is no agent"),
        (f'{REMOTE}server = "Demo"', "server: is not used here, for the agent knows it"),
        (f"{LOCAL}deadline_ms = 26000", "deadline_ms is 26000"),
        (f'{LOCAL}password_env = "not a name"', "is no name of a variable"),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"brokers\.mt5") as error:
        config(tmp_path, text)
    assert says in str(error.value)


def test_a_change_counts_after_a_restart() -> None:
    for key in ("login", "symbols", "agent", "poll_ms", "password_env"):
        assert class_of(("brokers", "mt5", key)) is KeyClass.RESTART


def test_who_is_asked(tmp_path: Path) -> None:
    remote, local = (config(tmp_path, text).brokers["mt5"] for text in (REMOTE, LOCAL))
    key = {"agent_key": Secret("k" * 32)}
    first, second = (
        terminals_of("mt5", remote, None, key, SystemClock())(looks_on) for looks_on in (False, True)
    )
    assert isinstance(first, RemoteTerminal)
    assert isinstance(second, RemoteTerminal)
    assert first._epoch > 1_700_000_000 * 10**9
    assert second._epoch == 0
    here = terminals_of("mt5", local, tmp_path / "gate.db.mt5", {}, SystemClock())(False)
    assert isinstance(here, LocalTerminal)
    assert here._path == tmp_path / "gate.db.mt5.commands"
    with pytest.raises(ConfigError, match="the database a file"):
        terminals_of("mt5", local, None, {}, SystemClock())


def test_who_looks_on_at_a_terminal_here_leaves_nothing_behind(tmp_path: Path) -> None:
    local = config(tmp_path, LOCAL).brokers["mt5"]
    made = terminals_of("mt5", local, tmp_path / "gate.db.mt5", {}, SystemClock())(True)
    assert isinstance(made, LocalTerminal)
    assert made._path.parent.is_dir()
    assert tmp_path not in made._path.parents
    asyncio.run(made.close())
    assert not made._path.parent.exists()


def test_the_broker_of_a_section(tmp_path: Path) -> None:
    found = config(tmp_path, LOCAL)
    opening = Opening(InForce(found), secrets_of(found), f"sqlite:///{tmp_path}/gate.db", SystemClock())
    broker = make_broker(opening, "mt5")
    assert isinstance(broker, Mt5Broker)
    assert not broker.capabilities.changes_quantity
    assert broker.account is None
    assert not broker.connected

"""The commands of docs/howto/metatrader.md for MetaTrader 5, with a simulated terminal and the fake package."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordergate.config import Mt5Broker, load
from ordergate.testing.metatrader5 import TerminalProcess
from tests.services.metatrader_page import (
    AGENT,
    CHECK,
    JSON,
    KEYS,
    LINUX,
    ORDER,
    ROOT,
    SERVE,
    START_AGENT,
    WINDOWS,
    Machine,
    row,
    served_until,
)

SYMBOL = "EURUSD.r"
SUBMIT, SHOW, *AFTER = ORDER.splitlines()


@pytest.mark.parametrize("text", [WINDOWS, LINUX])
def test_its_settings_load(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(text)
    config = load(file)
    section = config.brokers["metatrader"]
    assert isinstance(section, Mt5Broker)
    assert section.symbols == {"EURUSD": SYMBOL}
    assert config.funds["fx"].broker == "metatrader"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[TerminalProcess]:
    with TerminalProcess(tmp_path / "account.json", mode="hedging") as process:
        process.control.symbol(SYMBOL)
        process.control.quote(SYMBOL, "1.10000", "1.10010")
        yield process


@pytest.fixture
def machine(tmp_path: Path, terminal: TerminalProcess) -> Machine:
    """The fake package is installed there under the real one's name, and the agent as its wheel has it."""
    made = Machine(tmp_path, **terminal.environment)
    (tmp_path / "installed" / "MetaTrader5.py").write_text(
        "from ordergate.testing.metatrader5.package import *\n"
    )
    agent = ROOT / "src/ordergate/adapters/brokers/mt5/agent"
    (tmp_path / "installed" / "ordergate_mt5_agent").symlink_to(agent)
    return made


@pytest.mark.slow
def test_the_first_order_on_windows(machine: Machine, terminal: TerminalProcess) -> None:
    machine.write("ordergate.toml", WINDOWS)
    machine.write("order.json", JSON)
    told = machine.run(CHECK)
    assert " bad " not in told
    assert "hedging, in USD" in told
    described = told[told.index("[instruments.") :]
    machine.write("ordergate.toml", WINDOWS + described)  # as the page says of other symbols
    with machine.started(f"{SERVE.strip()} --port 0") as said:
        assert said.startswith("ordergate serves http://")
        machine.run(SUBMIT)
        served_until(said, "/v1/orders/ord-first", '"state":"CLOSED"')
        shown = machine.run(SHOW)
        assert (row(shown, "filled_quantity"), row(shown, "average_price")) == ("0.01", "1.1001")
        after = machine.run("\n".join(AFTER))
        assert "metatrader: agrees" in after
        (position,) = terminal.control.look()["positions"]
        assert (float(position["sl"]), float(position["tp"])) == (1.05, 1.15)
        terminal.control.quote(SYMBOL, "1.04000", "1.04010")
        served_until(said, "/v1/positions?fund_id=fx", '"quantity":"0",')
        served_until(said, "/v1/orders", '"order_type":"stop"')
    assert len(terminal.control.look()["sent"]) == 1
    assert (machine.folder / "ordergate.db.metatrader.commands").exists()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="the page makes a certificate with openssl")
def test_the_first_order_from_linux(machine: Machine, terminal: TerminalProcess) -> None:
    def here(text: str) -> str:
        return text.replace("10.0.0.7", "127.0.0.1")

    machine.run(here(KEYS))
    machine.write("agent.toml", f"{here(AGENT)}port = 0\n")
    machine.write("order.json", JSON)
    with machine.started(START_AGENT.strip()) as said:
        found = re.fullmatch(r"listening at 127\.0\.0\.1:(\d+), TLS\n", said)
        assert found, said
        machine.write("ordergate.toml", here(LINUX).replace("18850", found[1]))
        told = machine.run(CHECK)
        assert " bad " not in told
        assert "[instruments.EURUSD]" in told
        with machine.started(f"{SERVE.strip()} --port 0") as served:
            machine.run(SUBMIT)
            served_until(served, "/v1/orders/ord-first", '"state":"CLOSED"')
            assert "metatrader: agrees" in machine.run(AFTER[-1])
    assert (machine.folder / "journal.db").exists()
    assert not (machine.folder / "ordergate.db.metatrader.commands").exists()
    assert len(terminal.control.look()["sent"]) == 1


@pytest.mark.slow
def test_a_symbol_that_the_terminal_calls_otherwise(machine: Machine) -> None:
    machine.write("ordergate.toml", WINDOWS.replace(SYMBOL, "EURUSD.x"))
    done = machine.run(f"{CHECK.splitlines()[0]} && exit 1 || true")
    assert "the terminal has no EURUSD.x: write its own name of it: it has EURUSD, EURUSD.r" in done

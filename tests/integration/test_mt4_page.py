"""The commands of docs/howto/metatrader.md for MetaTrader 4, with the counterpart of the expert advisor."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from ordergate.config import Mt4Broker, load
from ordergate.testing.metatrader4.account import Symbol
from ordergate.testing.metatrader4.program import Control, account_at
from tests.services.metatrader_page import JSON, OLD, OLD_COMMANDS, ORDER, Machine, row, served_until

SYMBOL = "EURUSD.r"
FOLDER = "/mnt/terminal/MQL4/Files/ordergate"
CHECK, INSTRUMENTS, SERVE = OLD_COMMANDS.splitlines()
SUBMIT, SHOW, *_ = ORDER.splitlines()


def test_its_settings_load(tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(OLD)
    section = load(file).brokers["metatrader4"]
    assert isinstance(section, Mt4Broker)
    assert (section.folder, section.symbols) == (FOLDER, {"EURUSD": SYMBOL})


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Path]:
    """One that runs, and is quoted to; gives the bridge's folder."""
    folder, account, over = tmp_path / "Files" / "ordergate", tmp_path / "account.json", Event()
    folder.parent.mkdir()
    account_at(account, Symbol(name=SYMBOL))
    control = Control(folder, account)

    def quotes() -> None:
        while not over.is_set():
            control.do("quote", symbol=SYMBOL, bid="1.10000", ask="1.10010")
            time.sleep(0.2)

    thread = Thread(target=quotes)
    thread.start()
    try:
        yield folder
    finally:
        over.set()
        thread.join(10)
        control.kill()


@pytest.mark.slow
def test_the_first_order(tmp_path: Path, terminal: Path) -> None:
    machine = Machine(tmp_path)
    machine.write("ordergate.toml", OLD.replace(FOLDER, str(terminal)))
    machine.write("order.json", JSON)
    told = machine.run(CHECK)
    assert " bad " not in told
    described = machine.run(INSTRUMENTS)
    assert 'contract_size = "100000"' in described
    machine.write("ordergate.toml", OLD.replace(FOLDER, str(terminal)) + described)
    with machine.started(f"{SERVE} --port 0") as said:
        assert said.startswith("ordergate serves http://")
        machine.run(SUBMIT)
        served_until(said, "/v1/orders/ord-first", '"state":"CLOSED"')
        shown = machine.run(SHOW)
        assert (row(shown, "filled_quantity"), row(shown, "average_price")) == ("0.01", "1.1001")
        assert "metatrader4: agrees" in machine.run(
            "ordergate recon run --broker metatrader4 --config ordergate.toml"
        )

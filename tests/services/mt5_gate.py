"""The process's own gate, whose broker is the MetaTrader 5 adapter on a simulated terminal; time is the machine's.

`here`: the terminal stands in this process, behind a journal. `worker`: it is a process of its own, and so is the
package that talks to it, as on a machine with Windows.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ordergate.bootstrap import Gate, brokers, metatrader
from ordergate.config import Config, FundSection, Mt5Broker, PaperBroker
from ordergate.config.reconciliation import AccountSection, ReconciliationSection
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.routing import Route
from ordergate.sdk import default_gate
from ordergate.sdk.line import Line
from ordergate.testing.metatrader5 import TerminalProcess
from tests.services.mt5 import HEDGING, LOGIN, MARKET, Beside, Machine
from tests.services.mt5_through_agent import MODULE, Now

FUND = "paper-momentum"
SYMBOLS = {"EURUSD": "EURUSD.r", "USDJPY": "USDJPY.r"}
YEN = {"digits": 3, "base": "USD", "profit": "JPY", "margin_currency": "USD"}
PATIENCE_S = 60.0


def configured(*routes: Route, **fund: Any) -> Config:
    """The fund of signals trades at the terminal; beside it there is a paper venue."""
    terminal = Mt5Broker(login=LOGIN, symbols=SYMBOLS, deadline_ms=1_000, poll_ms=20)
    return Config(
        brokers={"mt5": terminal, "paper": PaperBroker()},
        funds={FUND: FundSection(broker="mt5", unlimited=True, routes=routes, **fund)},
        reconciliation=ReconciliationSection(brokers={"mt5": AccountSection(grace_s=0)}),
    )


def on_gate(work: Callable[[Gate], Any]) -> Any:
    """Done on the loop of the gate."""
    return Line(None).wait(work, PATIENCE_S)


class Terminal:
    """What a test does to the terminal: `Steering`'s methods, wherever it is."""

    def __init__(self, steering: Any, *, shared: bool) -> None:
        self._steering, self._shared = steering, shared

    def __getattr__(self, name: str) -> Any:
        """One in this process is touched on the gate's loop alone, where the adapter is, once there is a gate."""

        def do(*args: Any, **kwargs: Any) -> Any:
            async def there(_gate: Gate) -> Any:
                return getattr(self._steering, name)(*args, **kwargs)

            apart = not self._shared or default_gate._current is None
            return getattr(self._steering, name)(*args, **kwargs) if apart else on_gate(there)

        return do

    def price(self, bid: str, ask: str, symbol: str = "EURUSD.r") -> None:
        """As many lots as anybody wants."""
        self.quote(symbol, bid, ask)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Every request that reached the broker."""
        return list(self.look()["sent"])

    @property
    def positions(self) -> list[dict[str, Any]]:
        """What is open, by ticket."""
        return list(self.look()["positions"])


def orders() -> list[Order]:
    """All of the gate, as they were made."""
    found = on_gate(lambda gate: gate.queries.orders())
    return sorted(found, key=lambda order: order.created_at)


def until(true: Callable[[], Any], what: str) -> Any:
    """What it gives once it gives something; the gate's loop goes on meanwhile."""

    async def wait(gate: Gate) -> None:
        await gate.clock.sleep(0.01)

    end = Now().now().timestamp() + PATIENCE_S
    while not (found := true()):
        assert Now().now().timestamp() < end, f"{what} did not come: {orders()}"
        on_gate(wait)
    return found


def ended(count: int = 1) -> list[Order]:
    """The orders, once there are as many and each has its end; a closing by the server is whole, as it is told."""

    def all_over() -> list[Order]:
        found = orders()
        over = (
            order.state in TERMINAL or (order.parent_order_id and not order.leaves_quantity)
            for order in found
        )
        return found if len(found) == count and all(over) else []

    return list(until(all_over, f"the end of {count} orders"))


@contextmanager
def terminal_at(
    where: str, mode: int, monkeypatch: pytest.MonkeyPatch, folder: Path, config: Config | None = None
) -> Iterator[Terminal]:
    """The gate is opened when a face first asks for it, and closed with this."""
    chosen = config or configured()
    monkeypatch.setattr(default_gate, "Config", lambda: chosen)
    monkeypatch.setenv(default_gate.DB_VARIABLE, f"sqlite:///{folder / 'orders.db'}")
    place = _here if where == "here" else _in_worker
    with place(mode, monkeypatch, folder) as terminal:
        terminal.price("1.0810", "1.0812")
        terminal.price("150.001", "150.003", "USDJPY.r")
        try:
            yield terminal
        finally:
            default_gate.close()


@contextmanager
def _here(mode: int, monkeypatch: pytest.MonkeyPatch, _folder: Path) -> Iterator[Terminal]:
    clock: Any = Now()
    machine = Machine(mode, MARKET, clock=clock)
    machine.steering.symbol("USDJPY.r", **YEN)

    def terminals(*_args: Any) -> Callable[[bool], Beside]:
        return lambda looks_on: Beside(machine, 0 if looks_on else machine.epoch + 1)

    monkeypatch.setattr(brokers, "terminals_of", terminals)
    yield Terminal(machine.steering, shared=True)


@contextmanager
def _in_worker(mode: int, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Terminal]:
    monkeypatch.setattr(metatrader, "LocalTerminal", partial(metatrader.LocalTerminal, module=MODULE))
    with TerminalProcess(folder / "account.json", "hedging" if mode == HEDGING else "netting") as process:
        for name, value in process.environment.items():
            monkeypatch.setenv(name, value)
        process.control.symbol("EURUSD.r")
        process.control.symbol("USDJPY.r", **YEN)
        process.control.set(login=LOGIN)
        yield Terminal(process.control, shared=False)

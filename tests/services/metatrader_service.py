"""A real `ordergate serve` whose account is in a MetaTrader, and processes of it that die at a named step."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Generic, TypeVar

import httpx2

from tests.services.dying import VARIABLE
from tests.services.server import ROOT, Served, finish, start_in

PROGRAM = ("-m", "tests.services.dying", "ordergate")
FUND = (
    '[funds.paper-momentum]\nbroker = "mine"\nunlimited = true\n[database]\nurl = "sqlite:///orders.db"\n'
    "[reconciliation]\ngrace_s = 1\n"
)
WITHIN_S = 60.0


D = TypeVar("D", bound="Desk")


class Desks(Generic[D]):
    """One desk of each kind; another one after a case that failed."""

    def __init__(self, make: Callable[[str], D]) -> None:
        self._make, self._made = make, dict[str, D]()

    @contextmanager
    def desk(self, kind: str) -> Iterator[D]:
        if kind not in self._made:
            self._made[kind] = self._make(kind)
        try:
            yield self._made[kind]
        except BaseException:
            desk = self._made.pop(kind)
            desk.close()
            print(desk.said)
            raise

    def close(self) -> None:
        for desk in self._made.values():
            desk.close()


class Desk:
    """A service in a folder, and what its clients see of it; `tick` keeps the prices of the terminal fresh.

    Attributes:
        served: the service that runs now.
        said: the log of the one before.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder, self._arm = folder, folder / "dies"
        self.environment = {VARIABLE: str(self._arm), **environment}
        self.paths: tuple[Path, ...] = (ROOT,)
        self.served: Served | None = None
        self.said = ""
        self._asking: list[threading.Thread] = []

    def configure(self, broker: str) -> None:
        """Writes the configuration."""
        (self.folder / "own.toml").write_text(FUND + f"[brokers.mine]\n{broker}\n")

    def tick(self) -> None:
        """New prices, as they were."""

    def start(self) -> None:
        """The service, once the one before has ended."""
        self.kill()
        with surroundings(self.environment):
            self.served = start_in(
                self.folder,
                self.folder / "orders.db",
                "--config",
                "own.toml",
                paths=self.paths,
                program=PROGRAM,
            )

    def kill(self) -> None:
        """kill -9 of the service."""
        served = self.served
        if served is not None:
            if served.process.poll() is None:
                served.process.send_signal(signal.SIGKILL)
            self.said = finish(served.process)
        self.served = None
        for asking in self._asking:
            asking.join(WITHIN_S)

    def close(self) -> None:
        """Ends what still runs."""
        self.kill()

    # --- dying

    def arm(self, step: str) -> None:
        """From now on the process that comes to that step dies there."""
        part = self._arm.with_suffix(".part")
        part.write_text(step)
        part.replace(self._arm)

    @property
    def armed(self) -> bool:
        """Whether nobody has died yet."""
        return self._arm.exists()

    def disarm(self) -> None:
        """Nobody dies any more."""
        self._arm.unlink(missing_ok=True)

    def wait_for_death(self) -> None:
        """Until a process has come to the step, and died there by itself."""
        self.until(lambda: not self.armed, "nothing died")

    def until(self, what: Callable[[], object], otherwise: str) -> None:
        """Waits for a condition, while prices come."""
        end = time.monotonic() + WITHIN_S
        while not self._holds(what):
            assert time.monotonic() < end, (otherwise, self.ask("GET", "/v1/orders")["items"][-2:])
            self.tick()
            time.sleep(0.05)

    @staticmethod
    def _holds(what: Callable[[], object]) -> bool:
        try:
            return bool(what())
        except (httpx2.HTTPError, OSError):
            return False

    # --- a client

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """One request, answered."""
        assert self.served is not None
        with self.served.client() as client:
            answer = client.request(method, path, content=json.dumps(body) if body else None)
            return answer.json()

    def begin(self, method: str, path: str, **body: Any) -> None:
        """One request, whose answer nobody may hear."""

        def asking() -> None:
            with suppress(httpx2.HTTPError, AssertionError):
                self.ask(method, path, **body)

        self._asking.append(threading.Thread(target=asking))
        self._asking[-1].start()

    def order(self, key: str) -> dict[str, Any]:
        """As the service has it; empty where it has not."""
        found = [one for one in self.ask("GET", "/v1/orders")["items"] if one["idempotency_key"] == key]
        return found[0] if found else {}

    def booked(self, key: str) -> Decimal:
        """How much of an order is booked as executed: the sum of its executions, each of which is there once."""
        order = self.order(key)
        mine = [
            one for one in self.ask("GET", "/v1/fills")["items"] if one["order_id"] == order.get("order_id")
        ]
        names = [one["exec_id"] for one in mine]
        assert len(names) == len(set(names)), names
        total = sum((Decimal(one["quantity"]) for one in mine), Decimal(0))
        assert total == Decimal(order["filled_quantity"]), (mine, order)
        return total

    def is_left_to_a_person(self, key: str) -> bool:
        """Whether the order stands as unresolved, or as one of which the broker has no more than is booked."""
        breaks = self.ask("GET", "/v1/recon/breaks")["items"]
        order = self.order(key)["order_id"]
        return any(
            one["kind"] in ("unresolved", "not_working") and one["order_id"] == order for one in breaks
        )

    def is_left_over(self, key: str) -> bool:
        """The same, once our record was compared with the broker's."""
        self.ask("POST", "/v1/recon/runs", broker="mine")
        return self.is_left_to_a_person(key)


def terms(
    key: str, side: str, quantity: str, price: str | None = None, *, tif: str = "ioc"
) -> dict[str, str]:
    """An order for the service: at the market, or with a limit until it is canceled."""
    limit = {"order_type": "limit", "limit_price": price, "tif": "gtc"} if price else {"tif": tif}
    return {
        "idempotency_key": key,
        "fund_id": "paper-momentum",
        "symbol": "EURUSD",
        "side": side,
        "quantity": quantity,
        "order_type": "market",
        "actor": "me",
        **limit,
    }


@contextmanager
def surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """Processes that start meanwhile have these in their environment."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

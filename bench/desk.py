"""The engine without a gate around it: steps inputs, and where there is a journal writes them in large batches."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from bench.orders import ASK, BID, LOT
from ordergate.application.engine import Engine, Input
from ordergate.application.entry import Encoded, Origin
from ordergate.application.nodes import load_tree
from ordergate.application.ports.journal import Journal
from ordergate.application.recovery import last_instant, load_state
from ordergate.application.tail import Tail
from ordergate.application.view import View
from ordergate.config import DEFAULT_BROKER, Config
from ordergate.domain.book import Book
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.commands import Configure, OpenSession
from ordergate.domain.orders.reports import Acknowledged, Executed
from ordergate.domain.risk.commands import ConfigureLimits
from ordergate.protocols.tlog import Signer, TreeBuilder

START: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
_STEP: Final = timedelta(milliseconds=10)
_ORIGIN: Final = Origin(source="sdk")


def fill(number: int) -> Executed:
    """The report that fills order `number` of a desk, whose limit is the market."""
    name = order_id(number)
    return Executed(
        broker=DEFAULT_BROKER,
        client_id=f"{name}.1",
        broker_order_id=f"B{name}",
        exec_id=f"E{name}",
        time=START,
        quantity=LOT,
        price=BID if number % 2 else ASK,
        completes=True,
        cursor=str(number + 1),
    )


def acknowledgment(number: int) -> Acknowledged:
    """The report that order `number` of a desk works at the broker."""
    name = order_id(number)
    return Acknowledged(broker=DEFAULT_BROKER, client_id=f"{name}.1", broker_order_id=f"B{name}")


def order_id(number: int) -> str:
    """The id that a desk gives its order of that number."""
    return f"desk-{number:08}"


def _opening(config: Config, instruments: tuple[Instrument, ...]) -> Sequence[Input]:
    return (
        Configure(config.fund_values(), instruments),
        ConfigureLimits(config.limit_values()),
        OpenSession(DEFAULT_BROKER, "bench"),
    )


class Desk:
    """An engine and the journal's growing end.

    Attributes:
        orders: how many it has made, in whatever run.
    """

    def __init__(self, config: Config, tree: TreeBuilder, state: Book) -> None:
        self.view = View(
            instrument=config.catalogue, new_order_id=self._name, brokers=frozenset(config.brokers)
        )
        self.engine = Engine(state, self.view)
        self.tail = Tail(Signer(config.audit.origin, bytes(32)), tree)
        self.orders = 0
        self._now = START

    def _name(self) -> str:
        self.orders += 1
        return order_id(self.orders - 1)

    @classmethod
    def without_store(cls, config: Config) -> Self:
        """On an empty state, with a session open."""
        desk = cls(config, TreeBuilder(), Book())
        desk.step(_opening(config, ()))
        desk.start_session()
        desk.engine.state.settle()
        return desk

    @classmethod
    async def on(cls, journal: Journal, config: Config, orders: int) -> Self:
        """On what a journal holds, of which that many orders came from desks; with a session open."""
        head = await journal.head()
        desk = cls(config, await load_tree(journal, head.size), await load_state(journal))
        desk.engine.size, desk.engine.last = head.size, await last_instant(journal, head)
        desk.orders, desk._now = orders, max(START, desk.engine.last or START)
        instruments = tuple(i for symbol in config.instruments if (i := config.catalogue(symbol)) is not None)
        await desk.write(journal, _opening(config, instruments))
        desk.start_session()
        return desk

    def start_session(self) -> None:
        """Orders are sent from now on."""
        self.view.sessions[DEFAULT_BROKER] = self.engine.state.sessions.rows[DEFAULT_BROKER].epoch

    def step(self, inputs: Iterable[Input]) -> list[Encoded]:
        """Decides, folds and encodes; what changed waits for `settle` of the state."""
        self._now += _STEP
        step, now = self.engine.step, self._now
        return [encoded for given in inputs for encoded in step(given, now, _ORIGIN).encoded]

    async def write(self, journal: Journal, inputs: Sequence[Input]) -> None:
        """Steps a batch and commits it."""
        encoded = self.step(inputs)
        if encoded:
            await journal.commit(self.tail.batch(encoded, self.engine.state))
        self.engine.state.settle()

"""What an adapter's tests lend to the broker suite: a venue that the suite can steer, and a sink that remembers.

The counterpart is the venue's side, faithful to the venue's own documents: a simulator, a sandbox, the real
thing. It is steered only through here, so that one suite fits every adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from ordergate.application.ports.brokers import Broker
from ordergate.domain.market import Quote
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import AnyReport, Ended, Executed


class Fault(StrEnum):
    """What a counterpart may be able to let go wrong.

    DROP_ANSWERS: requests are done, their answers lost. DUPLICATE_REPORTS: each report comes more than once.
    REORDER_REPORTS: some reports come after later ones. HOLD_REPORTS: reports that arise now come only after
    ones that arise when the fault is over. INCOMPLETE_SNAPSHOT: a query of open orders misses some.
    """

    DROP_ANSWERS = "drop_answers"
    DUPLICATE_REPORTS = "duplicate_reports"
    REORDER_REPORTS = "reorder_reports"
    HOLD_REPORTS = "hold_reports"
    INCOMPLETE_SNAPSHOT = "incomplete_snapshot"


class Counterpart(ABC):
    """One venue with one account, and the adapter under test.

    Attributes:
        broker: the adapter, not connected.
        symbol: what the suite trades there.
        lot: a quantity of it; the suite trades small multiples.
        price, tick: about where the market is set, and its smallest step; `price` exceeds 100 ticks.
        faults: those that `inject` knows; cases that need others are skipped.
        durable: the venue's memory outlives `reopen`.
    """

    broker: Broker
    symbol: str
    lot: Decimal
    price: Decimal
    tick: Decimal
    faults: frozenset[Fault] = frozenset()
    durable: bool = True

    @abstractmethod
    async def set_market(self, bid: Decimal, ask: Decimal, size: Decimal) -> None:
        """Makes that the market, with that much on either side until the next call."""

    @abstractmethod
    async def settle(self) -> None:
        """Returns when everything under way at the venue has been delivered, what is held back included."""

    @abstractmethod
    async def reopen(self) -> None:
        """Ends our process without farewell and starts another: `broker` is a new adapter, not connected."""

    def inject(self, *faults: Fault) -> None:
        """Exactly these faults from now on."""
        if faults:
            raise NotImplementedError(f"this counterpart has no {', '.join(faults)}")


class Recorder:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.reports: list[AnyReport] = []
        self.quotes: list[Quote] = []

    def report(self, report: AnyReport) -> None:
        """Keeps a report."""
        self.reports.append(report)

    def quote(self, quote: Quote) -> None:
        """Keeps a quote."""
        self.quotes.append(quote)

    @property
    def executions(self) -> dict[str, Executed]:
        """By execution id, as first told."""
        return executions(self.reports)

    @property
    def filled(self) -> Decimal:
        """The sum of the executions, each counted once."""
        return sum((execution.quantity for execution in self.executions.values()), ZERO)

    @property
    def ends(self) -> list[Ended]:
        """The ends that were told, repetitions included."""
        return [report for report in self.reports if isinstance(report, Ended)]


def executions(reports: Iterable[AnyReport]) -> dict[str, Executed]:
    """The executions among reports, each once.

    Raises:
        AssertionError: one execution id was told with different contents.
    """
    found: dict[str, Executed] = {}
    for report in reports:
        if isinstance(report, Executed):
            first = found.setdefault(report.exec_id, report)
            contents = [(e.quantity, e.price, e.execution_kind, e.refers_to) for e in (first, report)]
            if contents[0] != contents[1]:
                raise AssertionError(
                    f"execution {report.exec_id} was told as {contents[0]}, then as {contents[1]}"
                )
    return found

"""What an adapter's tests lend to the broker suite: a venue that the suite can steer, and a sink that remembers.

The counterpart is the venue's side, faithful to the venue's own documents: a simulator, a sandbox, the real
thing. It is steered only through here, so that one suite fits every adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from ordergate.application.ports.brokers import Broker, Send
from ordergate.domain.market import Quote
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import AnyReport, Ended, Executed
from ordergate.domain.orders.states import ExecutionKind


class Fault(StrEnum):
    """What a counterpart may be able to let go wrong, until other faults are injected.

    Requests that change something are done, and their answers:

    DROP_ANSWERS: never come. CUT_ANSWERS: end in the middle, with the connection. GARBLED_ANSWERS: cannot be read.
    SERVER_ERRORS: say that the server failed (5xx). CLIENT_ERRORS: say that the request was wrong (4xx), in words that
    the venue's documents do not have. SLOW_ANSWERS: come later than the adapter waits.

    Requests are not done:

    REFUSE_ORDERS: the venue refuses each order, and says why. RATE_LIMIT: every request is one too many, and is
    answered so. CLOCK_SKEW: the venue's clock is further from ours than it takes requests. REFUSE_LOGIN: from the next
    session on, the venue does not know us.

    What the venue tells:

    DUPLICATE_REPORTS: each report comes more than once. REORDER_REPORTS: some reports come after later ones.
    HOLD_REPORTS: reports that arise now come only after ones that arise when the fault is over. BREAK_STREAM: what
    arises now is told by nobody: the stream is down, and begins anew when the fault is over. INCOMPLETE_SNAPSHOT: a
    query of open orders, or of the account, misses some. FAIL_QUERIES: queries get no answer that can be used.
    """

    DROP_ANSWERS = "drop_answers"
    CUT_ANSWERS = "cut_answers"
    GARBLED_ANSWERS = "garbled_answers"
    SERVER_ERRORS = "server_errors"
    CLIENT_ERRORS = "client_errors"
    SLOW_ANSWERS = "slow_answers"
    REFUSE_ORDERS = "refuse_orders"
    RATE_LIMIT = "rate_limit"
    CLOCK_SKEW = "clock_skew"
    REFUSE_LOGIN = "refuse_login"
    DUPLICATE_REPORTS = "duplicate_reports"
    REORDER_REPORTS = "reorder_reports"
    HOLD_REPORTS = "hold_reports"
    BREAK_STREAM = "break_stream"
    INCOMPLETE_SNAPSHOT = "incomplete_snapshot"
    FAIL_QUERIES = "fail_queries"


class Ability(StrEnum):
    """What a counterpart may be able to let happen, each by the method of that name, the last by `set_market`.

    FOREIGN_ORDERS: somebody else has orders in the account. BUSTS, CORRECTIONS: the venue takes an execution back, or
    says it otherwise. REORGANISATIONS: what was done is undone, and done again in another block. INSTRUMENT_CHANGES:
    the steps of what is traded change. DAY_ROLLS: the venue's day ends. LEVELS: a stop loss and a take profit that came
    with an entry stand at the venue, which closes what the entry has opened when the market gets to one of them.
    """

    FOREIGN_ORDERS = "foreign_orders"
    BUSTS = "busts"
    CORRECTIONS = "corrections"
    REORGANISATIONS = "reorganisations"
    INSTRUMENT_CHANGES = "instrument_changes"
    DAY_ROLLS = "day_rolls"
    LEVELS = "levels"


class OperationSample(Struct, frozen=True, kw_only=True):
    """An operation that the venue does, and what balances it moves.

    Attributes:
        send: the order; the suite gives it client ids.
        moves: by position key, all that it moves in the end, its fees not among them.
    """

    send: Send
    moves: Mapping[str, Decimal]


class Counterpart(ABC):
    """One venue with one account, and the adapter under test.

    Attributes:
        broker: the adapter, not connected.
        symbol: what the suite trades there.
        lot: a quantity of it; the suite trades small multiples.
        price, tick: about where the market is set, and its smallest step; `price` exceeds 100 ticks.
        faults: those that `inject` knows; cases that need others are skipped.
        durable: the venue's memory outlives `reopen`.
        abilities: what it can let happen; cases that need others are skipped.
        off_steps: terms of an order that the venue does not take, each with what they differ by: prices off the tick,
            quantities off the step or below a minimum.
        operations: done one after the other each of them succeeds; the first two may be done again.
        refused_operations: what the venue does not do, each with why.
    """

    broker: Broker
    symbol: str
    lot: Decimal
    price: Decimal
    tick: Decimal
    faults: frozenset[Fault] = frozenset()
    durable: bool = True
    abilities: frozenset[Ability] = frozenset()
    off_steps: Mapping[str, Mapping[str, Decimal]] = {}
    operations: Sequence[OperationSample] = ()
    refused_operations: Mapping[str, Send] = {}

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

    async def place_foreign(self) -> Callable[[], Awaitable[bool]]:
        """An order of somebody else's works in the account from now on; what is given says whether it still does."""
        raise NotImplementedError(f"this counterpart has no {Ability.FOREIGN_ORDERS}")

    async def bust(self, exec_id: str) -> None:
        """The venue takes back an execution that it has told."""
        raise NotImplementedError(f"this counterpart has no {Ability.BUSTS}")

    async def correct(self, exec_id: str, quantity: Decimal, price: Decimal) -> None:
        """The venue says an execution that it has told otherwise."""
        raise NotImplementedError(f"this counterpart has no {Ability.CORRECTIONS}")

    async def reorganise(self) -> None:
        """What was done last is undone, and done again elsewhere."""
        raise NotImplementedError(f"this counterpart has no {Ability.REORGANISATIONS}")

    async def change_steps(self) -> Decimal:
        """From now on prices have other steps; gives the new tick, of which `tick` is no multiple."""
        raise NotImplementedError(f"this counterpart has no {Ability.INSTRUMENT_CHANGES}")

    async def roll_day(self) -> None:
        """The venue's trading day ends, and the next one begins."""
        raise NotImplementedError(f"this counterpart has no {Ability.DAY_ROLLS}")


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
        """The sum of the executions that stand, each counted once."""
        return filled(self.reports)

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
            contents = [
                (e.quantity, e.price, e.execution_kind, e.refers_to, e.deltas) for e in (first, report)
            ]
            if contents[0] != contents[1]:
                raise AssertionError(
                    f"execution {report.exec_id} was told as {contents[0]}, then as {contents[1]}"
                )
    return found


def filled(reports: Iterable[AnyReport]) -> Decimal:
    """What executions sum up to: each counted once, those taken back or said otherwise no longer.

    Raises:
        AssertionError: as `executions`.
    """
    return sum((said.quantity for said in standing(reports)), ZERO)


def moved(reports: Iterable[AnyReport]) -> dict[str, Decimal]:
    """What balances executions move, by position key; their fees not among them. Raises as `executions`."""
    sums: dict[str, Decimal] = {}
    for said in standing(reports):
        for delta in said.deltas or ():
            sums[delta.position_key] = sums.get(delta.position_key, ZERO) + delta.amount
    return {key: amount for key, amount in sums.items() if amount}


def standing(reports: Iterable[AnyReport]) -> list[Executed]:
    """The executions that stand. Raises as `executions`."""
    told = executions(reports).values()
    latest = {said.refers_to: said.exec_id for said in told if said.refers_to is not None}
    return [
        said
        for said in told
        if said.execution_kind is not ExecutionKind.BUST
        and said.exec_id not in latest
        and (said.refers_to is None or latest[said.refers_to] == said.exec_id)
    ]

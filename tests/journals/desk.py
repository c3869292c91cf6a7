"""A desk that writes a journal as the runner does, batch by batch, without tasks and without waiting.

Opening another on the same journal is a restart.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, Self

from ordergate.application.engine import Engine, Input, Step
from ordergate.application.entry import Entry, Origin
from ordergate.application.nodes import load_tree
from ordergate.application.ports.journal import Journal
from ordergate.application.prefetch import Loaded, prefetch
from ordergate.application.recovery import check_head, last_instant, load_state
from ordergate.application.tail import Tail
from ordergate.application.view import View
from ordergate.domain.algos.terms import SplitTerms
from ordergate.domain.errors import Refused
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import AssetClass, built_in
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.risk.commands import GrantOverride
from ordergate.domain.routing import Route
from ordergate.protocols.tlog import Signer

BROKER: Final = "paper"
SPARE: Final = "spare"
"""Where an order goes on to that provably is not at the other; its session is never open."""
START: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
FUNDS: Final = (
    Fund(fund_id="alpha", broker=BROKER, base_currency="EUR", unlimited=True),
    Fund(
        fund_id="beta",
        broker=BROKER,
        strategies=("momentum",),
        dedupe_window=timedelta(minutes=5),
        unlimited=True,
    ),
    Fund(
        fund_id="delta",
        broker=BROKER,
        unlimited=True,
        routes=(Route(brokers=(BROKER, SPARE), asset_classes=(AssetClass.CRYPTO,), symbols=("BTC/USDT",)),),
    ),
    Fund(
        fund_id="gradual",
        broker=BROKER,
        unlimited=True,
        split=SplitTerms(above=Decimal(1_000), horizon_minutes=4),
    ),
)


class Desk:
    """The writer of a journal.

    Attributes:
        engine: what it steps.
        now: the time of the next batch.
    """

    def __init__(self, journal: Journal, engine: Engine, tail: Tail) -> None:
        self._journal, self.engine, self._tail = journal, engine, tail
        self.now = max(START, engine.last or START)

    @classmethod
    async def open(cls, journal: Journal, signer: Signer) -> Self:
        """Recovers what the journal holds, and opens the broker's next session.

        Raises:
            AuditError: the journal's last checkpoint is not over its entries.
        """
        head = await journal.head()
        tree = await load_tree(journal, head.size)
        check_head(head, tree.root())
        view = View(
            instrument=built_in,
            new_order_id=lambda: f"sig-{engine.size:06}",
            brokers=frozenset({BROKER, SPARE}),
        )
        engine = Engine(await load_state(journal), view, head.size, await last_instant(journal, head))
        desk = cls(journal, engine, Tail(signer, tree))
        await desk.write([c.Configure(FUNDS, ()), c.OpenSession(BROKER, "test")])
        view.sessions[BROKER] = engine.state.sessions.rows[BROKER].epoch
        return desk

    async def write(self, inputs: Sequence[Input], raw: str | None = None) -> list[Entry]:
        """Steps a batch and commits it, reports and cancels first, as the runner does.

        Refused commands change nothing, and strange reports become breaks.

        Raises:
            StoreError: it could not be committed; nothing has changed.
        """
        engine, state = self.engine, self.engine.state
        inputs = sorted(inputs, key=lambda given: not isinstance(given, r.Report | c.CancelOrder))
        loaded: Loaded = []
        await prefetch(inputs, state, engine.view, self._journal, loaded)
        mark, size, last = self._tail.mark(), engine.size, engine.last
        steps = [step for given in inputs if (step := self._step(given, raw)) is not None]
        entries = [entry for step in steps for entry in step.entries]
        encoded = [one for step in steps for one in step.encoded]
        try:
            if entries:
                await self._journal.commit(self._tail.batch(encoded, state))
        except BaseException:
            state.undo()
            engine.size, engine.last = size, last
            self._tail.back(mark)
            raise
        state.settle()
        state.release(loaded)
        return entries

    def _step(self, given: Input, raw: str | None) -> Step | None:
        self.now += timedelta(microseconds=137)
        principal = "risk" if isinstance(given, GrantOverride) else "desk"
        origin = Origin(actor="ann", principal=principal, source="rest", request=f"req-{self.engine.size}")
        try:
            return self.engine.step(given, self.now, origin, raw)
        except Refused:
            return None
        except ArithmeticError as error:
            if not isinstance(given, r.Report):
                raise
            return self.engine.quarantine(given, self.now, error)

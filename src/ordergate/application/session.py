"""The session at one broker: held by one node at a time, opened in the journal with an epoch of its own."""

from collections.abc import Sequence

from ordergate.application.comparison import AccountTerms
from ordergate.application.dispatch import Dispatcher
from ordergate.application.entry import Entry, Origin
from ordergate.application.ownership import Tenure
from ordergate.application.ports.brokers import Broker
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import RowReader
from ordergate.application.reconciliation import Reconciler
from ordergate.application.runner import Runner
from ordergate.application.settlement import Settlement
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.commands import OpenSession
from ordergate.domain.orders.events import SessionOpened
from ordergate.domain.orders.order import Order


class BrokerSession:
    """The duty of connecting to a broker, sending to it, and settling what it left unanswered.

    Args:
        version: of this program.
        node: this one's name, for the journal.
        comparing: where rows are read and how the account is compared, if the broker tells of it; None does not.
    """

    def __init__(
        self,
        broker: Broker,
        runner: Runner,
        clock: Clock,
        version: str,
        node: str | None,
        comparing: tuple[RowReader, AccountTerms] | None = None,
    ) -> None:
        self._broker, self._runner, self._clock = broker, runner, clock
        self._opening = OpenSession(broker.name, version, node)
        self._held: tuple[Tenure, int] | None = None
        self._dispatcher: Dispatcher | None = None
        self._settlement: Settlement | None = None
        self._comparing = comparing if broker.capabilities.statements else None
        self._reconciler: Reconciler | None = None

    @property
    def lease(self) -> str:
        """Of the broker's session."""
        return f"broker:{self._broker.name}"

    @property
    def busy(self) -> bool:
        """Whether a call to the broker is under way or waits for its turn."""
        return self._dispatcher is not None and self._dispatcher.busy

    @property
    def broken(self) -> bool:
        """Whether a node that does not have the lease, but did not know it yet, has taken the venue over."""
        return self._dispatcher is not None and self._broker.taken_over

    async def begin(self, tenure: Tenure) -> None:
        """Opens the session; from then on what is journalled for the broker is sent.

        Raises:
            StoreError: the store or the broker's own cannot be used, the lease has run out meanwhile, or another
                node was faster.
        """
        runner, name = self._runner, self._broker.name
        sessions, view = runner.engine.state.sessions, runner.engine.view
        epoch = await runner.execute(self._opening, Origin())
        self._check(tenure, epoch)
        await self._broker.connect(runner, sessions.rows[name].cursor)
        self._check(tenure, epoch)
        self._held = tenure, epoch
        runner.listen(self._committed)
        self._dispatcher = Dispatcher(self._broker, runner, epoch, tenure)
        self._settlement = Settlement(self._broker, runner, self._clock, epoch)
        view.sessions[name] = epoch
        await self._settlement.start()
        if self._comparing is not None:
            reader, terms = self._comparing
            self._reconciler = Reconciler(self._broker, self._runner, reader, self._clock, terms)
            self._reconciler.start()

    @property
    def reconciler(self) -> Reconciler | None:
        """Of the account; None where the broker tells nothing of it, or another node has the session."""
        return self._reconciler

    def _check(self, tenure: Tenure, epoch: int) -> None:
        name = self._broker.name
        if not tenure.holds:
            raise StoreError(f"the lease of the session at {name} ran out while it was opened")
        if self._runner.engine.state.sessions.rows[name].epoch != epoch:
            raise StoreError(f"another node has opened the session at {name} meanwhile")

    def _committed(self, entries: Sequence[Entry]) -> None:
        """A node that stood still while its lease ran out may open the session late: then it is opened anew."""
        for entry in entries:
            event = entry.event
            if isinstance(event, SessionOpened) and event.broker == self._broker.name and self._held:
                tenure, epoch = self._held
                if event.epoch > epoch:
                    tenure.end()

    async def look_up(self, order: Order) -> None:
        """Asks the broker about an order of its own; nothing, where this node does not have the session.

        Raises:
            StoreError: what it says cannot be journalled.
        """
        if self._settlement is not None and order.broker == self._broker.name:
            await self._settlement.look_up(order)

    async def end(self) -> None:
        """Sends no more, waits a while for calls under way, and lets go of the broker."""
        self._runner.engine.view.sessions.pop(self._broker.name, None)
        self._runner.unlisten(self._committed)
        self._held = None
        dispatcher, self._dispatcher = self._dispatcher, None
        settlement, self._settlement = self._settlement, None
        reconciler, self._reconciler = self._reconciler, None
        if reconciler is not None:
            await reconciler.close()
        if dispatcher is not None:
            await dispatcher.close()
        if settlement is not None:
            await settlement.close()
        await self._broker.close()

"""The session at one broker: held by one node at a time, opened in the journal with an epoch of its own."""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from ordergate.application.comparison import AccountTerms
from ordergate.application.dispatch import Dispatcher
from ordergate.application.entry import Entry, Origin
from ordergate.application.health import BrokerHealth, Ear
from ordergate.application.ownership import Tenure
from ordergate.application.ports.brokers import Broker, LoginRefused
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.journal import RowReader
from ordergate.application.reconciliation import Reconciler
from ordergate.application.runner import Runner
from ordergate.application.settlement import Settlement
from ordergate.domain.errors import StoreError
from ordergate.domain.logins import NoteRefusedLogin
from ordergate.domain.orders.commands import OpenSession
from ordergate.domain.orders.events import SessionOpened
from ordergate.domain.orders.order import Order

_LONGEST_CHECK_S: Final = 30.0
"""For which new orders wait for the first comparison of an account that fails, or is not told whole."""
_PATIENCE_S: Final = 2.0
"""For which whoever opens a session waits for it."""
_log = structlog.get_logger("ordergate.session")


class BrokerSession:
    """The duty of connecting to a broker, sending to it, and settling what it left unanswered.

    Args:
        version: of this program.
        node: this one's name, for the journal.
        health: is told of what is heard of the broker.
        comparing: where rows are read and how the account is compared, if the broker tells of it; None does not.
        most_per_s: calls a second at most, where that is less than what the broker takes.
    """

    def __init__(
        self,
        broker: Broker,
        runner: Runner,
        clock: Clock,
        version: str,
        node: str | None,
        health: BrokerHealth,
        comparing: tuple[RowReader, AccountTerms] | None = None,
        most_per_s: int | None = None,
    ) -> None:
        self._broker, self._runner, self._clock = broker, runner, clock
        self._opening = OpenSession(broker.name, version, node)
        self._health, self._ear, self._most_per_s = health, Ear(runner, health), most_per_s
        self._refused: Tenure | None = None
        self._reconnecting = asyncio.Lock()
        self._trying: asyncio.Task[None] | None = None
        self._held: tuple[Tenure, int] | None = None
        self._dispatcher: Dispatcher | None = None
        self._settlement: Settlement | None = None
        self._comparing = comparing if broker.capabilities.statements else None
        self._reconciler: Reconciler | None = None
        self._checking: asyncio.Task[None] | None = None

    @property
    def broker(self) -> str:
        """Its name."""
        return self._broker.name

    def compare_so(self, terms: AccountTerms) -> None:
        """The account is compared on these terms from now on; nothing, where the broker does not tell of it."""
        if self._comparing is not None:
            self._comparing = self._comparing[0], terms
        if self._reconciler is not None:
            self._reconciler.compare_so(terms)

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
        """Opens the session; from then on what is journalled for the broker is sent, new orders once it was compared.

        A login that is refused is said aloud and not tried again before `reconnect`: the duty is this node's meanwhile,
        so that no other tries it either.

        Raises:
            BrokerAway: the broker cannot be reached now.
            StoreError: the store or the broker's own cannot be used, the lease has run out meanwhile, or another
                node was faster.
        """
        runner, name = self._runner, self._broker.name
        sessions, view = runner.engine.state.sessions, runner.engine.view
        epoch = await runner.execute(self._opening, Origin())
        self._check(tenure, epoch)
        try:
            await self._broker.connect(self._ear, sessions.rows[name].cursor)
        except LoginRefused as refused:
            await self._stay_out(tenure, str(refused))
            return
        self._check(tenure, epoch)
        self._health.opened()
        self._held = tenure, epoch
        runner.listen(self._committed)
        self._dispatcher = Dispatcher(
            self._broker,
            runner,
            epoch,
            tenure,
            self._health,
            self._clock,
            _fewer(self._broker, self._most_per_s),
        )
        self._settlement = Settlement(self._broker, runner, self._clock, epoch, self._health)
        if self._comparing is not None:
            self._wait_for_check(True)
        view.sessions[name] = epoch
        await self._settlement.start()
        if self._comparing is not None:
            reader, terms = self._comparing
            self._reconciler = Reconciler(self._health, self._runner, reader, self._clock, terms)
            self._reconciler.start()
            self._checking = asyncio.get_running_loop().create_task(self._check_first(self._reconciler))
            self._checking.add_done_callback(self._checked)
            await asyncio.wait({self._checking}, timeout=_PATIENCE_S)

    async def _stay_out(self, tenure: Tenure, said: str) -> None:
        self._refused, self._health.refused = tenure, said
        _log.error("a broker refuses our login", broker=self.broker, said=said)
        await self._runner.execute(NoteRefusedLogin(broker=self.broker, reason=said), Origin())

    @property
    def is_refused(self) -> bool:
        """Whether the broker has refused our login, and nothing was tried since."""
        return self._refused is not None

    async def reconnect(self) -> None:
        """Tries once more what was refused; nothing, where nothing was.

        Raises:
            StoreError: as `begin`.
        """
        async with self._reconnecting:
            tenure, self._refused = self._refused, None
            if tenure is None:
                return
            trying = self._trying = asyncio.get_running_loop().create_task(self._try(tenure))
            try:
                await trying
            except asyncio.CancelledError:
                if self._trying is trying:  # it is we who are canceled
                    raise
                raise StoreError(f"the duty of the session at {self.broker} ended meanwhile") from None

    async def _try(self, tenure: Tenure) -> None:
        try:
            await self.begin(tenure)
        except BaseException:
            await self._let_go()  # of what was begun
            self._refused = tenure
            raise

    async def _check_first(self, reconciler: Reconciler) -> None:
        """Lets new orders leave once the account was compared, or nothing could be for so long; others always do."""
        try:
            async with asyncio.timeout(_LONGEST_CHECK_S):
                await reconciler.has_looked.wait()
        except TimeoutError:
            _log.warning("new orders leave, though the account was not compared", broker=self._broker.name)
        reconciler.has_looked.set()
        self._wait_for_check(False)
        if self._settlement is not None:
            await self._settlement.release()

    def _wait_for_check(self, waits: bool) -> None:
        unchecked, self._health.waits = self._runner.engine.view.unchecked, waits
        (unchecked.add if waits else unchecked.discard)(self._broker.name)

    def _checked(self, task: asyncio.Task[None]) -> None:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            self._runner.fail(failure)

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
        trying, self._trying = self._trying, None
        if trying is not None:
            trying.cancel()
            await asyncio.gather(trying, return_exceptions=True)
        self._health.left()
        await self._let_go()

    async def _let_go(self) -> None:
        self._runner.engine.view.sessions.pop(self._broker.name, None)
        self._runner.unlisten(self._committed)
        self._held = self._refused = None
        checking, self._checking = self._checking, None
        if checking is not None:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)
        self._wait_for_check(False)
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


def _fewer(broker: Broker, most: int | None) -> int | None:
    """How many calls a second there may be, by the configuration and by what the broker declares."""
    bounds = [one for one in (most, broker.capabilities.max_calls_per_s) if one is not None]
    return min(bounds, default=None)

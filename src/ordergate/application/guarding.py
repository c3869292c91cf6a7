"""The guard: the duty of asking gates and watching what throws the kill switch; one node's at a time."""

from ordergate.application.gating import Gating
from ordergate.application.ownership import Tenure
from ordergate.application.ports.clock import Clock
from ordergate.application.runner import Runner
from ordergate.application.triggers import Triggers
from ordergate.application.watching import Watch


class Guard:
    """Gating and the watch under one lease.

    Attributes:
        gating: knows the gates in this process.
    """

    def __init__(self, runner: Runner, clock: Clock, triggers: Triggers) -> None:
        self.gating, self._watch = Gating(runner, clock), Watch(runner, clock, triggers)

    @property
    def lease(self) -> str:
        """Of the risk gate."""
        return "risk"

    @property
    def broken(self) -> bool:
        """Never: what fails is tried again, or ends the run."""
        return False

    def look_for(self, triggers: Triggers) -> None:
        """See `Watch.look_for`."""
        self._watch.look_for(triggers)

    async def begin(self, tenure: Tenure) -> None:
        """Values the funds, and takes up what waits.

        Raises:
            StoreError: the store cannot be used.
        """
        await self._watch.start()
        self.gating.start()

    async def end(self) -> None:
        """Asks and looks no more."""
        await self.gating.close()
        await self._watch.close()

"""Which of several nodes does what only one may do: a broker's session, an outlet.

Each such duty has a lease. A node takes those that are free, does their duties for as long as it can renew them,
and lets go at once of what it could not renew in time, whether or not it learns who has it now.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol

import structlog

from ordergate.application.clock_check import check_difference
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.leases import FOREVER, LEASE_S, PRESENCE, Lease, Leases
from ordergate.domain.errors import BrokerAway, OrdergateError, StoreError

_TURN_S: Final = LEASE_S / 8
_ANSWER_S: Final = LEASE_S / 4
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_log = structlog.get_logger("ordergate.ownership")


class Tenure:
    """One holding of one lease. Once it has been seen to be over, it is over for good."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._over = False

    @property
    def holds(self) -> bool:
        """Whether it is certain that nobody else has the lease now."""
        if asyncio.get_running_loop().time() >= self.lease.until:
            self._over = True
        return not self._over

    def end(self) -> None:
        """It is over."""
        self._over = True


class Duty(Protocol):
    """Something that one node at a time does."""

    @property
    def lease(self) -> str:
        """The name of its lease."""
        ...

    @property
    def broken(self) -> bool:
        """Whether it must be left and taken up anew, although the lease holds."""
        ...

    async def begin(self, tenure: Tenure) -> None:
        """Takes it up; raises where that cannot be done now."""
        ...

    async def end(self) -> None:
        """Leaves it, also half begun."""
        ...


class Presence:
    """The duty of being there: each node has a lease of its own, so that one without other duties shows too."""

    def __init__(self, node: str) -> None:
        self.lease, self.broken = f"{PRESENCE}{node}", False

    async def begin(self, tenure: Tenure) -> None:
        """Nothing to do: the lease says it."""

    async def end(self) -> None:
        """Nothing to leave."""


class _Post:
    """A duty, this node's while it has a tenure. `work` begins or ends it."""

    def __init__(self, duty: Duty) -> None:
        self.duty = duty
        self.tenure: Tenure | None = None
        self.work: asyncio.Task[None] | None = None
        self._pause, self._rests_until = 0.0, 0.0

    @property
    def vacant(self) -> bool:
        """Whether this node neither has it nor is still leaving it, nor rests after it could not begin."""
        rests = asyncio.get_running_loop().time() < self._rests_until
        return self.tenure is None and (self.work is None or self.work.done()) and not rests

    def begun(self) -> None:
        """It could be taken up."""
        self._pause = 0.0

    def rest(self) -> None:
        """It could not be taken up: each try may be journalled, so they become fewer."""
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._rests_until = asyncio.get_running_loop().time() + self._pause


class Keeper:
    """Keeps a node's leases, and begins and ends its duties.

    Args:
        fail: is told of what must not happen.
    """

    def __init__(self, leases: Leases, clock: Clock, fail: Callable[[BaseException], None]) -> None:
        self._leases, self._clock, self._fail = leases, clock, fail
        self._posts: list[_Post] = []
        self._turning: asyncio.Task[None] | None = None

    async def add(self, duty: Duty) -> None:
        """Takes a duty up at once, if its lease is free, else as soon as it is; also later where a broker is away.

        Raises:
            OrdergateError: it is this node's, and cannot be begun for another reason; nobody has it then.
        """
        post = _Post(duty)
        if not await self._take(post):
            self._keep(post)
            return
        self._keep(post)
        work = post.work = asyncio.get_running_loop().create_task(self._begin(post))
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()
            raise
        failure = None if work.cancelled() else work.exception()
        if isinstance(failure, BrokerAway):
            self._rest(post, failure)
            self._turn()
        elif failure is not None:
            self._posts.remove(post)
            raise failure

    def _keep(self, post: _Post) -> None:
        self._posts.append(post)
        if post.tenure is None or post.tenure.lease.until != FOREVER:
            self._turn()

    def _turn(self) -> None:
        if self._turning is None:
            self._turning = asyncio.get_running_loop().create_task(self._turn_for_ever())
            self._turning.add_done_callback(self._turned)

    def _turned(self, turning: asyncio.Task[None]) -> None:
        failure = None if turning.cancelled() else turning.exception()
        if failure is not None:
            self._fail(failure)

    async def _turn_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_TURN_S)
            self._leave_what_is_over()
            with suppress(TimeoutError, StoreError):  # what is not renewed in time is over
                async with asyncio.timeout(_ANSWER_S):
                    await self._renew()
                    await self.check_clock()
            self._leave_what_is_over()
            for post in self._posts:
                if post.vacant:
                    with suppress(TimeoutError, StoreError):
                        async with asyncio.timeout(_ANSWER_S):
                            await self._take_up(post)

    def _leave_what_is_over(self) -> None:
        for post in self._posts:
            if post.tenure is not None and (post.duty.broken or not post.tenure.holds):
                lease = post.tenure.lease
                _log.warning("a duty is left", lease=lease.name, epoch=lease.epoch, broken=post.duty.broken)
                self._leave(post)

    async def _renew(self) -> None:
        held = {
            post.tenure.lease.name: post.tenure
            for post in self._posts
            if post.tenure is not None and post.tenure.lease.until < FOREVER
        }
        renewed = {lease.name: lease for lease in await self._leases.renew([t.lease for t in held.values()])}
        for name, tenure in held.items():
            if name in renewed:
                tenure.lease = renewed[name]
            else:
                tenure.end()

    async def check_clock(self) -> None:
        """Raises ClockError where this node's clock is not the store's, StoreError where that cannot be asked."""
        asked = self._clock.now()
        store = await self._leases.clock()
        if store is not None:
            check_difference(asked, self._clock.now(), store)

    async def _take(self, post: _Post) -> bool:
        lease = await self._leases.take(post.duty.lease)
        post.tenure = None if lease is None else Tenure(lease)
        return lease is not None

    async def _take_up(self, post: _Post) -> None:
        if await self._take(post):
            _log.info("a lease is taken", lease=post.duty.lease)
            post.work = asyncio.get_running_loop().create_task(self._begin_or_retry(post))

    async def _begin_or_retry(self, post: _Post) -> None:
        try:
            await self._begin(post)
            post.begun()
        except OrdergateError as error:
            self._rest(post, error)
        except Exception as error:
            self._fail(error)

    def _rest(self, post: _Post, error: OrdergateError) -> None:
        post.rest()
        _log.warning("a duty cannot be taken up yet", lease=post.duty.lease, error=str(error))

    async def _begin(self, post: _Post) -> None:
        tenure = post.tenure
        if tenure is None:
            return
        try:
            await post.duty.begin(tenure)
        except BaseException:
            if post.tenure is tenure:  # else it is being left already
                post.tenure = None
                await post.duty.end()
                await self._give_back(tenure)
            raise

    def _leave(self, post: _Post) -> None:
        """Ends a duty; it is not taken up again before it has ended."""
        beginning, post.tenure = post.work, None
        post.work = asyncio.get_running_loop().create_task(self._end(post, beginning))

    async def _end(self, post: _Post, beginning: asyncio.Task[None] | None) -> None:
        if beginning is not None and not beginning.done():
            beginning.cancel()
            await asyncio.wait({beginning})
        try:
            await post.duty.end()
        except Exception as error:
            self._fail(error)

    async def _give_back(self, *tenures: Tenure) -> None:
        for tenure in tenures:
            tenure.end()
        with suppress(TimeoutError, StoreError):  # they run out by themselves
            async with asyncio.timeout(_ANSWER_S):
                await self._leases.give_back([tenure.lease for tenure in tenures])

    def abandon(self) -> None:
        """Renews nothing more: this node can do no duty, and others shall."""
        if self._turning is not None:
            self._turning.cancel()
        for post in self._posts:
            if post.tenure is not None:
                post.tenure.end()

    async def close(self) -> None:
        """Ends every duty, and lets other nodes take them."""
        if self._turning is not None:
            self._turning.cancel()
            await asyncio.gather(self._turning, return_exceptions=True)
        held = [post.tenure for post in self._posts if post.tenure is not None]
        for post in self._posts:
            if post.tenure is None and post.work is not None:
                await asyncio.wait({post.work})  # it is being left already
            post.tenure = None
            await self._end(post, post.work)
        self._posts.clear()
        if held:
            await self._give_back(*held)

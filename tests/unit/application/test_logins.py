"""A broker that refuses our login: said once, aloud; the others go on; tried again only when somebody asks."""

import asyncio

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.api.recon import compare
from ordergate.application.ports.brokers import LoginRefused
from ordergate.application.secrets import Secrets
from ordergate.application.settlement import Settlement
from ordergate.bootstrap import assemble
from ordergate.config import Config, FundSection
from ordergate.domain.breaks import BreakKind
from ordergate.domain.errors import BrokerAway, Conflict, NotFound, StoreError
from ordergate.domain.orders.states import State
from ordergate.domain.recon.statement import Statement
from ordergate.domain.routing import Route
from ordergate.protocols.tlog import Signer
from ordergate.testing.scripted_broker import CAPABILITIES, ScriptedBroker
from tests.unit.application.gates import START, buy
from tests.unit.application.guards import entries
from tests.unit.application.test_secrets import Store

SAID = "acme: API key expired on 1 March: make a new one, and put it at brokers.acme.key"


class Locked(ScriptedBroker):
    """Refuses the login while `locked`; counts how often it was tried."""

    def __init__(self, name: str = "acme") -> None:
        super().__init__(name)
        self.locked, self.tries = True, 0
        self.error: Exception = LoginRefused(SAID)

    async def connect(self, sink, cursor) -> None:
        self.tries += 1
        if self.locked:
            raise self.error
        await super().connect(sink, cursor)


async def nothing() -> None:
    """Looks at nothing."""


def run(test, secrets=None, after=nothing, error=None, acme=None, **fund) -> tuple[Locked, ScriptedBroker]:
    acme, paper = acme or Locked(), ScriptedBroker()
    acme.error = error or acme.error
    config = Config(funds={"paper-momentum": FundSection(unlimited=True, **fund)})

    async def main() -> None:
        signer, clock = Signer(config.audit.origin, bytes(32)), VirtualClock(START)
        async with assemble(
            config, MemoryJournal(), signer, clock, CountingIds(), [acme, paper], secrets=secrets
        ) as gate:
            gate.runner.engine.view.brokers |= {"acme"}
            await test(gate, acme)
        await after()

    run_virtual(main())
    return acme, paper


def test_it_is_said_once_and_the_others_go_on() -> None:
    async def test(gate, acme) -> None:
        waits = (await gate.execute(buy("waits", broker="acme"))).order
        sent = (await gate.execute(buy("sent", broker="paper"))).order
        await gate.clock.sleep(3_600)
        assert (waits.state, sent.state) == (State.ACCEPTED, State.SUBMITTED)
        (item,) = [one.event.item for one in await entries(gate, "BreakRaised")]
        assert (item.kind, item.broker, item.detail) == (BreakKind.LOGIN_REFUSED, "acme", SAID)
        assert gate.health.of["acme"].why_down == f"it refuses our login: {SAID}"
        assert [one.is_refused for one in gate.sessions] == [True, False]

    with capture_logs() as logs:
        acme, paper = run(test)
    assert [one["said"] for one in logs if one["event"] == "a broker refuses our login"] == [SAID]
    assert (acme.tries, len(acme.calls), len(paper.calls)) == (1, 0, 1)


def test_new_orders_go_where_the_login_is_taken() -> None:
    async def test(gate, acme) -> None:
        order = (await gate.execute(buy())).order
        assert (order.broker, order.route) == ("paper", ("acme", "paper"))

    run(test, routes=(Route(brokers=("acme", "paper")),))


def test_one_that_is_away_stops_nobody_and_is_tried_until_it_is_there() -> None:
    async def test(gate, acme) -> None:
        waits = (await gate.execute(buy("waits", broker="acme"))).order
        sent = (await gate.execute(buy("sent", broker="paper"))).order
        await gate.clock.sleep(600)
        assert (waits.state, sent.state) == (State.ACCEPTED, State.SUBMITTED)
        assert gate.health.of["acme"].why_down == "its session is not open"
        assert 10 < acme.tries < 30  # ever less often
        acme.locked = False
        await gate.clock.sleep(60)
        assert (await gate.queries.order(waits.order_id)).state is State.SUBMITTED
        assert gate.health.of["acme"].why_down is None

    acme, _paper = run(test, error=BrokerAway("no node answers"))
    assert len(acme.calls) == 1


def test_one_whose_own_file_cannot_be_used_is_said_at_once() -> None:
    with pytest.raises(StoreError, match="another's"):
        run(nothing, error=StoreError("the file is another's"))


def test_new_orders_go_elsewhere_where_the_account_cannot_be_read() -> None:
    async def test(gate, acme) -> None:
        await gate.clock.sleep(3)
        order = (await gate.execute(buy())).order
        assert gate.health.of["acme"].why_down.endswith(": no route to acme")
        assert (order.broker, order.state) == ("paper", State.SUBMITTED)
        (one,) = await compare(gate, None)
        assert (one["broker"], one["found"], one["why"]) == ("acme", "not_compared", "no route to acme")

    async def statement(since) -> Statement:
        return Statement(as_of=since, complete=False, why="no route to acme")

    acme = Locked()
    acme.locked, acme._capabilities, acme.statement = False, replace(CAPABILITIES, statements=True), statement
    run(test, acme=acme, routes=(Route(brokers=("acme", "paper")),))


def test_an_account_whose_login_is_refused_was_not_compared() -> None:
    async def test(gate, acme) -> None:
        (one,) = await compare(gate, None)
        assert (one["found"], one["why"]) == ("not_compared", f"it refuses our login: {SAID}")
        assert [item["kind"] for item in one["breaks"]] == ["login_refused"]
        with pytest.raises(Conflict, match="it refuses our login"):
            await compare(gate, "acme")

    acme = Locked()
    acme._capabilities = replace(CAPABILITIES, statements=True)
    run(test, acme=acme)


def test_asked_again_it_is_tried_again_and_what_waited_is_sent() -> None:
    async def test(gate, acme) -> None:
        order = (await gate.execute(buy(broker="acme"))).order
        (session, other) = gate.sessions
        await session.reconnect()
        assert acme.tries == 2
        assert len(await entries(gate, "BreakRaised")) == 2
        acme.locked = False
        await asyncio.gather(session.reconnect(), session.reconnect())
        await other.reconnect()
        await gate.clock.sleep(1)
        assert acme.tries == 3
        assert (await gate.queries.order(order.order_id)).state is State.SUBMITTED
        assert (gate.health.of["acme"].why_down, session.is_refused) == (None, False)

    acme, _paper = run(test)
    assert len(acme.calls) == 1


def test_a_try_that_fails_otherwise_can_be_made_again() -> None:
    async def test(gate, acme) -> None:
        acme.error = StoreError("unreachable")
        with pytest.raises(StoreError, match="unreachable"):
            await gate.sessions[0].reconnect()
        assert gate.sessions[0].is_refused
        acme.locked = False
        await gate.sessions[0].reconnect()
        assert not gate.sessions[0].is_refused

    run(test)


def test_a_try_that_fails_half_way_leaves_nothing_behind() -> None:
    async def test(gate, acme) -> None:
        (session, _other), acme.locked = gate.sessions, False
        start, Settlement.start = Settlement.start, failing
        try:
            with pytest.raises(StoreError, match="full"):
                await session.reconnect()
        finally:
            Settlement.start = start
        assert (session.is_refused, "acme" in gate.runner.engine.view.sessions) == (True, False)
        await session.reconnect()
        order = (await gate.execute(buy(broker="acme"))).order
        await gate.clock.sleep(1)
        assert (order.state, session.is_refused) == (State.SUBMITTED, False)
        assert sum(listener.__self__ is session for listener in gate.runner._listeners) == 1

    async def failing(_settlement) -> None:
        raise StoreError("the disk is full")

    acme, _paper = run(test)
    assert len(acme.calls) == 1


def test_a_gate_that_closes_ends_a_try() -> None:
    tries = []

    async def test(gate, acme) -> None:
        async def hangs(sink, cursor) -> None:
            await asyncio.Event().wait()

        acme.connect = hangs
        tries.append(asyncio.get_running_loop().create_task(gate.logins.reconnect("acme")))
        await gate.clock.sleep(1)

    async def ended() -> None:
        with pytest.raises(StoreError, match="the session at acme ended meanwhile"):
            await tries[0]

    run(test, after=ended)


class Rotated(Secrets):
    """Secrets of which a test says that they were rotated."""

    def rotate(self, *settings: str) -> None:
        for setting in settings:
            self._tell(setting)


def test_new_secrets_are_tried_once_for_all_that_came_together() -> None:
    secrets = Rotated(Store())

    async def test(gate, acme) -> None:
        secrets.rotate("brokers.acme.key", "brokers.acme.secret")
        await gate.clock.sleep(60)
        assert (acme.tries, gate.sessions[0].is_refused) == (2, True)
        acme.locked = False
        secrets.rotate("brokers.acme-2.key", "database.password")  # another's
        await gate.clock.sleep(60)
        assert acme.tries == 2
        secrets.rotate("brokers.acme.secrets.key")
        await gate.clock.sleep(60)
        assert (acme.tries, gate.sessions[0].is_refused) == (3, False)
        secrets.rotate("brokers.acme.key")  # of a session that is open
        await gate.clock.sleep(60)
        assert acme.tries == 3

    run(test, secrets)


def test_secrets_that_come_while_a_try_is_under_way_are_tried_too() -> None:
    secrets = Rotated(Store())

    async def test(gate, acme) -> None:
        connect = acme.connect

        async def slow(sink, cursor) -> None:
            refuses = acme.locked
            await gate.clock.sleep(5)
            acme.locked, later = refuses, acme.locked
            try:
                await connect(sink, cursor)
            finally:
                acme.locked = later

        acme.connect = slow
        secrets.rotate("brokers.acme.key")
        await gate.clock.sleep(3)
        acme.locked = False
        secrets.rotate("brokers.acme.secret")
        await gate.clock.sleep(60)
        assert (acme.tries, gate.sessions[0].is_refused) == (3, False)

    run(test, secrets)


def test_a_try_with_new_secrets_that_fails_otherwise_is_said() -> None:
    secrets = Rotated(Store())

    async def test(gate, acme) -> None:
        acme.error = StoreError("unreachable")
        secrets.rotate("brokers.acme.key")
        await gate.clock.sleep(60)
        assert (acme.tries, gate.sessions[0].is_refused) == (2, True)

    with capture_logs() as logs:
        run(test, secrets)
    assert [one["error"] for one in logs if one["event"] == "a login could not be tried"] == ["unreachable"]


def test_a_gate_that_closes_tries_no_more() -> None:
    secrets = Rotated(Store())

    async def test(gate, acme) -> None:
        secrets.rotate("brokers.acme.key")

    assert run(test, secrets)[0].tries == 1


def test_what_cannot_be_tried_again_is_refused() -> None:
    async def test(gate, acme) -> None:
        with pytest.raises(NotFound, match="'none' is no broker; there are acme, paper"):
            await gate.logins.reconnect("none")
        with pytest.raises(Conflict, match="nothing to try again"):
            await gate.logins.reconnect("paper")

    run(test)

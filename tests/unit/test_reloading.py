"""Reloading: read, checked whole, compared, journalled and put in force; what fails changes nothing, and says so."""

import asyncio
import tomllib
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ordergate.adapters.clock import SystemClock, run_virtual
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.entry import Origin
from ordergate.application.ownership import Tenure
from ordergate.application.ports.secrets import Kind, Place
from ordergate.application.reloading import Outcome
from ordergate.bootstrap import open_shard, open_shards
from ordergate.bootstrap.reloading import Reloader, running
from ordergate.config import load
from ordergate.config.secrets import LEAST_SIGNING
from ordergate.config.sources import merged
from ordergate.domain.configuration import MOST_KEYS, KeyClass
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.commands import CancelOrder, parse_order
from ordergate.domain.orders.states import OrderType, State
from ordergate.domain.risk.commands import LiftHalt, SetLimits, ThrowSwitch
from ordergate.domain.risk.limits import Level, Limits
from tests.unit.application.gates import buy
from tests.unit.application.guards import entries
from tests.unit.application.nodes import same, two
from tests.unit.reloads import BASE, D, Room, Source, SourceError, reloaded, start_of

FUND = "paper-momentum"
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": D(179)}
SPARE = {"brokers": {"paper": {}, "spare": {}}}
AAPL = {"class": "equities", "unit": "shares", "tick": D("0.01"), "lot_step": 1, "currency": "USD"}
PORT = {"server": {"port": 9000}}


def capped(quantity: Any) -> dict[str, Any]:
    return {"limits": {"firm": {"max_order_qty": quantity}}}


def pending(room: Room) -> dict[str, str]:
    return {one.change.key: one.reason for one in room.reloader.standing.pending}


def test_a_change_stands_in_the_journal_with_old_and_new_and_who_it_came_from() -> None:
    async def test(room: Room) -> None:
        await room.applied(capped(50), {"signals": {"order_type": "limit"}})
        await room.applied(capped(40), {"signals": {"order_type": "limit"}})
        first, second = await room.changes()
        assert (first.source, first.revision) == ("file", "file:1")
        assert [(one.key, one.old, one.new) for one in second.changes] == [
            ("limits.firm.max_order_qty", '"50"', '"40"')
        ]
        assert {one.key for one in first.changes} == {"limits.firm", "signals.order_type"}
        assert {one.key_class for one in first.changes} == {KeyClass.HOT}
        (entry, _) = await entries(room.gate, "ConfigurationChanged")
        assert (entry.source, entry.principal) == ("configuration", "configuration")

    reloaded(test)


def test_what_says_the_same_is_no_news() -> None:
    async def test(room: Room) -> None:
        size = room.gate.runner.engine.size
        assert (await room.reload()).outcome is Outcome.UNCHANGED
        assert room.gate.runner.engine.size == size

    reloaded(test)


def test_what_needs_a_restart_waits_and_the_rest_counts() -> None:
    async def test(room: Room) -> None:
        assert await room.applied(PORT, capped(50)) == ["limits.firm"]
        assert room.gate.config.server.port == 8012
        assert pending(room) == {"server.port": "it counts after a restart"}
        (event,) = await room.changes()
        assert [one.key for one in event.changes] == ["limits.firm"]
        assert (await room.reload(capped(50))).outcome is Outcome.UNCHANGED
        assert pending(room) == {}

    reloaded(test)


def test_what_cannot_stand_without_what_needs_a_restart_waits_with_it() -> None:
    async def test(room: Room) -> None:
        why = await room.refused(SPARE, {"funds": {FUND: {"broker": "spare"}}}, capped(50))
        assert "'spare' is no broker" in why
        assert "brokers.spare would be needed now" in why
        assert (await room.buy("k")).quantity == 100

    reloaded(test)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"limits": {"firm": {"max_order_qty": -1}}}, "limits.firm.max_order_qty"),
        ({"limits": {"firm": {"max_ordr_qty": 1}}}, "max_ordr_qty"),
        ({"funds": {"new": {}}}, "funds.new: has no limits"),
        ({"funds": {FUND: {"dedupe_window": "soon"}}}, f"funds.{FUND}.dedupe_window: 'soon'"),
        ({"signals": {"fund": "none"}}, "signals.fund: 'none' is no fund"),
        ({"alerts": {"webhook": "https://example.com/", "secret_env": "NOT_THERE"}}, "alerts.secret_env"),
        ({"rates": {"USD": 1}}, "rates: 'USD' is no pair"),
        ({"nosuch": {}}, "nosuch"),
    ],
)
def test_a_bad_value_names_its_key_and_changes_nothing(written: dict[str, Any], said: str) -> None:
    async def test(room: Room) -> None:
        await room.applied(capped(200))
        assert said in await room.refused(capped(50), written)
        assert (await room.buy("k")).state is not State.REJECTED
        assert len(await room.changes()) == 1
        assert room.reloader.standing.last.reason is not None
        await room.applied(capped(50))  # and the next one is taken
        assert room.reloader.is_sound
        assert (await room.buy("l")).state is State.REJECTED

    reloaded(test)


GUARDED = [
    (SPARE, {"funds": {FUND: {"broker": "spare"}}}, f"funds.{FUND}.broker"),
    ({}, {"funds": {FUND: {"base_currency": "EUR"}}}, f"funds.{FUND}.base_currency"),
    ({"instruments": {"AAPL": AAPL}}, {"instruments": {"AAPL": {"contract_size": 2}}}, "instruments.AAPL.contract_size"),
    ({"instruments": {"AAPL": AAPL}}, {"instruments": {"AAPL": {"unit": "lots"}}}, "instruments.AAPL.unit"),
    ({"instruments": {"AAPL": AAPL}}, {"instruments": {"AAPL": {"currency": "EUR"}}}, "instruments.AAPL.currency"),
    ({"instruments": {"AAPL": AAPL}}, {"instruments": {"AAPL": {"base": "X"}}}, "instruments.AAPL.base"),
    ({"instruments": {"AAPL": AAPL}}, {"instruments": {"AAPL": {"class": "fx"}}}, "instruments.AAPL.class"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "written", "key"), GUARDED, ids=[key for _, _, key in GUARDED])
def test_what_open_orders_are_about_changes_when_they_have_ended(
    base: dict[str, Any], written: dict[str, Any], key: str
) -> None:
    async def test(room: Room) -> None:
        order = await room.buy("k", **LIMIT)
        assert order.state is State.SUBMITTED
        why = await room.refused(written, capped(50))
        assert why == f"{key}: cannot change while {order.order_id} has not ended: cancel them or wait"
        await room.gate.execute(CancelOrder(order_id=order.order_id), Origin())
        await room.gate.quiet()
        done = await room.reloader.reload()  # the next look
        assert done.outcome is Outcome.APPLIED
        assert key in [change.key for change in done.changed]

    reloaded(test, merged((BASE, base)))


def test_a_broker_is_not_taken_out_while_it_has_open_orders() -> None:
    funds = {"funds": {FUND: {"unlimited": True, "broker": "other"}}}

    async def test(room: Room) -> None:
        order = await room.buy("k", broker="paper", **LIMIT)
        room.source.say({"brokers": {"other": {}}, **funds})
        done = await room.reloader.reload()
        assert done.outcome is Outcome.REFUSED
        assert (
            done.reason
            == f"brokers.paper: cannot change while {order.order_id} has not ended: cancel them or wait"
        )
        await room.gate.execute(CancelOrder(order_id=order.order_id), Origin())
        await room.gate.quiet()
        assert (await room.reloader.reload()).outcome is Outcome.UNCHANGED
        assert pending(room) == {"brokers.paper": "it counts after a restart"}

    reloaded(test, {"brokers": {"paper": {}, "other": {}}, **funds})


def test_limits_are_tightened_at_once_and_loosened_when_the_halt_is_lifted() -> None:
    async def test(room: Room) -> None:
        await room.applied(capped(100))
        halt = ThrowSwitch(level=Level.FIRM, name="", reason="a drill")
        await room.gate.execute(halt, Origin(principal="ann"))
        await room.applied(capped(90))
        looser = await room.reload(capped(200), {"signals": {"order_type": "limit"}})
        assert [one.key for one in looser.changed] == ["signals.order_type"]
        (reason,) = pending(room).values()
        assert reason.startswith("max_order_qty would be loosened while")
        row = room.gate.runner.engine.state.limits.rows[Level.FIRM, ""]
        assert row.limits.max_order_qty == 90
        await room.gate.execute(LiftHalt(level=Level.FIRM, name="", reason="over"), Origin(principal="bea"))
        assert [one.key for one in (await room.reloader.reload()).changed] == ["limits.firm.max_order_qty"]
        assert pending(room) == {}

    reloaded(test)


def test_limits_that_are_taken_out_stay_and_an_empty_table_takes_them_away() -> None:
    async def test(room: Room) -> None:
        await room.applied(capped(50))
        assert (await room.reload()).outcome is Outcome.UNCHANGED
        assert list(pending(room)) == ["limits.firm"]
        assert (await room.buy("k")).state is State.REJECTED
        await room.applied({"limits": {"firm": {}}})
        assert (await room.buy("l")).state is not State.REJECTED

    reloaded(test)


def test_limits_that_a_person_has_set_since_stay_until_the_file_says_something_else_of_them() -> None:
    async def test(room: Room) -> None:
        await room.applied(capped(50))
        mine = SetLimits(level=Level.FIRM, name="", limits=Limits(max_order_qty=D(30)), reason="mine")
        await room.gate.execute(mine, Origin())
        await room.applied(capped(50), {"signals": {"order_type": "limit"}})
        assert room.gate.runner.engine.state.limits.rows[Level.FIRM, ""].limits.max_order_qty == 30
        await room.applied(capped(60), {"signals": {"order_type": "limit"}})
        assert room.gate.runner.engine.state.limits.rows[Level.FIRM, ""].limits.max_order_qty == 60

    reloaded(test)


UNSTAKE = {
    "idempotency_key": "u", "fund_id": FUND, "operation": "unstake", "symbol": "token:ETH", "quantity": "1",
    "terms": {"venue": "lido"},
}  # fmt: skip


def test_a_paper_venue_charges_otherwise_from_its_next_session_on() -> None:
    async def test(room: Room) -> None:
        await room.buy("k")
        later = {"fee_bps": 10, "latency_ms": 20, "slippage_bps": 1, "unstake_delay_s": 60}
        await room.applied({"brokers": {"paper": later}})
        assert set(pending(room).values()) == {"it counts from the next session at the broker on"}
        await room.buy("l")
        (session,) = room.gate.sessions
        tenure = session._held[0]
        await session.end()
        await session.begin(Tenure(tenure.lease))
        await room.buy("m")
        await room.later(seconds=1)
        fills = sorted(await room.gate.journal.select("fills"), key=lambda fill: fill.time)
        assert [bool(fill.fee) for fill in fills] == [False, False, True]
        assert fills[2].price > fills[1].price
        asked = await room.gate.execute(parse_order(UNSTAKE))
        await room.later(seconds=1)
        assert (await room.gate.queries.order(asked.order.order_id)).state is State.SUBMITTED
        assert pending(room) == {}
        (event,) = await room.changes()
        assert {one.key_class for one in event.changes} == {KeyClass.NEXT_SESSION}

    reloaded(test)


def test_secrets_are_neither_in_the_journal_nor_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", "canary-secret-of-the-hook")

    async def test(room: Room) -> None:
        place = Place("alerts.secret_env", Kind.VARIABLE, "HOOK_SECRET", LEAST_SIGNING)
        room.gate.secrets.hold(place)  # for simulated time waits for no thread that reads it
        for token in ("canary-1", "canary-2"):
            alerts = {"webhook": f"http://127.0.0.1:1/{token}", "secret_env": "HOOK_SECRET"}
            url = {"database": {"url": f"postgresql://ann:{token}@db/x"}}
            await room.applied(
                {"alerts": alerts}, url, {"gates": {"g": {"class": "a:B", "options": {"key": token}}}}
            )
        lines = await room.gate.journal.lines(0, 1_000)
        shown = repr(room.reloader.standing)
        assert "canary" not in shown
        assert all(b"canary" not in line.data for line in lines)
        assert [one.changes[0].new for one in await room.changes()] == [
            "hidden",
            "hidden",
        ]  # both are told of

    reloaded(test)


def test_a_source_that_says_nothing_leaves_what_it_said_and_hinders_no_other() -> None:
    async def test(room: Room) -> None:
        file, kv = room.sources
        assert room.gate.config.limits.firm.max_order_qty == 70
        kv.error = SourceError("key oms at bucket b: there is none")
        file.say(BASE, {"signals": {"order_type": "limit"}})
        done = await room.reloader.reload()
        assert [one.key for one in done.changed] == ["signals.order_type"]
        assert room.gate.config.limits.firm.max_order_qty == 70
        (_, state) = room.reloader.standing.sources
        assert state.error == "key oms at bucket b: there is none"
        assert not room.reloader.is_sound
        kv.say(capped(60))
        await room.reloader.reload()
        assert room.gate.config.limits.firm.max_order_qty == 60
        assert room.reloader.is_sound

    reloaded(test, others={"kv": capped(70)})


def test_a_source_that_says_what_cannot_be_hinders_no_other() -> None:
    async def test(room: Room) -> None:
        file, kv = room.sources
        kv.say(capped("many"))
        file.say(BASE, {"signals": {"order_type": "limit"}})
        assert (await room.reloader.reload()).outcome is Outcome.APPLIED
        assert room.gate.config.limits.firm.max_order_qty == 70
        state = room.reloader.standing.sources[1]
        assert "max_order_qty" in (state.error or "")
        assert not room.reloader.is_sound

    reloaded(test, others={"kv": capped(70)})


def test_two_sources_that_only_fit_together_are_taken_together() -> None:
    async def test(room: Room) -> None:
        file, kv = room.sources
        file.say(BASE, {"funds": {"new": {}}})
        kv.say(capped(70), {"limits": {"funds": {"new": {"nav_usd": 1}}}})
        assert (await room.reloader.reload()).outcome is Outcome.APPLIED

    reloaded(test, others={"kv": capped(70)})


@pytest.mark.parametrize("table", ["config", "hub", "server", "database", "audit", "shards"])
def test_where_sources_are_the_file_alone_says(table: str) -> None:
    async def test(room: Room) -> None:
        room.sources[1].say({table: {}})
        done = await room.reloader.reload()
        assert done.reason == f"kv: {table}: stands in the file alone"

    reloaded(test, others={"kv": {}})


def test_two_nodes_journal_the_same_change_once_and_each_has_it_when_it_has_read_it() -> None:
    new = (capped(150), {"orders": {"limit": False}})

    async def main() -> None:
        async with two() as (_, first, _, second, store):
            sources = [Source(BASE), Source(BASE)]
            reloaders = [
                Reloader(gate, start_of([source], gate.clock))
                for gate, source in zip((first, second), sources, strict=True)
            ]
            for number, (source, reloader) in enumerate(zip(sources, reloaders, strict=True)):
                source.say(BASE, *new)
                assert (await reloader.reload()).outcome is Outcome.APPLIED
                await same(store, first, second)
                assert len(await entries(first, "ConfigurationChanged")) == 1
                assert len(await entries(first, "LimitsSet")) == 1
                assert [gate.config.orders.limit for gate in (first, second)] == [False, number == 0]
            sources[1].say(BASE)  # and back, at the other one
            assert (await reloaders[1].reload()).outcome is Outcome.APPLIED
            assert len(await entries(first, "ConfigurationChanged")) == 2

    run_virtual(main())


def test_a_change_back_is_news_again() -> None:
    async def test(room: Room) -> None:
        for quantity in (50, 40, 50):
            await room.applied(capped(quantity))
        assert len(await room.changes()) == 3

    reloaded(test)


def test_an_entry_names_so_many_keys_and_counts_the_rest() -> None:
    async def test(room: Room) -> None:
        limits = {
            f"s{number}": {"max_order_qty": 1, "restricted_symbols": ["X" * 200]} for number in range(100)
        }
        await room.applied({"limits": {"strategies": limits}})
        (event,) = await room.changes()
        assert (len(event.changes), event.more) == (MOST_KEYS, 100 - MOST_KEYS)

    reloaded(test)


def test_a_store_that_cannot_take_it_leaves_the_old_one_and_it_is_tried_again() -> None:
    class Full(MemoryJournal):
        full = False

        async def commit(self, batch: Any) -> None:
            if self.full:
                raise StoreError("the disk is full")
            await super().commit(batch)

    journal = Full()

    async def test(room: Room) -> None:
        journal.full = True
        done = await room.reload(capped(50))
        assert (done.outcome, done.reason) == (Outcome.FAILED, "the disk is full")
        assert room.gate.config.limits.firm is None
        journal.full = False
        assert (await room.reloader.reload()).outcome is Outcome.APPLIED

    reloaded(test, journal=journal)


def test_orders_around_a_change_see_all_of_the_old_or_all_of_the_new() -> None:
    """They are stepped in the batches of the change itself: limits come with the journal, the rest with the view."""
    new = (capped(150), {"orders": {"limit": False}})

    async def test(room: Room) -> None:
        room.source.say(BASE, *new)
        big, limit = {"quantity": D(160)}, {"quantity": D(10), **LIMIT}
        asked = []
        change = asyncio.ensure_future(room.reloader.reload())
        for number in range(200):
            asked.append(asyncio.ensure_future(room.gate.execute(buy(f"b{number}", **big))))
            asked.append(asyncio.ensure_future(room.gate.execute(buy(f"l{number}", **limit))))
            if number % 10 == 0:
                await asyncio.sleep(0)
        await change
        orders = [result.order for result in await asyncio.gather(*asked)]
        refused = [order.state is State.REJECTED for order in orders]
        assert refused == sorted(refused), "once it has changed, it has changed for all that come later"
        assert {True, False} == set(refused)

    reloaded(test)


def test_news_of_a_source_are_looked_at_and_without_news_everything_every_so_often() -> None:
    async def test(room: Room) -> None:
        async with running(room.reloader, check_s=45):
            await room.source.watched.wait()
            room.source.say(BASE, capped(50))
            room.source.changed()
            await room.later(seconds=1)
            assert room.gate.config.limits.firm.max_order_qty == 50
            asked = room.source.asked
            room.source.say(BASE, capped(40))
            await room.later(seconds=46)
            assert room.source.asked == asked + 1
            assert room.gate.config.limits.firm.max_order_qty == 40

    reloaded(test)


def test_a_watch_that_breaks_and_a_mistake_of_ours_end_nothing() -> None:
    async def test(room: Room) -> None:
        async def broken(_changed: Any) -> None:
            raise OSError("too many watches")

        room.source.watch = broken
        room.source.error = RuntimeError("a mistake")
        async with running(room.reloader, check_s=45):
            await room.later(seconds=50)
            room.source.say(BASE, capped(40))
            await room.later(minutes=1)
        assert room.gate.config.limits.firm.max_order_qty == 40

    reloaded(test)


SHARDED = """
[shards.eu]
limits = {max_order_qty = 100}
[shards.us]
[funds.e]
broker = "be"
shard = "eu"
unlimited = true
[funds.u]
broker = "bu"
shard = "us"
unlimited = true
workers = {unfilled_after_s = 60}
[brokers.be]
[brokers.bu]
[signals]
fund = "e"
"""


def test_shards_take_over_what_is_about_them(tmp_path: Any) -> None:
    path = tmp_path / "o.toml"
    path.write_text(f'[database]\nurl = "sqlite:///{tmp_path}/o.db"\n{SHARDED}')

    async def main() -> None:
        config = load(path)
        async with AsyncExitStack() as stack:
            shards = await stack.enter_async_context(open_shards(config))
            assert shards.shards["us"].config.worker_terms("u").unfilled_after_s == 60
            source = Source(tomllib.loads(path.read_text()))
            reloader = Reloader(shards, start_of([source], SystemClock()))
            source.say(
                source.values,
                {"shards": {"eu": {"limits": {"max_order_qty": 50}}}},
                {"funds": {"u": {"asset_classes": ["fx"]}}},
            )
            done = await reloader.reload()
            assert done.outcome is Outcome.APPLIED, done
            eu, us = shards.shards["eu"], shards.shards["us"]
            assert eu.runner.engine.state.limits.rows[Level.FIRM, ""].limits.max_order_qty == 50
            told = [
                [change.key for change in one.event.changes]
                for gate in (eu, us)
                for one in await entries(gate, "ConfigurationChanged")
            ]
            assert told == [["limits.firm.max_order_qty"], ["funds.u.asset_classes"]]
            assert shards.config.funds["u"].asset_classes == ("fx",)
            refused = await shards.execute(buy("k", fund_id="u"))
            assert refused.order.reason_code == "RISK_ASSET_CLASS"
            assert (await reloader.reload()).outcome is Outcome.UNCHANGED

    asyncio.run(main())


def test_a_shard_that_is_open_alone_takes_over_what_is_about_it(tmp_path: Any) -> None:
    path = tmp_path / "o.toml"
    path.write_text(f'[database]\nurl = "sqlite:///{tmp_path}/o.db"\n{SHARDED}')

    async def main() -> None:
        config = load(path)
        async with open_shard(config, "us") as us:
            source = Source(tomllib.loads(path.read_text()))
            reloader = Reloader(us, start_of([source], SystemClock()), "us")
            source.say(
                source.values,
                {"shards": {"eu": {"limits": {"max_order_qty": 50}}, "us": {"limits": {"max_order_qty": 7}}}},
            )
            assert (await reloader.reload()).outcome is Outcome.APPLIED
            assert us.runner.engine.state.limits.rows[Level.FIRM, ""].limits.max_order_qty == 7
            (event,) = [one.event for one in await entries(us, "ConfigurationChanged")]
            assert [change.key for change in event.changes] == ["limits.firm"]

    asyncio.run(main())

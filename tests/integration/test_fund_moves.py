"""A fund moves to another shard: whole, once, and so that both logs prove it, wherever it is cut off."""

import asyncio
import subprocess
import sys
from decimal import Decimal

import pytest

from ordergate.adapters.journals.stores import open_journal, open_reader
from ordergate.application.audit.moves import check_moves
from ordergate.application.audit.replay import replay
from ordergate.application.audit.verify import verify
from ordergate.application.entry import Origin, decode
from ordergate.bootstrap import Gate, move_fund, open_gate, open_shards
from ordergate.config import ConfigError
from ordergate.domain.contingencies.events import ProtectionFailed
from ordergate.domain.errors import AuditError, Code, Conflict, NotFound, OrderMoved
from ordergate.domain.moves import MovePhase
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import ExecutionKind, Protection, State
from ordergate.domain.risk.valuation import Market
from ordergate.domain.signals import SubmitSignal, parse_signal
from tests.services.sharded import TOML, config, filled, make_market, order

NO_MARKET = Market(year=2026, quotes={}, rates={})
SIGNAL = {"signal_id": "s1", "symbol": "AAPL", "signal_type": "BUY", "position_size": "5", "approved": True}
BETA = "beta"


def moved(folder, target="eu", fund=BETA):
    return asyncio.run(move_fund(config(folder, beta=target), fund, target, Origin()))


def trade(folder, beta="us", orders=3):
    """Makes orders of both funds; beta ends with 20 AAPL of two lots, and has closed a third."""

    async def main():
        async with open_shards(config(folder, beta=beta)) as shards:
            await make_market(shards)
            await filled(shards, order("alpha", "k1", "ord-a"))
            for number in range(orders):
                await filled(shards, order(BETA, f"k{number}", f"ord-{number}"))
            await filled(shards, order(BETA, "sell", "ord-sell", side="sell", strategy_id="trend"))
            await shards.execute(SubmitSignal(parse_signal(SIGNAL | {"position_size": None})))

    asyncio.run(main())


async def held(shards):
    """What a fund holds, over all shards and by shard: quantities, cost, lots, balances, and what strategies built."""
    found = {}
    for name, gate in shards.shards.items():
        positions = await gate.journal.select("positions", {"fund_id": BETA})
        lots = await gate.journal.select("lots", {"fund_id": BETA, "closed_at": None})
        balances = await gate.journal.select("balances", {"fund_id": BETA})
        built = await gate.journal.select("strategy_positions", {"fund_id": BETA})
        found[name] = (
            [(p.symbol, p.quantity, p.cost) for p in positions if p.quantity],
            [(lot.lot_id, lot.remaining, lot.price, lot.opened_at) for lot in lots],
            [(b.position_key, b.amount) for b in balances if b.amount],
            [(b.symbol, b.strategy_id, b.quantity) for b in built if b.quantity],
        )
    return found


def look(folder, talk, beta="eu"):
    async def main():
        async with open_shards(config(folder, beta=beta)) as shards:
            return await talk(shards)

    return asyncio.run(main())


def prove(folder, beta="eu"):
    """Both logs hold, both fold to their tables, and what left the one is what came to the other."""

    async def main():
        made = config(folder, beta=beta)
        owns = [made.shard(name) for name in made.shards]
        logs = {own.audit.origin: await open_reader(own.database.url) for own in owns}
        try:
            for log in logs.values():
                await verify(log, None)
                store = await open_journal("sqlite://")
                assert await replay(log, store) == []
                await store.close()
            return await check_moves(logs)
        finally:
            for log in logs.values():
                await log.close()

    return asyncio.run(main())


NOTHING = ([], [], [], [])


def test_all_that_the_fund_holds_is_in_the_new_shard_and_nothing_in_the_old(tmp_path):
    trade(tmp_path)
    before = look(tmp_path, held, beta="us")
    assert before["eu"] == NOTHING
    assert len(before["us"][1]) == 2
    assert before["us"][3] == [("AAPL", "trend", Decimal(-10))]
    told = moved(tmp_path)
    assert (told.source, told.target, told.parts, told.keys) == ("us", "eu", 2, 4)
    after = look(tmp_path, held)
    assert after == {"eu": before["us"], "us": NOTHING}
    assert prove(tmp_path) == 2


def test_it_trades_on_from_where_it_was(tmp_path):
    trade(tmp_path)
    moved(tmp_path)

    async def talk(shards):
        await make_market(shards, "190.00", "190.10")
        await filled(shards, order(BETA, "more", "ord-more", side="sell", quantity="15"))
        (position,) = await shards.lists.shown_positions(NO_MARKET, fund_id=BETA)
        assert (position["quantity"], position["realized_pnl"]) == (
            "5",
            "142.5",
        )  # 15 x (190.00 - 180.50), oldest first
        assert [lot["lot_id"] for lot in position["lots"]] == ["ord-2-f1"]
        listed = [o.order_id for o in await shards.lists.orders(fund_id=BETA)]
        assert set(listed) >= {"ord-0", "ord-1", "ord-2", "ord-sell", "ord-more"}  # the old ones too

    look(tmp_path, talk)
    assert prove(tmp_path) == 2


def test_an_old_key_gives_the_old_order_and_sends_nothing(tmp_path):
    trade(tmp_path)
    moved(tmp_path)

    async def talk(shards):
        sizes = [gate.runner.engine.size for gate in shards.shards.values()]
        for again in (order(BETA, "k0", "ord-0"), order(BETA, "k1", "ord-1")):
            for attempt in (shards.execute, shards.preview):
                answer = await attempt(again)
                assert (answer.order.order_id, answer.replayed) == (again.order_id, True)
        with pytest.raises(Conflict) as other:
            await shards.execute(order(BETA, "k0", "ord-other"))
        assert other.value.code is Code.KEY_REUSED
        with pytest.raises(Conflict) as taken:
            await shards.execute(order(BETA, "fresh", "ord-0"))
        assert taken.value.code is Code.ORDER_ID_TAKEN
        assert sizes == [gate.runner.engine.size for gate in shards.shards.values()]
        with pytest.raises(Conflict) as finished:
            await shards.execute(CancelOrder(order_id="ord-0"))
        assert finished.value.code is Code.ORDER_FINISHED

    look(tmp_path, talk)


def test_an_old_key_is_answered_by_the_new_shard_alone_too(tmp_path):
    trade(tmp_path)
    moved(tmp_path)

    async def main():
        async with open_gate(config(tmp_path, beta="eu").shard("eu")) as gate:
            with pytest.raises(OrderMoved, match="'k0' made order ord-0 in shard us") as told:
                await gate.execute(order(BETA, "k0", "ord-0"))
            assert (told.value.order_id, told.value.code) == ("ord-0", Code.ORDER_MOVED)

    asyncio.run(main())


def test_an_old_signal_makes_no_second_order(tmp_path):
    async def talk(shards):
        await make_market(shards)
        return await shards.execute(SubmitSignal(parse_signal(SIGNAL)))

    made = look(tmp_path, talk, beta="us").order

    async def settle(shards):
        gate = await shards.find(made.order_id)
        await gate.quiet()
        assert (await shards.queries.order(made.order_id)).state == "CLOSED"

    look(tmp_path, settle, beta="us")
    moved(tmp_path)
    again = look(tmp_path, talk)
    assert (again.order.order_id, again.replayed) == (made.order_id, True)
    assert look(tmp_path, held)["eu"][0][0][1] == Decimal(5)


def test_the_old_shard_refuses_for_good(tmp_path):
    trade(tmp_path)
    moved(tmp_path)

    async def main():
        async with open_gate(config(tmp_path, beta="us").shard("us")) as gate:
            for _ in range(2):
                with pytest.raises(Conflict, match="fund 'beta' has moved to shard eu") as refused:
                    await gate.execute(order(BETA, "new"))
                assert refused.value.code is Code.FUND_MOVED

    asyncio.run(main())
    with pytest.raises(ConfigError, match='the fund has moved from us to eu: write shard = "eu"'):
        look(tmp_path, held, beta="us")


def test_a_fund_with_unfinished_orders_stays_and_they_are_named(tmp_path):
    limit = {"order_type": "limit", "limit_price": "1.00", "tif": "gtc"}

    async def rest(shards):
        await shards.execute(order(BETA, "k1", "ord-open", **limit))
        await shards.answered("ord-open", 5)

    look(tmp_path, rest, beta="us")
    before = look(tmp_path, sizes, beta="us")
    with pytest.raises(Conflict, match=r"ord-open \(SUBMITTED\)") as busy:
        moved(tmp_path)
    assert busy.value.code is Code.FUND_BUSY
    with pytest.raises(ConfigError, match="lies in us, not in eu: ordergate funds move beta --to eu"):
        look(tmp_path, sizes)
    after = look(tmp_path, sizes, beta="us")
    assert after["eu"] <= before["eu"] + 2  # the sessions that looking opens, and no word of the fund

    async def cancel(shards):
        await shards.execute(CancelOrder(order_id="ord-open"))
        await shards.answered("ord-open", 5)
        await (await shards.find("ord-open")).quiet()

    look(tmp_path, cancel, beta="us")
    assert moved(tmp_path).parts >= 1


async def sizes(shards):
    return {name: gate.runner.engine.size for name, gate in shards.shards.items()}


def test_a_fund_that_is_not_as_the_configuration_says_is_not_moved(tmp_path):
    trade(tmp_path)
    made = config(tmp_path, beta="us")
    for fund, target, error, said in (
        (BETA, "eu", ConfigError, 'write first, under .funds.beta., shard = "eu"'),
        (BETA, "asia", ConfigError, "'asia' is no shard; there are eu, us"),
        ("gamma", "eu", ConfigError, "'gamma' is no fund"),
        (BETA, "us", NotFound, "no other shard's journal has fund 'beta'"),
    ):
        with pytest.raises(error, match=said):
            asyncio.run(move_fund(made, fund, target, Origin()))


def test_it_can_come_back(tmp_path):
    trade(tmp_path)
    there = look(tmp_path, held, beta="us")
    moved(tmp_path)

    async def more(shards):
        await make_market(shards)
        await filled(shards, order(BETA, "abroad", "ord-abroad"))

    look(tmp_path, more)
    moved(tmp_path, "us")
    back = look(tmp_path, held, beta="us")
    assert back["eu"] == NOTHING
    assert back["us"][0] == [("AAPL", Decimal(30), there["us"][0][0][2] + Decimal("1805.0"))]
    assert [lot[0] for lot in back["us"][1]] == ["ord-1-f1", "ord-2-f1", "ord-abroad-f1"]

    async def again(shards):
        gate = shards.shards["us"]
        lots = await gate.journal.select("lots", {"fund_id": BETA})
        assert [(lot.number, lot.lot_id) for lot in lots] == [
            (1, "ord-0-f1"), (2, "ord-1-f1"), (3, "ord-2-f1"),
            (4, "ord-1-f1"), (5, "ord-2-f1"), (6, "ord-abroad-f1"),
        ]  # fmt: skip
        (position,) = await gate.journal.select("positions", {"fund_id": BETA})
        assert position.realized_pnl == Decimal("-1.00")  # as it was when the fund left
        for key, name in (("k0", "ord-0"), ("abroad", "ord-abroad")):
            answer = await shards.execute(order(BETA, key, name))
            assert (answer.order.order_id, answer.replayed) == (name, True)

    look(tmp_path, again, beta="us")
    assert prove(tmp_path, beta="us") == 4


def test_much_is_moved_in_parts_that_fit_into_entries(tmp_path, monkeypatch):
    monkeypatch.setattr("ordergate.application.decide.moving.MOST_BYTES", 700)
    monkeypatch.setattr("ordergate.bootstrap.moving.MOST_BYTES", 700)
    trade(tmp_path, orders=12)
    before = look(tmp_path, held, beta="us")
    told = moved(tmp_path)
    assert told.parts > 8
    assert look(tmp_path, held) == {"eu": before["us"], "us": NOTHING}
    assert prove(tmp_path) == told.parts


class Killed(BaseException):
    """Nobody catches it: as if the process were gone."""


STEPS = 9
QUICK = (1, 2, 4)


@pytest.mark.parametrize(
    "survives", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in range(STEPS)]
)
def test_a_move_that_is_cut_off_anywhere_is_completed_by_the_next(tmp_path, monkeypatch, survives):
    monkeypatch.setattr("ordergate.application.decide.moving.MOST_BYTES", 700)
    monkeypatch.setattr("ordergate.bootstrap.moving.MOST_BYTES", 400)
    trade(tmp_path)
    before, calls, execute = look(tmp_path, held, beta="us"), 0, Gate.execute

    async def some(gate, *given):
        nonlocal calls
        calls += 1
        if calls == survives + 1:
            raise Killed
        return await execute(gate, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Gate, "execute", some)
        with pytest.raises(Killed):
            moved(tmp_path)
        calls = STEPS
        moved(tmp_path)
    with pytest.raises(ConfigError):  # it lies in the other shard, or is on its way
        look(tmp_path, held, beta="us")
    assert moved(tmp_path).done_before
    assert look(tmp_path, held) == {"eu": before["us"], "us": NOTHING}
    assert prove(tmp_path) >= 3


def test_a_move_has_as_many_steps_as_are_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr("ordergate.application.decide.moving.MOST_BYTES", 700)
    monkeypatch.setattr("ordergate.bootstrap.moving.MOST_BYTES", 400)
    trade(tmp_path)
    calls, execute = [], Gate.execute

    async def counted(gate, *given):
        calls.append(type(given[0]).__name__)
        return await execute(gate, *given)

    monkeypatch.setattr(Gate, "execute", counted)
    moved(tmp_path)
    assert (len(calls), set(calls)) == (
        STEPS,
        {"ExpectFund", "LeaveFund", "TakePart", "TakeKeys", "OpenFund"},
    )


KILL = """
import asyncio, os, sys
from ordergate.application.entry import Origin
from ordergate.application.runner import Runner
from ordergate.bootstrap import move_fund
from ordergate.config import load
from ordergate.domain.moving import MoveCommand
from pathlib import Path

left, execute = int(sys.argv[1]), Runner.execute

async def some(runner, command, *given):
    global left
    answer = await execute(runner, command, *given)
    if isinstance(command, MoveCommand):
        left -= 1
        if not left:
            os._exit(9)
    return answer

Runner.execute = some
asyncio.run(move_fund(load(Path("move.toml")), "beta", "eu", Origin()))
"""


@pytest.mark.slow
def test_a_process_that_dies_in_the_middle_leaves_a_move_that_can_be_completed(tmp_path):
    trade(tmp_path)
    before = look(tmp_path, held, beta="us")
    (tmp_path / "move.toml").write_text(TOML.format(beta="eu"))
    died = 0
    while True:
        done = subprocess.run([sys.executable, "-c", KILL, str(died + 1)], cwd=tmp_path, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == 9
        died += 1
    assert died >= 4
    assert look(tmp_path, held) == {"eu": before["us"], "us": NOTHING}
    assert prove(tmp_path) == 2


def test_keys_are_read_page_by_page(tmp_path, monkeypatch):
    monkeypatch.setattr("ordergate.bootstrap.moving._KEYS_AT_ONCE", 3)
    trade(tmp_path, orders=9)
    assert moved(tmp_path).keys == 10


def test_while_it_is_on_its_way_no_shard_takes_an_order(tmp_path, monkeypatch):
    trade(tmp_path)
    calls, execute = 0, Gate.execute

    async def some(gate, *given):
        nonlocal calls
        calls += 1
        if calls > 3:  # it is expected, has left, and one part has come
            raise Killed
        return await execute(gate, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Gate, "execute", some)
        with pytest.raises(Killed):
            moved(tmp_path)

    async def refused(name, code):
        async with open_gate(config(tmp_path, beta=name).shard(name)) as gate:
            with pytest.raises(Conflict) as told:
                await gate.execute(order(BETA, "new"))
            assert told.value.code is code
            assert (
                gate.runner.engine.state.funds.rows[BETA].broker == "paper-us"
            )  # nothing is configured meanwhile

    asyncio.run(refused("us", Code.FUND_MOVED))
    asyncio.run(refused("eu", Code.FUND_EXPECTED))
    for beta, said in (
        ("us", "has moved from us to eu"),
        ("eu", "is on its way from us to eu: ordergate funds move"),
    ):
        with pytest.raises(ConfigError, match=said):
            look(tmp_path, held, beta=beta)


def test_keys_that_have_run_out_stay_behind(tmp_path):
    async def one(key, window):
        async with open_shards(config(tmp_path, window=window)) as shards:
            await make_market(shards)
            await filled(shards, order(BETA, key))

    asyncio.run(one("short", "1s"))
    asyncio.run(one("long", "24h"))

    async def go():
        await asyncio.sleep(1.1)
        return await move_fund(config(tmp_path, beta="eu", window="24h"), BETA, "eu", Origin())

    assert asyncio.run(go()).keys == 1


def test_what_comes_late_is_booked_where_its_order_is_and_a_person_is_told(tmp_path):
    trade(tmp_path)
    moved(tmp_path)

    async def main():
        async with open_gate(config(tmp_path, beta="us").shard("us")) as gate:
            (fill,) = await gate.journal.select("fills", {"order_id": "ord-2"})
            said = Executed(
                broker="paper-us", client_id="ord-2.1", exec_id="bust-1", time=fill.time, quantity=Decimal(0),
                price=fill.price, execution_kind=ExecutionKind.BUST, refers_to=fill.exec_id,
            )  # fmt: skip
            await gate.runner.deliver(said)
            (position,) = await gate.journal.select("positions", {"fund_id": BETA})
            kinds = [row["kind"] for row in await gate.queries.breaks()]
            return position.quantity, kinds

    quantity, kinds = asyncio.run(main())
    assert quantity == Decimal(-10)  # with the 20 of the other shard it is 10, as the venue has it
    assert "fund_moved" in kinds
    with pytest.raises(Conflict, match="still has AAPL here"):
        moved(tmp_path, "us")


def test_protective_stops_keep_a_fund_where_it_is_and_none_is_made_for_one_that_has_left(tmp_path):
    made = {"protect": Protection.STOP}

    async def enter():
        async with open_shards(config(tmp_path, **made)) as shards:
            await make_market(shards)
            signal = parse_signal(SIGNAL | {"stop_loss": "170"})
            order_id = (await shards.execute(SubmitSignal(signal))).order.order_id
            await shards.answered(order_id, 20)
            await shards.shards["us"].quiet()
            (stop,) = [one for one in await shards.queries.orders() if one.parent_order_id == order_id]
            return order_id, stop.order_id

    async def cancel(stop_id):
        async with open_shards(config(tmp_path, **made)) as shards:
            await shards.execute(CancelOrder(order_id=stop_id))
            await shards.answered(stop_id, 20)
            await shards.shards["us"].quiet()

    async def late(order_id):
        async with open_gate(config(tmp_path, beta="us", **made).shard("us")) as gate:
            (fill,) = await gate.journal.select("fills", {"order_id": order_id})
            said = Executed(
                broker="paper-us", client_id=f"{order_id}.1", exec_id="late", time=fill.time, quantity=Decimal(3),
                price=fill.price,
            )  # fmt: skip
            await gate.runner.deliver(said)
            await gate.quiet()
            size = (await gate.journal.head()).size
            entries = [decode(line.data, i) for i, line in enumerate(await gate.journal.lines(0, size))]
            told = [e.event for e in entries if isinstance(e.event, ProtectionFailed)]
            return told, [o.state for o in await gate.queries.orders() if o.parent_order_id is not None]

    order_id, stop_id = asyncio.run(enter())
    with pytest.raises(Conflict, match=stop_id):
        moved(tmp_path)
    asyncio.run(cancel(stop_id))
    moved(tmp_path)
    ((failure,), states) = asyncio.run(late(order_id))
    assert (failure.code, failure.quantity, failure.stop_id) == (Code.FUND_MOVED, 3, None)
    assert states == [State.CANCELED]


def arrivals(folder):
    async def main():
        reader = await open_reader(config(folder).shard("eu").database.url)
        try:
            size = (await reader.head()).size
            entries = [decode(line.data, i) for i, line in enumerate(await reader.lines(0, size))]
            return [entry for entry in entries if type(entry.event).__name__ == "FundArrived"]
        finally:
            await reader.close()

    return asyncio.run(main())


def test_an_arrival_that_is_not_what_left_is_found(tmp_path, monkeypatch):
    import msgspec

    from ordergate.application.decide import moving

    true = moving.arrived

    def more(holding, known):
        came = true(holding, known)
        return msgspec.structs.replace(
            came, position=msgspec.structs.replace(came.position, quantity=came.position.quantity + 1)
        )

    trade(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(moving, "arrived", more)
        moved(tmp_path)
    with pytest.raises(AuditError, match="is not what left log"):
        prove(tmp_path)


def test_what_a_strategy_built_and_did_not_arrive_is_found(tmp_path, monkeypatch):
    from ordergate.domain import moving

    true = moving.FundArrived
    trade(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(moving, "FundArrived", lambda **said: true(**said | {"strategies": ()}))
        moved(tmp_path)
    with pytest.raises(AuditError, match="is not what left log"):
        prove(tmp_path)


def test_a_root_that_never_was_is_found(tmp_path, monkeypatch):
    from ordergate.bootstrap import moving

    true = moving.log_end

    async def other(reader):
        import msgspec

        return msgspec.structs.replace(await true(reader), root="AAAA")

    trade(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(moving, "log_end", other)
        moved(tmp_path)
    with pytest.raises(AuditError, match="AAAA was never the root of log"):
        prove(tmp_path)


def test_the_phases(tmp_path):
    trade(tmp_path)
    moved(tmp_path)

    async def talk(shards):
        phases = {n: g.runner.engine.state.moves.rows[BETA].phase for n, g in shards.shards.items()}
        assert phases == {"eu": MovePhase.HERE, "us": MovePhase.LEFT}

    look(tmp_path, talk)

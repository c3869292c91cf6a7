"""A broker's account moves with its funds: wherever it is asked for, our record of it is what the broker says."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.application.comparison import Found
from ordergate.application.entry import Origin
from ordergate.bootstrap import move_fund, open_shards
from ordergate.config import ConfigError, FundSection, SyncBroker
from ordergate.config.instruments import InstrumentSection
from ordergate.config.reconciliation import ReconciliationSection
from ordergate.domain.errors import Code, Conflict
from ordergate.domain.instruments import AssetClass, Unit
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.recon.holding import HoldingKind
from ordergate.domain.risk.commands import SetLimits
from ordergate.domain.risk.limits import Level, Limits
from tests.services.sharded import config, filled, make_market, order

OWN = "own"
ACME = InstrumentSection(
    asset_class=AssetClass.EQUITIES, unit=Unit.SHARES, tick=Decimal("0.01"), lot_step=Decimal(1), currency="USD"
)  # fmt: skip


def homemade(folder, where):
    """Beta and gamma trade at a class of one's own, whose house is where it is wherever it is asked from."""
    made = config(folder)
    broker = SyncBroker(
        path="tests.conformance.homemade:HomemadeBroker",
        options={"path": str(folder / "house.json")},
        poll_ms=5,
        grace_ms=100,
        shard=where,
    )
    funds = {name: FundSection(broker=OWN, shard=where, unlimited=True) for name in ("beta", "gamma")}
    return replace(
        made,
        brokers={**made.brokers, OWN: broker},
        funds={**made.funds, **funds},
        instruments={"ACME": ACME},
        reconciliation=ReconciliationSection(policy="halt", grace_s=0.01),
    )


@asynccontextmanager
async def trading(made):
    async with open_shards(made) as shards:
        house = next(g.brokers[OWN] for g in shards.shards.values() if OWN in g.brokers).made.home
        house.set_market(10.0, 11.0, 1_000_000.0)
        yield shards


async def buys(shards, fund, key, quantity="10"):
    command = order(fund, key, symbol="ACME", quantity=quantity)
    order_id = (await shards.execute(command)).order.order_id
    gate = await shards.find(order_id)
    async with asyncio.timeout(20):
        while (await shards.queries.order(order_id)).state != "CLOSED":
            await asyncio.sleep(0.01)
    await gate.quiet()


async def record(shards, broker=OWN):
    """By shard, what we have of a symbol in the account."""
    found = {}
    for name, gate in shards.shards.items():
        rows = await gate.journal.select("account_holdings", {"broker": broker, "kind": HoldingKind.POSITION})
        found[name] = sum((row.quantity for row in rows), Decimal(0))
    return found


async def compared(shards, broker=OWN):
    """Once nothing is under way, what the comparison with the broker finds."""
    gate = next(g for g in shards.shards.values() if broker in g.brokers)
    async with asyncio.timeout(20):
        while (found := await gate.compare(broker)).found is Found.UNDER_WAY:
            await asyncio.sleep(0.05)
    return found


async def no_breaks(shards):
    kinds = [row["kind"] for gate in shards.shards.values() for row in await gate.queries.breaks()]
    return kinds == []


def move(made, fund):
    return asyncio.run(move_fund(made, fund, made.funds[fund].shard, Origin()))


def test_an_account_that_moves_with_its_funds_raises_no_break_there_nor_when_it_comes_back(tmp_path):
    async def trade(where, key, held):
        async with trading(homemade(tmp_path, where)) as shards:
            assert (await compared(shards)).found is Found.AGREES  # before anything is traded: as it came
            await buys(shards, "beta", f"b{key}")
            await buys(shards, "gamma", f"g{key}", "5")
            assert (await compared(shards)).found is Found.AGREES
            other = "eu" if where == "us" else "us"
            assert await record(shards) == {where: held, other: 0}
            assert await no_breaks(shards)

    for turn, where in enumerate(("us", "eu", "us")):
        if turn:
            for fund in ("beta", "gamma"):
                move(homemade(tmp_path, where), fund)
        asyncio.run(trade(where, turn, Decimal(15 * (turn + 1))))


@pytest.mark.slow
def test_what_the_broker_does_wrong_is_found_behind_the_move_too(tmp_path):
    async def main(where, *, add):
        async with trading(homemade(tmp_path, where)) as shards:
            if not add:
                await buys(shards, "beta", "b")
                return None
            house = next(g.brokers[OWN] for g in shards.shards.values() if OWN in g.brokers).made.home
            house.orders["H1"]["filled"] += 3
            return await compared(shards)

    asyncio.run(main("us", add=False))
    move(homemade(tmp_path, "eu"), "beta")
    with pytest.raises(ConfigError, match="lies in us"):
        asyncio.run(main("eu", add=True))  # gamma has not moved
    move(homemade(tmp_path, "eu"), "gamma")
    found = asyncio.run(main("eu", add=True))
    assert [(item.ours, item.theirs) for item in found.breaks] == [(10, 13)]
    assert found.halted


def test_an_account_that_stays_keeps_its_record(tmp_path):
    """The fund goes to another broker, and what was traded in the old account is still there."""

    async def trade(beta, key):
        async with open_shards(config(tmp_path, beta=beta)) as shards:
            await make_market(shards)
            await filled(shards, order("beta", key))
            for broker in ("paper-eu", "paper-us"):
                assert (await compared(shards, broker)).found is Found.AGREES
            assert await no_breaks(shards)
            return await record(shards, "paper-us"), await record(shards, "paper-eu")

    assert asyncio.run(trade("us", "k0")) == ({"us": 10, "eu": 0}, {"us": 0, "eu": 0})
    asyncio.run(move_fund(config(tmp_path, beta="eu"), "beta", "eu", Origin()))
    assert asyncio.run(trade("eu", "k1")) == ({"us": 10, "eu": 0}, {"us": 0, "eu": 10})


def test_a_paper_venue_of_the_same_name_begins_anew_and_so_does_our_record(tmp_path):
    """It keeps its orders beside each database; whoever comes back finds what was there."""

    def made(where):
        plain = config(tmp_path)
        paper = replace(plain.brokers["paper-us"], shard=where)
        return replace(
            plain,
            brokers={**plain.brokers, "paper-us": paper},
            funds={**plain.funds, "beta": replace(plain.funds["beta"], shard=where)},
        )

    async def trade(where, key):
        async with open_shards(made(where)) as shards:
            await make_market(shards)
            await filled(shards, order("beta", key))
            assert (await compared(shards, "paper-us")).found is Found.AGREES
            assert await no_breaks(shards)
            return await record(shards, "paper-us")

    assert asyncio.run(trade("us", "k0")) == {"us": 10, "eu": 0}
    move(made("eu"), "beta")
    assert asyncio.run(trade("eu", "k1")) == {"us": 10, "eu": 10}
    move(made("us"), "beta")
    assert asyncio.run(trade("us", "k2")) == {"us": 20, "eu": 10}


def test_a_fund_cannot_trade_its_daily_volume_twice(tmp_path):
    limit = SetLimits(
        level=Level.FUND, name="beta", limits=Limits(max_daily_volume_qty=Decimal(15)), reason="a day's worth"
    )

    async def trade(beta, key, *, first):
        async with open_shards(config(tmp_path, beta=beta)) as shards:
            await make_market(shards)
            if first:
                await shards.shards[beta].execute(limit, Origin(principal="risk"))
                await filled(shards, order("beta", key))
            return (await shards.execute(order("beta", f"{key}-more"))).order

    assert asyncio.run(trade("us", "k0", first=True)).reason_code == RiskCode.DAILY_VOLUME
    asyncio.run(move_fund(config(tmp_path, beta="eu"), "beta", "eu", Origin()))
    refused = asyncio.run(trade("eu", "k1", first=False))
    assert (refused.state, refused.reason_code) == ("REJECTED", RiskCode.DAILY_VOLUME)


def test_an_account_that_a_node_trades_at_is_not_taken_from_it(tmp_path, monkeypatch):
    from ordergate.adapters.leases import OnlyNode
    from ordergate.application.ports.leases import Held
    from tests.journals.desk import START

    async def trade():
        async with trading(homemade(tmp_path, "us")) as shards:
            await buys(shards, "beta", "b")

    asyncio.run(trade())

    async def held(_leases):
        return [Held(name=f"broker:{OWN}", epoch=1, node="n1", detail="", renewed_at=START)]

    with monkeypatch.context() as patched:
        patched.setattr(OnlyNode, "all", held)
        with pytest.raises(Conflict, match="node n1 has its session in shard us") as busy:
            move(homemade(tmp_path, "eu"), "beta")
        assert busy.value.code is Code.FUND_BUSY
    assert not move(homemade(tmp_path, "eu"), "beta").done_before  # nothing had been done

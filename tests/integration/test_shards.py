"""Two shards behind one door: commands find their journal, and lists are as of one."""

import asyncio

import pytest
from msgspec.structs import asdict

from ordergate.bootstrap import Shards, open_gate, open_shards
from ordergate.config import ConfigError
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound
from ordergate.domain.orders.commands import CancelOrder, CreateOrder, ReplaceOrder, SubmitCreated
from ordergate.domain.signals import CreateFromSignal, SubmitSignal, parse_signal
from tests.services.sharded import body, config, door, filled, make_market, order


def run(talk, made=None):
    async def main():
        async with open_shards(made or config()) as shards:
            await make_market(shards)
            return await talk(shards)

    return asyncio.run(main())


def sizes(shards):
    return {name: gate.runner.engine.size for name, gate in shards.shards.items()}


def test_an_order_is_journalled_in_the_shard_of_its_fund_alone():
    async def talk(shards):
        before = sizes(shards)
        await filled(shards, order("beta", "k1"))
        after = sizes(shards)
        assert after["eu"] == before["eu"]
        assert after["us"] == before["us"] + 3  # its instrument, the order, its fill

    run(talk)


def test_each_log_has_a_name_of_its_own():
    async def talk(shards):
        heads = {name: await gate.journal.head() for name, gate in shards.shards.items()}
        assert {name: head.checkpoint.split("\n")[0] for name, head in heads.items()} == {
            "eu": "ordergate.local/journal/eu",
            "us": "ordergate.local/journal/us",
        }

    run(talk)


def test_commands_that_name_an_order_find_it_in_memory_and_in_the_stores():
    async def talk(shards):
        limit = {"order_type": "limit", "limit_price": "1.00", "tif": "gtc"}
        for fund, name in (("alpha", "ord-a"), ("beta", "ord-b")):
            await shards.execute(order(fund, "k1", name, **limit))
            await shards.answered(name, 20)
        canceled = await shards.execute(CancelOrder(order_id="ord-b"))
        assert canceled.order.fund_id == "beta"
        await shards.answered("ord-b", 20)
        replaced = await shards.execute(
            ReplaceOrder(order_id="ord-a", limit_price=order("alpha", "x", **limit).limit_price * 2)
        )
        assert replaced.order.fund_id == "alpha"
        assert "ord-b" not in shards.shards["us"].runner.engine.state.orders.rows
        with pytest.raises(Conflict) as finished:  # it has ended: only the store knows it
            await shards.execute(CancelOrder(order_id="ord-b"))
        assert finished.value.code is Code.ORDER_FINISHED
        with pytest.raises(NotFound):
            await shards.execute(CancelOrder(order_id="ord-none"))

    run(talk)


def test_what_is_created_is_submitted_in_its_shard():
    async def talk(shards):
        for fund in ("alpha", "beta"):
            create = CreateOrder(**asdict(order(fund, "k1", f"ord-{fund}")))
            assert (await shards.execute(create)).order.state == "CREATED"
            assert (await shards.execute(create)).replayed
        said = {
            "signal_id": "s1",
            "symbol": "AAPL",
            "signal_type": "buy",
            "position_size": "10",
            "fund_id": "alpha",
        }
        made = (await shards.execute(CreateFromSignal(parse_signal(said)))).order.order_id
        before = sizes(shards)
        for name in (made, "ord-alpha"):
            await shards.execute(SubmitCreated(name))
            await shards.answered(name, 20)
            await shards.shards["eu"].quiet()
            assert (await shards.queries.order(name)).state == "CLOSED"
        assert sizes(shards) == {"eu": before["eu"] + 4, "us": before["us"]}
        assert (await shards.execute(CancelOrder(order_id="ord-beta"))).order.state == "CANCELED"
        with pytest.raises(Conflict) as taken:
            await shards.execute(CreateOrder(**asdict(order("beta", "k2", "ord-alpha"))))
        assert taken.value.code is Code.ORDER_ID_TAKEN

    run(talk)


def test_an_order_id_is_taken_in_all_shards():
    async def talk(shards):
        await filled(shards, order("alpha", "k1", "ord-1"))
        before = sizes(shards)
        for attempt in (shards.execute, shards.preview):
            with pytest.raises(Conflict) as taken:
                await attempt(order("beta", "k1", "ord-1"))
            assert taken.value.code is Code.ORDER_ID_TAKEN
        assert sizes(shards) == before
        again = await shards.execute(order("alpha", "k1", "ord-1"))
        assert again.replayed

    run(talk)


def test_two_orders_of_one_id_at_the_same_instant_are_one_order():
    async def talk(shards):
        both = (shards.execute(order(fund, "k1", "ord-1")) for fund in ("alpha", "beta"))
        first, second = await asyncio.gather(*both, return_exceptions=True)
        assert first.order.fund_id == "alpha"
        assert second.code is Code.ORDER_ID_TAKEN

    run(talk)


def test_the_same_key_in_two_shards_is_two_orders():
    async def talk(shards):
        made = {await filled(shards, order(fund, "k1")) for fund in ("alpha", "beta")}
        assert len(made) == 2

    run(talk)


def test_an_unknown_fund_is_refused_with_all_that_there_are():
    async def talk(shards):
        with pytest.raises(Invalid, match="'gamma' is no fund; there are alpha, beta"):
            await shards.execute(order("gamma", "k1"))

    run(talk)


def test_signals_go_to_their_fund_and_else_to_the_configured_one():
    signal = {
        "signal_id": "s1",
        "symbol": "AAPL",
        "signal_type": "BUY",
        "position_size": "5",
        "approved": True,
    }

    async def talk(shards):
        made = await shards.execute(SubmitSignal(parse_signal(signal)))
        assert made.order.fund_id == "beta"
        named = await shards.execute(SubmitSignal(parse_signal(signal | {"fund_id": "alpha"})))
        assert named.order.fund_id == "alpha"
        refused = await shards.execute(
            SubmitSignal(parse_signal(signal | {"fund_id": "none", "signal_id": "s2"}))
        )
        assert refused.refusal.code is Code.UNKNOWN_FUND

    run(talk)


def test_a_quote_reaches_the_venue_of_that_name():
    async def talk(shards):
        quote = shards.quotes["AAPL"]
        assert quote.bid is not None
        with pytest.raises(NotFound, match="'nowhere' is no paper venue; there are paper-eu, paper-us"):
            await shards.put_quote("nowhere", quote)

    run(talk)


def test_one_gate_is_not_opened_on_several_shards():
    async def main():
        async with open_gate(config(), "sqlite://"):
            pass

    with pytest.raises(ConfigError, match="has shards"):
        asyncio.run(main())


def rest(talk):
    async def main():
        async with door(config()) as (shards, client):
            await make_market(shards)
            for number in range(4):
                await filled(shards, order(("alpha", "beta")[number % 2], f"k{number}", f"ord-{number}"))
            return await talk(shards, client)

    return asyncio.run(main())


def test_lists_are_merged_in_the_order_of_their_keys_page_by_page():
    async def talk(_shards: Shards, client):
        for path, names in (
            ("orders", ["ord-0", "ord-1", "ord-2", "ord-3"]),
            ("fills", ["ord-0", "ord-1", "ord-2", "ord-3"]),
            ("positions", ["alpha", "beta"]),
        ):
            name, token, seen = "order_id" if path != "positions" else "fund_id", "", []
            while token is not None:
                url = f"/v1/{path}?limit=1" + (f"&page_token={token}" if token else "")
                page = (await client.get(url)).json()
                seen += [item[name] for item in page["items"]]
                token = page["next_page_token"]
            assert seen == names, path
        one = (await client.get("/v1/orders?fund_id=beta")).json()["items"]
        assert [item["order_id"] for item in one] == ["ord-1", "ord-3"]
        shard = (await client.get("/v1/orders?shard=eu")).json()["items"]
        assert [item["order_id"] for item in shard] == ["ord-0", "ord-2"]

    rest(talk)


def test_orders_and_their_stories_are_found_wherever_they_are():
    async def talk(_shards, client):
        for number in range(4):
            assert (await client.get(f"/v1/orders/ord-{number}")).json()["state"] == "CLOSED"
            told = (await client.get(f"/v1/orders/ord-{number}/timeline")).json()
            assert told["items"][-1]["to"] == "CLOSED"
        assert (await client.get("/v1/orders/ord-9")).status_code == 404
        assert (await client.get("/v1/orders/ord-9/timeline")).status_code == 404

    rest(talk)


@pytest.mark.parametrize("path", ["/v1/audit/checkpoint", "/v1/audit/tile/0/000.p/1", "/v1/events"])
def test_what_is_of_one_journal_needs_its_name(path):
    async def talk(_shards, client):
        for query, said in (("", "is missing"), ("?shard=asia", "'asia' is no shard")):
            answer = await client.get(path + query)
            told = answer.json()
            assert (answer.status_code, told["code"]) == (400, "bad_parameter")
            assert told["errors"][0]["parameter"] == "shard"
            assert told["detail"] == f"shard: {said}; there are eu, us"

    rest(talk)


def test_each_log_is_served_under_its_name():
    async def talk(shards, client):
        for name, gate in shards.shards.items():
            note = (await client.get(f"/v1/audit/checkpoint?shard={name}")).text
            assert note == (await gate.journal.head()).checkpoint
            leaf = (await client.get(f"/v1/audit/tile/0/000.p/1?shard={name}")).content
            assert leaf == (await gate.journal.nodes(0, 0, 1))[0]

    rest(talk)


def test_figures_name_their_shard():
    async def talk(shards, client):
        said = (await client.get("/metrics")).text
        for name, gate in shards.shards.items():
            assert f'ordergate_journal_entries{{shard="{name}"}} {gate.runner.engine.size}.0' in said
            assert f'ordergate_entries_total{{kind="OrderFilled",shard="{name}"}} 2.0' in said

    rest(talk)


def test_it_is_ready_when_all_shards_are():
    async def talk(shards, client):
        assert (await client.get("/ready")).status_code == 200
        shards.shards["us"].runner._failure = RuntimeError("planted")
        try:
            told = (await client.get("/ready")).json()
        finally:
            shards.shards["us"].runner._failure = None
        assert (told["status"], told["detail"]) == (
            503,
            "the gate of shard us has failed: RuntimeError: planted",
        )

    rest(talk)


def test_orders_through_the_door():
    async def talk(shards, client):
        answer = await client.post("/v1/orders", json=body("beta", "new", "ord-new"))
        assert answer.status_code == 202
        taken = await client.post("/v1/orders", json=body("alpha", "new", "ord-new"))
        assert (taken.status_code, taken.json()["code"]) == (409, "order_id_taken")
        assert (await client.put("/v1/paper/quotes/AAPL", json={"bid": "1", "ask": "2"})).status_code == 200
        assert {str(gate.quotes["AAPL"].bid) for gate in shards.shards.values()} == {"1"}

    rest(talk)

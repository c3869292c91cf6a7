"""Lists through the REST door: filters, pages, and what a page token is good for."""

import asyncio
from typing import Any

import pytest

from ordergate.adapters.journals.database import open_journal
from ordergate.application import queries
from tests.unit.api.rooms import Room, held, problem, room


async def some_orders(at: Room) -> None:
    """Five orders: 0, 2 and 4 of AAPL, which fill; 1 and 3 of MSFT, which rest."""
    for number in range(5):
        await at.submit(
            order_id=f"ord-{number}",
            idempotency_key=f"k-{number}",
            symbol="MSFT" if number % 2 else "AAPL",
            strategy_id="even" if number in (2, 4) else "odd",
            order_manager="rebalance, 2" if number in (1, 4) else None,
        )
    await at.quote()


async def walk(at: Room, path: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page of a list."""
    pages, token = [], None
    while not pages or token is not None:
        page = await at.client.get(path, params=query | ({"page_token": token} if token else {}))
        assert page.status_code == 200, page.text
        pages.append(page.json()["items"])
        token = page.json()["next_page_token"]
    return pages


@pytest.mark.parametrize("stored", [False, True])
def test_orders_by_filter_and_page(stored: bool) -> None:
    async def main() -> None:
        journal = open_journal("sqlite://") if stored else None
        async with room(journal=journal) as at:
            await some_orders(at)

            async def ids(**query: Any) -> list[list[str]]:
                return [[o["order_id"] for o in page] for page in await walk(at, "/v1/orders", **query)]

            assert await ids() == [["ord-0", "ord-1", "ord-2", "ord-3", "ord-4"]]
            assert await ids(limit=2) == [["ord-0", "ord-1"], ["ord-2", "ord-3"], ["ord-4"]]
            assert await ids(limit=5) == [["ord-0", "ord-1", "ord-2", "ord-3", "ord-4"]]
            assert await ids(symbol="AAPL", limit=2) == [["ord-0", "ord-2"], ["ord-4"]]
            assert await ids(state="SUBMITTED") == [["ord-1", "ord-3"]]
            assert await ids(strategy_id="even", limit=1) == [["ord-2"], ["ord-4"]]
            assert await ids(order_manager="rebalance, 2", limit=1) == [["ord-1"], ["ord-4"]]
            assert await ids(order_manager="rebalance, 2", strategy_id="odd") == [["ord-1"]]
            assert await ids(fund_id="paper-momentum", symbol="AAPL", state="CLOSED", strategy_id="odd") == [
                ["ord-0"]
            ]
            assert await ids(fund_id="fx-only") == [[]]
            (order, *_), *_ = await walk(at, "/v1/orders")
            assert order == (await at.client.get("/v1/orders/ord-0")).json()
        if journal is not None:
            await journal.close()

    asyncio.run(main())


@pytest.mark.parametrize("stored", [False, True])
def test_fills_and_positions_by_page(stored: bool) -> None:
    async def main() -> None:
        journal = open_journal("sqlite://") if stored else None
        async with room(journal=journal) as at:
            await some_orders(at)
            await at.quote("MSFT", "180.30", "180.50")
            fills = await walk(at, "/v1/fills", limit=2)
            assert [[f["order_id"] for f in page] for page in fills] == [
                ["ord-0", "ord-1"], ["ord-2", "ord-3"], ["ord-4"],
            ]  # fmt: skip
            assert fills[0][0]["limit_slippage_bps"] == "0"
            assert len((await walk(at, "/v1/fills", symbol="MSFT"))[0]) == 2
            assert await walk(at, "/v1/fills", fund_id="fx-only") == [[]]
            positions = await walk(at, "/v1/positions", limit=1)
            assert [[(p["symbol"], p["quantity"], len(p["lots"])) for p in page] for page in positions] == [
                [("AAPL", "300", 3)], [("MSFT", "200", 2)],
            ]  # fmt: skip
            assert positions[0][0]["unrealized_pnl"] == "-30"
            assert (await walk(at, "/v1/positions", symbol="MSFT"))[0][0]["unrealized_pnl"] == "-40"
        if journal is not None:
            await journal.close()

    asyncio.run(main())


def test_what_a_fund_is_worth_and_the_quotes_that_say_so() -> None:
    async def talk(at: Room) -> None:
        await some_orders(at)
        quotes = (await at.client.get("/v1/quotes")).json()["items"]
        assert [(q["symbol"], q["bid"], q["ask"]) for q in quotes] == [("AAPL", "180.4", "180.5")]
        ((position,),) = await walk(at, "/v1/positions", symbol="AAPL")
        assert position["usd_rate"] == {"rate": "1", "source": "same currency", "time": None}
        assert (position["market_value_usd"], position["unrealized_pl_usd"]) == ("54120", "-30")
        assert (position["price"], position["priced_at"]) == ("180.4", quotes[0]["time"])
        nav = (await at.client.get("/v1/funds/paper-momentum/nav")).json()
        assert (nav["unrealized_usd"], nav["missing"]) == ("-15", [])  # at the mid, as limits measure it
        assert float(nav["nav_usd"]) == float(nav["began_with_usd"]) - 15
        problem(await at.client.get("/v1/funds/nobody/nav"), 404, "unknown_fund")
        problem(await at.client.get("/v1/quotes?x=1"), 400, "bad_parameter")

    held(talk)


def test_a_position_that_was_closed_shows_only_its_open_lots() -> None:
    async def talk(at: Room) -> None:
        await at.quote()
        for number, side in enumerate(("buy", "sell", "buy")):
            price = {"order_type": "market", "limit_price": ...}
            await at.submit(order_id=f"ord-{number}", idempotency_key=f"k-{number}", side=side, **price)
            await at.gate.quiet()
        ((position,),) = await walk(at, "/v1/positions")
        assert [lot["lot_id"].partition("-f")[0] for lot in position["lots"]] == ["ord-2"]

    held(talk)


def test_a_token_is_good_for_its_own_list_alone() -> None:
    async def talk(at: Room) -> None:
        await some_orders(at)
        page = await at.client.get("/v1/orders", params={"limit": 1, "symbol": "AAPL"})
        token = page.json()["next_page_token"]
        same = {"page_token": token, "symbol": "AAPL", "limit": 2}
        assert len((await at.client.get("/v1/orders", params=same)).json()["items"]) == 2
        for path, query in (
            ("/v1/orders", {"page_token": token}),
            ("/v1/orders", same | {"symbol": "MSFT"}),
            ("/v1/orders", same | {"state": "CLOSED"}),
            ("/v1/fills", {"page_token": token, "symbol": "AAPL"}),
            ("/v1/orders", {"page_token": ""}),
            ("/v1/orders", {"page_token": "é"}),
            ("/v1/orders", {"page_token": "bm9uZQ"}),
            ("/v1/orders", {"page_token": "W10"}),
        ):
            told = problem(await at.client.get(path, params=query), 400, "bad_page_token")
            assert told["errors"][0]["parameter"] == "page_token"

    held(talk)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("state=closed", "state"),
        ("fund=x", "fund"),
    ],
)
def test_parameters_that_are_wrong(query: str, parameter: str) -> None:
    async def talk(at: Room) -> None:
        told = problem(await at.client.get(f"/v1/orders?{query}"), 400, "bad_parameter")
        assert told["errors"][0]["parameter"] == parameter
        assert "outcome" not in told

    held(talk)


def test_a_position_shows_its_oldest_lots_and_says_that_there_are_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queries, "MOST_LOTS", 2)

    async def talk(at: Room) -> None:
        await at.quote()
        for number in range(3):
            await at.submit(order_id=f"ord-{number}", idempotency_key=f"k-{number}")
            await at.gate.quiet()
            ((position,),) = await walk(at, "/v1/positions")
            shown = [lot["lot_id"].partition("-f")[0] for lot in position["lots"]]
            assert shown == ["ord-0", "ord-1"][: number + 1]
            assert position["more_lots"] is (number == 2)

    held(talk)

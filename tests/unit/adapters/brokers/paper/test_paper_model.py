"""Random traffic against a second, naive model, and against what a reopened venue knows."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paperkit import Bench, describe

from ordergate.adapters.clock import run_virtual
from ordergate.application.ports.brokers import Presence
from ordergate.domain.orders.reports import Executed

PRICES = st.integers(95, 105)
ORDERS = st.tuples(
    st.just("order"),
    st.sampled_from(["buy", "sell", "short", "cover"]),
    st.integers(1, 30),
    st.one_of(st.none(), PRICES),
    st.one_of(st.none(), PRICES),
    st.sampled_from(["gtc", "ioc", "fok"]),
)
QUOTES = st.tuples(st.just("quote"), PRICES, st.integers(0, 3), st.integers(0, 40), st.integers(0, 40))
CANCELS = st.tuples(st.just("cancel"), st.integers(0, 20))
CHANGES = st.tuples(st.just("replace"), st.integers(0, 20), st.integers(1, 40))
TRAFFIC = st.lists(st.one_of(ORDERS, QUOTES, QUOTES, CANCELS, CHANGES), max_size=40)


class Naive:
    """Looks at every order at every step; no ladders, no indexes."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.market: dict[str, Any] = {}
        self.place = 0
        self.fills: list[tuple[str, int, int]] = []

    def join(self, order: dict[str, Any]) -> None:
        self.place += 1
        order["place"] = self.place

    def order(
        self, name: str, side: str, quantity: int, limit: int | None, stop: int | None, tif: str
    ) -> None:
        sign = 1 if side in ("buy", "cover") else -1
        order = {
            "name": name,
            "sign": sign,
            "leaves": quantity,
            "limit": limit,
            "stop": stop,
            "tif": tif,
            "filled": 0,
        }
        self.join(order)
        self.orders.append(order)
        self.step(sign)

    def quote(self, bid: int, ask: int, bid_size: int, ask_size: int) -> None:
        self.market = {1: [ask, ask_size], -1: [bid, bid_size]}
        self.step(1)
        self.step(-1)

    def step(self, sign: int) -> None:
        ours = [o for o in self.orders if o["sign"] == sign]
        if self.market:
            price = self.market[sign][0]
            reached = [o for o in ours if o["stop"] is not None and sign * (price - o["stop"]) >= 0]
            for order in sorted(reached, key=lambda o: (sign * o["stop"], o["place"])):
                order["stop"] = None
                self.join(order)
            ready = [o for o in ours if o["stop"] is None]
            ready = [o for o in ready if o["limit"] is None or sign * (o["limit"] - price) >= 0]
            rank = lambda o: (o["limit"] is not None, -sign * (o["limit"] or 0), o["place"])  # noqa: E731
            for order in sorted(ready, key=rank):
                left = self.market[sign][1]
                got = min(left, order["leaves"])
                if not got or (order["tif"] == "fok" and got < order["leaves"]):
                    continue
                self.market[sign][1] -= got
                order["leaves"] -= got
                order["filled"] += got
                self.fills.append((order["name"], got, price))
        over = [o for o in ours if not o["leaves"] or (o["stop"] is None and o["tif"] != "gtc")]
        self.orders = [o for o in self.orders if o not in over]

    def find(self, name: str) -> dict[str, Any] | None:
        return next((o for o in self.orders if o["name"] == name), None)

    def cancel(self, name: str) -> None:
        self.orders = [o for o in self.orders if o["name"] != name]

    def replace(self, name: str, quantity: int) -> None:
        order = self.find(name)
        if order is None:
            return
        grows = quantity > order["leaves"] + order["filled"]
        order["leaves"] = max(quantity - order["filled"], 0)
        if grows:
            self.join(order)
        if grows or not order["leaves"]:
            self.step(order["sign"])


@pytest.mark.slow
@settings(deadline=None)
@given(TRAFFIC)
def test_the_venue_trades_as_the_naive_model(traffic: list[tuple[Any, ...]]) -> None:
    async def main() -> None:
        bench, naive = await Bench().open(), Naive()
        for number, (kind, *values) in enumerate(traffic):
            if kind == "order":
                side, quantity, limit, stop, tif = values
                named = "".join(f" {n} {v}" for n, v in (("stop", stop), ("limit", limit)) if v is not None)
                await bench._carry_out(f"O{number}: {side} {quantity}{named} {tif}")
                naive.order(f"O{number}", *values)
            elif kind == "quote":
                bid, spread, bid_size, ask_size = values
                await bench._carry_out(f"quote {bid}/{bid + spread} {bid_size}x{ask_size}")
                naive.quote(bid, bid + spread, bid_size, ask_size)
            elif f"O{values[0]}" in bench.accepted:
                terms = "" if kind == "cancel" else f" quantity {values[1]}"
                await bench._carry_out(f"O{values[0]}: {kind}{terms}")
                getattr(naive, kind)(f"O{values[0]}", *values[1:])
        told = [report for report in bench.sink.reports if isinstance(report, Executed)]
        fills = [((r.client_id or "").partition(".")[0], int(r.quantity), int(r.price)) for r in told]
        assert fills == naive.fills
        working = (await bench.broker.open_orders()).client_ids
        assert {name.partition(".")[0] for name in working} == {order["name"] for order in naive.orders}
        await the_venue_tells_the_same_again(bench)

    run_virtual(main())


async def the_venue_tells_the_same_again(bench: Bench) -> None:
    """To another session, and to a lookup; fills never exceed the order."""
    told = bench.sink.reports
    await bench.reopen("0")
    assert bench.sink.reports == told
    for order, client_id in bench.accepted.items():
        lookup = await bench.broker.lookup(client_id)
        assert lookup.presence is Presence.FOUND
        ours = [describe(r) for r in told if (r.client_id or "").partition(".")[0] == order]
        assert [line for line in map(describe, lookup.reports) if line != f"{order} rests"] == [
            line for line in ours if line != f"{order} rests"
        ]
        executed = [r for r in lookup.reports if isinstance(r, Executed)]
        assert len({r.exec_id for r in executed}) == len(executed)
        assert all(r.quantity > Decimal(0) for r in executed)

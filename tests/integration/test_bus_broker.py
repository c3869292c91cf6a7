"""A gate whose broker is behind NATS: orders go out, fills come back, and servers and connectors come and go."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ordergate.adapters.brokers.bus.settings import Way
from ordergate.application.ports.brokers import Deduplication
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import BusBroker, Config
from ordergate.config.funds import FundSection
from ordergate.config.nats import NatsSection
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State, TimeInForce
from ordergate.sdk.signals import FillTracker, subscribe_fills
from tests.services.connector import Connector
from tests.services.mail import Mail, mail, until
from tests.services.nats import Nats
from tests.services.postgres import Postgres

DESK = BusBroker(
    deadline_ms=1_000,
    grace_ms=1_000,
    order_types=(OrderType.MARKET, OrderType.LIMIT),
    tifs=(TimeInForce.DAY, TimeInForce.GTC, TimeInForce.GTD),
    deduplication=Deduplication.FOREVER,
    proves_absence=True,
    replaces=True,
    lists=True,
    statements=True,
    subjects=("broker.fill.*", "broker.error.*", "mt5.fills.*"),
)
PUBLISHED = BusBroker(
    sends=Way.PUBLISH, subjects=DESK.subjects, order_types=DESK.order_types, deadline_ms=1_000
)
ROOT = Path(__file__).parents[2]
MARKET = Decimal("100.00"), Decimal("100.10")


def config(nats: Nats, desk: BusBroker = DESK) -> Config:
    return Config(
        nats=NatsSection(servers=(nats.url,)),
        brokers={"desk": desk},
        funds={"paper-momentum": FundSection(broker="desk", unlimited=True)},
    )


@asynccontextmanager
async def trading(
    nats: Nats, tmp_path: Path, desk: BusBroker = DESK, size: int = 1_000_000
) -> AsyncIterator[tuple[Gate, Connector, Mail]]:
    connector = Connector("desk", ("AAPL",))
    await connector.start(nats.url)
    await connector.set_market(*MARKET, Decimal(size))
    try:
        async with (
            open_gate(config(nats, desk), f"sqlite:///{tmp_path / 'o.db'}") as gate,
            mail(nats.url) as post,
        ):
            yield gate, connector, post
    finally:
        await connector.close()


async def buy(gate: Gate, key: str = "k", limit: str | None = None, quantity: int = 100, **more: Any) -> Any:
    order = SubmitOrder(
        fund_id="paper-momentum",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=None if limit is None else Decimal(limit),
        key_kind="idempotency_key",
        key=key,
        tif=TimeInForce.GTC,
        **more,
    )
    return (await gate.execute(order)).order


async def becomes(gate: Gate, order_id: str, *states: State) -> Any:
    async def there() -> Any:
        order = await gate.queries.order(order_id)
        return order if order.state in states and not order.requests else None

    return await until(there)


async def held(gate: Gate) -> Decimal:
    (position,) = await gate.queries.reader.select("positions")
    return position.quantity


async def breaks(gate: Gate) -> list[Any]:
    return [b for b in await gate.queries.reader.select("breaks") if b.resolved_at is None]


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 120))


def test_an_order_s_life_with_a_connector_in_another_process(nats: Nats, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.services.connector", nats.url, "desk"], stdout=subprocess.PIPE
    )

    async def main() -> None:
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
            order = await buy(gate)
            done = await becomes(gate, order.order_id, State.CLOSED)
            assert (done.average_price, done.broker_order_id) == (Decimal("1.0801"), "t1")
            rests = await buy(gate, "k2", limit="1.00")
            await becomes(gate, rests.order_id, State.SUBMITTED)
            await gate.execute(ReplaceOrder(order_id=rests.order_id, quantity=Decimal(50)))
            changed = await becomes(gate, rests.order_id, State.SUBMITTED)
            assert changed.quantity == 50
            await gate.execute(CancelOrder(order_id=rests.order_id))
            await becomes(gate, rests.order_id, State.CANCELED)
            assert await held(gate) == 100
            (comparison,) = [await gate.compare("desk")]
            assert await breaks(gate) == [], comparison

    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        run(main())
    finally:
        process.kill()
        process.wait(60)
        process.stdout.close()


def test_what_a_connector_is_asked_is_as_published(nats: Nats, tmp_path: Path) -> None:
    definitions = json.loads((ROOT / "docs" / "reference" / "bus.schema.json").read_text())
    kinds = {
        "hello": "HelloOut", "submit": "OrderOut", "cancel": "ChangeOut", "replace": "ChangeOut",
        "lookup": "LookupOut", "statement": "StatementOut",
    }  # fmt: skip

    async def main() -> None:
        async with trading(nats, tmp_path) as (gate, connector, _post):
            order = await buy(gate, limit="1.00")
            await becomes(gate, order.order_id, State.SUBMITTED)
            await gate.execute(ReplaceOrder(order_id=order.order_id, limit_price=Decimal("1.01")))
            await becomes(gate, order.order_id, State.SUBMITTED)
            await gate.execute(CancelOrder(order_id=order.order_id))
            await becomes(gate, order.order_id, State.CANCELED)
            await gate.brokers["desk"].lookup(f"{order.order_id}.1")
            await gate.compare("desk")
            assert {verb for verb, _body in connector.asked} == {*kinds, "open"}
            for verb, body in connector.asked:
                if verb != "open":
                    schema = {**definitions, "$ref": f"#/$defs/{kinds[verb]}"}
                    jsonschema_rs.validate(schema, body)

    run(main())


def test_what_the_broker_closes_at_a_stop_loss_is_booked(nats: Nats, tmp_path: Path) -> None:
    """It counts as an order of the entry's fund that the broker has made, and the account agrees."""

    async def main() -> None:
        async with trading(nats, tmp_path) as (gate, connector, _post):
            order = await buy(gate, stop_loss=Decimal(95), take_profit=Decimal(110))
            await becomes(gate, order.order_id, State.CLOSED)
            await connector.set_market(Decimal("94.50"), Decimal("94.60"), Decimal(1_000_000))

            async def closed() -> Any:
                return [one for one in await gate.queries.orders() if one.by_broker]

            (closing,) = await until(closed)
            closing = await becomes(gate, closing.order_id, State.CLOSED)
            assert (closing.side, closing.order_type, closing.quantity, closing.average_price) == (
                Side.SELL, OrderType.STOP, 100, Decimal("94.5"),
            )  # fmt: skip
            assert (closing.fund_id, closing.broker_order_id) == ("paper-momentum", "t3")
            assert await held(gate) == 0
            await gate.compare("desk")
            assert await breaks(gate) == []

    run(main())


def raw_fill(work: Any, quantity: int = 100, **more: Any) -> dict[str, Any]:
    """As an MT5 connector writes it: no side, no expected price."""
    return {
        "ticket": int(work.name.removeprefix("t")),
        "symbol": "AAPL",
        "volume": quantity,
        "price": 100.1,
        "timestamp": 1_796_000_000,
        "commission": -0.5,
        "swap": 0,
        **more,
    }


def test_a_fill_that_comes_before_the_answer_and_names_the_ticket_alone(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, size=0) as (gate, connector, _post):

            async def fill_first(verb: str) -> None:
                if verb == "submit":
                    work = connector.orders[-1]
                    fill = raw_fill(work, ticket=work.name)
                    await connector.publish("mts.v1.brokers.desk.fills.raw", fill)
                    await asyncio.sleep(0.1)  # the fill is read while the answer has not left

            connector.before_answer = fill_first
            order = await buy(gate)
            done = await becomes(gate, order.order_id, State.FILLED)
            assert (done.average_price, done.broker_order_id) == (Decimal("100.1"), connector.orders[0].name)
            (fill,) = await gate.queries.fills()
            assert (fill.side, fill.fee, fill.symbol) == (Side.BUY, Decimal("0.5"), "AAPL")
            assert await breaks(gate) == []

    run(main())


def test_raw_fills_of_every_subject_and_what_is_none(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, statements=False), size=0) as (
            gate,
            connector,
            post,
        ):
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            work = connector.orders[0]
            comment = {"comment": f"order_id:{order.order_id}"}
            good = [
                ("mt5.fills.AAPL", raw_fill(work, 10, **comment, ticket=901)),
                ("broker.fill.AAPL", raw_fill(work, 20, order_id=order.order_id, ticket=902)),
                ("mts.v1.brokers.desk.fills.raw", {"fill_id": "f1", "order_id": order.order_id, "qty": "30",
                                                   "price": "100.1", "time": "2026-11-30T12:00:00Z", "side": "buy"}),
                ("broker.fill.AAPL", raw_fill(work, 15, ticket=work.name)),
                ("broker.fill.AAPL", raw_fill(work, 25, ticket=work.name, timestamp="2026.05.23 14:30:00")),
            ]  # fmt: skip
            bad = [
                ("mt5.fills.AAPL", b"\xff", "not_json"),
                ("mt5.fills.AAPL", b"{", "bad_value"),
                ("broker.fill.AAPL", b"[]", "wrong_type"),
                ("broker.fill.AAPL", raw_fill(work, 1, ticket=None), "missing"),
                ("broker.fill.AAPL", raw_fill(work, 1, price=None), "missing"),
                ("broker.fill.AAPL", raw_fill(work, 1, volume="much"), "bad_number"),
                ("broker.error.AAPL", {"message": "who?"}, "missing"),
                ("ordergate.v1.brokers.desk.reports", {"report": "exploded", "client_id": "x"}, "bad_report"),
                ("ordergate.v1.brokers.desk.reports", {"report": "acknowledged"}, "missing"),
                ("mt5.fills.AAPL", raw_fill(work, 1, note="x" * 70_000), "body_too_large"),
            ]
            for (subject, body), (wrong, other, _code) in zip(good * 3, bad, strict=False):
                await post.send(wrong, other)
                await post.send(subject, body)  # each three times
            done = await becomes(gate, order.order_id, State.FILLED)
            assert done.filled_quantity == 100
            letters = await post.dead(len(bad))
            found = sorted((subject, headers["Ordergate-Code"]) for subject, headers, _data in letters)
            assert found == sorted((f"ordergate.v1.dead.{subject}", code) for subject, _body, code in bad)
            assert len(await gate.queries.fills()) == 5
            assert await breaks(gate) == []

    run(main())


def test_who_follows_fills_hears_those_of_nats_once(nats: Nats, tmp_path: Path) -> None:
    """Seed 001's Example 3, whose callback books what it hears: the fill stands in the journal already."""

    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, statements=False), size=0) as (
            gate,
            connector,
            post,
        ):
            tracker, heard = FillTracker(gate), []

            async def on_fill(event: dict[str, Any]) -> None:
                told = event["order_id"], event["fill_price"], event["fill_quantity"], event["timestamp"]
                await tracker.process_fill(*told)
                await tracker.update_position(event)
                heard.append(event)

            subscription = await subscribe_fills("mt5.fills.*", callback=on_fill, gate=gate)
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            for ticket, quantity in ((901, 40), (901, 40), (902, 60), (901, 40)):
                fill = raw_fill(connector.orders[0], quantity, ticket=ticket)
                await post.send("mt5.fills.AAPL", {**fill, "comment": f"order_id:{order.order_id}"})
            await becomes(gate, order.order_id, State.FILLED)

            async def both() -> bool:
                return len(heard) == 2

            await until(both)
            await subscription.close()
            assert [(event["fill_quantity"], event["side"], event["broker"]) for event in heard] == [
                (Decimal(40), "buy", "desk"),
                (Decimal(60), "buy", "desk"),
            ]
            assert len(await gate.queries.fills()) == 2
            assert await held(gate) == 100
            assert await breaks(gate) == []

    run(main())


def test_fills_of_orders_that_nobody_knows_are_breaks(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, statements=False)) as (gate, _connector, post):
            foreign = {
                "order_id": "nobodys",
                "ticket": 7,
                "volume": 1,
                "price": 1,
                "timestamp": 1_796_000_000,
            }
            await post.send("mt5.fills.AAPL", foreign)

            async def told() -> bool:
                return [b.kind for b in await breaks(gate)] == ["unknown_order"]

            await until(told)
            order = await buy(gate)
            await becomes(gate, order.order_id, State.CLOSED)

    run(main())


ERRORS = [
    ({"retcode": 10019, "message": "no money"}, State.REJECTED),
    ({"status": "rejected", "reason": "closed"}, State.REJECTED),
]


@pytest.mark.parametrize(("said", "state"), ERRORS)
def test_errors_that_prove_a_refusal_end_the_order(
    nats: Nats, tmp_path: Path, said: dict[str, Any], state: State
) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, PUBLISHED) as (gate, _connector, post):
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            await post.send("broker.error.AAPL", {"order_id": order.order_id, **said})
            ended = await becomes(gate, order.order_id, state)
            assert ended.reason

    run(main())


@pytest.mark.parametrize("said", [{"retcode": 10029}, {"retcode": 10019}, {"status": "rejected"}])
def test_an_error_of_an_order_that_works_ends_it_only_where_the_connector_has_it_ended(
    nats: Nats, tmp_path: Path, said: dict[str, Any]
) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path) as (gate, connector, post):
            order = await buy(gate, limit="1.00")
            await becomes(gate, order.order_id, State.SUBMITTED)

            async def asked() -> bool:
                return "lookup" in [verb for verb, _body in connector.asked]

            connector.asked.clear()
            await post.send("broker.error.AAPL", {"order_id": order.order_id, **said})
            await until(asked)
            await gate.execute(ReplaceOrder(order_id=order.order_id, limit_price=Decimal("1.01")))
            kept = await becomes(gate, order.order_id, State.SUBMITTED)
            assert (kept.limit_price, kept.leaves_quantity) == (Decimal("1.01"), 100)
            connector.orders[0].end = "rejected"
            await post.send("broker.error.AAPL", {"order_id": order.order_id, **said})
            await becomes(gate, order.order_id, State.REJECTED)
            assert await breaks(gate) == []

    run(main())


@pytest.mark.slow
def test_an_order_that_is_refused_after_it_was_accepted_ends_once_it_is_proven_absent(
    nats: Nats, tmp_path: Path
) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, statements=False)) as (gate, connector, post):
            order = await buy(gate, limit="1.00")
            await becomes(gate, order.order_id, State.SUBMITTED)
            connector.orders.clear()
            connector.known.clear()
            connector.silent.add("lookup")
            connector.asked.clear()
            error = {"order_id": order.order_id, "retcode": 10019, "message": "no money"}
            await post.send("broker.error.AAPL", error)

            async def asked() -> bool:
                return "lookup" in [verb for verb, _body in connector.asked]

            await until(asked)
            connector.silent.clear()
            ended = await becomes(gate, order.order_id, State.REJECTED)
            assert ended.reason == "10019 no money"
            assert await breaks(gate) == []

    run(main())


def test_an_error_that_names_the_ticket_alone_after_a_restart(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        desk, url = replace(DESK, statements=False), f"sqlite:///{tmp_path / 'o.db'}"
        connector = Connector("desk", ("AAPL",))
        await connector.start(nats.url)
        async with open_gate(config(nats, desk), url) as gate:
            order = await buy(gate, limit="1.00")
            ticket = (await becomes(gate, order.order_id, State.SUBMITTED)).broker_order_id
        async with open_gate(config(nats, desk), url) as gate, mail(nats.url) as post:

            async def listed() -> bool:
                return [verb for verb, _body in connector.asked].count("open") >= 2

            await until(listed)
            connector.orders[0].end = "rejected"
            await post.send("broker.error.AAPL", {"ticket": ticket, "status": "rejected"})
            await becomes(gate, order.order_id, State.REJECTED)
            assert await breaks(gate) == []
        await connector.close()

    run(main())


def test_an_error_that_proves_a_refusal_ends_an_order_that_is_not_answered(
    nats: Nats, tmp_path: Path
) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path) as (gate, connector, post):
            connector.refuses = "no money"
            connector.silent.add("submit")
            order = await buy(gate)
            await post.send("broker.error.AAPL", {"order_id": order.order_id, "retcode": 10019})
            ended = await becomes(gate, order.order_id, State.REJECTED)
            assert ended.reason == "10019"

    run(main())


def test_orders_that_are_only_published(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with mail(nats.url) as post:
            heard: asyncio.Queue[Any] = asyncio.Queue()

            async def connector(message: Any) -> None:
                await heard.put((message.subject, json.loads(message.data)))

            await post.client.subscribe("orders.submitted.>", cb=connector)
            async with trading(nats, tmp_path, PUBLISHED) as (gate, _connector, _post):
                order = await buy(gate)
                subject, body = await asyncio.wait_for(heard.get(), 30)
                assert subject == "orders.submitted.AAPL"
                seed = {
                    name: body[name] for name in ("order_id", "symbol", "order_type", "volume", "comment")
                }
                assert seed == {
                    "order_id": order.order_id,
                    "symbol": "AAPL",
                    "order_type": "buy",
                    "volume": 100,
                    "comment": f"order_id:{order.order_id}",
                }
                await becomes(gate, order.order_id, State.SUBMITTED)
                await gate.execute(CancelOrder(order_id=order.order_id))
                kept = await becomes(gate, order.order_id, State.SUBMITTED)  # the cancel was refused
                assert kept.state is State.SUBMITTED
                await post.send("broker.fill.AAPL", {"order_id": order.order_id, "ticket": 5, "symbol": "AAPL",
                                                     "volume": 100, "price": 100, "timestamp": 1_796_000_000_000,
                                                     "commission": 0, "swap": 0})  # fmt: skip
                await becomes(gate, order.order_id, State.FILLED)

    run(main())


@pytest.mark.slow
def test_the_server_is_away_at_the_start(nats: Nats, tmp_path: Path) -> None:
    nats.kill()

    async def main() -> None:
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
            order = await buy(gate)
            assert order.state is State.SUBMITTED or order.state is State.ACCEPTED
            nats.start()
            connector = Connector("desk", ("AAPL",))
            await connector.start(nats.url)
            try:
                await connector.set_market(*MARKET, Decimal(1_000))
                await becomes(gate, order.order_id, State.CLOSED)
                assert len(connector.orders) == 1
            finally:
                await connector.close()

    run(main())


@pytest.mark.slow
def test_a_connector_that_is_away_gets_the_order_once_it_is_there(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with open_gate(config(nats), f"sqlite:///{tmp_path / 'o.db'}") as gate:
            order = await buy(gate)

            async def waits() -> bool:
                return (await gate.queries.order(order.order_id)).state is State.ACCEPTED

            await until(waits)
            connector = Connector("desk", ("AAPL",))
            await connector.start(nats.url)
            try:
                await connector.set_market(*MARKET, Decimal(1_000))
                await becomes(gate, order.order_id, State.CLOSED)
            finally:
                await connector.close()

    run(main())


def test_a_connector_that_can_less_than_configured_gets_nothing(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        with capture_logs() as logs:
            async with trading(nats, tmp_path) as (gate, connector, _post):
                connector.can["deduplication"] = "while_open"
                connector.can["replaces"] = False
                await buy(gate)

                async def told() -> bool:
                    return any(log["event"] == "the connector is not as configured" for log in logs)

                await until(told)

                async def asked_often() -> bool:
                    return sum(verb == "hello" for verb, _body in connector.asked) >= 3

                await until(asked_often)
                assert connector.orders == []
        (why,) = [log["why"] for log in logs if log["event"] == "the connector is not as configured"]
        assert "replaces, deduplication forever" in why

    run(main())


def test_silence_after_a_submit_is_settled_and_nothing_is_done_twice(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, statements=False), size=0) as (
            gate,
            connector,
            _post,
        ):
            connector.silent = {"submit"}
            order = await buy(gate)

            async def asked() -> bool:
                return any(verb == "lookup" for verb, _body in connector.asked)

            await until(asked)
            await becomes(gate, order.order_id, State.SUBMITTED)
            assert len(connector.orders) == 1
            await connector.set_market(*MARKET, Decimal(1_000))
            await becomes(gate, order.order_id, State.CLOSED)

    run(main())


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("kill", 0.5), ("pause", 0.5), pytest.param("kill", 60, marks=pytest.mark.slow(minutes=2))],
)
def test_a_server_that_goes_under_load(nats: Nats, tmp_path: Path, fault: str, seconds: float) -> None:
    count = 60

    async def main() -> None:
        async with trading(nats, tmp_path) as (gate, connector, _post):
            made = []
            for number in range(count):
                made.append(await buy(gate, f"k{number}", quantity=10))
                if number == count // 3:
                    nats.kill() if fault == "kill" else nats.pause()
                if number == 2 * count // 3:
                    await asyncio.sleep(seconds)
                    nats.start() if fault == "kill" else nats.resume()
            for order in made:
                await becomes(gate, order.order_id, State.CLOSED)
            assert len(connector.orders) == count
            assert await held(gate) == connector.positions["AAPL"] == 10 * count
            await gate.compare("desk")
            assert await breaks(gate) == []

    run(main())


def test_a_stream_that_was_made_anew_is_read_from_its_beginning(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        desk = replace(DESK, statements=False)
        async with trading(nats, tmp_path, desk, size=0) as (gate, connector, post):
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            work = connector.orders[0]
            for number in range(3):
                fill = raw_fill(work, 10, fill_id=f"f{number}", order_id=order.order_id)
                await post.send("broker.fill.AAPL", fill)

            async def thirty() -> bool:
                return (await gate.queries.order(order.order_id)).filled_quantity == 30

            await until(thirty)
            await post.stream.delete_stream("ORDERGATE_BROKER_desk")
            subjects = ["ordergate.v1.brokers.desk.reports", "mts.v1.brokers.desk.fills.raw", *desk.subjects]
            await post.stream.add_stream(name="ORDERGATE_BROKER_desk", subjects=subjects)
            for number in range(2, 10):  # one is told again
                fill = raw_fill(work, 10, fill_id=f"f{number}", order_id=order.order_id)
                await post.send("broker.fill.AAPL", fill)
            done = await becomes(gate, order.order_id, State.FILLED)
            assert done.filled_quantity == 100

    run(main())


def test_reports_that_went_before_they_were_read_are_missed_aloud(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        desk, url = replace(DESK, statements=False), f"sqlite:///{tmp_path / 'o.db'}"
        connector = Connector("desk", ("AAPL",))
        await connector.start(nats.url)
        async with mail(nats.url) as post:
            async with open_gate(config(nats, desk), url) as gate:
                order = await buy(gate)
                await becomes(gate, order.order_id, State.SUBMITTED)
                fill = raw_fill(connector.orders[0], 10, fill_id="f1")
                await post.send("broker.fill.AAPL", {**fill, "order_id": order.order_id})

                async def ten() -> bool:
                    return (await gate.queries.order(order.order_id)).filled_quantity == 10

                await until(ten)
            for number in (2, 3):
                more = {**fill, "fill_id": f"f{number}", "order_id": order.order_id}
                await post.send("broker.fill.AAPL", more)
            await post.stream.purge_stream("ORDERGATE_BROKER_desk")
            await post.send("broker.fill.AAPL", {**fill, "fill_id": "f4", "order_id": order.order_id})
            with capture_logs() as logs:
                async with open_gate(config(nats, desk), url) as gate:

                    async def twenty() -> bool:
                        return (await gate.queries.order(order.order_id)).filled_quantity == 20

                    await until(twenty)
            (missed,) = [log for log in logs if "gone before they were read" in log["event"]]
            assert (missed["first"], missed["last"]) == (2, 3)
        await connector.close()

    run(main())


def test_a_connector_that_says_nothing_at_all_gets_no_order(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        async with trading(nats, tmp_path, replace(DESK, deadline_ms=200)) as (gate, connector, _post):
            connector.silent = {"all"}
            order = await buy(gate)

            async def asked() -> bool:
                return sum(verb == "hello" for verb, _body in connector.asked) >= 2

            await until(asked)
            assert connector.orders == []
            connector.silent = set()
            await becomes(gate, order.order_id, State.CLOSED)

    run(main())


def test_a_restart_goes_on_behind_the_cursor(nats: Nats, tmp_path: Path) -> None:
    async def main() -> None:
        desk, url = replace(DESK, statements=False), f"sqlite:///{tmp_path / 'o.db'}"
        connector = Connector("desk", ("AAPL",))
        await connector.start(nats.url)
        async with open_gate(config(nats, desk), url) as gate:
            order = await buy(gate)
            await becomes(gate, order.order_id, State.SUBMITTED)
            await connector.set_market(*MARKET, Decimal(40))

            async def forty() -> bool:
                return (await gate.queries.order(order.order_id)).filled_quantity == 40

            await until(forty)
        await connector.set_market(*MARKET, Decimal(60))
        async with open_gate(config(nats, desk), url) as gate:
            await becomes(gate, order.order_id, State.CLOSED)
            assert len(await gate.queries.fills()) == 2
            cursors = [e["cursor"] for e in await _entries(gate) if "cursor" in e]
            assert len(cursors) == len(set(cursors))
        await connector.close()

    run(main())


def test_another_node_goes_on_where_the_first_left(nats: Nats, postgres: Postgres) -> None:
    desk, url = replace(DESK, statements=False), postgres.database()

    async def main() -> None:
        connector = Connector("desk", ("AAPL",))
        await connector.start(nats.url)
        async with AsyncExitStack() as stack:
            first = AsyncExitStack()
            one = await first.enter_async_context(open_gate(config(nats, desk), url))
            two = await stack.enter_async_context(open_gate(config(nats, desk), url))
            made = [await buy(gate, f"k{n}", quantity=10) for n, gate in enumerate((one, two) * 5)]
            for order in made:
                await becomes(two, order.order_id, State.SUBMITTED)
            await connector.set_market(*MARKET, Decimal(55))

            async def some() -> bool:
                return sum(f.quantity for f in await two.queries.fills()) == 55

            await until(some)
            await first.aclose()
            await connector.set_market(*MARKET, Decimal(1_000))
            for order in made:
                await becomes(two, order.order_id, State.CLOSED)
            assert len(connector.orders) == 10
            assert await held(two) == 100
            assert await breaks(two) == []
        await connector.close()

    run(main())


async def _entries(gate: Gate) -> list[dict[str, Any]]:
    return [json.loads(line.data) for line in await gate.journal.lines(0, 10_000)]

"""Classes of one's own behind a whole gate: everything that they can do wrong, and every restart."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.application.gates import CONFIG as UNLIMITED
from tests.unit.application.gates import buy

from ordergate.adapters.brokers.sync import SyncSettings
from ordergate.adapters.brokers.sync.broker import SyncBroker
from ordergate.adapters.brokers.sync.reading import place
from ordergate.adapters.brokers.sync.ticket import ClassError, Ticket
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.application.ports.brokers import Presence, Send
from ordergate.bootstrap import Gate, assemble, open_gate
from ordergate.config import Config, ConfigError, load
from ordergate.domain.errors import StoreError
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, Phase, Side, State, TimeInForce
from ordergate.protocols.tlog import Signer
from ordergate.testing.conformance.counterpart import Recorder

SETTINGS = SyncSettings(poll_ms=2, deadline_ms=5_000, grace_ms=50)
ORDER = "ord-000001"


def placed(name: str = "B1") -> Any:
    return SimpleNamespace(success=True, order_id=name, error=None)


def status(state: str, filled: Any = None, price: Any = None) -> Any:
    return SimpleNamespace(state=state, filled_volume=filled, average_price=price)


class Script:
    """Says what a test tells it to; exceptions are raised, functions called."""

    def __init__(self, place: Any = None, state: Any = None, close: Any = True) -> None:
        self.place, self.state, self.close = place or placed(), state or status("SUBMITTED"), close
        self.calls: list[tuple[str, Any]] = []
        self.threads: set[int] = set()

    def _say(self, name: str, argument: Any, said: Any) -> Any:
        self.calls.append((name, argument))
        self.threads.add(threading.get_ident())
        if isinstance(said, BaseException):
            raise said
        return said(argument) if callable(said) else said

    def place_order(self, order: Any) -> Any:
        return self._say("place_order", order, self.place)

    def get_order_status(self, order_id: str) -> Any:
        return self._say("get_order_status", order_id, self.state)

    def close_order(self, order_id: str) -> Any:
        return self._say("close_order", order_id, self.close)

    def count(self, name: str) -> int:
        return sum(call == name for call, _ in self.calls)


class World:
    """A journal and a notebook that outlive gates."""

    def __init__(self, folder: Path, settings: SyncSettings = SETTINGS) -> None:
        self.journal, self.folder, self.settings, self.ids = MemoryJournal(), folder, settings, CountingIds()

    def run(self, made: Any, script: Callable[[Gate], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            clock = SystemClock()
            broker = SyncBroker("paper", self.settings, self.folder / "notebook", clock, made)
            signer = Signer(UNLIMITED.audit.origin, bytes(32))
            async with assemble(UNLIMITED, self.journal, signer, clock, self.ids, [broker]) as gate:
                return await script(gate)

        return asyncio.run(main())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def until(gate: Gate, right: Callable[[Order], bool], order_id: str = ORDER) -> Order:
    async with asyncio.timeout(30):
        while not right(order := await gate.queries.order(order_id)):
            await asyncio.sleep(0.002)
    return order


def submitted(right: Callable[[Order], bool]) -> Callable[[Gate], Coroutine[Any, Any, Order]]:
    async def script(gate: Gate) -> Order:
        await gate.execute(buy())
        return await until(gate, right)

    return script


def in_state(state: State) -> Callable[[Order], bool]:
    return lambda order: order.state is state


def test_a_fill_is_booked_and_confirmed(world: World) -> None:
    made = Script(state=status("FILLED", 100.0, 180.5))
    order = world.run(made, submitted(in_state(State.CLOSED)))
    assert (order.filled_quantity, order.average_price, order.broker_order_id) == (
        100,
        Decimal("180.5"),
        "B1",
    )
    assert len(made.threads) == 1
    assert threading.get_ident() not in made.threads


def test_parts_are_what_came_on_top_at_the_price_that_makes_the_average_right(world: World) -> None:
    made = Script(state=status("SUBMITTED", 40, 100.0))

    async def script(gate: Gate) -> list:
        await gate.execute(buy())
        await until(gate, lambda order: order.filled_quantity == 40)
        made.state = status("PARTIALLY_FILLED", 60.0, 101.0)
        await until(gate, lambda order: order.filled_quantity == 60)
        made.state = status("FILLED", 100, "101.4")
        await until(gate, in_state(State.CLOSED))
        return await gate.queries.fills()

    fills = world.run(made, script)
    assert [(f.exec_id, f.quantity, f.price) for f in fills] == [
        ("B1-40", 40, 100), ("B1-60", 20, 103), ("B1-100", 40, 102),
    ]  # fmt: skip


@pytest.mark.parametrize("state", ["CANCELED", "CANCELLED", "EXPIRED", "REJECTED", "FAILED"])
def test_every_end_is_told(world: World, state: str) -> None:
    end = State[state.replace("LL", "L")]
    assert world.run(Script(state=state), submitted(in_state(end))).state is end


@pytest.mark.parametrize(
    ("closed", "state", "filled"),
    [(0, State.CANCELED, 0), (30, State.CANCELED, 30), (100, State.CLOSED, 100)],
)
def test_closed_says_how_much_was_filled(world: World, closed: int, state: State, filled: int) -> None:
    order = world.run(Script(state=status("CLOSED", closed, 180)), submitted(in_state(state)))
    assert order.filled_quantity == filled


@pytest.mark.parametrize(
    "garbage",
    [
        None, "SOMETHING", status("CLOSED"), status("FILLED", float("nan"), 180), status("FILLED", "many", 180),
        KeyError("B1"), SystemExit(3), status("SUBMITTED", True), SimpleNamespace(), status(None),
    ],
    ids=str,
)  # fmt: skip
def test_a_status_that_says_nothing_changes_nothing(world: World, garbage: Any) -> None:
    made = Script(state=garbage)

    async def script(gate: Gate) -> Order:
        await gate.execute(buy())
        async with asyncio.timeout(30):
            while made.count("get_order_status") < 5:
                await asyncio.sleep(0.002)
        before = await gate.queries.order(ORDER)
        made.state = status("FILLED", 100, 180.5)
        await until(gate, lambda order: order.filled_quantity == 100)
        return before

    before = world.run(made, script)
    assert (before.state, before.filled_quantity) == (State.SUBMITTED, 0)


@pytest.mark.parametrize("average", [1e17, Decimal("0.000001")])
def test_an_average_that_cannot_follow_changes_nothing(world: World, average: Any) -> None:
    made = Script(state=status("SUBMITTED", 40, 100))

    async def script(gate: Gate) -> Order:
        await gate.execute(buy())
        await until(gate, lambda order: order.filled_quantity == 40)
        made.state = status("SUBMITTED", Decimal("40.000000000000000001"), average)
        looks = made.count("get_order_status")
        await until(gate, lambda _order: made.count("get_order_status") > looks + 3)
        return await gate.queries.order(ORDER)

    assert world.run(made, script).filled_quantity == 40


def test_a_fill_without_a_price_is_a_break_once_and_booked_when_it_has_one(world: World) -> None:
    made = Script(state=status("FILLED", 100))

    async def script(gate: Gate) -> list:
        await gate.execute(buy())
        async with asyncio.timeout(30):
            while made.count("get_order_status") < 5:
                await asyncio.sleep(0.002)
        made.state = status("FILLED", 100, 180.5)
        await until(gate, in_state(State.CLOSED))
        return await gate.queries.breaks()

    assert [item["kind"] for item in world.run(made, script)] == ["bad_execution"]


@pytest.mark.parametrize(
    "garbage",
    [
        None, ConnectionError("gone"), SystemExit(1), SimpleNamespace(success=True, order_id=None),
        SimpleNamespace(success=True, order_id=True),
        SimpleNamespace(success=False, order_id=None, error=None), {"success": True, "order_id": "B1"}, SimpleNamespace(),
    ],
    ids=str,
)  # fmt: skip
def test_an_answer_that_proves_nothing_is_unknown(garbage: Any) -> None:
    made = Script(place=garbage if garbage is not None else (lambda _order: None))
    answer = place(made, Ticket(symbol="AAPL", direction="BUY", volume=1))
    assert (answer.outcome, answer.broker_order_id) == (Outcome.UNKNOWN, None)


@pytest.mark.slow
def test_what_stays_unknown_is_parked_and_never_sent_again(world: World) -> None:
    made = Script(place=ConnectionError("gone"))
    order = world.run(made, submitted(lambda o: bool(o.requests) and o.requests[0].phase is Phase.PARKED))
    assert order.state is State.SUBMITTED
    assert made.count("place_order") == 1


@pytest.mark.parametrize(
    "answer",
    [
        SimpleNamespace(success=False, order_id="B7", error="timeout, but see B7"),
        SimpleNamespace(success="yes", order_id="B7"),
    ],
    ids=str,
)
def test_an_unclear_answer_with_an_order_id_is_unknown_and_found(world: World, answer: Any) -> None:
    made = Script(place=answer, state=status("FILLED", 100, 180))
    order = world.run(made, submitted(in_state(State.CLOSED)))
    assert (order.broker_order_id, made.count("place_order")) == ("B7", 1)


def test_an_error_is_a_rejection(world: World) -> None:
    made = Script(place=SimpleNamespace(success=False, order_id=None, error="no such account"))
    order = world.run(made, submitted(in_state(State.REJECTED)))
    assert order.reason == "no such account"


@pytest.mark.parametrize(
    ("says", "reason"), [(False, "Insufficient margin"), (None, "neither True"), (OSError("down"), "OSError")]
)
def test_without_proof_of_margin_nothing_leaves(world: World, says: Any, reason: str) -> None:
    class Careful(Script):
        def has_sufficient_margin(self, volume: float, symbol: str) -> Any:
            return self._say("has_sufficient_margin", (volume, symbol), says)

    made = Careful()
    order = world.run(made, submitted(in_state(State.REJECTED)))
    assert reason in order.reason
    assert made.calls[0] == ("has_sufficient_margin", (100.0, "AAPL"))
    assert made.count("place_order") == 0


def test_a_blown_deadline_is_unknown_what_waits_behind_is_not_sent_and_a_late_answer_counts(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, replace(SETTINGS, deadline_ms=40, grace_ms=600_000))
    release = threading.Event()

    def hang(order: Any) -> Any:
        release.wait(20)
        return placed(f"B-{order.client_id}")

    made = Script(place=hang)

    async def script(gate: Gate) -> list[Order]:
        try:
            await gate.execute(buy("one"))
            doubted = await until(gate, lambda o: bool(o.requests) and o.requests[0].phase is Phase.UNKNOWN)
            await gate.execute(buy("two"))
            waits = await until(gate, in_state(State.ACCEPTED), "ord-000002")
            assert made.count("place_order") == 1
        finally:
            release.set()
        late = await until(gate, lambda order: not order.requests)
        other = await until(gate, lambda order: order.broker_order_id is not None, "ord-000002")
        return [doubted, waits, late, other]

    doubted, waits, late, other = world.run(made, script)
    assert doubted.state is State.SUBMITTED
    assert waits.requests[0].phase is Phase.READY
    assert late.broker_order_id == "B-ord-000001.1"
    assert other.broker_order_id == "B-ord-000002.1"
    assert made.count("place_order") == 2
    assert len(made.threads) == 1


def test_a_late_refusal_is_a_rejection(tmp_path: Path) -> None:
    release = threading.Event()

    def refuse(_order: Any) -> Any:
        release.wait(20)
        return SimpleNamespace(success=False, order_id=None, error="market closed")

    async def script(gate: Gate) -> Order:
        try:
            await gate.execute(buy())
            await until(gate, lambda o: bool(o.requests) and o.requests[0].phase is Phase.UNKNOWN)
        finally:
            release.set()
        return await until(gate, in_state(State.REJECTED))

    world = World(tmp_path, replace(SETTINGS, deadline_ms=40, grace_ms=600_000))
    assert world.run(Script(place=refuse), script).reason == "market closed"


def test_an_order_that_has_filled_is_not_closed_by_a_cancel(world: World) -> None:
    made = Script()

    async def script(gate: Gate) -> Order:
        await gate.execute(buy())
        await until(gate, lambda order: order.broker_order_id is not None)
        made.state = status("FILLED", 100, 180.5)
        await gate.execute(CancelOrder(order_id=ORDER))
        return await until(gate, in_state(State.CLOSED))

    assert world.run(made, script).filled_quantity == 100
    assert made.count("close_order") == 0


@pytest.mark.parametrize(("says", "dropped"), [(False, True), (None, False), (OSError("gone"), False)])
def test_a_cancel_that_was_not_taken(world: World, says: Any, dropped: bool) -> None:
    made = Script(close=says if says is not None else (lambda _id: None))

    async def script(gate: Gate) -> Order:
        await gate.execute(buy())
        await until(gate, lambda order: order.broker_order_id is not None)
        await gate.execute(CancelOrder(order_id=ORDER))
        await until(gate, lambda _order: made.count("close_order") > 0)
        if dropped:
            return await until(gate, lambda order: not order.requests)
        made.state = "CANCELED"
        return await until(gate, in_state(State.CANCELED))

    world.run(made, script)


def test_a_restart_goes_on_looking_and_counts_no_fill_twice(world: World) -> None:
    async def first(gate: Gate) -> None:
        await gate.execute(buy())
        await until(gate, lambda order: order.filled_quantity == 40)

    async def second(gate: Gate) -> list:
        await until(gate, in_state(State.CLOSED))
        return await gate.queries.fills()

    world.run(Script(state=status("SUBMITTED", 40, 100)), first)
    made = Script(state=status("FILLED", 100, 103))
    fills = world.run(made, second)
    assert [(f.exec_id, f.quantity, f.price) for f in fills] == [("B1-40", 40, 100), ("B1-100", 60, 105)]
    assert made.count("place_order") == 0


def test_a_class_that_is_down_at_the_start_is_asked_until_it_is_up(world: World) -> None:
    world.run(Script(), submitted(lambda order: order.broker_order_id is not None))
    made = Script(state=ConnectionError("still booting"))

    async def second(gate: Gate) -> Order:
        async with asyncio.timeout(30):
            while made.count("get_order_status") < 3:
                await asyncio.sleep(0.002)
        made.state = status("FILLED", 100, 180)
        return await until(gate, in_state(State.CLOSED))

    assert world.run(made, second).filled_quantity == 100


def test_a_fill_that_was_noted_and_never_journalled_is_told_again(world: World) -> None:
    made = Script()

    async def script(gate: Gate) -> None:
        await gate.execute(buy())
        await until(gate, lambda order: order.broker_order_id is not None)
        broker = gate.brokers["paper"]
        broker._sink = Recorder()  # what is told from here on is lost, as in a crash
        made.state = status("SUBMITTED", 40, 100)
        async with asyncio.timeout(30):
            while not broker._sink.executions:
                await asyncio.sleep(0.002)

    world.run(made, script)
    order = world.run(made, lambda gate: until(gate, lambda order: order.filled_quantity == 40))
    assert order.state is State.PARTIALLY_FILLED


def test_without_the_notebook_that_belongs_to_the_journal_nothing_is_begun(world: World) -> None:
    made = Script(state=status("SUBMITTED", 40, 100))
    world.run(made, submitted(lambda order: order.filled_quantity == 40))
    for file in world.folder.glob("notebook*"):
        file.unlink()
    with pytest.raises(StoreError, match="put the notebook back"):
        world.run(made, submitted(in_state(State.CLOSED)))


def test_a_broker_that_counts_anew_is_not_mistaken(world: World) -> None:
    """Its ids begin at the same number in each process, as those of a simple class do."""
    made = Script(state=status("FILLED", 100, 100))
    world.run(made, submitted(in_state(State.CLOSED)))

    async def second(gate: Gate) -> Order:
        await gate.execute(buy("key-2"))
        return await until(gate, in_state(State.CLOSED), "ord-000002")

    assert world.run(made, second).filled_quantity == 100


def test_a_call_that_a_session_left_behind_ends_before_another_begins() -> None:
    release = threading.Event()
    made = Script(place=lambda _order: release.wait(20), state=status("SUBMITTED"))
    settings = replace(SETTINGS, deadline_ms=30)
    send = Send(
        client_id="a.1", symbol="AAPL", side=Side.BUY, quantity=Decimal(1), order_type=OrderType.MARKET,
        tif=TimeInForce.DAY,
    )  # fmt: skip

    async def main() -> list[Presence]:
        first = SyncBroker("paper", settings, None, SystemClock(), made)
        await first.connect(Recorder(), None)
        assert (await first.submit(send)).outcome is Outcome.UNKNOWN
        await first.close()
        second = SyncBroker("paper", settings, None, SystemClock(), made)
        await second.connect(Recorder(), None)
        try:
            stuck = (await second.lookup("a.1", "B1")).presence
            release.set()
            async with asyncio.timeout(30):
                while (free := (await second.lookup("a.1", "B1")).presence) is Presence.UNAVAILABLE:
                    await asyncio.sleep(0.002)
            return [stuck, free]
        finally:
            release.set()
            await second.close()

    assert asyncio.run(main()) == [Presence.UNAVAILABLE, Presence.FOUND]


def test_an_order_found_under_the_brokers_own_name_alone(tmp_path: Path) -> None:
    async def main() -> Any:
        made = Script(state=status("SUBMITTED", 40, 100))
        broker = SyncBroker("paper", SETTINGS, tmp_path / "notebook", SystemClock(), made)
        sink = Recorder()
        await broker.connect(sink, None)
        try:
            return [await broker.lookup("adopted.1"), await broker.lookup("adopted.1", "B9")]
        finally:
            await broker.close()

    unnamed, named = asyncio.run(main())
    assert (unnamed.presence, named.presence) == (Presence.UNPROVEN, Presence.FOUND)
    assert named.reports[1].quantity == 40


def test_a_number_that_no_float_stands_for_does_not_leave_unless_decimals_are_asked_for(world: World) -> None:
    class Exact(Script):
        decimals = True
        order_types = ("market", "limit")

    class Floats(Exact):
        decimals = False

    price = Decimal("180.12")

    async def script(gate: Gate) -> Order:
        order = buy(
            order_type=OrderType.LIMIT, limit_price=price, entry_price=Decimal("1.234567890123456789")
        )
        await gate.execute(order)
        return await until(gate, lambda o: not o.requests)

    floats, exact = Floats(), Exact()
    refused = world.run(floats, script)
    assert refused.state is State.REJECTED
    assert "decimals = True" in refused.reason
    assert floats.calls == []

    async def other(gate: Gate) -> Order:
        await gate.execute(buy("k-2", order_type=OrderType.LIMIT, limit_price=price))
        return await until(gate, lambda o: not o.requests, "ord-000002")

    world.run(exact, other)
    ticket = exact.calls[0][1]
    assert (ticket.limit_price, type(ticket.limit_price)) == (price, Decimal)
    assert (ticket.order_type, ticket.direction, ticket.client_id) == ("limit", "BUY", "ord-000002.1")


class Incomplete:
    def place_order(self, order: Any) -> Any: ...


class Asynchronous(Script):
    async def place_order(self, order: Any) -> Any: ...


@pytest.mark.parametrize(
    ("kind", "says"), [(Incomplete, "no method get_order_status"), (Asynchronous, "is async")]
)
def test_what_is_no_such_class_is_told(tmp_path: Path, kind: type, says: str) -> None:
    with pytest.raises(ClassError, match=says):
        SyncBroker("paper", SETTINGS, tmp_path / "notebook", SystemClock(), kind())


CONFIG = """
[brokers.mine]
adapter = "sync"
class = "tests.conformance.homemade:HomemadeBroker"
options = {path = "PATH"}
poll_ms = 5

[brokers.paper]

[funds.paper-momentum]
broker = "mine"
unlimited = true

[instruments.ACME]
class = "equities"
unit = "shares"
tick = "0.25"
lot_step = "1"
currency = "USD"
"""


def config(folder: Path, text: str = CONFIG) -> Config:
    file = folder / "ordergate.toml"
    file.write_text(text.replace("PATH", str(folder / "home.json")))
    return load(file)


def test_a_class_is_named_in_the_configuration(tmp_path: Path) -> None:
    async def main() -> Order:
        async with open_gate(config(tmp_path), f"sqlite:///{tmp_path / 'orders.db'}") as gate:
            gate.brokers["mine"].made.home.set_market(50.0, 50.25, 1000.0)
            made = await gate.execute(buy(symbol="ACME"))
            return await until(gate, in_state(State.CLOSED), made.order.order_id)

    assert asyncio.run(main()).average_price == Decimal("50.25")
    assert (tmp_path / "orders.db.mine").exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('class = "tests.conformance.homemade:HomemadeBroker"\n', ""), "class: is missing"),
        (("poll_ms = 5", "poll_ms = 0"), "poll_ms is 0"),
        (("poll_ms = 5", "deadline_ms = 30000"), "at most 25000"),
        (('adapter = "sync"', 'adapter = "telepathy"'), "telepathy"),
        (("poll_ms = 5", "cash = 5"), "cash"),
    ],
)
def test_a_configuration_that_cannot_be_is_told(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config(tmp_path, CONFIG.replace(*change))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("nowhere:Broker", "No module"), ("tests.conformance.homemade:Nobody", "Nobody"), ("homeless", "names no class"),
        ("types:SimpleNamespace", "no method place_order"),
    ],
)  # fmt: skip
def test_a_class_that_cannot_be_made_is_told(tmp_path: Path, path: str, says: str) -> None:
    async def main() -> None:
        async with open_gate(
            config(tmp_path, CONFIG.replace("tests.conformance.homemade:HomemadeBroker", path)), "sqlite://"
        ):
            pass

    with pytest.raises(ClassError, match=says):
        asyncio.run(main())


class Lean(Script):
    """A class that says what is free for margin."""

    currency = "USD"

    def __init__(self, free: Any, **says: Any) -> None:
        super().__init__(**says)
        self.free = free

    def free_margin(self) -> Any:
        return self._say("free_margin", None, self.free)


def test_the_brokers_own_figure_of_free_margin_counts(world: World) -> None:
    made = Lean(1_000)

    async def script(gate: Gate) -> None:
        order = (
            await gate.execute(buy("dear", order_type=OrderType.LIMIT, limit_price=Decimal("10.01")))
        ).order
        assert (order.state, order.reason_code) == (State.REJECTED, "RISK_BROKER_MARGIN")
        order = (
            await gate.execute(buy("fair", order_type=OrderType.LIMIT, limit_price=Decimal("10.00")))
        ).order
        assert order.reason_code is None
        made.free = 500.5
        await asyncio.sleep(0.1)
        order = (
            await gate.execute(buy("now", order_type=OrderType.LIMIT, limit_price=Decimal("10.00")))
        ).order
        assert order.reason_code == "RISK_BROKER_MARGIN"
        assert "500.5 USD free at paper" in order.reason

    world.run(made, script)


@pytest.mark.parametrize("free", ["much", None, OSError("down"), float("nan")])
def test_a_class_that_says_no_number_is_asked_again(world: World, free: Any) -> None:
    made = Lean(free)

    async def script(gate: Gate) -> None:
        assert gate.brokers["paper"].account is None
        made.free = 5_000
        async with asyncio.timeout(30):
            while gate.brokers["paper"].account is None:
                await asyncio.sleep(0.005)
        assert gate.brokers["paper"].account.free_margin == 5_000

    world.run(made, script)

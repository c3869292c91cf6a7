"""Several that use one manager at once, or one within the other."""

import threading

from ordergate.bootstrap import Gate
from ordergate.sdk.venues import ExecutionHandshake, ExecutionManager, VenueInterfaceManager
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot
from tests.unit.sdk.venues.test_unclear import until


def test_the_hook_may_process_orders() -> None:
    with running() as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        check_the_hook(gate)


def check_the_hook(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate)
    told: list[ExecutionHandshake] = []
    dip = spot(venue="bybit", order_type="limit", price=40_000, operation_id="dip")

    def ask(_reason: str) -> None:
        with routing.desk.within(0.1):
            told.extend(manager.process_orders(AT, [dip]))

    manager = ExecutionManager(
        routing, gate=gate, subscriptions=["binance:BaseToken:USDT"], on_system_failure=ask
    )
    with routing.desk.within(0.1):
        first = routing.route_to_venue(AT, dip)
    works = threading.Thread(target=lambda: manager.process_orders(AT, [spot(), spot()]), daemon=True)
    works.start()
    works.join(30)
    assert not works.is_alive()
    assert [one.venue_metadata["order_id"] for one in told] == [first.venue_metadata["order_id"]]


def test_how_long_one_batch_waits_is_not_how_long_another_does() -> None:
    with running() as gate:
        quote(gate, "BTC/USDT", 44_999, 45_000)
        routing, done = VenueInterfaceManager(gate), []
        dip = spot(order_type="limit", price=40_000)
        waits = threading.Thread(target=lambda: done.append(routing.route_to_venue(AT, dip)))
        with routing.desk.within(0.05):
            waits.start()
            until(gate, gate.queries.orders)
            assert routing.route_to_venue(AT, spot(order_type="limit", price=30_000)).is_pending()
            on_loop(gate, gate.clock.sleep(0.2))
        quote(gate, "BTC/USDT", 39_999, 40_000, "binance")
        waits.join(30)
        assert done[0].was_successful()


def test_limits_of_threads_that_overlap_end_with_them(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate)
    began, ended = threading.Event(), threading.Event()

    def other() -> None:
        with routing.desk.within(0.05):
            began.set()
            ended.wait(30)

    thread = threading.Thread(target=other)
    with routing.desk.within(0.1):
        thread.start()
        began.wait(30)
    ended.set()
    thread.join(30)
    done: list[ExecutionHandshake] = []
    dip = spot(order_type="limit", price=40_000)
    waits = threading.Thread(target=lambda: done.append(routing.route_to_venue(AT, dip)))
    waits.start()
    until(gate, gate.queries.orders)
    on_loop(gate, gate.clock.sleep(20))  # which hastens
    quote(gate, "BTC/USDT", 39_999, 40_000, "binance")
    waits.join(30)
    assert done[0].was_successful()

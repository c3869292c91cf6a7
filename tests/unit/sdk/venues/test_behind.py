"""Which broker is behind a venue, however either is written: nothing is simulated that has a broker."""

from collections.abc import Iterator

import pytest

from ordergate.bootstrap import Gate
from ordergate.config import Config, PaperBroker
from ordergate.domain.errors import Invalid
from ordergate.sdk.venues import ExecutionManager, Order, PositionMonitor, VenueInterfaceManager
from ordergate.sdk.venues.registry import NoVenue, Place, place_of, target_of
from tests.unit.sdk.venues.gates import AT, on_loop, quote, running, spot

PAPER = Place(venue="paper", broker="paper", simulated=True)
ADDRESS = "0x" + "aB" * 20
NAMES = ("paper", "spot-account", "Binance", "Lido", "OKX", "Okx")


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with running(Config(brokers={name: PaperBroker() for name in NAMES})) as gate:
        for name in ("paper", "spot-account", "Binance"):
            quote(gate, "BTC/USDT", 44_999, 45_000, name)
        yield gate


@pytest.mark.parametrize(("brokers", "venue", "broker"), [
    ({"binance": "spot-account"}, "binance", "spot-account"),
    ({"Binance": "spot-account"}, "Binance", "spot-account"),
    ({"BINANCE": "spot-account"}, "binance", "spot-account"),
    ({"Binance": "spot-account", "binance": "spot-account"}, "binance", "spot-account"),
    ({"Binance": "paper"}, "Binance", "paper"),
    ({}, "Binance", "Binance"),
    ({}, "binance", "Binance"),
    ({}, "Okx", "Okx"),
])  # fmt: skip
def test_the_broker_behind_a_venue(gate: Gate, brokers: dict[str, str], venue: str, broker: str) -> None:
    desk = VenueInterfaceManager(gate, brokers=brokers).desk
    assert desk.broker_of(spot(venue=venue)) == broker
    assert sorted(gate.brokers) == sorted(NAMES)


def test_a_protocol_may_be_said_by_its_other_name(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate, brokers={"aave": "spot-account"})
    lend = Order(venue="aave_v3", operation="supply", token_in="USDT", amount=5)
    assert routing.desk.broker_of(lend) == "spot-account"


@pytest.mark.parametrize("key", ["binance", "BINANCE"])
def test_a_broker_that_is_said_and_is_none_fails(gate: Gate, key: str) -> None:
    done = VenueInterfaceManager(gate, brokers={key: "nowhere"}).route_to_venue(AT, spot(venue=key))
    assert (done.status, done.error_code) == ("failed", "VIM-003")
    assert done.error_message == f"'nowhere', said to be behind '{key}', is no broker"


def test_two_brokers_cannot_be_behind_one_venue(gate: Gate) -> None:
    with pytest.raises(Invalid, match="'paper' and 'spot-account' cannot both be behind 'aave_v3'"):
        VenueInterfaceManager(gate, brokers={"aave": "paper", "AAVE_V3": "spot-account"})


def test_which_of_two_that_are_called_so_must_be_said(gate: Gate) -> None:
    with pytest.raises(NoVenue, match="'okx' is done by one of OKX, Okx: say which, by brokers="):
        on_loop(gate, place_of(gate, "okx", {}))


def test_what_a_broker_of_another_case_has_moved_is_what_the_ledger_has(gate: Gate) -> None:
    manager = ExecutionManager(gate=gate)
    (done,) = manager.process_orders(AT, [spot()])
    assert done.position_deltas == {"BTC": 0.5, "USDT": -22_500}
    assert manager.system_failure is None
    assert PositionMonitor(gate).get_current_positions()["Binance:BaseToken:BTC"] == 0.5


def test_what_a_broker_of_another_name_has_moved_is_by_asset(gate: Gate) -> None:
    routing = VenueInterfaceManager(gate, brokers={"binance": "spot-account"})
    keys = ["spot-account:BaseToken:BTC", "spot-account:BaseToken:USDT"]
    manager = ExecutionManager(routing, gate=gate, subscriptions=keys)
    (done,) = manager.process_orders(AT, [spot()])
    assert done.position_deltas == {"BTC": 0.5, "USDT": -22_500}
    deltas = manager._convert_trade_to_execution_deltas(done)
    assert [delta["position_key"] for delta in deltas] == keys
    assert manager.system_failure is None


def test_a_protocols_broker_of_another_case_is_the_protocol(gate: Gate) -> None:
    assert on_loop(gate, place_of(gate, "lido", {})).protocol is None


def test_a_transfer_goes_to_the_broker_behind_a_venue(gate: Gate) -> None:
    assert target_of(gate, PAPER, "Binance", {"binance": "spot-account"}) == "spot-account"
    assert target_of(gate, PAPER, "binance", {}) == "Binance"
    assert target_of(gate, PAPER, "Bybit", {}) == "bybit"
    assert target_of(gate, PAPER, ADDRESS, {}) == ADDRESS
    done = VenueInterfaceManager(gate).route_to_venue(AT, transfer("okx"))
    assert (done.status, done.error_code) == ("failed", "VIM-003")


@pytest.mark.parametrize("target", ["binnance", "nowhere", "0x12", f"{ADDRESS}0", "0x" + "zz" * 20])
def test_nothing_is_simulated_to_a_target_that_is_mistyped(gate: Gate, target: str) -> None:
    done = VenueInterfaceManager(gate).route_to_venue(AT, transfer(target))
    assert (done.status, done.error_code, done.position_deltas) == ("failed", "VIM-003", {})
    assert f"{target!r} is no broker, no known venue and no address" in (done.error_message or "")


def test_a_broker_that_is_said_to_be_behind_a_target_and_is_none_fails(gate: Gate) -> None:
    done = VenueInterfaceManager(gate, brokers={"bybit": "nowhere"}).route_to_venue(AT, transfer("bybit"))
    assert (done.status, done.error_code) == ("failed", "VIM-003")


def test_what_else_a_real_broker_takes_for_a_target_is_for_it_to_say(gate: Gate) -> None:
    real = Place(venue="wallet", broker="hot", simulated=False)
    assert target_of(gate, real, "deposits", {}) == "deposits"


def transfer(target: str) -> Order:
    return Order(
        venue="wallet", operation="transfer", source_venue="paper", target_venue=target, token="USDT", amount=5
    )  # fmt: skip

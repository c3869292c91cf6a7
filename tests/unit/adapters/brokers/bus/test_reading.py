"""Raw fills and errors, in every dialect that a seed writes, made reports of ours."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ordergate.adapters.brokers.bus.reading import Came, Refused, Unreadable, reports_of
from ordergate.adapters.brokers.bus.settings import BusSettings, Way, subjects_of
from ordergate.adapters.brokers.bus.wire import HelloIn, lacking
from ordergate.application.ports.brokers import Deduplication
from ordergate.domain.orders.reports import Answered, Executed, Outcome, Replaced
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

SUBJECTS = subjects_of("desk", BusSettings())
AT = datetime(2026, 11, 30, 12, tzinfo=UTC)


def read(subject: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return reports_of(
        "desk",
        SUBJECTS,
        Came(subject=subject, data=data, headers=headers, at=AT, cursor="7@1", place="DESK/7"),
    )


SEED_001 = {
    "order_id": "ord-1",
    "ticket": 901,
    "symbol": "EURUSD",
    "volume": 0.01,
    "price": 1.08125,
    "timestamp": 1_796_040_000,
    "commission": -0.07,
    "swap": -0.01,
}


def test_a_fill_of_a_connector() -> None:
    fill = read("broker.fill.EURUSD", SEED_001)
    assert isinstance(fill, Executed)
    assert (fill.client_id, fill.broker_order_id, fill.symbol, fill.side) == ("ord-1", "901", "EURUSD", None)
    assert (fill.quantity, fill.price, fill.fee) == (Decimal("0.01"), Decimal("1.08125"), Decimal("0.08"))
    assert fill.time == datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert (fill.cursor, fill.raw) == ("7@1", json.dumps(SEED_001))


def test_the_example_s_own_words() -> None:
    said = {"order_id": "ord-1", "fill_price": "1.1", "fill_quantity": "2", "timestamp": "2026-11-30T12:00:00Z",
            "expected_price": "1.0", "side": "sell"}  # fmt: skip
    fill = read("mt5.fills.EURUSD", said)
    assert (fill.quantity, fill.price, fill.side, fill.time) == (2, Decimal("1.1"), Side.SELL, AT)


@pytest.mark.parametrize(
    ("named", "client_id", "ticket"),
    [
        ({"comment": "order_id:ord-1"}, "ord-1", "901"),
        ({"comment": "x order_id: ord-1.2 y"}, "ord-1.2", "901"),
        ({"comment": "by hand"}, None, "901"),
        ({"comment": "order_id:ord-01kc000000e6b7w2mn"}, None, "901"),  # cut after 31 characters
        ({"comment": "order_id:ord-01kc000000e6b7w2"}, None, "901"),  # after 29
        ({"comment": "order_id:ord-01kc000000e6b7w2mn", "order_id": "ord-1"}, "ord-1", "901"),
        ({"comment": "order_id:ord-01kc000000e6b7w2mnp4qrstvx"}, "ord-01kc000000e6b7w2mnp4qrstvx", "901"),
        ({"comment": "order_id:ord-000001"}, "ord-000001", "901"),
        ({"comment": "order_id:ord-my-own-order-id"}, "ord-my-own-order-id", "901"),
        ({"client_id": "ord-1.3", "order_id": "ord-1"}, "ord-1.3", "901"),
        ({"ticket": None, "order": 33, "order_id": "ord-1"}, "ord-1", "33"),
    ],
)
def test_whose_fill_it_is(named: dict[str, Any], client_id: str | None, ticket: str) -> None:
    fill = read("mt5.fills.X", {**SEED_001, "order_id": None, **named})
    assert (fill.client_id, fill.broker_order_id) == (client_id, ticket)


def test_a_fill_is_told_twice_and_happened_once() -> None:
    first, again = read("broker.fill.X", SEED_001), read("broker.fill.X", SEED_001)
    other = read("broker.fill.X", {**SEED_001, "timestamp": 1_796_040_001})
    assert first.exec_id == again.exec_id != other.exec_id
    assert read("broker.fill.X", {**SEED_001, "deal": 5}).exec_id == "5"
    assert read("broker.fill.X", SEED_001, {"Nats-Msg-Id": "m1"}).exec_id == "m1"


@pytest.mark.parametrize("at", [1_796_040_000, "1796040000", 1_796_040_000_000, "2026-11-30T12:00:00Z", None])
def test_when_it_was(at: Any) -> None:
    assert read("broker.fill.X", {**SEED_001, "timestamp": at}).time == AT


@pytest.mark.parametrize(
    "at", ["2026.05.23 14:30:00", "2026-05-23T14:30:00", "noon", [], {}, True, 10**30, "1e400", -(10**20)]
)
def test_a_fill_whose_time_cannot_be_read_is_booked_with_the_server_s(at: Any) -> None:
    with capture_logs() as logs:
        fill = read("broker.fill.X", {**SEED_001, "timestamp": at})
    assert (fill.time, fill.quantity) == (AT, Decimal("0.01"))
    (told,) = logs
    assert (told["event"], told["message"]) == (
        "the time of a fill cannot be read: it is booked with the server's",
        "DESK/7",
    )


def test_long_names_of_fills_are_told_apart() -> None:
    names = ["x" * 128 + end for end in ("", "1", "2")]
    found = {read("broker.fill.X", {**SEED_001, "fill_id": name}).exec_id for name in names}
    assert len(found) == 3
    assert max(map(len, found)) <= 128


ERRORS = [
    ({"retcode": 10013}, Outcome.REJECTED),
    ({"retcode": "10019", "message": "no money"}, Outcome.REJECTED),
    ({"status": "REJECTED"}, Outcome.REJECTED),
    ({"retcode": 10012}, Outcome.UNKNOWN),  # a timeout: it may have been done
    ({"retcode": 10031, "message": "no connection"}, Outcome.UNKNOWN),
    ({"message": "something"}, Outcome.UNKNOWN),
    ({"request": "cancel", "retcode": 10036}, None),
    ({"request": ["cancel"], "retcode": 10019}, Outcome.REJECTED),
    *(
        ({"retcode": code}, Outcome.UNKNOWN) for code in (10023, 10029, 10036, 10038, 10039)
    ),  # of a change or a close
]


@pytest.mark.parametrize(("said", "outcome"), ERRORS)
def test_errors_prove_a_refusal_or_nothing(said: dict[str, Any], outcome: Outcome | None) -> None:
    report = read("broker.error.EURUSD", {"order_id": "ord-1", **said})
    assert type(report) is (Answered if outcome else Refused)
    assert report.client_id == "ord-1"
    assert outcome is None or report.outcome is outcome


@pytest.mark.parametrize(
    ("subject", "body", "code"),
    [
        (SUBJECTS.reports, {"report": "request_refused", "broker_order_id": "901"}, "missing"),
        (SUBJECTS.reports, b'{"report":"acknowledged","client_id":"a","note":' + b"[" * 3000, "bad_report"),
        ("broker.fill.X", b'{"note":' + b"[" * 3000, "bad_value"),
    ],
)
def test_what_is_no_report(subject: str, body: Any, code: str) -> None:
    """A refusal that does not name its request; one that is nested too deep to be read."""
    with pytest.raises(Unreadable) as wrong:
        read(subject, body)
    assert wrong.value.code == code


def test_our_own_words() -> None:
    said = {"report": "replaced", "client_id": "ord-1.2", "quantity": "5", "more": "is left alone"}
    report = read(SUBJECTS.reports, said)
    assert report == Replaced(
        broker="desk", client_id="ord-1.2", quantity=Decimal(5), cursor="7@1", raw=json.dumps(said)
    )


@given(st.binary(max_size=200), st.sampled_from(["broker.fill.X", "broker.error.X", SUBJECTS.reports]))
def test_whatever_comes_is_a_report_or_unreadable(data: bytes, subject: str) -> None:
    with suppress(Unreadable):
        read(subject, data)


FIELDS = st.sampled_from(
    [*SEED_001, "comment", "side", "retcode", "fee", "deal", "time_msc", "request", "status"]
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=30),
    st.floats(allow_nan=False),
    st.just([1]),
    st.just({}),
)


@given(st.dictionaries(FIELDS, VALUES), st.sampled_from(["broker.fill.X", "broker.error.X"]))
def test_whatever_fields_hold_is_a_report_or_unreadable(fields: dict[str, Any], subject: str) -> None:
    with suppress(Unreadable):
        read(subject, fields)


def test_what_a_connector_lacks_is_named() -> None:
    settings = BusSettings(
        order_types=(OrderType.LIMIT,),
        tifs=(TimeInForce.GTC,),
        deduplication=Deduplication.FOREVER,
        lists=True,
    )
    can = settings.capabilities()
    assert lacking(can, HelloIn(protocol="other")) == "speaks 'other', not ordergate.v1"
    said = lacking(can, HelloIn(protocol="ordergate.v1", deduplication="while_open"))
    assert said == "does not say that it can: limit, gtc, lists, deduplication forever"
    full = HelloIn(
        protocol="ordergate.v1",
        order_types=frozenset({"limit"}),
        tifs=frozenset({"gtc"}),
        deduplication="forever",
        lists=True,
        replaces=True,
    )
    assert lacking(can, full) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"deadline_ms": 0}, "deadline_ms is 0"),
        ({"deadline_ms": 26_000}, "from 1 to 25000"),
        ({"calls": 0}, "calls is 0"),
        (
            {"deadline_ms": 25_000, "proves_absence": True},
            "grace_ms is 10000: with proves_absence it must be at least deadline_ms, 25000",
        ),
        ({"sends": Way.PUBLISH, "lists": True}, 'lists needs sends = "request"'),
        ({"subjects": ("a b",)}, "is no subject"),
        ({"subjects": ("a..b",)}, "is no subject"),
        ({"subjects": ("a.>.b",)}, "is no subject"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BusSettings(**settings)

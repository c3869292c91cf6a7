"""Whose refusals and fills they are that name an order in its broker's words, or that name only the order."""

import asyncio
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ordergate.adapters.brokers.bus.naming import Names
from ordergate.adapters.brokers.bus.reading import Came, reports_of
from ordergate.adapters.brokers.bus.settings import BusSettings, subjects_of
from ordergate.application.ports.brokers import Change, Withdraw
from ordergate.domain.orders.reports import Answered, AnyReport, End, Ended, Outcome, RequestRefused
from ordergate.domain.orders.states import RequestKind

SUBJECTS = subjects_of("desk", BusSettings())
CANCEL, REPLACE = RequestKind.CANCEL, RequestKind.REPLACE
WAYS = (
    {"order_id": "ord-x"},
    {"client_id": "ord-x.1"},
    {"client_order_id": "ord-x.1"},
    {"ticket": "T1"},
    {"comment": "order_id:ord-x"},
)


def withdraw(number: int, order: str = "ord-x.1") -> Withdraw:
    return Withdraw(client_id=f"ord-x.{number}", order=order, broker_order_id="T1")


def change(number: int, order: str = "ord-x.1") -> Change:
    return Change(client_id=f"ord-x.{number}", order=order, broker_order_id="T1", quantity=Decimal(5))


def named(names: Names, body: dict[str, Any], subject: str = "broker.error.X") -> AnyReport:
    came = Came(
        subject=subject,
        data=json.dumps(body).encode(),
        headers=None,
        at=datetime(2026, 11, 30, 12, tzinfo=UTC),
        cursor="7@1",
        place="DESK/7",
    )
    return asyncio.run(names.named(reports_of("desk", SUBJECTS, came)))


def refused(names: Names, kind: str, body: dict[str, Any]) -> str | None:
    report = named(names, {**body, "request": kind, "reason": "too late"})
    assert type(report) is RequestRefused
    assert (report.broker, report.reason, report.cursor) == ("desk", "too late", "7@1")
    return report.client_id


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_that_names_the_order_is_of_its_last_request_of_that_kind(way: dict[str, str]) -> None:
    names = Names()
    names.changing(CANCEL, withdraw(2))
    assert refused(names, "cancel", way) == "ord-x.2"
    names.changing(REPLACE, change(3))
    assert refused(names, "cancel", way) == "ord-x.2"
    assert refused(names, "modify", way) == "ord-x.3"
    names.changing(CANCEL, withdraw(4, order="ord-x.3"))
    names.changing(CANCEL, withdraw(4, order="ord-x.3"))  # asked again
    assert refused(names, "cancel", way) == "ord-x.4"


def test_a_refusal_that_names_its_request_is_of_that_one() -> None:
    names = Names()
    names.changing(CANCEL, withdraw(2))
    names.changing(REPLACE, change(3))
    names.changing(CANCEL, withdraw(4, order="ord-x.3"))
    assert refused(names, "cancel", {"client_id": "ord-x.2"}) == "ord-x.2"
    assert (
        refused(names, "cancel", {"client_id": "ord-x.3"}) == "ord-x.4"
    )  # the order's name since its replace
    assert refused(names, "replace", {"client_id": "ord-x.3"}) == "ord-x.3"
    own = {"report": "request_refused", "client_id": "ord-x.2"}
    assert named(names, own, SUBJECTS.reports).client_id == "ord-x.2"


@pytest.mark.parametrize(("way", "name"), [*((way, "ord-x.1") for way in WAYS[:3]), ({"ticket": "T1"}, None)])
def test_a_refusal_of_what_this_process_has_not_asked_for_drops_nothing(
    way: dict[str, str], name: str | None
) -> None:
    """A submit's name drops no request; what that process had open is asked again, and then known here."""
    names = Names()
    names.changing(CANCEL, Withdraw(client_id="ord-y.2", order="ord-y.1", broker_order_id="T2"))
    assert refused(names, "cancel", way) == name
    names.changing(REPLACE, change(3))
    assert refused(names, "cancel", way) == "ord-x.1"


REJECTED = {"retcode": 10019, "message": "no money"}


def test_a_refusal_that_does_not_say_of_what_is_of_the_submit() -> None:
    names = Names()
    said = named(names, {"order_id": "ord-x", **REJECTED})
    assert isinstance(said, Answered)
    assert (said.outcome, said.client_id) == (Outcome.REJECTED, "ord-x.1")

    async def sent() -> None:
        async with names.submitting("ord-x.3"):  # it was at another broker before
            pass

    asyncio.run(sent())
    assert named(names, {"order_id": "ord-x", **REJECTED}).client_id == "ord-x.3"


@pytest.mark.parametrize("way", WAYS)
def test_once_a_change_has_left_it_proves_nothing(way: dict[str, str]) -> None:
    names = Names()
    names.changing(CANCEL, withdraw(2))
    said = named(names, {**way, **REJECTED})
    assert isinstance(said, Answered)
    assert (said.outcome, said.client_id) == (Outcome.UNKNOWN, "ord-x.1")
    own = named(names, {"client_id": "ord-x.2", **REJECTED})
    assert isinstance(own, Answered)
    assert (own.outcome, own.client_id) == (Outcome.REJECTED, "ord-x.2")


@pytest.mark.parametrize("way", WAYS)
def test_what_is_only_published_can_be_refused_alone(way: dict[str, str]) -> None:
    said = named(Names(published=True), {**way, **REJECTED})
    assert isinstance(said, Ended)
    assert (said.end, said.reason, said.cursor) == (End.REJECTED, "10019 no money", "7@1")


def test_a_fill_whose_comment_was_cut_is_of_its_ticket() -> None:
    order_id = "ord-01kc000000e6b7w2mnp4qrstvx"
    fill = {"comment": f"order_id:{order_id}"[:29], "ticket": "T1", "deal": 7, "volume": 1, "price": 1}
    names = Names()
    report = named(names, fill, "broker.fill.X")
    assert (report.client_id, report.broker_order_id) == (None, "T1")  # the journal may know the ticket
    names.answered("T1", f"{order_id}.1")
    assert named(names, fill, "broker.fill.X").client_id == f"{order_id}.1"

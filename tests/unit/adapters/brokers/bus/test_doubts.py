"""What becomes of an acknowledged order of which an error came: it is asked after until that is answered."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from ordergate.adapters.brokers.bus import BusBroker, BusSettings
from ordergate.adapters.brokers.bus.calling import NotAnswered
from ordergate.adapters.brokers.bus.reading import Came
from ordergate.adapters.clock import VirtualClock, run_virtual
from ordergate.adapters.nats.connection import Connection
from ordergate.adapters.nats.letters import DeadLetters
from ordergate.application.ports.brokers import Send, Withdraw
from ordergate.domain.orders.reports import Acknowledged, Answered, AnyReport, End, Ended, RequestRefused
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

SEND = Send(
    client_id="ord-1.1", symbol="EURUSD", side=Side.BUY, quantity=Decimal(1), order_type=OrderType.MARKET,
    tif=TimeInForce.GTC,
)  # fmt: skip
HELLO = {"protocol": "ordergate.v1", "order_types": ["market"], "tifs": ["day", "gtc"]}
ABSENT, UNPROVEN, SILENT = {"presence": "absent"}, {"presence": "unproven"}, None
REJECTED = {"status": "rejected", "message": "no money"}
DOUBT = "an order is in doubt"


def found(*more: dict[str, Any]) -> dict[str, Any]:
    name = {"client_id": "ord-1.1", "broker_order_id": "T1"}
    return {
        "presence": "found",
        "reports": [{"report": "acknowledged", **name}, *({**name, **m} for m in more)],
    }


class Desk:
    """A connector and what the gate hears; the last of its lookups' answers stands for all that follow."""

    def __init__(self, *lookups: dict[str, Any] | None, proves: bool = True) -> None:
        self.lookups, self.asked, self.told = list(lookups), [], []  # type: ignore[var-annotated]
        self.accepts, self.looking = True, asyncio.Event()
        self.looking.set()
        settings = BusSettings(deadline_ms=1_000, grace_ms=5_000, proves_absence=proves)
        connection = Connection(("nats://127.0.0.1:1",), buffers=False)
        clock = VirtualClock(datetime(2026, 1, 5, 9, tzinfo=UTC))
        self.broker = BusBroker("desk", settings, connection, DeadLetters(connection, "desk"), clock)
        self.broker._call, self.broker._sink = self, self  # type: ignore[assignment]
        self.broker.reports.there.set()

    async def ask(self, subject: str, question: Any, kind: type[Any]) -> tuple[str, Any]:
        verb = subject.rpartition(".")[2]
        said: dict[str, Any] | None = {"outcome": "accepted", "broker_order_id": "T1"}
        if verb == "hello":
            said = {**HELLO, "proves_absence": True}
        elif verb == "lookup":
            self.asked.append((question.client_id, question.broker_order_id))
            said = self.lookups.pop(0) if len(self.lookups) > 1 else self.lookups[0]
            await self.looking.wait()
        elif not self.accepts:
            said = None
        if said is None:
            raise NotAnswered("nothing was said")
        return "", msgspec.json.decode(msgspec.json.encode(said), type=kind)

    def report(self, report: AnyReport) -> None:
        self.told.append(report)

    async def error(self, **body: Any) -> None:
        await self.hears("broker.error.X", **body)

    async def hears(self, subject: str, **body: Any) -> None:
        data, at = json.dumps(body).encode(), datetime(2026, 1, 5, 9, tzinfo=UTC)
        await self.broker._take(
            Came(subject=subject, data=data, headers=None, at=at, cursor="7@1", place="D/7")
        )

    @property
    def ends(self) -> list[tuple[str | None, End, str | None]]:
        return [(said.client_id, said.end, said.reason) for said in self.told if isinstance(said, Ended)]


Talk = Callable[[Desk], Coroutine[Any, Any, None]]


def talk(*lookups: dict[str, Any] | None, proves: bool = True) -> Callable[[Talk], tuple[Desk, list[str]]]:
    def run(main: Talk) -> tuple[Desk, list[str]]:
        async def session() -> Desk:
            desk = Desk(*lookups, proves=proves)
            await main(desk)
            await desk.broker.close()
            asked = len(desk.asked)
            await asyncio.sleep(3600)
            assert len(desk.asked) == asked  # nothing goes on after the session
            return desk

        with capture_logs() as logs:
            desk = run_virtual(session())
        return desk, [log["lookup"] for log in logs if log["event"].startswith(DOUBT)]

    return run


async def refused(desk: Desk) -> None:
    await desk.broker.submit(SEND)
    await desk.error(order_id="ord-1", **REJECTED)
    await asyncio.sleep(3600)


def test_a_refused_order_that_is_proven_absent_is_rejected() -> None:
    desk, doubts = talk(SILENT, SILENT, ABSENT)(refused)
    assert desk.ends == [("ord-1.1", End.REJECTED, "no money")]
    assert doubts == ["unavailable", "unproven"]  # the grace was not over at first
    assert len(desk.asked) == 4


def test_without_proof_it_is_in_doubt_and_asked_for_on_and_on() -> None:
    desk, doubts = talk(ABSENT, proves=False)(refused)
    assert (desk.ends, doubts) == ([], ["unproven"])
    assert 60 < len(desk.asked) < 70  # in an hour


def test_what_has_ended_is_asked_for_no_more() -> None:
    async def main(desk: Desk) -> None:
        await desk.broker.submit(SEND)
        await desk.error(order_id="ord-1", **REJECTED)
        await asyncio.sleep(10)
        ended = {"report": "ended", "client_id": "ord-1.1", "end": "canceled"}
        await desk.hears("ordergate.v1.brokers.desk.reports", **ended)
        asked = len(desk.asked)
        await asyncio.sleep(3600)
        assert len(desk.asked) == asked

    desk, _doubts = talk(UNPROVEN)(main)
    assert [end for _name, end, _why in desk.ends] == [End.CANCELED]


def test_what_is_no_refusal_ends_nothing_and_is_left_after_a_while() -> None:
    async def main(desk: Desk) -> None:
        await desk.broker.submit(SEND)
        await desk.error(order_id="ord-1", retcode=10012)
        await asyncio.sleep(3600)

    desk, doubts = talk(ABSENT)(main)
    assert (desk.ends, doubts) == ([], ["unproven", "absent"])
    assert len(desk.asked) < 12


@pytest.mark.parametrize("name", ["ord-1.2", "ord-1.1", "ord-1"])
def test_a_refusal_of_what_this_process_has_not_sent_ends_nothing(name: str) -> None:
    """It may be a cancel's, or the order may have come here under another name."""

    async def main(desk: Desk) -> None:
        await asyncio.sleep(10)
        await desk.error(client_id=name, **REJECTED)
        await asyncio.sleep(600)

    desk, doubts = talk(ABSENT)(main)
    assert (desk.ends, doubts) == ([], ["absent"])


def test_a_cancel_that_is_refused_by_its_name_ends_nothing() -> None:
    async def main(desk: Desk) -> None:
        await desk.broker.submit(SEND)
        await desk.broker.cancel(Withdraw(client_id="ord-1.2", order="ord-1.1", broker_order_id="T1"))
        await desk.error(client_id="ord-1.2", **REJECTED)
        await asyncio.sleep(600)

    desk, _doubts = talk(ABSENT)(main)
    assert desk.ends == []


def test_an_error_that_comes_while_the_order_is_looked_up_is_looked_up_after_it() -> None:
    async def main(desk: Desk) -> None:
        await desk.broker.submit(SEND)
        desk.looking.clear()
        await desk.error(order_id="ord-1", retcode=10012)
        await asyncio.sleep(0.1)
        await desk.error(order_id="ord-1", **REJECTED)
        desk.looking.set()
        await asyncio.sleep(600)

    desk, doubts = talk(found(), found({"report": "ended", "end": "rejected"}))(main)
    assert len(desk.asked) == 2
    assert ([end for _name, end, _why in desk.ends], doubts) == ([End.REJECTED], [])


def test_what_is_not_acknowledged_is_the_engine_s_to_ask_after() -> None:
    async def main(desk: Desk) -> None:
        desk.accepts = False
        await refused(desk)
        assert [type(said) for said in desk.told] == [Answered]

    desk, doubts = talk(ABSENT)(main)
    assert (desk.asked, doubts) == ([], [])


@pytest.mark.parametrize("kind", [{}, {"request": "cancel"}])
def test_an_error_with_an_unknown_ticket_alone_is_looked_up_by_it(kind: dict[str, str]) -> None:
    """Whose it is stands in the answer; the next is named."""

    async def main(desk: Desk) -> None:
        await desk.error(ticket="T1", **REJECTED, **kind)
        await asyncio.sleep(600)
        assert [type(said) for said in desk.told] == [Acknowledged]
        await desk.error(ticket="T1", **REJECTED, **kind)
        await asyncio.sleep(600)
        assert type(desk.told[1]) is (RequestRefused if kind else Answered)
        assert desk.told[1].client_id == "ord-1.1"

    desk, doubts = talk(found())(main)
    assert (desk.asked[0], doubts) == ((None, "T1"), [])


def test_a_ticket_that_nobody_knows_is_left_after_a_while() -> None:
    async def main(desk: Desk) -> None:
        await desk.error(ticket="T9", **REJECTED)
        await asyncio.sleep(3600)

    desk, doubts = talk(ABSENT)(main)
    assert (desk.told, doubts) == ([], ["unproven", "absent"])
    assert len(desk.asked) < 12

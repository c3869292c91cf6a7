"""The gRPC door over a gate in memory: deadlines, health, limits on streams, and how errors are told."""

import asyncio
import re
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from pydantic import BaseModel

from ordergate.adapters.journals.memory import MemoryJournal
from ordergate.api.grpc import methods, server, service, statuses
from ordergate.api.grpc.statuses import details_of, field_of, message_of, status_of
from ordergate.api.problems import TITLES, Detail, DoorCode, problem
from ordergate.api.rest import answers
from ordergate.application.ports.journal import Batch
from ordergate.domain.errors import Code, StoreError
from ordergate.domain.orders.commands import ORDER_FIELDS
from ordergate.domain.orders.decision import RiskCode
from ordergate.oms.v1 import oms_pb2 as pb
from tests.services.grpc import Client, Told
from tests.unit.api.rooms import ORDER, Room, room

ROOT = Path(__file__).parents[3]


class SlowJournal(MemoryJournal):
    """One whose commits wait while `going` is not set, and whose end cannot be held while it is `gone`."""

    def __init__(self) -> None:
        super().__init__()
        self.going, self.waited = asyncio.Event(), asyncio.Event()
        self.going.set()
        self.gone = False

    async def lock(self) -> MemoryJournal:
        if self.gone:
            raise StoreError("the disk is away")
        return await super().lock()

    async def commit(self, batch: Batch) -> None:
        if not self.going.is_set():
            self.waited.set()
        await self.going.wait()
        await super().commit(batch)


class Place:
    """A door on a port, its client, and what is behind it."""

    def __init__(self, at: Room, journal: SlowJournal, listening: server.Server, client: Client) -> None:
        self.gate, self.door, self.journal, self.server, self.client = (
            at.gate,
            at.door,
            journal,
            listening,
            client,
        )


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    journal = SlowJournal()
    async with room(journal=journal) as at:
        listening = server.Server("127.0.0.1", 0)
        await listening.start(at.door)
        client = await asyncio.to_thread(Client, listening.address)
        try:
            yield Place(at, journal, listening, client)
        finally:
            journal.gone = False
            journal.going.set()
            client.channel.close()
            await listening.stop()


def held(talk: Callable[[Place], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), place() as at:
            await talk(at)

    asyncio.run(main())


async def fails(call: Callable[..., Any], *arguments: Any, **fields: Any) -> Told:
    with pytest.raises(Told) as caught:
        await asyncio.to_thread(call, *arguments, **fields)
    return caught.value


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEALTH_S", 0.01)


async def given_up(at: Place, begun: asyncio.Event) -> None:
    """A submit that has begun, and whose caller and server have both given up."""
    within_s = 0.3
    while not begun.is_set():  # on a busy machine a call may end before it has begun
        told = await fails(at.client.call, "Submit", timeout=within_s, **ORDER)
        assert told.status == "DEADLINE_EXCEEDED"
        within_s *= 2
    while 'code="CANCELLED",method="Submit"' not in at.door.metrics.text().decode():
        await asyncio.sleep(0.01)


def test_a_submit_whose_deadline_passes_is_not_undone() -> None:
    async def talk(at: Place) -> None:
        at.journal.going.clear()
        await given_up(at, at.journal.waited)
        at.journal.going.set()
        data = at.client.message("Submit", ORDER)
        order, trailing = await asyncio.to_thread(at.client.send, "Submit", data)
        assert (order["order_id"], trailing["idempotent-replayed"]) == (ORDER["order_id"], "true")

    held(talk)


def test_what_has_begun_is_finished_though_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several steps may lead to an order, as with shards: it is not left between two of them."""

    async def talk(at: Place) -> None:
        begun, going, execute = asyncio.Event(), asyncio.Event(), at.gate.execute

        async def in_steps(*arguments: Any) -> Any:
            begun.set()
            await going.wait()
            return await execute(*arguments)

        monkeypatch.setattr(at.gate, "execute", in_steps)
        await given_up(at, begun)
        going.set()
        while not await at.gate.queries.orders():
            await asyncio.sleep(0.01)

    held(talk)


def test_a_store_that_is_away() -> None:
    async def talk(at: Place) -> None:
        at.journal.gone = True
        told = await fails(at.client.call, "Submit", **ORDER)
        assert (told.status, told.code, told.retries) == ("UNAVAILABLE", "store_unavailable", True)
        assert (told.info.metadata["outcome"], told.info.metadata["retry"]) == ("not_sent", "same_key")

    held(talk)


@pytest.mark.usefixtures("often")
def test_health_follows_the_store_and_the_end() -> None:
    async def talk(at: Place) -> None:
        seen: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def watch() -> None:
            try:
                for status in at.client.watch():
                    loop.call_soon_threadsafe(seen.put_nowait, status)
            except grpc.RpcError:
                pass

        watching = asyncio.create_task(asyncio.to_thread(watch))
        assert await seen.get() == "SERVING"
        at.journal.gone = True
        assert await seen.get() == "NOT_SERVING"
        assert await asyncio.to_thread(at.client.health, "") == "NOT_SERVING"
        at.journal.gone = False
        assert await seen.get() == "SERVING"
        at.door.close()
        assert await seen.get() == "NOT_SERVING"
        told = await fails(at.client.call, "Submit", **ORDER)
        assert (told.status, told.code, told.info.metadata["retry"]) == (
            "UNAVAILABLE",
            "not_ready",
            "same_key",
        )
        at.client.channel.close()
        await watching

    held(talk)


def test_streams_end_when_the_door_closes_and_say_why() -> None:
    async def talk(at: Place) -> None:
        updates = iter(at.client.updates(after=-1))
        assert (await asyncio.to_thread(next, updates))["index"] == "-1"
        at.door.close()
        told = await fails(next, updates)
        assert (told.status, told.code) == ("UNAVAILABLE", "not_ready")
        assert at.door.metrics.streams._value.get() == 0

    held(talk)


def test_only_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "MOST_STREAMS", 2)

    async def talk(at: Place) -> None:
        streams = [at.client.updates() for _ in range(2)]
        for stream in streams:
            assert await asyncio.to_thread(next, iter(stream))
        told = await fails(list, at.client.updates())
        assert (told.status, told.code) == ("RESOURCE_EXHAUSTED", "too_many_streams")
        streams[0].cancel()
        while at.door.metrics.streams._value.get() > 1:
            await asyncio.sleep(0.01)
        assert await asyncio.to_thread(next, iter(at.client.updates()))

    held(talk)


def test_only_so_many_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CALLS", 2)

    async def talk(at: Place) -> None:
        streams = [at.client.updates() for _ in range(2)]
        for stream in streams:
            assert await asyncio.to_thread(next, iter(stream))
        assert (await fails(at.client.call, "Submit", **ORDER)).status == "RESOURCE_EXHAUSTED"
        streams[0].cancel()
        while at.door.metrics.streams._value.get() > 1:
            await asyncio.sleep(0.01)
        while not await asyncio.to_thread(tried, at.client):  # the server counts it a little longer
            await asyncio.sleep(0.01)

    def tried(client: Client) -> Any:
        try:
            return client.call("Submit", **ORDER)
        except Told as told:
            if told.status != "RESOURCE_EXHAUSTED":
                raise
            return None

    held(talk)


def test_what_nobody_thought_of_is_told_without_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError("secret")

    async def talk(at: Place) -> None:
        monkeypatch.setattr(at.gate, "execute", broken)
        told = await fails(at.client.call, "Submit", **ORDER)
        assert (told.status, told.code) == ("INTERNAL", "internal_error")
        assert told.info.metadata["outcome"] == "unknown"
        assert "secret" not in f"{told.words}{told.info}"

    held(talk)


@pytest.mark.parametrize("http", TITLES)
def test_every_problem_has_a_status(http: int) -> None:
    for code in (*Code, *DoorCode, *RiskCode):
        told = problem(http, code, "why")
        assert status_of(told) is not grpc.StatusCode.OK
        assert Status.FromString(details_of(told, "req-1")).code == status_of(told).value[0]


def test_statuses_of_rest_are_all_there() -> None:
    assert statuses.STATUS_OF_HTTP.keys() == TITLES.keys()


def test_details_stay_small() -> None:
    long = Detail(code="bad_value", detail="語" * 9_000, pointer="#/thesis")
    told = problem(422, "bad_value", "語" * 9_000, errors=(long,) * 50, outcome="not_sent", retry="never")
    assert len(details_of(told, "r" * 128)) * 4 / 3 + len(message_of(told).encode()) * 3 < 15_000


@pytest.mark.parametrize(
    ("pointer", "field"),
    [("#/quantity", "quantity"), ("#/lots/0", "lots[0]"), ("#/a~1b/c~0d", "a/b.c~d"), ("", "")],
)
def test_pointers_as_fields(pointer: str, field: str) -> None:
    assert field_of(pointer) == field


def test_headers_are_told_as_the_fields_that_they_are_here() -> None:
    told = problem(
        412, Code.ORDER_VERSION, "no", errors=(Detail(code="x", detail="y", parameter="If-Match"),)
    )
    packed = Status.FromString(details_of(told, "req-1"))
    info, wrong = ErrorInfo(), BadRequest()
    assert packed.details[0].Unpack(info)
    assert packed.details[1].Unpack(wrong)
    assert (info.reason, wrong.field_violations[0].field) == ("order_version", "version")


@pytest.mark.parametrize(
    ("message", "model"),
    [
        (pb.Order, answers.Order), (pb.Position, answers.Position), (pb.Lot, answers.Lot), (pb.Rate, answers.Rate),
        (pb.Verdict, answers.Verdict), (pb.OrderList, answers.Orders), (pb.PositionList, answers.Positions),
    ],
)  # fmt: skip
def test_messages_have_the_fields_of_rest(message: Any, model: type[BaseModel]) -> None:
    assert {field.name for field in message.DESCRIPTOR.fields} == set(model.model_fields)


def test_every_field_of_a_request_can_be_given() -> None:
    assert set(ORDER_FIELDS) <= {field.name for field in pb.Order.DESCRIPTOR.fields}
    assert service.SERVICE == "ordergate.oms.v1.Oms"


def test_the_extra_asks_for_what_the_stubs_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in ("grpc", "dev"):
        floors = dict(
            re.fullmatch(r"([a-z-]+)>=([\d.]+)", one).groups()
            for one in project["optional-dependencies"][extra]
            if one.startswith(("grpcio>", "protobuf>"))
        )
        stub = (ROOT / "src/ordergate/oms/v1/oms_pb2_grpc.py").read_text()
        code = (ROOT / "src/ordergate/oms/v1/oms_pb2.py").read_text()
        assert floors["grpcio"] == re.search(r"GRPC_GENERATED_VERSION = '([\d.]+)'", stub)[1]
        assert floors["protobuf"] == re.search(r"Protobuf Python Version: ([\d.]+)", code)[1]

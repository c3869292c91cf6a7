"""A terminal through its agent: the same as beside it, and what becomes of sessions and connections."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.services.mt5_agent.desk import KEY, Desk, command, until

from ordergate.adapters.brokers.mt5.agent import (
    AgentServer,
    LocalTerminal,
    Refused,
    RemoteTerminal,
    Unreachable,
    wire,
)
from ordergate.adapters.brokers.mt5.agent.port import LOOKS_ON


class Wire:
    """Between client and agent: it may change what passes, keep it, and cut it."""

    def __init__(self, port: int) -> None:
        self._port, self._tasks = port, set[asyncio.Task[None]]()
        self.from_agent: Callable[[bytes], bytes] = lambda data: data
        self.from_client: Callable[[bytes], bytes] = lambda data: data
        self.writers: list[asyncio.StreamWriter] = []

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_connection("127.0.0.1", self._port)
        self.writers += [writer, to]
        for source, sink, name in ((reader, to, "from_client"), (there, writer, "from_agent")):
            task = asyncio.create_task(self._pass(source, sink, name))
            self._tasks.add(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, name: str) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                sink.write(getattr(self, name)(data))
                await sink.drain()
        sink.close()

    def cut(self) -> None:
        for writer in self.writers:
            writer.close()

    async def close(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks)


class Room:
    """An agent, and clients of it."""

    def __init__(self, desk: Desk, server: AgentServer, terminal: LocalTerminal) -> None:
        self.desk, self.server, self.terminal = desk, server, terminal
        self.clients: list[RemoteTerminal] = []

    def client(self, epoch: int = 1, key: str = KEY, port: int | None = None, **more) -> RemoteTerminal:
        made = RemoteTerminal("127.0.0.1", port or self.server.port, key, epoch, **more)
        self.clients.append(made)
        return made

    async def arrived(self, name: str) -> None:
        await asyncio.to_thread(until, lambda: name in self.desk.calls())


@contextlib.asynccontextmanager
async def serving(desk: Desk, tls: ssl.SSLContext | None = None) -> AsyncIterator[Room]:
    terminal = desk.terminal()
    server = AgentServer(terminal, KEY)
    await server.start("127.0.0.1", 0, tls)
    room = Room(desk, server, terminal)
    try:
        yield room
    finally:
        for client in room.clients:
            await client.close()
        desk.go()
        await server.close()


def run(desk: Desk, test: Callable[[Room], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with serving(desk) as room:
            await test(room)

    asyncio.run(whole())


def test_it_is_the_same_from_afar(desk: Desk) -> None:
    async def test(room: Room) -> None:
        client = room.client(epoch=2**62)
        hello, beside = await client.open(), await room.terminal.open()
        assert hello.epoch == 2**62
        assert (hello.version, hello.login, hello.server, hello.journal_id) == (
            beside.version,
            beside.login,
            beside.server,
            beside.journal_id,
        )
        assert await client.ask("positions_get", 1, group="*") == await room.terminal.ask(
            "positions_get", 1, group="*"
        )
        with pytest.raises(ValueError, match="order_send cannot be asked"):
            await client.ask("order_send", {})
        assert await client.record("a.1") is None
        record = await client.send(command())
        assert record == await room.terminal.record("a.1") == await client.record("a.1")
        assert record.request["magic"] == 2**62 + 1
        sealed = await client.record("b.1", seal=True)
        desk.how(order_send=[-2])
        failed = await client.send(command("c.1"))
        assert failed.error == (-2, "error -2")
        assert await client.records() == [record, sealed, failed]
        assert await client.records(record.position) == [sealed, failed]

    run(desk, test)


def test_the_agent_itself_refuses_what_the_client_would(desk: Desk) -> None:
    async def test(room: Room) -> None:
        client = room.client()
        await client.open()
        for call, more in (
            ("ask", {"name": "order_send", "args": [{}], "kwargs": {}}),
            ("ask", {}),
            ("send", {"id": "two words", "request": {}, "expires_at": 1e12}),
            ("send", {"id": "a.1", "request": {}, "expires_at": "late"}),
            ("send", {"id": "a.1", "request": [], "expires_at": 1e12}),
            ("initialize", {}),
        ):
            with pytest.raises(ValueError, match="Error"):
                await client._asked(call, **more)
        assert (await client.ask("symbols_total")).value == 7

    run(desk, test)
    assert desk.sent() == []


def test_another_key_comes_nowhere(desk: Desk) -> None:
    async def test(room: Room) -> None:
        with pytest.raises(Refused, match="the key is another one"):
            await room.client(key="o" * 32).open()
        assert "account_info" not in desk.calls()

    run(desk, test)


def test_a_refused_login_is_told_as_one(desk: Desk) -> None:
    async def test(room: Room) -> None:
        desk.how(initialize=[-6])
        with pytest.raises(Refused, match="refuses the login"):
            await room.client().open()

    run(desk, test)


def test_a_terminal_that_restarts_is_unreachable_and_nothing_was_sent(desk: Desk) -> None:
    async def test(room: Room) -> None:
        client = room.client()
        await client.open()
        desk.how(account_info=[-10_004], initialize=[-10_005])
        for call in (client.ask("symbols_total"), client.send(command())):
            with pytest.raises(Unreachable) as caught:
                await call
            assert caught.value.sent is False
        assert await client.record("a.1") is None
        desk.how()
        assert (await client.send(command())).state == "answered"

    run(desk, test)


def test_a_later_session_takes_over(desk: Desk) -> None:
    async def test(room: Room) -> None:
        old, new = room.client(epoch=5), room.client(epoch=6)
        await old.open()
        desk.how(order_send=["hang"])
        in_call = asyncio.create_task(old.send(command("in.call")))
        await room.arrived("order_send")
        waits = asyncio.create_task(old.send(command("waits")))
        while len(room.terminal._going) < 2:
            await asyncio.sleep(0.005)
        opening = asyncio.create_task(new.open())
        for task in (in_call, waits):
            with pytest.raises(Unreachable, match="session 6 has taken over") as caught:
                await task
            assert caught.value.sent is True
        assert old.taken_over
        desk.go()
        await opening
        assert not new.taken_over
        with pytest.raises(Unreachable) as caught:
            await old.send(command("late"))
        assert caught.value.sent is False
        with pytest.raises(Refused, match="later session"):
            await old.open()
        found = [await new.record(id) for id in ("in.call", "waits", "late")]
        assert [one and one.state for one in found] == ["answered", None, None]

    run(desk, test)
    assert len(desk.sent()) == 1


def test_an_earlier_session_is_refused_also_after_a_restart_of_the_agent(desk: Desk) -> None:
    async def first(room: Room) -> None:
        await room.client(epoch=6).open()

    async def then(room: Room) -> None:
        late = room.client(epoch=5)
        with pytest.raises(Refused, match="later session"):
            await late.open()
        assert late.taken_over
        again = room.client(epoch=6)
        await again.open()
        assert (await again.send(command())).state == "answered"

    run(desk, first)
    run(desk, then)


def test_who_only_looks_on_ends_nobody_and_sends_nothing(desk: Desk) -> None:
    async def test(room: Room) -> None:
        client, onlooker = room.client(epoch=6), room.client(epoch=LOOKS_ON)
        await client.open()
        await onlooker.open()
        assert (await onlooker.ask("symbols_total")).value == 7
        with pytest.raises(Refused, match="looks on"):
            await onlooker.send(command())
        with pytest.raises(Refused, match="looks on"):
            await onlooker.record("a.1", seal=True)
        assert await onlooker.record("a.1") is None
        assert (await client.send(command())).state == "answered"
        await room.client(epoch=7).open()
        assert (await onlooker.record("a.1")).state == "answered"

    run(desk, test)
    assert len(desk.sent()) == 1


def test_the_same_session_comes_back_after_a_cut(desk: Desk) -> None:
    async def test(room: Room) -> None:
        between = Wire(room.server.port)
        client = room.client(port=await between.start())
        await client.open()
        desk.how(order_send=["hang"])
        sending = asyncio.create_task(client.send(command()))
        await room.arrived("order_send")
        between.cut()
        with pytest.raises(Unreachable) as caught:
            await sending
        assert caught.value.sent is True
        with pytest.raises(Unreachable) as caught:
            await client.ask("symbols_total")
        assert caught.value.sent is False
        desk.go()
        await client.open()
        assert not client.taken_over
        assert (await client.send(command())).state == "answered"
        await client.close()
        await between.close()

    run(desk, test)
    assert len(desk.sent()) == 1


@pytest.mark.parametrize("side", ["from_client", "from_agent"])
@pytest.mark.parametrize("change", ["flip", "repeat", "shorten"])
def test_what_is_altered_on_the_way_ends_the_connection(desk: Desk, side: str, change: str) -> None:
    altering: dict[str, Callable[[bytes], bytes]] = {
        "flip": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        "repeat": lambda data: data + data,
        "shorten": lambda data: data[:3] + bytes([data[3] - 1]) + data[4:],
    }

    async def test(room: Room) -> None:
        between = Wire(room.server.port)
        client = room.client(port=await between.start())
        await client.open()
        setattr(between, side, altering[change])
        with contextlib.suppress(Unreachable):
            await client.send(command())
        for _ in range(20):  # until both sides have noticed
            with contextlib.suppress(Unreachable):
                await client.record("a.1")
        with pytest.raises(Unreachable):
            await client.record("a.1")
        await client.close()
        await between.close()

    run(desk, test)
    assert len(desk.sent()) <= 1
    if side == "from_agent" or change != "repeat":
        assert len(desk.sent()) == (1 if side == "from_agent" else 0)


def test_an_agent_that_does_not_answer(desk: Desk) -> None:
    async def test(room: Room) -> None:
        async def listens(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        silent = await asyncio.start_server(listens, "127.0.0.1", 0)
        mute = room.client(port=silent.sockets[0].getsockname()[1], deadline_s=0.1)
        with pytest.raises(Unreachable, match="no connection within") as caught:
            await mute.open()
        assert caught.value.sent is False
        silent.close()
        with pytest.raises(Unreachable) as caught:
            await mute.open()
        assert caught.value.sent is False
        client = room.client()
        await client.open()
        desk.how(order_send=["hang"])
        client._deadline_s = 0.1
        with pytest.raises(Unreachable, match="no answer within") as caught:
            await client.send(command())
        assert caught.value.sent is True
        await room.arrived("order_send")
        desk.go()
        client._deadline_s = 60
        assert (await client.send(command())).state == "answered"

    run(desk, test)
    assert len(desk.sent()) == 1


def test_a_connection_that_breaks_while_it_is_written_to(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_connection: wire.Connection, _message: dict) -> None:
        raise ConnectionResetError("reset")

    async def test(room: Room) -> None:
        client = room.client()
        await client.open()
        monkeypatch.setattr(wire.Connection, "say", broken)
        with pytest.raises(Unreachable, match="reset") as caught:
            await client.send(command())
        assert caught.value.sent is True

    run(desk, test)


def test_strangers_do_not_keep_clients_out(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(room: Room) -> None:
        monkeypatch.setattr("ordergate.adapters.brokers.mt5.agent.server._MEETS_S", 0.1)
        strangers = [await asyncio.open_connection("127.0.0.1", room.server.port) for _ in range(20)]
        for _reader, writer in strangers[:5]:
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
        for reader, writer in strangers:
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()
        await room.client().open()

    run(desk, test)


def test_strangers_who_stay_make_room_for_who_comes(desk: Desk) -> None:
    async def test(room: Room) -> None:
        strangers = [await asyncio.open_connection("127.0.0.1", room.server.port) for _ in range(40)]
        await room.client().open()
        assert await strangers[0][0].read(1) != b""  # the agent's greeting
        await strangers[0][0].read()
        for _reader, writer in strangers:
            writer.close()

    run(desk, test)


def test_a_journal_in_use_is_said_at_the_start(desk: Desk) -> None:
    async def test(room: Room) -> None:
        with pytest.raises(Unreachable, match="another process has it"):
            await AgentServer(desk.terminal(), KEY).start("127.0.0.1", 0)

    run(desk, test)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Made by the openssl program, for 127.0.0.1; and its key."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    program = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run([*program, *subject, "-keyout", key, "-out", made], check=True, capture_output=True)
    return made, key


def test_tls(desk: Desk) -> None:
    made, key = certificate(desk.folder, "agent")
    other, _key = certificate(desk.folder, "other")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    seen = bytearray()

    def listen(data: bytes) -> bytes:
        seen.extend(data)
        return data

    async def whole() -> None:
        async with serving(desk, context) as room:
            between = Wire(room.server.port)
            between.from_client = between.from_agent = listen
            client = room.client(port=await between.start(), authority=made)
            await client.open()
            assert (await client.send(command())).state == "answered"
            await client.close()
            with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
                await room.client(authority=other).open()
            with pytest.raises(Unreachable):
                await room.client(deadline_s=0.3).open()  # without TLS
            await between.close()

    asyncio.run(whole())
    assert b"EURUSD" not in seen
    assert b"nonce" not in seen


def test_without_tls_it_can_be_read(desk: Desk) -> None:
    """As the document says."""
    seen = bytearray()

    def listen(data: bytes) -> bytes:
        seen.extend(data)
        return data

    async def test(room: Room) -> None:
        between = Wire(room.server.port)
        between.from_client = listen
        client = room.client(port=await between.start())
        await client.open()
        await client.send(command())
        await client.close()
        await between.close()

    run(desk, test)
    assert b"EURUSD" in seen
    assert KEY.encode() not in seen


def test_frames_over_the_limit_end_the_connection(desk: Desk) -> None:
    async def test(room: Room) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", room.server.port)
        connection = await wire.call_on(reader, writer, KEY.encode(), 1)
        writer.write(b"\x7f\xff\xff\xff" + b"x" * 100)
        with pytest.raises((EOFError, OSError)):
            await connection.hear()
        await connection.close()

    run(desk, test)

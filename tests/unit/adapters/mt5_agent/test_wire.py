"""Frames that are not what the other side said, and others that do not know the key."""

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable

import pytest

from ordergate.adapters.brokers.mt5.agent import wire

KEY, OTHER = b"k" * 32, b"o" * 32


class Sink:
    """A writer that keeps what is written, one frame each."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.frames.append(data)

    async def drain(self) -> None:
        pass


def end(key: bytes, mine: bytes, theirs: bytes, *data: bytes) -> tuple[wire.Connection, Sink]:
    """One end of a connection that hears that data and then nothing."""
    reader, sink = asyncio.StreamReader(), Sink()
    reader.feed_data(b"".join(data))
    reader.feed_eof()
    return wire.Connection(reader, sink, key, mine, theirs), sink  # type: ignore[arg-type]


def running(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    run.__name__ = test.__name__
    return run


async def said(*messages: dict, key: bytes = KEY) -> list[bytes]:
    connection, sink = end(key, b"client", b"agent")
    for message in messages:
        await connection.say(message)
    return sink.frames


def hearing(*data: bytes, key: bytes = KEY) -> wire.Connection:
    return end(key, b"agent", b"client", *data)[0]


@running
async def test_what_is_said_is_heard() -> None:
    messages = [{"a": 1.5}, {"b": [2**63, "é", None]}]
    agent = hearing(*await said(*messages))
    assert [await agent.hear(), await agent.hear()] == messages
    with pytest.raises(EOFError):
        await agent.hear()


@running
async def test_any_altered_bit_and_any_cut_is_noticed() -> None:
    (frame,) = await said({"call": "send"})
    for at in range(len(frame)):
        for bit in (1, 128):
            altered = bytearray(frame)
            altered[at] ^= bit
            with pytest.raises((EOFError, wire.Garbled)):
                await hearing(bytes(altered)).hear()
        with pytest.raises(EOFError):
            await hearing(frame[:at]).hear()


@running
async def test_frames_repeated_left_out_swapped_and_from_elsewhere() -> None:
    first, second = await said({"n": 1}, {"n": 2})
    (foreign,) = await said({"n": 1}, key=OTHER)
    for wrong in ([first, first], [second], [first, foreign]):
        agent = hearing(*wrong)
        for _right in wrong[1:]:
            await agent.hear()
        with pytest.raises(wire.Garbled, match="is not what the other side said"):
            await agent.hear()
    reflected, _sink = end(KEY, b"client", b"agent", first)
    with pytest.raises(wire.Garbled):
        await reflected.hear()


@running
async def test_too_large_is_neither_said_nor_read() -> None:
    with pytest.raises(wire.Garbled, match="16777217 bytes"):
        await hearing(struct.pack(">I", wire.MOST_BYTES + 1)).hear()
    with pytest.raises(ValueError, match="16777"):
        await said({"a": "x" * wire.MOST_BYTES})


@running
async def test_under_a_right_mac_nonsense_is_nonsense() -> None:
    for body in (b"[]", b"{", b"\xff", b"[" * 100_000):
        connection, sink = end(KEY, b"client", b"agent")
        frame = struct.pack(">I", len(body)) + connection._mac(b"client", 1, body) + body
        with pytest.raises(wire.Garbled):
            await hearing(frame).hear()
        assert sink.frames == []


async def meeting(client_key: bytes, agent_key: bytes) -> tuple[object, object]:
    """What becomes of both sides: their results, or what they raised."""
    agents: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (result,) = await asyncio.gather(wire.answer_call(reader, writer, agent_key), return_exceptions=True)
        agents.set_result(result)
        writer.close()

    async with await asyncio.start_server(met, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        calls = asyncio.gather(wire.call_on(reader, writer, client_key, 7), return_exceptions=True)
        (client,), agent = await asyncio.gather(calls, agents)
        writer.close()
        await writer.wait_closed()
    return client, agent


@running
async def test_both_prove_the_key_and_each_meeting_has_its_own() -> None:
    keys = set()
    for _ in range(2):
        client, agent = await meeting(KEY, KEY)
        assert isinstance(client, wire.Connection)
        assert isinstance(agent, tuple)
        assert agent[1] == 7
        assert client._key == agent[0]._key
        keys.add(client._key)
    assert len(keys) == 2
    assert KEY not in keys


@running
async def test_another_key_is_refused_on_both_sides() -> None:
    client, agent = await meeting(OTHER, KEY)
    assert isinstance(client, wire.WrongKey)
    assert "the key is another one" in str(client)
    assert isinstance(agent, wire.WrongKey)


def fed(*messages: object) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    for message in messages:
        body = json.dumps(message).encode()
        reader.feed_data(struct.pack(">I", len(body)) + body)
    reader.feed_eof()
    return reader


GREETING = {"ordergate-mt5-agent": 1, "nonce": "a" * 64}


@running
async def test_an_agent_that_does_not_know_the_key_is_not_believed() -> None:
    for proof in (None, "", "0" * 64, 5, "é", "\ud800"):
        with pytest.raises(wire.WrongKey, match="does not know the key"):
            await wire.call_on(fed(GREETING, {"proof": proof}), Sink(), KEY, 7)  # type: ignore[arg-type]
    sink = Sink()
    with pytest.raises(EOFError):
        await wire.call_on(fed(GREETING), sink, KEY, 7)  # type: ignore[arg-type]
    ours = json.loads(sink.frames[0][4:])["proof"]
    with pytest.raises(wire.WrongKey):  # a proof of ours, sent back
        await wire.call_on(fed(GREETING, {"proof": ours}), Sink(), KEY, 7)  # type: ignore[arg-type]


@running
async def test_agents_that_say_something_else() -> None:
    for greeting in (
        {**GREETING, "ordergate-mt5-agent": 2},
        {**GREETING, "nonce": 3},
        {**GREETING, "nonce": "\ud800" * 64},
        [],
        {"x": "y" * 2_000},
    ):
        sink = Sink()
        with pytest.raises(wire.Garbled):
            await wire.call_on(fed(greeting), sink, KEY, 7)  # type: ignore[arg-type]
        assert sink.frames == []


@running
async def test_a_proof_that_was_listened_to_serves_nobody() -> None:
    sink = Sink()
    with pytest.raises(EOFError):
        await wire.call_on(fed(GREETING), sink, KEY, 7)  # type: ignore[arg-type]
    heard = json.loads(sink.frames[0][4:])
    for replayed in (heard, {**heard, "epoch": 8}):
        with pytest.raises(wire.WrongKey):
            await wire.answer_call(fed(replayed), Sink(), KEY)  # type: ignore[arg-type]
    for half in ("\ud800" * 64, "é" * 64):  # half a character, which no bytes can be made of
        with pytest.raises(wire.Garbled, match="nonce"):
            await wire.answer_call(fed({**heard, "nonce": half}), Sink(), KEY)  # type: ignore[arg-type]
        with pytest.raises(wire.WrongKey):
            await wire.answer_call(fed({**heard, "proof": half}), Sink(), KEY)  # type: ignore[arg-type]
    for wrong in (-1, True, "7", 2**63, None):
        with pytest.raises(wire.Garbled, match="epoch"):
            await wire.answer_call(fed({**heard, "epoch": wrong}), Sink(), KEY)  # type: ignore[arg-type]


def test_a_short_key_is_none() -> None:
    with pytest.raises(ValueError, match="has 31 characters"):
        wire.checked_key("k" * 31)

"""The connection to a real server: made late, made again, and honest while it is down."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ordergate.adapters.nats import Connection, NatsError
from ordergate.adapters.nats.connection import Login
from ordergate.application.ports.secrets import fixed
from tests.services.nats import Nats


def _run(work) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def _until_connected(connection: Connection):
    while True:
        try:
            return await connection.client()
        except NatsError:
            await asyncio.sleep(0.02)


def test_a_message_is_kept_by_the_server(nats) -> None:
    async def run() -> None:
        connection = Connection((nats.url,))
        stream = await connection.stream()
        await stream.add_stream(name="S", subjects=["s.>"])
        assert (await stream.publish("s.a", b"1")).seq == 1
        assert await connection.client() is await connection.client()
        await connection.close()

    _run(run())


def test_it_is_made_again_when_the_server_comes_back(nats) -> None:
    async def run() -> None:
        connection = Connection((nats.url,))
        client = await connection.client()
        nats.kill()
        while client.is_connected:
            await asyncio.sleep(0.02)
        with pytest.raises(NatsError, match="is down"):
            await connection.client()
        while True:  # until the first try
            with pytest.raises(NatsError, match="is down") as down:
                await connection.client()
            if "Connect call failed" in str(down.value):
                break
            await asyncio.sleep(0.02)
        nats.start()
        again = await _until_connected(connection)
        await again.flush()
        await connection.close()

    _run(run())


@pytest.mark.slow
def test_a_server_that_is_not_there_is_named(nats) -> None:
    nats.kill()

    async def run() -> None:
        connection = Connection((nats.url,))
        with pytest.raises(
            NatsError, match=f"127.0.0.1:{nats.port} cannot be reached: .*Connect call failed"
        ):
            await connection.client()
        nats.start()
        await (await _until_connected(connection)).flush()
        await connection.close()
        await connection.close()

    _run(run())


BASE = """
import sys
sys.modules["nats"] = None
from ordergate.cli.app import app
app(sys.argv[1:])
"""


@pytest.mark.slow
def test_without_the_library_a_service_ends_and_says_what_to_install(tmp_path) -> None:
    settings = tmp_path / "ordergate.toml"
    settings.write_text('[nats]\nservers = ["nats://127.0.0.1:1"]\n[nats.inputs]\nsignals = true\n')
    order = ("serve", "--port", "0", "--config", str(settings), "--db", f"sqlite:///{tmp_path / 'o.db'}")
    done = subprocess.run(
        [sys.executable, "-c", BASE, *order], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "pip install 'ordergate[nats]'" in " ".join(done.stderr.split())


@pytest.mark.slow
def test_a_wrong_token_is_named(tmp_path) -> None:
    server = Nats(tmp_path / "nats", top=['authorization { token: "right" }'])

    async def run() -> None:
        connection = Connection((server.url,), Login(token=fixed("wrong")))
        with pytest.raises(NatsError, match=r"cannot be reached: .*Authorization Violation") as refused:
            await connection.client()
        assert "wrong" not in str(refused.value)
        await connection.close()
        connection = Connection((server.url,), Login(token=fixed("right")))
        await (await connection.client()).flush()
        await connection.close()

    try:
        _run(run())
    finally:
        server.kill()


@pytest.mark.slow
def test_one_that_does_not_answer_is_named(nats) -> None:
    nats.pause()

    async def run() -> None:
        connection = Connection((nats.url,))
        with pytest.raises(NatsError, match="cannot be reached: no answer in time"):
            await connection.client()
        await connection.close()

    _run(run())
    nats.resume()


@pytest.mark.slow
def test_a_server_that_stands_still_leaves_no_sockets_behind(nats) -> None:
    """The library makes a socket for each try, and forgets it."""
    sockets = Path("/proc/self/fd")
    if not sockets.exists():
        pytest.skip("there is no /proc here")

    def count() -> int:
        return sum(1 for one in sockets.iterdir() if one.is_symlink() and "socket" in os.readlink(one))

    async def run() -> None:
        connection = Connection((nats.url,))
        client = await connection.client()
        before = count()
        nats.pause()
        client._transport.close()  # lost; every try to connect again is taken by the system, and answered by nobody
        tries = client._server_pool[0]
        while tries.reconnects < 3:
            await asyncio.sleep(0.02)
        assert count() <= before + 1
        nats.resume()
        await (await _until_connected(connection)).flush()
        await connection.close()

    _run(run())


def test_closing_waits_for_no_server_that_stands_still(nats) -> None:
    async def run() -> None:
        connection = Connection((nats.url,))
        client = await connection.client()
        nats.pause()

        async def flood() -> None:
            for _ in range(200):
                await client.publish("s", b"x" * 500_000)

        flooding = asyncio.ensure_future(flood())
        while client._transport._io_writer.transport.get_write_buffer_size() < 100_000:
            await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            await connection.close()
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)

    _run(run())
    nats.resume()

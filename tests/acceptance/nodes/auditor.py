"""What must hold when everything has settled: asked of the database itself, and of the command line."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

import asyncpg
from tests.acceptance import comparing
from tests.acceptance.nodes.load import Load
from tests.acceptance.nodes.node import ROOT
from tests.acceptance.nodes.rig import SETTLED_WITHIN_S, Rig


async def differences(rig: Rig, load: Load | None = None) -> list[str]:
    """Everything that does not agree; empty where all is well."""
    made = {} if load is None else load.made
    found = await _compare(rig.url, made)
    found += [f"break: {tuple(row)}" for row in await rig.fetch("SELECT kind, order_id, detail FROM breaks")]
    found += [
        f"stuck: {row[0]}" for row in await rig.fetch("SELECT order_id FROM orders WHERE state = 'ACCEPTED'")
    ]
    if load is not None:
        found += load.wrong
        keys = {row[0] for row in await rig.fetch("SELECT key FROM keys")}
        found += [f"untrue: {key} was said not to have happened" for key in load.never & keys]
    return found


async def _compare(url: str, made: dict[str, str]) -> list[str]:
    """In a thread: the comparison asks one thing after the other, and waits."""

    def compare() -> list[str]:
        with asyncio.Runner() as runner:
            gate = runner.run(asyncpg.connect(url))
            venue = runner.run(asyncpg.connect(url, server_settings={"search_path": "paper_paper"}))
            try:
                return comparing.differences(
                    lambda sql: runner.run(_rows(gate, sql)),
                    lambda sql: runner.run(_rows(venue, sql)),
                    made.items(),
                )
            finally:
                gate.terminate()
                venue.terminate()

    return await asyncio.to_thread(compare)


async def _rows(connection: asyncpg.Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.fetch(sql)]


async def verified(rig: Rig) -> list[str]:
    """What `audit verify` and `audit replay --compare` have to say against the journal."""
    found = []
    for command in (("audit", "verify"), ("audit", "replay", "--compare")):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ordergate",
            *command,
            "--json",
            "--db",
            rig.url,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_STATE_HOME": str(rig.folder)},
        )
        try:
            out, said = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            found.append(f"{' '.join(command)}: {said.decode()} {out.decode()[:4_000]}")
    return found


async def all_is_well(rig: Rig, load: Load, within_s: float = SETTLED_WITHIN_S) -> None:
    """Lets everything settle, and raises where anything does not agree."""
    await load.end()
    await rig.settled(within_s)
    for found in (await differences(rig, load), await verified(rig)):
        assert not found, "\n".join(found[:50])

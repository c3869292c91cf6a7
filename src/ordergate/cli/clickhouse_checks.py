"""What `ordergate doctor` checks of ClickHouse: whether it answers, and whether its tables are this journal's."""

import asyncio
from collections.abc import Callable
from typing import Final

from ordergate.adapters.clickhouse import Connection, check_library
from ordergate.adapters.journals.stores import open_reader
from ordergate.adapters.outlets.clickhouse.examining import Examined, examine, version_of
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import Config
from ordergate.domain.errors import StoreError

Check = Callable[[Config, str], tuple[str, str]]


def _server(config: Config, _url: str) -> tuple[str, str]:
    connection = _connection(config)

    async def main() -> str:
        try:
            return await version_of(connection)
        finally:
            await connection.close()

    return "ok", f"{connection.shown}: ClickHouse {asyncio.run(main())}"


def _tables(config: Config, url: str) -> tuple[str, str]:
    found = asyncio.run(_examined(config, url))
    if found.wrong:
        return "bad", "; ".join(found.wrong)
    if not found.made:
        return "ok", "none yet, or not all; the gate makes them"
    said = f"{found.done} entries are in the tables"
    return "ok", f"{said}, {found.waiting} wait" if found.waiting else said


async def _examined(config: Config, url: str) -> Examined:
    connection, section = _connection(config), config.clickhouse
    try:
        try:
            reader = await open_reader(url)
        except StoreError:  # none yet, or none that can be read, as another check tells
            return await examine(connection, section.database, None, config.audit.origin, section.logs)
        try:
            return await examine(connection, section.database, reader, config.audit.origin, section.logs)
        finally:
            await reader.close()
    finally:
        await connection.close()


def _connection(config: Config) -> Connection:
    target = config.clickhouse.target(secrets_of(config))
    check_library(target)
    return Connection(target)


CLICKHOUSE_CHECKS: Final[dict[str, Check]] = {"clickhouse": _server, "clickhouse tables": _tables}

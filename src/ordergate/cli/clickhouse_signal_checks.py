"""What `ordergate doctor` checks of the table that signals are taken from."""

import asyncio
from collections.abc import Callable
from typing import Final

from ordergate.adapters.clickhouse import Connection, check_library
from ordergate.adapters.clickhouse.signals import SignalTable
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import Config

Check = Callable[[Config, str], tuple[str, str]]


def _table(config: Config, _url: str) -> tuple[str, str]:
    inputs, target = config.clickhouse.signals, config.clickhouse.target(secrets_of(config))
    check_library(target)
    connection = Connection(target)

    async def main() -> str | None:
        try:
            return await SignalTable(connection).check()
        finally:
            await connection.close()

    unwritable = asyncio.run(main())
    if not inputs.write_back:
        return "ok", "they are taken; what becomes of them is not written back, as configured"
    if unwritable is not None:
        return "warn", f"they are taken; what becomes of them is not written back: {unwritable}"
    return "ok", "they are taken, and what becomes of them is written back"


CLICKHOUSE_SIGNAL_CHECKS: Final[dict[str, Check]] = {"clickhouse signals": _table}

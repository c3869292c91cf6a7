"""The settings, the query and the commands of docs/howto/clickhouse.md."""

import asyncio
import re
import tomllib
from pathlib import Path

import pytest

from ordergate.bootstrap import open_gate
from ordergate.cli.app import app
from ordergate.config import load
from tests.services.analytics import SLIPPAGE, analyzed, kept
from tests.services.archive import quote, trade
from tests.services.clickhouse import ClickHouse
from tests.services.commands import CliRunner
from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "clickhouse.md").read_text()
SETTINGS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"```shell\nordergate (.*?)\n```", PAGE, re.DOTALL)
[QUERY] = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_the_page(clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "ordergate.toml"
    config.write_text(SETTINGS[0])
    section = load(config).clickhouse
    assert (section.database, section.username) == ("analytics", "ordergate")
    assert all(tomllib.loads(one) for one in SETTINGS)
    config.write_text(f'[clickhouse]\nurl = "{clickhouse.url}"\ndatabase = "{clickhouse.database}"\n')

    async def main() -> None:
        async with open_gate(analyzed(clickhouse)) as gate:
            await quote(gate)
            await trade(gate, 0, 6)
            await kept(gate)

    asyncio.run(main())
    assert QUERY.strip() in SLIPPAGE
    with clickhouse.client() as client:
        rows = client.query(QUERY).result_rows
    assert [row[0] for row in rows if row[1] is not None] == ["EURUSD"]
    assert any("backfill" in command for command in COMMANDS)
    for command in COMMANDS:
        if command.startswith(("analytics backfill", "doctor")):
            done = CliRunner().invoke(app, command.split())
            assert done.exit_code == 0, (command, done.stdout, done.stderr)
    assert "entries are in the tables" in " ".join(done.stdout.split())

"""What docs/howto/clickhouse-signals.md says to write and to run."""

import re
from pathlib import Path

import pytest

from ordergate.bootstrap import clickhouse_in, open_gate
from ordergate.cli.app import app
from ordergate.config import load
from tests.integration.test_clickhouse_signals import run
from tests.services.analytics import kept
from tests.services.clickhouse import ClickHouse
from tests.services.commands import CliRunner
from tests.services.mail import until
from tests.services.server import ROOT

PAGE = (ROOT / "docs" / "howto" / "clickhouse-signals.md").read_text()
TABLE, ROW = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
(SETTINGS,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
QUESTIONS = re.findall(r"^ordergate (analytics query .*)$", PAGE, re.MULTILINE)


@pytest.mark.slow
def test_the_page(clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = SETTINGS.replace("http://127.0.0.1:8123", clickhouse.url).replace(
        '"trading"', f'"{clickhouse.database}"'
    )
    Path("ordergate.toml").write_text(settings)
    clickhouse.ask(TABLE)
    clickhouse.ask(ROW)

    async def main() -> None:
        config = load(Path("ordergate.toml"))
        async with open_gate(config, f"sqlite:///{tmp_path / 'o.db'}") as gate, clickhouse_in(config, gate):
            (signal,) = [row[0] for row in clickhouse.ask("SELECT signal_id FROM trading_signals")]

            async def made() -> bool:
                return bool(await gate.queries.orders(signal_id=signal))

            await until(made)
            await kept(gate)

    run(main())
    assert len(QUESTIONS) == 4
    for question in QUESTIONS:
        done = CliRunner().invoke(app, [part.strip('"') for part in re.findall(r'"[^"]*"|\S+', question)])
        assert done.exit_code == 0, (question, done.output)
    assert (
        "EURUSD"
        in CliRunner().invoke(app, ["analytics", "query", "recent", "--config", "ordergate.toml"]).stdout
    )
    doctor = CliRunner().invoke(
        app, ["doctor", "--config", "ordergate.toml", "--db", f"sqlite:///{tmp_path / 'o.db'}"]
    )
    assert "what becomes of them is written back" in " ".join(doctor.stdout.split())

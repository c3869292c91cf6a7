"""Signals out of a real ClickHouse: an approved one becomes one order, whatever becomes of server, gate and table."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ordergate.adapters.clickhouse.signals import SignalTable
from ordergate.adapters.clock import SystemClock
from ordergate.api.clickhouse import signals
from ordergate.api.clickhouse.settings import SignalInputs
from ordergate.api.clickhouse.telling import Teller
from ordergate.application import tallying
from ordergate.bootstrap import Gate, clickhouse_in, open_gate, open_shard, open_shards
from ordergate.config import Config, ConfigError, load
from ordergate.config.clickhouse import ClickHouseSection
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.states import State
from tests.services.clickhouse import ClickHouse
from tests.services.mail import until
from tests.services.postgres import Postgres
from tests.services.sharded import config as sharded
from tests.services.signal_table import TABLE, put, row, said, signal_id


def config_for(server: ClickHouse, **inputs: Any) -> Config:
    signals = SignalInputs(**{"take": True, "every_ms": 50, **inputs})
    return Config(clickhouse=ClickHouseSection(url=server.url, database=server.database, signals=signals))


@asynccontextmanager
async def taking(config: Config, url: str) -> AsyncIterator[Gate]:
    """The gate alone, and signals of the table; what goes out is of other tests."""
    inward = replace(config, clickhouse=ClickHouseSection())
    async with open_gate(inward, url) as gate, clickhouse_in(config, gate):
        yield gate


async def orders(gate: Gate, *numbers: int) -> dict[str, Any]:
    """By signal, once there are those."""
    wanted = {signal_id(number) for number in numbers}

    async def all_there() -> Any:
        found = {str(order.signal_id): order for order in await gate.queries.orders()}
        return found if found.keys() >= wanted else None

    return dict(await until(all_there))


async def told(server: ClickHouse, **wanted: str) -> dict[str, tuple[str, str]]:
    """What the table says, once it says that of signals `n1`, `n2`, ..."""

    async def so() -> Any:
        found = await asyncio.to_thread(said, server)
        right = all(found[signal_id(int(name[1:]))][0] == status for name, status in wanted.items())
        return found if right else None

    return dict(await until(so))


def run(main: Any) -> Any:
    return asyncio.run(asyncio.wait_for(main, 120))


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'o.db'}"


def test_approved_signals_become_orders(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        put(
            clickhouse,
            row(1),
            row(2, risk_approval_status="pending"),
            row(3, risk_approval_status="rejected"),
            row(4, execution_status="submitted"),
            row(5, position_size_recommended=0.02, stop_loss=0, take_profit=0, signal_type="sell"),
        )
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            found = await orders(gate, 1, 5)
            assert len(found) == 2
            one, other = found[signal_id(1)], found[signal_id(5)]
            assert [str(v) for v in (one.side, one.quantity, one.entry_price, one.stop_loss)] == [
                "buy",
                "0.01",
                "1.08125",
                "1.08",
            ]
            assert (str(other.side), other.stop_loss, other.take_profit) == ("sell", None, None)
            table = await told(clickhouse, n1="submitted", n5="submitted")
            assert table[signal_id(1)][1] == one.order_id
            assert [table[signal_id(n)][0] for n in (2, 3, 4)] == ["pending", "pending", "submitted"]
            # what is approved later, and put there late, is taken too
            await asyncio.to_thread(put, clickhouse, row(6, age_s=200))
            clickhouse.ask(
                f"ALTER TABLE trading_signals UPDATE risk_approval_status = 'approved' WHERE signal_id = '{signal_id(2)}'"
            )
            assert len(await orders(gate, 2, 6)) == 4
            lines = await gate.journal.lines(0, 1_000)
            entry = next(e for e in map(json.loads, (line.data for line in lines)) if "raw" in e)
            assert (entry["source"], entry["request"]) == ("clickhouse", f"trading_signals/{signal_id(1)}")
            assert json.loads(entry["raw"])["entry_price"] == "1.08125"

    run(main())


BAD: list[tuple[dict[str, Any], str]] = [
    ({"signal_type": "hold"}, "signal_no_order"),
    ({"position_size_recommended": -1}, "not_positive"),
    ({"position_size_recommended": 0}, "not_positive"),
    ({"symbol": "NOSUCH"}, "unknown_symbol"),
    ({"symbol": ""}, "bad_value"),
    ({"entry_price": -1}, "not_positive"),
    ({"stop_loss": 2}, "bad_value"),
    ({"signal_timestamp": "2020-01-01 00:00:00"}, "signal_too_old"),
    ({"signal_timestamp": "2099-01-01 00:00:00"}, "signal_from_the_future"),
    ({"position_size_recommended": 1e300}, "bad_number"),
]


def test_bad_rows_are_told_once_and_stop_nothing(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        before = tallying.messages.copy()
        clickhouse.ask(TABLE)
        put(clickhouse, *(row(n, **bad) for n, (bad, _code) in enumerate(BAD, 1)), row(99))
        with capture_logs() as logs:
            async with taking(config_for(clickhouse, write_back=False), database(tmp_path)) as gate:
                assert len(await orders(gate, 99)) == 1
                await _looked_again(clickhouse, gate)
                await until(lambda: _counted(before, done=2))
                refused = [one["signal_id"] for one in await gate.queries.refusals()]
            async with taking(
                config_for(clickhouse), database(tmp_path)
            ) as gate:  # again, and says so in the table
                wanted = {f"n{n}": "failed" for n in range(1, len(BAD) + 1)}
                await told(clickhouse, **wanted, n97="submitted", n99="submitted")
                assert [one["signal_id"] for one in await gate.queries.refusals()] == refused
        assert len(set(refused)) == len(refused)
        codes: dict[str, set[str]] = {}
        for log in logs:
            if log["event"] == "a signal makes no order":
                codes.setdefault(log["signal"], set()).add(log["code"])
        assert codes == {signal_id(n): {code} for n, (_bad, code) in enumerate(BAD, 1)}
        counted = {said: tallying.messages[name, said] - before[name, said] for name, said in tallying.messages if name == "clickhouse signals"}  # fmt: skip
        assert counted["done"] == 2
        assert counted["dead"] == len(BAD) + len(BAD) - len(refused)  # what the journal has is not told again
        assert counted["replayed"] == len(refused) + 2

    run(main())


async def _counted(before: Any, **wanted: int) -> bool:
    now = tallying.messages
    return all(
        now["clickhouse signals", said] - before["clickhouse signals", said] == n
        for said, n in wanted.items()
    )


async def _looked_again(server: ClickHouse, gate: Gate) -> None:
    """Returns once a row that is put there now has been taken, so that the others were looked at twice."""
    await asyncio.to_thread(put, server, row(98, execution_status="cancelled"), row(97))
    await orders(gate, 97)


def test_a_signal_that_comes_again_makes_no_second_order(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        put(clickhouse, row(1), row(1), row(1, position_size_recommended=0.05))
        async with taking(config_for(clickhouse, write_back=False), database(tmp_path)) as gate:
            await orders(gate, 1)
            await asyncio.to_thread(put, clickhouse, row(1, age_s=1), row(2))
            await orders(gate, 2)
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            await asyncio.to_thread(put, clickhouse, row(1), row(3))
            found = await orders(gate, 3)
            assert sorted(found) == [signal_id(n) for n in (1, 2, 3)]
            assert len(await gate.queries.orders()) == 3

    run(main())


def test_a_row_that_rejects_wins(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        put(
            clickhouse,
            row(1),
            row(1, risk_approval_status="rejected"),
            row(2),
            row(2, execution_status="cancelled"),
        )
        put(clickhouse, row(3, risk_approval_status="pending"), row(3), row(4))
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            assert sorted(await orders(gate, 4)) == [signal_id(3), signal_id(4)]

    run(main())


def test_of_a_table_that_keeps_the_last_row_that_one_counts(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        table = TABLE.replace("ENGINE = MergeTree", "ENGINE = ReplacingMergeTree(version)")
        clickhouse.ask(table.replace("model_version String", "version UInt8"))
        one = {name: value for name, value in row(1).items() if name != "model_version"}
        put(clickhouse, one | {"version": 1})
        put(
            clickhouse, one | {"version": 2, "risk_approval_status": "pending"}
        )  # withdrawn, as far as that goes
        put(clickhouse, one | {"version": 1, "signal_id": signal_id(2)})
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            assert sorted(await orders(gate, 2)) == [signal_id(2)]

    run(main())


def test_more_signals_than_are_read_at_once(
    clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordergate.api.clickhouse.signals._AT_ONCE", 3)

    async def main() -> None:
        clickhouse.ask(TABLE)
        same = row(1)["created_at"]
        put(clickhouse, *(row(n, created_at=same) for n in range(1, 8)), row(8, age_s=5))
        async with taking(config_for(clickhouse, write_back=False), database(tmp_path)) as gate:
            assert len(await orders(gate, *range(1, 9))) == 8

    run(main())


@pytest.mark.slow
def test_the_server_goes_and_comes_back(
    own_clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordergate.api.clickhouse.telling._LONGEST_PAUSE_S", 1.0)
    server = own_clickhouse

    async def main() -> None:
        async with taking(config_for(server), database(tmp_path)) as gate:  # there is no table yet
            with capture_logs() as logs:
                server.ask(TABLE)
                put(server, row(1))
                await orders(gate, 1)
                server.kill()
                await until(lambda: _logged(logs, "no signals can be taken"))
                await asyncio.to_thread(server.start)
                await asyncio.to_thread(put, server, row(2))
                assert len(await orders(gate, 1, 2)) == 2
                for word in ("rubbish", "page", "deaf", "lost"):
                    count = len(logs)
                    server.mode(word)
                    await until(lambda at=count: _logged(logs[at:], "no signals can be taken"))
                    server.mode("well")
                    await until(lambda at=count: _logged(logs[at:], "signals are taken again"))
                await asyncio.to_thread(put, server, row(3))
                assert len(await orders(gate, 1, 2, 3)) == 3
                await told(server, n1="submitted", n2="submitted", n3="submitted")

    run(main())


async def _logged(logs: list[Any], event: str) -> bool:
    return any(log["event"] == event for log in logs)


def test_a_table_that_only_seems_to_be_told_is_told_again(
    clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, mark, times = signals._Done, SignalTable.mark, []

    async def answered_with_rubbish(self: SignalTable, *given: Any) -> None:
        times.append(given)
        if len(times) > 1:
            await mark(self, *given)

    monkeypatch.setattr(signals, "_Done", lambda status, order: done(status, order, pause_s=0.1))
    monkeypatch.setattr(SignalTable, "mark", answered_with_rubbish)

    async def main() -> None:
        clickhouse.ask(TABLE)
        put(clickhouse, row(1))
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            await told(clickhouse, n1="submitted")
            assert len(await gate.queries.orders()) == 1

    run(main())


def test_a_gate_that_restarts_goes_on(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        put(clickhouse, row(1))
        async with taking(config_for(clickhouse, write_back=False), database(tmp_path)) as gate:
            await orders(gate, 1)
        put(clickhouse, row(2))  # meanwhile
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            assert len(await orders(gate, 1, 2)) == 2
            table = await told(clickhouse, n1="submitted", n2="submitted")
            assert table[signal_id(1)][1] == (await orders(gate, 1))[signal_id(1)].order_id

    run(main())


@pytest.mark.slow
def test_one_of_two_nodes_asks(clickhouse: ClickHouse, tmp_path: Path, postgres: Postgres) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        url, config = postgres.database(), config_for(clickhouse)
        async with taking(config, url) as first:
            put(clickhouse, row(1))
            await orders(first, 1)
            async with taking(config, url) as second:
                put(clickhouse, *(row(n) for n in range(2, 6)))
                await orders(first, 1, 2, 3, 4, 5)
                holders = [lease for lease in await first.leases.all() if "clickhouse" in lease.name]
                assert len(holders) == 1
                assert len(await second.queries.orders()) == 5
        async with taking(config, url) as third:
            put(clickhouse, row(6))
            assert len(await orders(third, 6)) == 6

    run(main())


def test_a_table_that_cannot_be_changed_hinders_nothing(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(
            TABLE.replace("trading_signals", "kept").replace(
                "order_id Nullable(String)", "order_id Nullable(UUID)"
            )
        )
        clickhouse.ask("CREATE VIEW trading_signals AS SELECT * FROM kept")
        lines = "\n".join(json.dumps(one) for one in (row(1), row(2)))
        clickhouse.ask(f"INSERT INTO kept FORMAT JSONEachRow\n{lines}")
        with capture_logs() as logs:
            async with taking(config_for(clickhouse), database(tmp_path)) as gate:
                assert len(await orders(gate, 1, 2)) == 2
                await until(lambda: _logged(logs, "what becomes of signals is not written back"))

    run(main())


def test_what_else_a_table_may_say(
    clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordergate.api.clickhouse.telling._LOOKED_S", 0.05)

    async def main() -> None:
        more = "strategy_id LowCardinality(String), fund_id Nullable(String), expires_at Nullable(DateTime), position_size Nullable(Decimal(38, 18))"
        table = TABLE.replace("features_snapshot String", more).replace("signal_id UUID", "signal_id String")
        clickhouse.ask(
            table.replace("signal_timestamp DateTime64(3, 'UTC')", "signal_timestamp Nullable(DateTime)")
        )
        said = {
            "strategy_id": "trend",
            "fund_id": "paper-momentum",
            "position_size": "0.03",
            "signal_timestamp": None,
        }
        strange = "it's \\ {a:String} %s"
        put(
            clickhouse,
            row(1, **said, expires_at="2099-01-01 00:00:00"),
            row(2, **said, expires_at="2020-01-01 00:00:00"),
            row(3, **said, signal_type="close_long", stop_loss=0, take_profit=0) | {"signal_id": strange},
            row(4, strategy_id="trend", signal_timestamp=None, expires_at=None),
        )
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            await until(lambda: _refused(gate, signal_id(2), "signal_expired"))
            found = await orders(gate, 1, 4)
            one = found[signal_id(1)]
            assert (one.strategy_id, one.fund_id, str(one.quantity)) == ("trend", "paper-momentum", "0.03")
            assert one.expires_at is not None
            assert str(found[signal_id(4)].quantity) == "0.01"
            await until(lambda: _is_there(gate, strange))
            now = gate.clock.now()
            bid, ask = Decimal("1.0812"), Decimal("1.0813")
            await gate.set_quote("paper", Quote(symbol="EURUSD", time=now, bid=bid, ask=ask))
            table = await told(clickhouse, n1="filled", n2="failed", n4="filled")
            (order_id,) = [order for signal, (_status, order) in table.items() if "{a:String}" in signal]
            assert order_id == (await gate.queries.orders(signal_id=strange))[0].order_id

    run(main())


async def _refused(gate: Gate, signal: str, code: str) -> bool:
    return any((one["signal_id"], one["code"]) == (signal, code) for one in await gate.queries.refusals())


async def _is_there(gate: Gate, signal: str) -> bool:
    return bool(await gate.queries.orders(signal_id=signal))


def test_shards_are_served_together(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE.replace("features_snapshot String", "fund_id String"))
        put(
            clickhouse,
            *(
                row(n, symbol="AAPL", position_size_recommended=1, fund_id=fund)
                for n, fund in ((1, "alpha"), (2, "beta"))
            ),
        )
        inward = sharded(tmp_path)
        inputs = replace(inward, clickhouse=config_for(clickhouse).clickhouse)
        async with open_shards(inward) as shards, clickhouse_in(inputs, shards):
            for fund, number in (("alpha", 1), ("beta", 2)):
                await until(lambda fund=fund: _of_fund(shards, fund))
                (order,) = await shards.queries.orders(fund_id=fund)
                assert order.signal_id == signal_id(number)
        async with open_shard(inward, "us") as gate:
            with pytest.raises(ConfigError, match="serve all of them in one process"):
                async with clickhouse_in(inputs, gate):
                    pass

    run(main())


async def _of_fund(shards: Any, fund: str) -> Any:
    return await shards.queries.orders(fund_id=fund)


def test_ends_are_told(clickhouse: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ordergate.api.clickhouse.telling._LOOKED_S", 0.05)

    async def main() -> None:
        clickhouse.ask(TABLE)
        put(clickhouse, row(1, entry_price=1.0, stop_loss=0.9))
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            order = (await orders(gate, 1))[signal_id(1)]
            await told(clickhouse, n1="submitted")
            await gate.execute(CancelOrder(order_id=order.order_id))
            await told(clickhouse, n1="cancelled")

    run(main())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"symbol": "ticker"}, "has no column symbol, of type String"),
        ({"position_size_recommended Float64,": ""}, "has neither column position_size nor position_size_recommended"),
        ({"entry_price Float64": "entry_price Array(Float64)"}, "column entry_price is Array(Float64): write one of Float32"),
        ({"signal_timestamp DateTime64(3, 'UTC')": "signal_timestamp String"}, "column signal_timestamp is String"),
        ({"'approved' = 2": "'yes' = 2"}, "and cannot be 'approved'"),
        ({"trading_signals": "others"}, "table trading_signals: is not there"),
    ],
)  # fmt: skip
def test_a_table_that_is_no_such_table(
    clickhouse: ClickHouse, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    async def main() -> None:
        table = TABLE
        for old, new in change.items():
            assert old in table
            table = table.replace(old, new)
        clickhouse.ask(table)
        with capture_logs() as logs:
            async with taking(config_for(clickhouse), database(tmp_path)):
                await until(lambda: _logged(logs, "no signals can be taken"))
        (log,) = [one for one in logs if one["event"] == "no signals can be taken"]
        assert said in log["error"]

    run(main())


def test_what_came_too_late_is_said(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        put(clickhouse, row(1, age_s=3_000), row(2, age_s=4_000), row(3))
        with capture_logs() as logs:
            async with taking(config_for(clickhouse), database(tmp_path)) as gate:
                assert sorted(await orders(gate, 3)) == [signal_id(3)]
                await until(lambda: _logged(logs, "approved signals came too late"))
        (log,) = [one for one in logs if one["event"] == "approved signals came too late"]
        assert log["count"] == 2

    run(main())


@pytest.mark.parametrize(
    ("unwritable", "tells", "said"), [(None, True, 1), (None, False, 0), ("a view", True, 0)]
)
def test_where_nothing_is_written_back_what_came_too_late_is_not_known(
    unwritable: str | None, tells: bool, said: int
) -> None:
    looked = 0

    class Rows:
        async def check(self) -> str | None:
            return unwritable

        async def approved(self, *_given: Any) -> list[Any]:
            nonlocal looked
            looked += 1
            return []

        async def left_behind(self, *_given: Any) -> int:
            return 5

    gate: Any = SimpleNamespace(clock=SystemClock())
    rows: Any = Rows()

    async def main() -> None:
        teller = Teller(gate, rows) if tells else None
        poll = signals.SignalPoll(gate, rows, teller, SignalInputs(take=True, every_ms=50))
        running = asyncio.ensure_future(poll._run())
        while looked < 2:
            await asyncio.sleep(0)
        running.cancel()

    with capture_logs() as logs:
        run(main())
    assert [one["event"] for one in logs] == ["approved signals came too late"] * said


def test_what_was_rejected_hours_ago_is_rejected(clickhouse: ClickHouse, tmp_path: Path) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE)
        put(clickhouse, row(1, age_s=7_200, risk_approval_status="rejected"), row(1))
        put(clickhouse, row(2, age_s=7_200, execution_status="filled"), row(2), row(3))
        async with taking(config_for(clickhouse), database(tmp_path)) as gate:
            assert sorted(await orders(gate, 3)) == [signal_id(3)]

    run(main())


def test_a_row_of_the_future_makes_no_order_and_is_refused_once(
    clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async def main() -> None:
        clickhouse.ask(TABLE.replace("signal_timestamp DateTime64(3, 'UTC'),", ""))

        def bare(one: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in one.items() if name != "signal_timestamp"}

        async def refused(gate: Gate) -> bool:
            return [one["code"] for one in await gate.queries.refusals()] == ["signal_no_order"]

        put(clickhouse, bare(row(1, age_s=-3_600)), bare(row(2, age_s=-3_500, signal_type="hold")))
        put(clickhouse, bare(row(3, age_s=-40, signal_type="hold")))
        for first in (4, 6):  # the gate begins anew, and looks at all of them while it takes two others
            async with taking(config_for(clickhouse, write_back=False), database(tmp_path)) as gate:
                await until(lambda: refused(gate))
                for number in (first, first + 1):
                    await asyncio.to_thread(put, clickhouse, bare(row(number)))
                    await orders(gate, number)
                assert len(await gate.queries.orders()) == first - 2
                assert await refused(gate)

    run(main())


def test_of_two_orders_of_a_signal_the_newer_is_told() -> None:
    """Where an override has made another order of one that was refused."""
    refused = SimpleNamespace(state=State.REJECTED, signal_id=signal_id(1), order_id="ord-1")
    again = SimpleNamespace(state=State.SUBMITTED, signal_id=signal_id(1), order_id="ord-2")

    class Queries:
        async def orders_of_signals(self, **_where: Any) -> list[Any]:
            return [refused, again]

    class Rows:
        async def submitted(self, *_given: Any) -> list[str]:
            return [signal_id(1)]

    gate: Any = SimpleNamespace(clock=SystemClock(), queries=Queries())
    rows: Any = Rows()
    teller = Teller(gate, rows)
    asyncio.run(teller._look_for_ends())
    assert not teller._untold


def test_it_needs_a_server(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[clickhouse.signals]\ntake = true\n")
    with pytest.raises(ConfigError, match="names no server"):
        load(path)

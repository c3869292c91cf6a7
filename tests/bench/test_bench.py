"""Every bench at its smallest: the tables are whole, and the work was really done."""

from contextlib import nullcontext
from pathlib import Path

import pytest
from bench.plan import Plan, tiny
from bench.results import Result, Table

from bench import commits, desk, engine, growth, lifecycles, memory, nats, page, postgres, rest, risk
from tests.services.postgres import NoPostgres, binaries


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return tiny(tmp_path, lambda _what: None)


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Result]:
    """Both need the same run, and it is the longest."""
    plan = tiny(tmp_path_factory.mktemp("traded"), lambda _what: None)
    return plan, lifecycles.measure(plan)


def check_shape(result: Result) -> None:
    assert result.tables
    for table in result.tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
        for row in table.rows:
            assert all(column.show(cell) for column, cell in zip(table.columns, row, strict=True))


def test_lifecycles_close_every_order_and_the_floor_writes_the_same(traded: tuple[Plan, Result]) -> None:
    plan, result = traded
    check_shape(result)
    for in_flight, orders in plan.orders.items():
        written = result.proof[str(in_flight)]
        assert written["closed orders"] == orders + max(plan.warm_up, in_flight)
        assert written["fills"] == written["closed orders"]
        assert written["journal"] >= 2 * written["closed orders"]


def test_orders_are_accepted_whatever_nats_does(plan: Plan) -> None:
    result = nats.measure(plan)
    check_shape(result)
    assert result.proof["accepted"] == 4 * plan.requests // 2


@pytest.mark.slow
def test_lifecycles_on_postgresql(plan: Plan) -> None:
    try:
        binaries()
    except NoPostgres as missing:
        pytest.skip(str(missing))
    result = postgres.measure(plan)
    check_shape(result)
    assert result.proof == {str(in_flight): orders for in_flight, orders in plan.orders.items()}


def test_commits_write_their_rows(plan: Plan) -> None:
    result = commits.measure(plan)
    check_shape(result)
    assert result.proof["rows"] == result.proof["of"] > 0


@pytest.mark.slow
def test_the_engine_makes_two_entries_a_lifecycle_and_leaves_nothing_open(plan: Plan) -> None:
    result = engine.measure(plan)
    check_shape(result)
    assert result.proof["entries"] == result.proof["of"] > 0
    assert result.proof["left open"] == 0


def test_figures_of_work_that_was_not_done_are_not_given(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "fill", desk.acknowledgment)
    with pytest.raises(RuntimeError, match="engine: the work was not done"):
        engine.measure(plan)


def test_rest_gives_no_figures_of_a_door_that_refuses(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_rounds", "_count"):
        monkeypatch.setattr(rest, name, lambda *_given: 10)
    monkeypatch.setattr(rest, "running", lambda *_command, port: nullcontext(port))
    monkeypatch.setattr(rest, "_table", lambda *_given: Table(title="", columns=(), rows=[]))
    monkeypatch.setattr(rest, "_statuses", lambda _runs: {"ordergate": {"202": 9, "409": 1}})
    with pytest.raises(RuntimeError, match="rest: the work was not done"):
        rest.measure(plan)


def test_growth_measures_beside_as_much_as_it_says(plan: Plan) -> None:
    result = growth.measure(plan)
    check_shape(result)
    measured = (1 + plan.rounds) * plan.beside
    assert result.proof["open orders"] == [[size, size] for size in plan.sizes]
    # What was measured beside a smaller size is there beside the larger one too.
    finished = [[size, size + number * measured] for number, size in enumerate(plan.sizes)]
    assert result.proof["finished orders"] == finished
    for size, counted in result.proof["open positions"]:
        assert counted >= size


def test_memory_is_watched_over_events_that_happened(plan: Plan) -> None:
    result = memory.measure(plan)
    check_shape(result)
    assert result.proof["journal"] >= plan.events
    assert "per 100,000 events, bytes" in result.proof


@pytest.mark.slow
def test_rest_takes_every_order_and_the_echo_answers_the_same(plan: Plan) -> None:
    result = rest.measure(plan)
    check_shape(result)
    requests = plan.requests * len(plan.connections)
    assert result.proof["statuses"] == {
        name: {"202": plan.rounds * requests} for name in ("ordergate", "bare echo")
    }
    assert result.proof["orders"] == result.proof["sent"] == (1 + plan.rounds) * requests


def test_the_page_has_every_table_and_the_published_figures_beside_ours(traded: tuple[Plan, Result]) -> None:
    plan, rates = traded
    results = [rates, commits.measure(plan)]
    written = page.page(results, plan)
    for result in results:
        for table in result.tables:
            assert f"### {table.title}" in written
            assert all(column.heading in written for column in table.columns)
    assert "14,241" in written
    assert "3,632" in written
    assert str(plan.folder) not in written


@pytest.mark.slow
def test_the_gate_lets_every_order_through(plan: Plan) -> None:
    result = risk.measure(plan)
    check_shape(result)
    assert result.proof["entries"] == result.proof["of"] > 0

"""What the risk gate costs: beside a lifecycle of the pure engine, and for one order beside many."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec.structs import replace

from bench.desk import START, Desk, fill
from bench.engine import BATCH
from bench.gates import Venue
from bench.lifecycles import run_lifecycles
from bench.orders import ASK, BID, RICH, order
from bench.plan import Plan
from bench.results import Column, Result, Table, check, median, percentile
from bench.stopwatch import Spent, stopwatch
from bench.traffic import Traffic
from ordergate.application.engine import Input
from ordergate.config import DEFAULT_FUND, Config, FundSection, InstrumentSection
from ordergate.config.limits import LimitSections
from ordergate.domain.instruments import AssetClass, Unit
from ordergate.domain.market import Quote
from ordergate.domain.risk.limits import Limits

NAME = "risk"
_WORTH: Final = Decimal(10) ** 12
EVERY: Final = replace(
    RICH.funds[DEFAULT_FUND],
    max_order_qty=Decimal(1_000),
    price_collar_pct=Decimal("0.5"),
    max_leverage=Decimal(30),
    max_gross_exposure_pct=Decimal(30),
    max_net_exposure_pct=Decimal(30),
    max_position_pct=Decimal(30),
    max_position_usd=_WORTH,
    max_position_qty=Decimal(10_000_000),
    max_asset_class_pct=Decimal(30),
    max_sector_pct=Decimal(30),
    max_country_pct=Decimal(30),
    max_daily_volume_qty=Decimal(10_000_000),
    max_daily_volume_usd=_WORTH,
    max_orders_per_s=1_000_000,
    max_messages_per_s=1_000_000,
    duplicate_window_s=0,
)
"""Every limit that a fund can have; none of them refuses."""

_OPEN: Final = 10_000
_POSITIONS: Final = 1_000


def measure(plan: Plan) -> Result:
    """Measures both."""
    proof = {"entries": 0, "of": 0, "refused": 0}
    tables = [_beside_a_lifecycle(plan, proof), _durable(plan), _beside_many(plan, proof)]
    done = proof["entries"] == proof["of"] and not proof["refused"]
    return check(Result(name=NAME, tables=tables, proof=proof), done=done)


def config_with(limits: Limits | None) -> Config:
    """The built-in fund with those limits, or with none."""
    if limits is None:
        return Config(funds={DEFAULT_FUND: FundSection(unlimited=True)})
    return Config(limits=LimitSections(funds={DEFAULT_FUND: limits}))


_WAYS: Final[dict[str, Limits | None]] = {
    "no limits": None,
    "the built-in fund's": RICH.funds[DEFAULT_FUND],
    "every limit": EVERY,
}


def _beside_a_lifecycle(plan: Plan, proof: dict[str, int]) -> Table:
    batches = 4 if plan.rounds == 1 else 100
    spent: dict[str, list[Spent]] = {name: [] for name in _WAYS}
    for number in range(plan.rounds):
        for name, limits in _WAYS.items():
            plan.say(f"risk gate, round {number + 1} of {plan.rounds}, {name}")
            desk = Desk.without_store(config_with(limits))
            desk.engine.take_quote(Quote("EURUSD", START, BID, ASK, pinned=True))
            _run(desk, 0, 2)
            before = desk.engine.size
            with stopwatch() as one:
                _run(desk, 2, batches)
            spent[name].append(one)
            proof["entries"] += desk.engine.size - before
            proof["of"] += 2 * batches * BATCH
    orders = batches * BATCH
    cpu = {name: median([one.cpu_s for one in runs]) / orders * 1e6 for name, runs in spent.items()}
    return Table(
        title="Pure engine: what the gate adds to a lifecycle",
        columns=[Column("limits"), Column("CPU us each", ",.1f"), Column("to no limits", ".2f")],
        rows=[[name, each, each / cpu["no limits"]] for name, each in cpu.items()],
        notes=["Submit and fill without a store, as bytes of their entries; the decision stands in them."],
    )


def _durable(plan: Plan) -> Table:
    in_flight = 100 if 100 in plan.orders else max(plan.orders)
    runs: dict[str, list[Traffic]] = {name: [] for name in _WAYS}
    for number in range(plan.rounds):
        for name, limits in _WAYS.items():
            plan.say(f"durable lifecycles, round {number + 1} of {plan.rounds}, {name}")
            with TemporaryDirectory(dir=plan.folder, prefix="bench-") as folder:
                lifecycles = run_lifecycles(
                    Path(folder) / "risk.db", plan, in_flight, Venue.DURABLE, config=config_with(limits)
                )
                runs[name].append(asyncio.run(lifecycles))
    orders = plan.orders[in_flight]
    cpu = {name: median([run.spent.cpu_s for run in of]) / orders * 1e6 for name, of in runs.items()}
    wall = {name: median([run.spent.wall_s for run in of]) for name, of in runs.items()}
    return Table(
        title="Durable lifecycles: what the gate adds to one",
        columns=[
            Column("limits"),
            Column("lifecycles/s", ",.0f"),
            Column("CPU us each", ",.0f"),
            Column("CPU to no limits", ".2f"),
        ],
        rows=[[name, orders / wall[name], each, each / cpu["no limits"]] for name, each in cpu.items()],
        notes=[
            f"As in the durable lifecycles above, {in_flight} in flight, with the venue in the same process."
        ],
    )


def _run(desk: Desk, first: int, batches: int) -> None:
    for start in range(first * BATCH, (first + batches) * BATCH, BATCH):
        for make in (order, fill):
            desk.step([make(number) for number in range(start, start + BATCH)])
            desk.engine.state.settle()


def _beside_many(plan: Plan, proof: dict[str, int]) -> Table:
    open_orders, positions = (_OPEN, _POSITIONS) if plan.rounds > 1 else (200, 50)
    plan.say(f"risk gate beside {open_orders:,} open orders and {positions:,} positions")
    config = _wide(positions)
    desk = Desk.without_store(config)
    state = desk.engine.state
    for number in range(positions):
        symbol = _symbol(number)
        desk.engine.take_quote(Quote(symbol, START, BID, ASK, pinned=True))
        desk.step([order(2 * number, symbol), replace(fill(number), client_id=f"desk-{number:08}.1")])
        state.settle()
    for number in range(positions, positions + open_orders):
        desk.step([order(2 * number, _symbol(number % positions))])
        state.settle()
    took, asked = [], 1_000 if plan.rounds > 1 else 50
    for number in range(asked):
        given = order(2 * (positions + open_orders + number), _symbol(number % positions))
        took.append(_took(desk, given, proof))
    return Table(
        title="One order through the gate, with every limit",
        columns=[
            Column("open orders", ",.0f"),
            Column("positions", ",.0f"),
            Column("p50 us", ",.0f"),
            Column("p99 us", ",.0f"),
        ],
        rows=[[open_orders, positions, percentile(took, 0.5) * 1e6, percentile(took, 0.99) * 1e6]],
        notes=[
            "From the command to the bytes of its entry; a new quote of another symbol comes before each."
        ],
    )


def _took(desk: Desk, given: Input, proof: dict[str, int]) -> float:
    desk.engine.take_quote(Quote(_symbol(0), START, BID, ASK, pinned=True))
    begun = time.perf_counter()
    desk.step([given])
    took = time.perf_counter() - begun
    made = desk.engine.state.orders.get(f"desk-{desk.orders - 1:08}")
    proof["refused"] += made is None or made.reason_code is not None
    desk.engine.state.settle()
    return took


def _symbol(number: int) -> str:
    return f"SYM-{number}"


def _wide(symbols: int) -> Config:
    section = InstrumentSection(
        asset_class=AssetClass.FX,
        unit=Unit.LOTS,
        tick=Decimal("0.00001"),
        lot_step=Decimal("0.01"),
        currency="USD",
    )
    return replace(config_with(EVERY), instruments={_symbol(number): section for number in range(symbols)})

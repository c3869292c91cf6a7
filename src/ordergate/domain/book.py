"""Everything that ordergate knows, as tables in memory with undo.

Rows are frozen values. Every write is noted, so a step that fails is undone, and a commit knows which rows
changed. Memory holds what can still change; what has ended is forgotten after the commit and read again from
the store when a report or a command names it.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from operator import attrgetter
from typing import Any, Generic, TypeVar

from msgspec import Struct

from ordergate.domain.breaks import Break, ReportedBreaks
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.moves import Move
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.open_orders import OpenOrders
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.states import TERMINAL
from ordergate.domain.positions.ledger import Balance
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.open_lots import OpenLots
from ordergate.domain.positions.position import Position, StrategyPosition
from ordergate.domain.recon.holding import AccountHolding
from ordergate.domain.risk.account import Account, Volume
from ordergate.domain.risk.exposure import Exposures
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import LimitSet, Scope
from ordergate.domain.risk.override import Override
from ordergate.domain.risk.throttles import Traffic


class Key(Struct, frozen=True, gc=False, kw_only=True):
    """Which order a caller's key stands for, in a scope of fund and kind of key."""

    fund_id: str
    kind: str
    key: str
    order_id: str
    fingerprint: str
    expires_at: datetime | None = None


class Refusal(Struct, frozen=True, gc=False, kw_only=True):
    """A signal that became no order; `number` is the index of its journal entry."""

    number: int
    signal_id: str
    symbol: str
    code: str
    reason: str
    refused_at: datetime
    fund_id: str | None = None


class Strategy(Struct, frozen=True, gc=False, kw_only=True):
    """How often a strategy has run since a person enabled it.

    Attributes:
        seen_at: its last sign of life; kept while its limits state how long it may be silent.
    """

    strategy_id: str
    runs: int = 0
    enabled_at: datetime | None = None
    enabled_by: str | None = None
    seen_at: datetime | None = None


class Session(Struct, frozen=True, gc=False, kw_only=True):
    """A broker's session.

    Attributes:
        epoch: raised each time it is opened.
        cursor: place in the broker's stream up to which its reports are in the journal.
    """

    broker: str
    epoch: int
    cursor: str | None = None


Row = TypeVar("Row", bound=Struct)
Undo = list[tuple["Table[Any]", Any, Any]]


class Table(Generic[Row]):
    """Rows by key; `get` gives the row of a key or None, writes go through `put`.

    Args:
        name: of the table in the store.
        key: the names of the columns that make a row's key; a tuple where there are several.
        keeps: whether a row stays in memory after its commit; None where every row does.
        changed: is told of every row as it was and is (None: not there).
    """

    __slots__ = ("_log", "changed", "get", "keeps", "key", "name", "row_type", "rows")

    def __init__(
        self,
        name: str,
        row_type: type[Row],
        log: Undo,
        key: tuple[str, ...],
        keeps: Callable[[Row], bool] | None,
        changed: Callable[[Row | None, Row | None], None] | None = None,
    ) -> None:
        self.name, self.row_type, self.keeps, self._log, self.changed = name, row_type, keeps, log, changed
        self.key: Callable[[Row], Any] = attrgetter(*key)
        self.rows: dict[Any, Row] = {}
        self.get: Callable[[Any], Row | None] = self.rows.get

    def put(self, row: Row) -> None:
        """Writes a row."""
        key = self.key(row)
        before = self.rows.get(key)
        self._log.append((self, key, before))
        self.rows[key] = row
        if self.changed is not None:
            self.changed(before, row)

    def load(self, row: Row) -> None:
        """Takes a row that is in the store already."""
        key = self.key(row)
        if key not in self.rows:
            self.rows[key] = row
            if self.changed is not None:
                self.changed(None, row)


def _never(_row: Struct) -> bool:
    return False


class Book:
    """All tables. `tables` lists those that are projections of the journal, in the order of the schema.

    Attributes:
        exposures: what funds may come to hold, kept as orders and positions change.
        open_orders: which of them may close a position, and which a halt would cancel.
        traffic: what was asked for within the last seconds.
        reported: what reports have raised breaks for.
        stated: the names of the limits of each scope that has any.
    """

    def __init__(self) -> None:
        log: Undo = []
        self._log = log
        self.funds = Table("funds", Fund, log, ("fund_id",), None)
        self.instruments = Table("instruments", Instrument, log, ("symbol",), None)
        self.sessions = Table("sessions", Session, log, ("broker",), None)
        self.exposures, self.traffic = Exposures(self.instruments.get), Traffic()
        self.open_orders = OpenOrders()
        self.orders = Table(
            "orders", Order, log, ("order_id",), lambda r: r.state not in TERMINAL, self._order_changed,
        )  # fmt: skip
        self.fills = Table("fills", Fill, log, ("order_id", "exec_id"), None)
        self.positions = Table(
            "positions", Position, log, ("fund_id", "symbol"), lambda r: bool(r.quantity),
            self.exposures.position_changed,
        )  # fmt: skip
        self._open_lots = OpenLots()
        self.lots = Table(
            "lots", Lot, log, ("fund_id", "symbol", "number"), lambda r: bool(r.remaining),
            self._open_lots.lot_changed,
        )  # fmt: skip
        self.balances = Table("balances", Balance, log, ("fund_id", "position_key"), None)
        self.keys = Table("keys", Key, log, ("fund_id", "kind", "key"), _never)
        self.reported = ReportedBreaks()
        self.breaks = Table(
            "breaks", Break, log, ("break_id",), lambda r: r.is_watched, self.reported.break_changed
        )
        self.refusals = Table("refusals", Refusal, log, ("number",), _never)
        self.moves = Table("moves", Move, log, ("fund_id",), None)
        self.stated: dict[Scope, frozenset[str]] = {}
        self.limits = Table("limits", LimitSet, log, ("level", "name"), None, self._limits_changed)
        self.halts = Table("halts", Halt, log, ("level", "name"), None)
        self.strategies = Table("strategies", Strategy, log, ("strategy_id",), None)
        self.accounts = Table("accounts", Account, log, ("fund_id",), None)
        self.volumes = Table("volumes", Volume, log, ("fund_id", "symbol"), None)
        self.overrides = Table("overrides", Override, log, ("order_id",), None)
        self.strategy_positions = Table(
            "strategy_positions", StrategyPosition, log, ("fund_id", "symbol", "strategy_id"),
            lambda r: bool(r.quantity), self.exposures.strategy_position_changed,
        )  # fmt: skip
        holding = ("broker", "kind", "name")
        self.account_holdings = Table("account_holdings", AccountHolding, log, holding, None)
        self.tables: tuple[Table[Any], ...] = (
            self.funds, self.instruments, self.sessions, self.orders, self.fills, self.positions, self.lots,
            self.balances, self.keys, self.breaks, self.refusals, self.moves, self.limits, self.halts,
            self.strategies, self.accounts, self.volumes, self.overrides, self.strategy_positions,
            self.account_holdings,
        )  # fmt: skip
        self.order_by_broker_id: dict[tuple[str, str], str] = {}
        self._executions: dict[str, dict[str, None]] = {}

    def _order_changed(self, before: Order | None, after: Order | None) -> None:
        self.exposures.order_changed(before, after)
        self.open_orders.order_changed(before, after)

    def _limits_changed(self, before: LimitSet | None, after: LimitSet | None) -> None:
        if after is not None:
            self.stated[after.scope] = after.stated
        elif before is not None:
            self.stated.pop(before.scope, None)

    def mark(self) -> tuple[int, int]:
        """A point to undo to."""
        return len(self._log), self.traffic.mark()

    def undo(self, mark: tuple[int, int] = (0, 0)) -> None:
        """Back to a point."""
        log = self._log
        self.traffic.undo(mark[1])
        while len(log) > mark[0]:
            table, key, old = log.pop()
            undone = table.rows.get(key)
            if old is None:
                table.rows.pop(key, None)
            else:
                table.rows[key] = old
            if table.changed is not None:
                table.changed(undone, old)
            self._reindex(undone, old)

    def _reindex(self, undone: Struct | None, old: Struct | None) -> None:
        if isinstance(undone, Order):
            self._unindex(undone)
        if isinstance(old, Order) and old.broker_order_id is not None:
            self.order_by_broker_id[old.broker, old.broker_order_id] = old.order_id
        if isinstance(undone, Fill) and old is None:
            self._executions[undone.order_id].pop(undone.exec_id)

    def changed(self) -> Iterator[tuple[str, list[Struct], list[Struct | None]]]:
        """Per table, the rows written since the last `settle`, each once: as they are, and as they were."""
        for table, before in self._touched().items():
            yield table.name, [table.rows[key] for key in before], list(before.values())

    def settle(self) -> None:
        """What was written is in the store: forget the undo, and what has ended."""
        touched = self._touched()
        self._log.clear()
        self.traffic.settle()
        for table, keys in touched.items():
            if table.keeps is not None:
                self._forget_ended(table, keys)

    def _touched(self) -> dict[Table[Any], dict[Any, Struct | None]]:
        """Per table, the keys written since the last `settle`, and each row as it was then."""
        touched: dict[Table[Any], dict[Any, Struct | None]] = {}
        for table, key, old in self._log:
            before = touched.get(table)
            if before is None:
                touched[table] = {key: old}
            elif key not in before:
                before[key] = old
        return touched

    def release(self, loaded: Iterable[tuple[Table[Any], Any]]) -> None:
        """Drops what was read back for one batch and can change no more."""
        for table, key in loaded:
            self._forget_ended(table, (key,))

    def _forget_ended(self, table: Table[Any], keys: Iterable[Any]) -> None:
        rows, keeps = table.rows, table.keeps
        for key in keys:
            row = rows.get(key)
            if row is not None and keeps is not None and not keeps(row):
                del rows[key]
                if table is self.orders:
                    self._forget_executions(row)

    def _forget_executions(self, order: Order) -> None:
        for exec_id in self._executions.pop(order.order_id, ()):
            self.fills.rows.pop((order.order_id, exec_id), None)
        self._unindex(order)

    def forget_position(self, key: tuple[str, str]) -> None:
        """Drops a position, its lots and what strategies have of it, to be loaded anew."""
        position = self.positions.rows.pop(key, None)
        if position is not None:
            self.exposures.position_changed(position, None)
            for number in tuple(self._open_lots.numbers(key)):
                self._open_lots.lot_changed(self.lots.rows.pop((*key, number)), None)
        of_strategies = self.strategy_positions.rows
        for row in [row for row in of_strategies.values() if (row.fund_id, row.symbol) == key]:
            del of_strategies[row.key]
            self.exposures.strategy_position_changed(row, None)

    def put_order(self, order: Order) -> None:
        """Writes an order and keeps the index by broker id."""
        before = self.orders.get(order.order_id)
        self.orders.put(order)
        if before is not None and before.broker_order_id != order.broker_order_id:
            self._unindex(before)
        if order.broker_order_id is not None:
            self.order_by_broker_id[order.broker, order.broker_order_id] = order.order_id

    def _unindex(self, order: Order) -> None:
        """Drops an order's broker id from the index, unless it names another order by now."""
        key = (order.broker, order.broker_order_id or "")
        if self.order_by_broker_id.get(key) == order.order_id:
            del self.order_by_broker_id[key]

    def put_fill(self, fill: Fill) -> None:
        """Writes an execution."""
        self._executions.setdefault(fill.order_id, {})[fill.exec_id] = None
        self.fills.put(fill)

    def load_order(self, order: Order, fills: list[Fill]) -> None:
        """Takes an order with all its executions from the store."""
        self.orders.load(order)
        if order.broker_order_id is not None:
            self.order_by_broker_id[order.broker, order.broker_order_id] = order.order_id
        for fill in fills:
            self._executions.setdefault(fill.order_id, {})[fill.exec_id] = None
            self.fills.load(fill)

    def order_executions(self, order_id: str) -> Iterator[Fill]:
        """The executions of an order that is in memory."""
        return (self.fills.rows[order_id, exec_id] for exec_id in self._executions.get(order_id, ())
                if (order_id, exec_id) in self.fills.rows)  # fmt: skip

    def execution_count(self, order_id: str) -> int:
        """How many executions are known of an order that is in memory."""
        return len(self._executions.get(order_id, ()))

    def open_lots(self, position: Position) -> Iterator[Lot]:
        """The open lots of a position, oldest first."""
        fund_id, symbol = position.fund_id, position.symbol
        for number in self._open_lots.numbers((fund_id, symbol)):
            yield self.lots.rows[fund_id, symbol, number]

    def oldest_open(self, position: Position) -> int:
        """The number below which no lot of a position is open."""
        numbers = self._open_lots.numbers((position.fund_id, position.symbol))
        return numbers[0] if numbers else position.lot_count + 1

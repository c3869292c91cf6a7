"""The tables: each column with its type, its meaning, and how it is made of a row of ours.

Rows are never changed in ClickHouse: each write adds one with the journal's index of its moment. `orders`, `executions`
and `positions` are views that show of each key the row of the highest index (ReplacingMergeTree under FINAL), so that
every client's plain SELECT is right, however often a row was written. Whoever counts `orders_versions` counts versions.
"""

from collections.abc import Callable
from typing import Any, Final

from ordergate.adapters.outlets.clickhouse import values as v
from ordergate.adapters.outlets.clickhouse.columns import Column, OrderFacts, Table
from ordergate.adapters.outlets.nats.messages import ORDERS
from ordergate.domain.orders.states import State
from ordergate.domain.positions.position import Position
from ordergate.domain.slippage import arrival_mid


def _of(path: str) -> Callable[[Any], Any]:
    """Reads an attribute of an attribute."""
    first, second = path.split(".")
    return lambda facts: getattr(getattr(facts, first), second)


def _plain(prefix: str, *columns: tuple[str, str, str]) -> tuple[Column, ...]:
    """Columns that are attributes of ours under the same name."""
    return tuple(Column(name, type_, meaning, _of(f"{prefix}.{name}")) for name, type_, meaning in columns)


def _ended_as(state: State, name: str) -> Callable[[OrderFacts], Any]:
    return lambda facts: getattr(facts.order, name) if facts.order.state is state else None


def _canceled_at(facts: OrderFacts) -> Any:
    return facts.order.ended_at if facts.order.state in (State.CANCELED, State.EXPIRED) else None


def _slip(unit: str, benchmark: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda facts: getattr(facts.slippage(benchmark(facts)), unit)


def _slippages(what: str) -> tuple[Column, ...]:
    """Against each benchmark, in pips and basis points; above zero is adverse."""
    benchmarks: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
        ("", "the mid when the order was created", lambda facts: arrival_mid(facts.order)),
        ("entry_", "the signal's entry price", lambda facts: facts.order.entry_price),
        ("limit_", "the order's limit", lambda facts: facts.order.limit_price),
    )
    return tuple(
        Column(
            f"{prefix}slippage_{unit}",
            v.SLIPPAGE,
            f"of the {what} against {said}, in {words}; above zero is adverse",
            _slip(unit, of),
        )
        for prefix, said, of in benchmarks
        for unit, words in (("pips", "pips (NULL where the instrument has none)"), ("bps", "basis points"))
    )


ORDERS_TABLE: Final = Table(
    "orders",
    "Each order as it stands.",
    ("created_at", "log", "order_id"),
    (
        *_plain(
            "order",
            ("order_id", v.TEXT, "never changes"),
            ("signal_id", v.MAYBE_TEXT, "of the signal that it was made of"),
            ("fund_id", v.WORD, "the fund"),
            ("strategy_id", v.MAYBE_WORD, "the strategy"),
            ("symbol", v.WORD, "the instrument"),
            ("order_type", v.WORD, "`market`, `limit`, `stop`, `stop_limit`"),
            ("side", v.WORD, "`buy`, `sell`, `short`, `cover`"),
        ),
        Column("time_in_force", v.WORD, "`day`, `gtc`, `gtd`, `ioc`, `fok`, `opg`", _of("order.tif")),
        Column(
            "state",
            v.WORD,
            "`PENDING`, `SUBMITTED`, `PARTIALLY_FILLED`, `FILLED`, `CANCELLED` (expired, too), `REJECTED`, `FAILED`",
            lambda facts: ORDERS[facts.order.state],
        ),
        Column(
            "order_status",
            v.WORD,
            "the same in lower case",
            lambda facts: ORDERS[facts.order.state].value.lower(),
        ),
        Column("order_state", v.WORD, "ordergate's own word, such as `CLOSED`", _of("order.state")),
        *_plain(
            "order",
            ("quantity", v.NUMBER, "in the instrument's unit"),
            ("cash_quantity", v.NUMBER, "in the instrument's currency, where it was ordered so"),
        ),
        Column("price", v.NUMBER, "the limit", _of("order.limit_price")),
        *_plain(
            "order",
            ("stop_price", v.NUMBER, "where a stop is triggered"),
            ("entry_price", v.NUMBER, "the signal's"),
            ("stop_loss", v.NUMBER, "the signal's"),
            ("take_profit", v.NUMBER, "the signal's"),
        ),
        Column("arrival_price", v.NUMBER, "the mid when it was created", lambda f: arrival_mid(f.order)),
        Column(
            "fill_price",
            v.NUMBER,
            "the average of its executions that count, to 10 places",
            _of("order.average_price"),
        ),
        Column("average_fill_price", v.NUMBER, "the same", _of("order.average_price")),
        *_plain(
            "order",
            ("filled_quantity", v.NUMBER, "of its executions that count"),
            ("filled_value", v.PRODUCT, "the sum of quantity x price over them"),
            ("leaves_quantity", v.NUMBER, "what can still be filled"),
        ),
        *_slippages("average price"),
        *_plain(
            "order",
            ("broker", v.WORD, "the broker"),
            ("broker_order_id", v.MAYBE_TEXT, "the broker's id"),
            ("created_at", v.TIME, "when it came into being"),
            ("updated_at", v.TIME, "when it last changed"),
            ("accepted_at", v.MAYBE_TIME, "when the risk gate let it pass"),
            ("submitted_at", v.MAYBE_TIME, "when it was sent"),
            ("acknowledged_at", v.MAYBE_TIME, "when the broker had it"),
            ("filled_at", v.MAYBE_TIME, "when it was filled, whole"),
        ),
        Column("cancelled_at", v.MAYBE_TIME, "when it was canceled, or expired", _canceled_at),
        *_plain(
            "order",
            ("ended_at", v.MAYBE_TIME, "when nothing more could happen to it"),
            ("expires_at", v.MAYBE_TIME, "until when it may work"),
            ("reason_code", v.MAYBE_WORD, "why it ended unfilled"),
        ),
        Column("rejection_reason", v.MAYBE_TEXT, "why it was rejected", _ended_as(State.REJECTED, "reason")),
        Column("error_message", v.MAYBE_TEXT, "why it failed", _ended_as(State.FAILED, "reason")),
        *_plain(
            "order",
            ("actor", v.MAYBE_WORD, "who wanted it"),
            ("retry_of", v.MAYBE_TEXT, "the rejected order that it is tried for again"),
            (
                "parent_order_id",
                v.MAYBE_TEXT,
                "the entry whose fills it protects, or the parent that it is a slice of",
            ),
            ("version", v.COUNT, "counts its changes"),
        ),
    ),
)

EXECUTIONS_TABLE: Final = Table(
    "executions",
    "Each execution that counts: what a broker has busted is gone, what it has corrected is there as corrected. "
    "`executions_versions FINAL` has all.",
    ("log", "order_id", "exec_id"),
    (
        Column("execution_id", v.TEXT, "ours", _of("fill.fill_id")),
        *_plain(
            "fill",
            ("order_id", v.TEXT, "its order"),
            ("exec_id", v.TEXT, "the broker's id"),
            ("fund_id", v.WORD, "the fund"),
        ),
        Column("strategy_id", v.MAYBE_WORD, "the order's", _of("order.strategy_id")),
        Column("signal_id", v.MAYBE_TEXT, "the order's", _of("order.signal_id")),
        *_plain(
            "fill",
            ("symbol", v.WORD, "the instrument"),
            ("side", v.WORD, "`buy`, `sell`, `short`, `cover`"),
            ("broker", v.WORD, "the broker"),
            ("kind", v.WORD, "`trade`, `correct`, `bust`"),
        ),
        Column("fill_quantity", v.NUMBER, "in the instrument's unit", _of("fill.quantity")),
        Column("fill_price", v.NUMBER, "in the instrument's currency", _of("fill.price")),
        Column("commission", v.NUMBER, "paid is above zero", _of("fill.fee")),
        Column("commission_currency", v.MAYBE_WORD, "of the commission", _of("fill.fee_currency")),
        Column(
            "slippage",
            v.SLIPPAGE,
            "the same as `slippage_pips`",
            lambda facts: facts.slippage(arrival_mid(facts.order)).pips,
        ),
        *_slippages("price"),
        Column("execution_timestamp", v.TIME, "the broker's", _of("fill.time")),
        *_plain(
            "fill",
            ("booked_at", v.TIME, "when it was booked"),
            ("late", v.FLAG, "whether it came after its order's end"),
            ("refers_to", v.MAYBE_TEXT, "`exec_id` of what it corrects or busts"),
            ("superseded_by", v.MAYBE_TEXT, "`exec_id` of what speaks in its place"),
            ("counts", v.FLAG, "whether it is part of the order's filled quantity; always, in the view"),
        ),
    ),
    shown="counts",
)


def _held(position: Position) -> str:
    return "flat" if not position.quantity else "long" if position.quantity > 0 else "short"


def _commission(position: Position) -> Any:
    return position.fees[0][1] if len(position.fees) == 1 else None


POSITIONS_TABLE: Final = Table(
    "positions",
    "What each fund holds of each symbol, one row a journal. Where a fund has moved elsewhere, its row in the old "
    "one is flat, with the profit made there.",
    ("log", "fund_id", "symbol"),
    (
        *_plain("position", ("fund_id", v.WORD, "the fund"), ("symbol", v.WORD, "the instrument")),
        Column("side", v.WORD, "`long`, `short`, `flat`", lambda facts: _held(facts.position)),
        Column(
            "position_status",
            v.WORD,
            "`open`, `closed`",
            lambda facts: "open" if facts.position.quantity else "closed",
        ),
        *_plain("position", ("quantity", v.NUMBER, "signed, in the instrument's unit; below zero is short")),
        Column(
            "entry_price",
            v.NUMBER,
            "average of what is open, to 10 places; NULL when flat",
            lambda facts: facts.position.average_price(facts.instrument.contract_size),
        ),
        *_plain("position", ("cost", v.PRODUCT, "signed, of what is open")),
        Column("currency", v.WORD, "of prices, cost and profit", _of("instrument.currency")),
        *_plain(
            "position",
            ("realized_pnl", v.PRODUCT, "fees apart"),
            ("fees", v.FEES, "paid, by currency"),
        ),
        Column(
            "commission_total",
            v.PRODUCT,
            "of `fees`, where they are of one currency",
            lambda facts: _commission(facts.position),
        ),
        Column(
            "opened_at",
            v.MAYBE_TIME,
            "when the oldest open lot was opened",
            lambda facts: None if facts.oldest is None else facts.oldest.opened_at,
        ),
        *_plain("position", ("updated_at", v.TIME, "when it last changed")),
    ),
)

TABLES: Final = (ORDERS_TABLE, EXECUTIONS_TABLE, POSITIONS_TABLE)

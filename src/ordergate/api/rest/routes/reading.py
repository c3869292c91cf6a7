"""Lists, and the journal as it grows."""

from typing import Final

from ordergate.api.rest import answers, lists, stream
from ordergate.api.rest import examples as x
from ordergate.api.rest.operation import Answer, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.orders.states import State

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/v1/orders",
        id="listOrders",
        tag="orders",
        title="List orders",
        meaning="In the order of their ids; those that ordergate names sort by time.",
        handler=lists.orders,
        parameters=(
            s.FUND,
            s.SYMBOL,
            Parameter(
                name="state",
                place="query",
                meaning="In this state.",
                schema={"type": "string", "enum": list(State)},
                example="SUBMITTED",
            ),
            Parameter(
                name="strategy_id",
                place="query",
                meaning="Of this strategy.",
                schema=s.TEXT,
                example="momentum_v1",
            ),
            Parameter(
                name="order_manager",
                place="query",
                meaning="Of this order manager.",
                schema=s.TEXT,
                example="rebalance-2026-05-26",
            ),
            Parameter(
                name="parent_order_id",
                place="query",
                meaning="The slices of this parent, or the stops that protect this entry.",
                schema=s.TEXT,
                example="ord-abc",
            ),
            s.OF_SHARD,
            *s.PAGE,
        ),
        answers=(
            Answer(
                status=200,
                meaning="A page.",
                model=answers.Orders,
                example={"items": [x.ORDER], "next_page_token": None},
            ),
        ),
        problems=s.LISTING,
    ),
    Operation(
        method="GET",
        path="/v1/fills",
        id="listFills",
        tag="books",
        title="List fills",
        meaning="Executions that count, with their slippage, in the order of order and execution id.",
        handler=lists.fills,
        parameters=(s.FUND, s.SYMBOL, s.OF_SHARD, *s.PAGE),
        answers=(
            Answer(
                status=200,
                meaning="A page.",
                model=answers.Fills,
                example={"items": [x.FILL], "next_page_token": None},
            ),
        ),
        problems=s.LISTING,
    ),
    Operation(
        method="GET",
        path="/v1/positions",
        id="listPositions",
        tag="books",
        title="List positions",
        meaning="With their open lots, and unrealized P&L at the last quote.",
        handler=lists.positions,
        parameters=(s.FUND, s.SYMBOL, s.OF_SHARD, *s.PAGE),
        answers=(
            Answer(
                status=200,
                meaning="A page.",
                model=answers.Positions,
                example={"items": [x.POSITION], "next_page_token": None},
            ),
        ),
        problems=s.LISTING,
    ),
    Operation(
        method="GET",
        path="/v1/events",
        id="streamEvents",
        tag="events",
        title="Follow the journal",
        meaning="Server-sent events: `id` is the entry's index, `event` its kind, `data` the entry as stored. "
        "Last-Event-ID "
        "(or `after`) goes on with the next index; without either the stream begins with what comes from now "
        "on. A comment every 15 seconds keeps it alive.",
        handler=stream.events,
        parameters=(
            Parameter(
                name="Last-Event-ID",
                place="header",
                meaning="The last index that you have; -1 for none.",
                schema={"type": "string", "pattern": "^(-1|[0-9]{1,18})$"},
                example="41",
            ),
            Parameter(
                name="after",
                place="query",
                meaning="The same, where no header can be sent.",
                schema={"type": "integer", "minimum": -1, "maximum": 10**18 - 1},
                example=41,
            ),
            Parameter(
                name="fund",
                place="query",
                meaning="Of this fund: its orders, their breaks, its refused signals, its limits and halts, itself.",
                schema=s.TEXT,
                example="paper-momentum",
            ),
            Parameter(
                name="order", place="query", meaning="Of this order.", schema=s.TEXT, example="ord-abc"
            ),
            Parameter(
                name="kind",
                place="query",
                meaning="Of this kind; may be repeated.",
                schema={"type": "array", "items": s.TEXT},
                example=["OrderFilled"],
            ),
            s.ONE_SHARD,
        ),
        answers=(
            Answer(status=200, meaning="The stream.", media_type="text/event-stream", example=x.EVENTS),
        ),
        problems=s.READING,
    ),
)

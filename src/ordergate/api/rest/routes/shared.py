"""What several operations have in common: parameters, headers, and what can go wrong."""

from typing import Final

from ordergate.api.paging import LARGEST_PAGE, USUAL_PAGE
from ordergate.api.problems import DoorCode
from ordergate.api.rest.operation import Header, Parameter
from ordergate.domain.errors import Code
from ordergate.domain.orders.decision import RiskCode

TEXT: Final = {"type": "string"}
CONTENT: Final = (
    Code.MISSING, Code.UNKNOWN_FIELD, Code.WRONG_TYPE, Code.BAD_VALUE, Code.BAD_NUMBER, Code.NOT_POSITIVE,
)  # fmt: skip
TERMS: Final = (Code.OFF_TICK, Code.OFF_LOT, Code.BELOW_MINIMUM, Code.PRICE_MISSING, Code.PRICE_UNEXPECTED)
NAMES: Final = (Code.UNKNOWN_FUND, Code.UNKNOWN_SYMBOL, Code.UNKNOWN_BROKER)
RISK: Final = tuple(RiskCode)
EVERYWHERE: Final = {
    400: (DoorCode.BAD_PARAMETER,),
    403: (DoorCode.FOREIGN_ORIGIN,),
    421: (DoorCode.FOREIGN_HOST,),
    500: (DoorCode.INTERNAL_ERROR,),
}
WITH_BODY: Final = {
    **EVERYWHERE,
    400: (DoorCode.BAD_PARAMETER, DoorCode.NOT_JSON),
    408: (DoorCode.BODY_TOO_SLOW,),
    413: (DoorCode.BODY_TOO_LARGE,),
    503: (DoorCode.STORE_UNAVAILABLE, DoorCode.OUTCOME_UNKNOWN, Code.INBOX_FULL),
}
READING: Final = {**EVERYWHERE, 503: (DoorCode.STORE_UNAVAILABLE,)}

LOCATION: Final = Header(name="Location", meaning="Where the order is.", example="/v1/orders/ord-abc")
ETAG: Final = Header(name="ETag", meaning="The order's version, for If-Match.", example='"3"')
REPLAYED: Final = Header(name="Idempotent-Replayed", meaning="The same request came before.", example="true")
ORDER_ID: Final = Parameter(
    name="order_id", place="path", meaning="The order.", schema=TEXT, example="ord-abc", required=True
)
KEY: Final = Parameter(
    name="Idempotency-Key", place="header",
    meaning="May stand instead of the body's idempotency_key, where that is ASCII.",
    schema={"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    example="strat-v7-2026-05-23-AAPL-long",
)  # fmt: skip
VALIDATE_ONLY: Final = Parameter(
    name="validate_only", place="query", meaning="true: answer as if, and do nothing.",
    schema={"type": "boolean", "default": False}, example=True,
)  # fmt: skip
FUND: Final = Parameter(
    name="fund_id", place="query", meaning="Of this fund.", schema=TEXT, example="paper-momentum"
)
SYMBOL: Final = Parameter(
    name="symbol", place="query", meaning="Of this symbol.", schema=TEXT, example="AAPL"
)
OF_SHARD: Final = Parameter(
    name="shard", place="query", meaning="Of this shard; left out, of all.", schema=TEXT, example="eu"
)
ONE_SHARD: Final = Parameter(
    name="shard", place="query",
    meaning="Of this shard; needed where there are several, for each has a journal of its own.", schema=TEXT,
    example="eu",
)  # fmt: skip
QUOTED: Final = Parameter(
    name="symbol", place="path", meaning="A symbol; its slash may stand as it is.", schema=TEXT,
    example="AAPL", required=True,
)  # fmt: skip
PAGE: Final = (
    Parameter(
        name="limit", place="query", meaning="Items of a page.",
        schema={"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": USUAL_PAGE}, example=100,
    ),
    Parameter(
        name="page_token", place="query", meaning="next_page_token of the page before, with the same filters.",
        schema=TEXT, example="WyI4ZjNhIiwib3JkLWFiYyJd",
    ),
)  # fmt: skip
LISTING: Final = {**READING, 400: (DoorCode.BAD_PARAMETER, DoorCode.BAD_PAGE_TOKEN)}

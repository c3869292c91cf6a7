"""Orders in: one, many, or as a signal."""

from typing import Final

from ordergate.api.problems import DoorCode
from ordergate.api.rest import answers, orders, requests, signals
from ordergate.api.rest import examples as x
from ordergate.api.rest.operation import Answer, Header, Operation
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="POST",
        path="/v1/orders",
        id="submitOrder",
        tag="orders",
        title="Submit an order",
        meaning="Answers once the order is durable. The same key with the same content gives the same order, however "
        "often and from whomever it comes; with other content it is refused. An order that the risk gate "
        "refuses is kept as REJECTED and answered with 422, also when it is repeated.",
        handler=orders.submit,
        about_orders=True,
        body=requests.KeyedOrderRequest,
        body_example=x.ORDER_REQUEST,
        parameters=(s.KEY, s.VALIDATE_ONLY),
        answers=(
            Answer(
                status=202,
                meaning="The order, as committed.",
                model=answers.Order,
                example=x.ORDER,
                headers=(s.LOCATION, s.ETAG),
            ),
            Answer(
                status=200,
                meaning="A replay: the order as it is now. With validate_only: the order as it would be, "
                "and in `risk` what the gate says of it.",
                model=answers.OrderOrPreview,
                example=x.ORDER,
                headers=(
                    s.ETAG,
                    Header(
                        name="Location",
                        meaning=s.LOCATION.meaning,
                        example=s.LOCATION.example,
                        required=False,
                    ),
                    Header(
                        name="Idempotent-Replayed", meaning=s.REPLAYED.meaning, example="true", required=False
                    ),
                ),
            ),
        ),
        problems={
            **s.WITH_BODY,
            400: (DoorCode.KEY_MISSING, DoorCode.NOT_JSON, DoorCode.BAD_PARAMETER),
            409: (Code.ORDER_ID_TAKEN, Code.FUND_MOVED, Code.FUND_EXPECTED, Code.ORDER_MOVED),
            422: (*s.CONTENT, *s.TERMS, *s.NAMES, Code.KEY_REUSED, *s.RISK),
        },
    ),
    Operation(
        method="POST",
        path="/v1/orders/batch",
        id="submitOrders",
        tag="orders",
        title="Submit many orders",
        meaning="1 to 500 orders, each as if it came alone and each with its key; the results stand in their "
        "order. Nothing "
        "is atomic: some may be taken and others refused. The body may have 1 MiB.",
        handler=orders.submit_batch,
        about_orders=True,
        body=requests.BatchRequest,
        body_example={"orders": [x.ORDER_REQUEST]},
        parameters=(s.VALIDATE_ONLY,),
        answers=(
            Answer(
                status=200,
                meaning="What became of each.",
                model=answers.BatchResults,
                example={
                    "results": [{"status": 202, "order": x.ORDER}, {"status": 422, "problem": x.PROBLEM}]
                },
            ),
        ),
        problems={**s.WITH_BODY, 422: s.CONTENT},
    ),
    Operation(
        method="POST",
        path="/v1/signals",
        id="submitSignal",
        tag="orders",
        title="Submit a signal",
        meaning="An approved signal becomes an order of the fund and type that the configuration says. One that "
        "cannot is "
        "refused, and the refusal stands in the journal.",
        handler=signals.submit,
        about_orders=True,
        body=requests.SignalRequest,
        body_example=x.SIGNAL_REQUEST,
        answers=(
            Answer(
                status=202,
                meaning="The order, as committed.",
                model=answers.Order,
                example=x.ORDER,
                headers=(s.LOCATION, s.ETAG),
            ),
            Answer(
                status=200,
                meaning="The same signal came before: its order as it is now.",
                model=answers.Order,
                example=x.ORDER,
                headers=(s.LOCATION, s.ETAG, s.REPLAYED),
            ),
        ),
        problems={
            **s.WITH_BODY,
            409: (Code.ORDER_MOVED,),
            422: (
                *s.CONTENT,
                *s.TERMS,
                *s.NAMES,
                Code.SIGNAL_NOT_APPROVED,
                Code.SIGNAL_EXPIRED,
                Code.SIGNAL_NO_ORDER,
                Code.KEY_REUSED,
                Code.FUND_MOVED,
                Code.FUND_EXPECTED,
                *s.RISK,
            ),
        },
    ),
)

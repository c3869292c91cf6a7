"""One order: how it is, what became of it, and its change and cancel."""

from typing import Final

from ordergate.api.problems import DoorCode
from ordergate.api.rest import answers, orders, requests
from ordergate.api.rest import examples as x
from ordergate.api.rest.operation import Answer, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/v1/orders/{order_id}",
        id="getOrder",
        tag="orders",
        title="Show an order",
        meaning="As it is now.",
        handler=orders.show,
        parameters=(s.ORDER_ID,),
        answers=(
            Answer(status=200, meaning="The order.", model=answers.Order, example=x.ORDER, headers=(s.ETAG,)),
        ),
        problems={**s.READING, 404: (Code.ORDER_NOT_FOUND,)},
    ),
    Operation(
        method="PATCH",
        path="/v1/orders/{order_id}",
        id="replaceOrder",
        tag="orders",
        title="Change an order's terms",
        meaning="Asks the broker for new terms; the order has them once the broker has agreed. If-Match keeps you from "
        "changing what somebody else has changed since you looked. A change that the risk gate refuses stands in the "
        "journal, and the order stays as it is.",
        handler=orders.replace,
        about_orders=True,
        body=requests.ReplaceRequest,
        body_example={"limit_price": "181.00"},
        parameters=(
            s.ORDER_ID,
            Parameter(
                name="If-Match",
                place="header",
                meaning="The ETag that you have seen, or *.",
                schema={"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$'},
                example='"3"',
                required=True,
            ),
        ),
        answers=(
            Answer(
                status=202,
                meaning="The order, with the request under way.",
                model=answers.Order,
                example=x.ORDER,
                headers=(s.LOCATION, s.ETAG),
            ),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.ORDER_NOT_FOUND,),
            409: (
                Code.ORDER_FINISHED,
                Code.BELOW_FILLED,
                Code.TOO_MANY_REQUESTS,
                Code.REPLACE_WAITS,
                Code.NOT_CHANGEABLE,
            ),
            412: (Code.ORDER_VERSION,),
            422: (*s.CONTENT, *s.TERMS, Code.NOTHING_TO_CHANGE, *s.RISK),
            428: (DoorCode.IF_MATCH_MISSING,),
        },
    ),
    Operation(
        method="POST",
        path="/v1/orders/{order_id}/cancel",
        id="cancelOrder",
        tag="orders",
        title="Cancel an order",
        meaning="Asks the broker to cancel what is left; the order ends once the broker has agreed. Asking again "
        "changes nothing.",
        handler=orders.cancel,
        about_orders=True,
        parameters=(s.ORDER_ID,),
        body=requests.CancelRequest,
        body_example={"reason": "the signal is off"},
        body_required=False,
        answers=(
            Answer(
                status=202,
                meaning="The order, with the request under way or canceled.",
                model=answers.Order,
                example=x.ORDER,
                headers=(s.LOCATION, s.ETAG),
            ),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.ORDER_NOT_FOUND,),
            409: (Code.ORDER_FINISHED, Code.TOO_MANY_REQUESTS),
            422: (Code.UNKNOWN_FIELD, Code.WRONG_TYPE, Code.BAD_VALUE),
        },
    ),
    Operation(
        method="GET",
        path="/v1/orders/{order_id}/timeline",
        id="getTimeline",
        tag="orders",
        title="Tell an order's story",
        meaning="Who did what, when, from which state to which.",
        handler=orders.timeline,
        parameters=(s.ORDER_ID,),
        answers=(
            Answer(
                status=200,
                meaning="The story.",
                model=answers.Timeline,
                example={"order_id": "ord-abc", "items": [x.TRANSITION]},
            ),
        ),
        problems={
            **s.READING,
            404: (Code.ORDER_NOT_FOUND,),
            500: (DoorCode.INTERNAL_ERROR, DoorCode.JOURNAL_DAMAGED),
        },
    ),
)

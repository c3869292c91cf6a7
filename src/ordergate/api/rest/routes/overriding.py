"""Overrides: refused orders that go on once, on the word of two."""

from typing import Final

from ordergate.api.rest import answers, overrides, requests
from ordergate.api.rest import examples as x
from ordergate.api.rest import risk_answers as a
from ordergate.api.rest import risk_examples as r
from ordergate.api.rest.operation import Answer, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

_ANSWERS: Final = (Code.UNKNOWN_FIELD, Code.WRONG_TYPE, Code.BAD_VALUE)
OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/risk/overrides",
        id="listOverrides",
        tag="risk",
        title="List overrides",
        meaning="Those that can be granted now.",
        handler=overrides.list_overrides,
        parameters=(
            Parameter(
                name="all",
                place="query",
                meaning="true: also those that were answered, or have run out.",
                schema={"type": "boolean", "default": False},
                example=True,
            ),
        ),
        answers=(
            Answer(
                status=200, meaning="Oldest first.", model=a.Overrides, example={"items": [r.OVERRIDE]}
            ),
        ),
        problems=s.READING,
    ),
    Operation(
        method="POST",
        path="/v1/risk/overrides",
        id="askOverride",
        tag="risk",
        title="Ask for an override",
        meaning="That one order which a check refused may go on once all the same. Another principal must grant it, "
        "within an hour, or until expires_at, a day ahead at most. Nobody overrides a halt, a loss limit, a "
        "gate's word, or what cannot be measured.",
        handler=overrides.ask,
        body=requests.OverrideRequest,
        body_example=r.OVERRIDE_REQUEST,
        answers=(
            Answer(status=200, meaning="It can be granted.", model=a.Override, example=r.OVERRIDE),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.ORDER_NOT_FOUND,),
            409: (Code.NOT_OVERRIDABLE, Code.OVERRIDE_TAKEN, Code.FUND_MOVED, Code.FUND_EXPECTED),
            422: (*_ANSWERS, Code.MISSING),
        },
    ),
    Operation(
        method="POST",
        path="/v1/risk/overrides/{order_id}/approve",
        id="grantOverride",
        tag="risk",
        title="Grant an override",
        meaning="Submits the order once more under a new id; every other check, and who else must agree, counts as "
        "ever. By another principal than the one who asked.",
        handler=overrides.approve,
        parameters=(s.ORDER_ID,),
        body=requests.CancelRequest,
        body_example={"reason": "seen: it is a hedge"},
        body_required=False,
        answers=(
            Answer(
                status=202,
                meaning="The new order, whose retry_of is the refused one.",
                model=answers.Order,
                example=x.ORDER,
                headers=(s.LOCATION, s.ETAG),
            ),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.NO_OVERRIDE,),
            409: (Code.OVERRIDE_OVER, Code.SAME_PRINCIPAL, Code.FUND_MOVED, Code.FUND_EXPECTED),
            422: (*_ANSWERS, *s.TERMS, *s.NAMES, *s.RISK),
        },
    ),
    Operation(
        method="POST",
        path="/v1/risk/overrides/{order_id}/reject",
        id="turnDownOverride",
        tag="risk",
        title="Turn an override down",
        meaning="The order stays refused; who asked may take it back so, too.",
        handler=overrides.reject,
        parameters=(s.ORDER_ID,),
        body=requests.CancelRequest,
        body_example={"reason": "not today"},
        body_required=False,
        answers=(
            Answer(status=200, meaning="As answered.", model=a.Override, example=r.TURNED_DOWN),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.NO_OVERRIDE,),
            409: (Code.OVERRIDE_OVER,),
            422: _ANSWERS,
        },
    ),
)  # fmt: skip

"""Reconciliation: comparisons with the brokers' own records, and breaks."""

from typing import Final

from ordergate.api.rest import recon
from ordergate.api.rest import recon_answers as a
from ordergate.api.rest.operation import Answer, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

_CONTENT: Final = (Code.UNKNOWN_FIELD, Code.WRONG_TYPE, Code.BAD_VALUE)
_BREAK_ID: Final = Parameter(
    name="break_id", place="path", meaning="The break.", schema=s.TEXT, example="brk-812", required=True
)
_PATH: Final = "/v1/recon/breaks/{break_id}"
OPERATIONS: Final = (
    Operation(
        method="POST",
        path="/v1/recon/runs",
        id="runReconciliation",
        tag="recon",
        title="Compare accounts now",
        meaning="Compares our orders, fills, positions and money with the broker's own record. What was not told is "
        "asked for and booked; nothing is traded, and no fill is made up. It is done every so often anyway.",
        handler=recon.run,
        body=a.RunRequest,
        body_example={"broker": "paper"},
        body_required=False,
        answers=(
            Answer(
                status=200, meaning="As compared.", model=a.Comparisons, example={"items": [a.COMPARISON]}
            ),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.UNKNOWN_BROKER,),
            409: (Code.NOT_COMPARED,),
            422: _CONTENT,
        },
    ),
    Operation(
        method="GET",
        path="/v1/recon/breaks",
        id="listBreaks",
        tag="recon",
        title="List breaks",
        meaning="What does not fit, and nobody has resolved.",
        handler=recon.list_breaks,
        parameters=(
            Parameter(
                name="all",
                place="query",
                meaning="true: also those that are resolved.",
                schema={"type": "boolean", "default": False},
                example=True,
            ),
            Parameter(name="broker", place="query", meaning="At this broker.", schema=s.TEXT, example="paper"),
        ),
        answers=(
            Answer(status=200, meaning="Oldest first.", model=a.Breaks, example={"items": [a.BREAK]}),
        ),
        problems={**s.READING, 404: (Code.UNKNOWN_BROKER,)},
    ),
    Operation(
        method="GET",
        path=_PATH,
        id="showBreak",
        tag="recon",
        title="Show a break",
        meaning="With who looks into it, and how it ended.",
        handler=recon.show_break,
        parameters=(_BREAK_ID, s.ONE_SHARD),
        answers=(
            Answer(status=200, meaning="The break.", model=a.Break, example=a.BREAK),
        ),
        problems={**s.READING, 404: (Code.BREAK_NOT_FOUND,)},
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/assign",
        id="assignBreak",
        tag="recon",
        title="Assign a break",
        meaning="Says who looks into it.",
        handler=recon.assign,
        parameters=(_BREAK_ID, s.ONE_SHARD),
        body=a.AssignRequest,
        body_example={"owner": "bea"},
        answers=(
            Answer(status=200, meaning="The break.", model=a.Break, example=a.ASSIGNED),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.BREAK_NOT_FOUND,),
            409: (Code.BREAK_RESOLVED,),
            422: (*_CONTENT, Code.MISSING),
        },
    ),
    Operation(
        method="POST",
        path=f"{_PATH}/resolve",
        id="resolveBreak",
        tag="recon",
        title="Resolve a break",
        meaning="Ends it: nothing is to be done, and the same difference is not raised again; or (adjust) the "
        "difference of a position or balance is booked into a fund, as an adjustment that names the break.",
        handler=recon.resolve,
        parameters=(_BREAK_ID, s.ONE_SHARD),
        body=a.ResolveRequest,
        body_example={"reason": "five shares came in by transfer", "adjust": True, "price": "180.50"},
        answers=(
            Answer(status=200, meaning="The break.", model=a.Break, example=a.RESOLVED),
        ),
        problems={
            **s.WITH_BODY,
            404: (Code.BREAK_NOT_FOUND,),
            409: (Code.BREAK_RESOLVED, Code.NOT_ADJUSTABLE),
            422: (
                *_CONTENT, Code.MISSING, Code.BAD_NUMBER, Code.NOT_POSITIVE, Code.UNKNOWN_FUND,
                Code.UNKNOWN_SYMBOL,
            ),
        },
    ),
)  # fmt: skip

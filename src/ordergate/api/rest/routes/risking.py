"""The risk gate: what it would say, its limits, the kill switch, approvals, strategies."""

from typing import Final

from ordergate.api.problems import DoorCode
from ordergate.api.rest import answers, requests, risk
from ordergate.api.rest import examples as x
from ordergate.api.rest import risk_answers as a
from ordergate.api.rest import risk_examples as r
from ordergate.api.rest.operation import Answer, Header, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code
from ordergate.domain.risk.limits import Level

LEVEL: Final = Parameter(
    name="level", place="path", meaning="Firm, fund, strategy, symbol or broker.",
    schema={"type": "string", "enum": list(Level)}, example="fund", required=True,
)  # fmt: skip
NAME: Final = Parameter(
    name="name", place="path", meaning="Of the fund, strategy, symbol or broker; - for the firm.",
    schema=s.TEXT, example="paper-momentum", required=True,
)  # fmt: skip
SHARD: Final = Parameter(
    name="shard", place="query",
    meaning="In this shard alone; left out, wherever they are. Needed where shards differ.", schema=s.TEXT,
    example="eu",
)  # fmt: skip
STRATEGY: Final = Parameter(
    name="strategy_id", place="path", meaning="The strategy.", schema=s.TEXT, example="momentum_v1",
    required=True,
)  # fmt: skip
ETAG: Final = Header(name="ETag", meaning="Their version, for If-Match.", example='"2"')
IF_MATCH: Final = Parameter(
    name="If-Match", place="header", meaning="The ETag that you have seen, or *. Needed once there are limits.",
    schema={"type": "string", "pattern": r'^("[0-9]{1,9}"|\*)$'}, example='"1"',
)  # fmt: skip
_LEVELS: Final = (Code.BAD_VALUE, Code.WRONG_TYPE, Code.MISSING)
_BODY: Final = (Code.MISSING, Code.UNKNOWN_FIELD, Code.WRONG_TYPE, Code.BAD_VALUE)
_ROW: Final = Answer(status=200, meaning="The limits.", model=a.LimitRow, example=r.LIMITS, headers=(ETAG,))
_ANSWERED: Final = Answer(
    status=200, meaning="The order, as it is then.", model=answers.Order, example=x.ORDER, headers=(s.ETAG,)
)
_OF_APPROVALS: Final = {
    **s.WITH_BODY,
    404: (Code.ORDER_NOT_FOUND,),
    409: (Code.NOT_AWAITED,),
    422: (Code.UNKNOWN_FIELD, Code.WRONG_TYPE, Code.BAD_VALUE),
}

LIMITS: Final[tuple[Operation, ...]] = (
    Operation(
        method="POST",
        path="/v1/risk/check",
        id="checkOrder",
        tag="risk",
        title="Ask the risk gate",
        meaning="What would happen to the order if it were submitted now, with the fund's margin before and after. "
        "Nothing is made and nothing is journalled.",
        handler=risk.check,
        body=requests.CheckRequest,
        body_example=x.ORDER_REQUEST,
        answers=(Answer(status=200, meaning="What it says.", model=answers.Verdict, example=r.VERDICT),),
        problems={
            **s.WITH_BODY,
            409: (Code.FUND_MOVED, Code.FUND_EXPECTED),
            422: (*s.CONTENT, *s.TERMS, *s.NAMES),
        },
    ),
    Operation(
        method="GET",
        path="/v1/risk/limits",
        id="listLimits",
        tag="risk",
        title="List limits",
        meaning="Those of every level and name that has any: as they were set, and what counts now.",
        handler=risk.list_limits,
        answers=(
            Answer(status=200, meaning="All of them.", model=a.LimitRows, example={"items": [r.LIMITS]}),
        ),
        problems=s.READING,
    ),
    Operation(
        method="GET",
        path="/v1/risk/limits/{level}/{name:path}",
        id="getLimits",
        tag="risk",
        title="Show limits",
        meaning="Of one level and name.",
        handler=risk.show_limits,
        parameters=(LEVEL, NAME, SHARD),
        answers=(_ROW,),
        problems={**s.READING, 404: (DoorCode.NO_LIMITS,), 422: _LEVELS},
    ),
    Operation(
        method="PUT",
        path="/v1/risk/limits/{level}/{name:path}",
        id="putLimits",
        tag="risk",
        title="Change limits",
        meaning="Sets the limits that are named and leaves the others; who did, why, from what to what, stands "
        "in the journal. A change with reverts_at ends by itself. While trading is halted nothing is loosened.",
        handler=risk.put_limits,
        parameters=(LEVEL, NAME, SHARD, IF_MATCH),
        body=requests.LimitsRequest,
        body_example=r.LIMITS_REQUEST,
        answers=(_ROW,),
        problems={
            **s.WITH_BODY,
            409: (Code.HALTED,),
            412: (Code.LIMITS_VERSION,),
            422: s.CONTENT,
            428: (DoorCode.IF_MATCH_MISSING,),
        },
    ),
    Operation(
        method="GET",
        path="/v1/risk/strategies",
        id="listStrategies",
        tag="risk",
        title="List strategies",
        meaning="Those whose runs or signs of life are counted, and which run no more until a person enables them.",
        handler=risk.list_strategies,
        answers=(
            Answer(status=200, meaning="All of them.", model=a.Strategies, example={"items": [r.STRATEGY]}),
        ),
        problems=s.READING,
    ),
    Operation(
        method="POST",
        path="/v1/risk/strategies/{strategy_id:path}/enable",
        id="enableStrategy",
        tag="risk",
        title="Let a strategy run again",
        meaning="Counts its runs from zero again; who let it, and why, stands in the journal.",
        handler=risk.enable,
        parameters=(STRATEGY,),
        body=requests.ReasonRequest,
        body_example={"reason": "looked at its orders: they are meant"},
        answers=(Answer(status=200, meaning="The strategy.", model=a.Strategy, example=r.STRATEGY),),
        problems={**s.WITH_BODY, 404: (Code.UNKNOWN_STRATEGY,), 422: _BODY},
    ),
    Operation(
        method="POST",
        path="/v1/risk/strategies/{strategy_id:path}/heartbeat",
        id="heartbeat",
        tag="risk",
        title="Say that a strategy is alive",
        meaning="A sign of life, as its orders are. From the first one on, a strategy with the limit max_silence_s is "
        "halted once it has given none for so long. What comes within a tenth of that is not journalled.",
        handler=risk.heartbeat,
        parameters=(STRATEGY,),
        answers=(Answer(status=200, meaning="The strategy.", model=a.Strategy, example=r.STRATEGY),),
        problems={**s.EVERYWHERE, 409: (Code.NOT_WATCHED,), 503: s.WITH_BODY[503]},
    ),
)
HALTING: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/v1/kill-switch",
        id="listHalts",
        tag="risk",
        title="List halts",
        meaning="Those that hold.",
        handler=risk.list_halts,
        parameters=(
            Parameter(
                name="all",
                place="query",
                meaning="true: also the last one of each that was lifted.",
                schema={"type": "boolean", "default": False},
                example=True,
            ),
        ),
        answers=(
            Answer(status=200, meaning="The halts.", model=a.Halts, example={"items": [r.HALT]}),
        ),
        problems=s.READING,
    ),
    Operation(
        method="POST",
        path="/v1/kill-switch",
        id="throwSwitch",
        tag="risk",
        title="Throw the kill switch",
        meaning="Refuses what is new from now on, and cancels what works; it goes before everything that waits. Asked "
        "again it goes on canceling: repeat it while `left` is above zero. A halt holds until another "
        "principal lifts it, whatever happens to the service.",
        handler=risk.throw_switch,
        body=requests.HaltRequest,
        body_example=r.HALT_REQUEST,
        answers=(
            Answer(status=200, meaning="The halt holds.", model=a.Halted, example=r.HALTED),
        ),
        problems={**s.WITH_BODY, 409: (Code.HALTED,), 422: _BODY},
    ),
    Operation(
        method="POST",
        path="/v1/kill-switch/release",
        id="liftHalt",
        tag="risk",
        title="Lift a halt",
        meaning="Another principal than the one who ordered it lets trading go on.",
        handler=risk.release,
        body=requests.ReleaseRequest,
        body_example={**r.HALT_REQUEST, "reason": "the drill is over"},
        answers=(
            Answer(status=200, meaning="The halt, lifted.", model=a.Halt, example=r.RELEASED),
        ),
        problems={
            **s.WITH_BODY, 404: (Code.NOT_HALTED,), 409: (Code.SAME_PRINCIPAL,), 422: _BODY,
        },
    ),
)  # fmt: skip
APPROVING: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/v1/approvals",
        id="listApprovals",
        tag="risk",
        title="List what waits for a person",
        meaning="New orders above the threshold of their fund, and changes that ask for more.",
        handler=risk.list_approvals,
        answers=(
            Answer(
                status=200,
                meaning="What waits, oldest first.",
                model=a.Approvals,
                example={"items": []},
            ),
        ),
        problems=s.READING,
    ),
    Operation(
        method="POST",
        path="/v1/approvals/{order_id}/approve",
        id="approveOrder",
        tag="risk",
        title="Approve",
        meaning="The order, or its change, goes on: to whoever else must agree, else to the broker.",
        handler=risk.approve,
        parameters=(s.ORDER_ID,),
        body=requests.CancelRequest,
        body_example={"reason": "as agreed"},
        body_required=False,
        answers=(_ANSWERED,),
        problems=_OF_APPROVALS,
    ),
    Operation(
        method="POST",
        path="/v1/approvals/{order_id}/reject",
        id="rejectOrder",
        tag="risk",
        title="Reject",
        meaning="The order ends as REJECTED; of a change, the order stays as it is.",
        handler=risk.reject,
        parameters=(s.ORDER_ID,),
        body=requests.CancelRequest,
        body_example={"reason": "too much before the numbers"},
        body_required=False,
        answers=(_ANSWERED,),
        problems=_OF_APPROVALS,
    ),
)
OPERATIONS: Final = (*LIMITS, *HALTING, *APPROVING)

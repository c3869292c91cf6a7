"""Brokers: how they are, and trying a login again."""

from typing import Final

from ordergate.api.rest import broker_answers as a
from ordergate.api.rest import brokers
from ordergate.api.rest.operation import Answer, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/v1/brokers",
        id="listBrokers",
        tag="brokers",
        title="List brokers",
        meaning="What each can do, and how it is as far as this node knows: from its own calls, and from what was "
        "reported to it.",
        handler=brokers.list_brokers,
        answers=(Answer(status=200, meaning="By name.", model=a.Brokers, example={"items": [a.BROKER]}),),
        problems=s.EVERYWHERE,
    ),
    Operation(
        method="POST",
        path="/v1/brokers/{broker}/reconnect",
        id="reconnectBroker",
        tag="brokers",
        title="Try a login again",
        meaning="Of a broker that has refused ours. It is not tried again by itself before its secrets are rotated.",
        handler=brokers.reconnect,
        parameters=(
            Parameter(
                name="broker",
                place="path",
                meaning="Its name.",
                schema=s.TEXT,
                example="paper",
                required=True,
            ),
        ),
        body=a.ReconnectRequest,
        body_example={},
        answers=(Answer(status=200, meaning="How it is now.", model=a.Broker, example=a.BROKER),),
        problems={
            **s.WITH_BODY,
            404: (Code.UNKNOWN_BROKER,),
            409: (Code.NOT_REFUSED,),
            422: (*s.CONTENT,),
        },
    ),
)

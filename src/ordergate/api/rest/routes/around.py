"""What stands around the orders: the paper market, the Merkle log, the service itself."""

from typing import Final

from ordergate.api.problems import DoorCode
from ordergate.api.rest import answers, audit, broker_answers, paper, requests, service
from ordergate.api.rest import examples as x
from ordergate.api.rest.operation import Answer, Header, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="PUT",
        path="/v1/paper/quotes/{symbol:path}",
        id="setQuote",
        tag="paper",
        title="Set a paper venue's market",
        meaning="Holds until it is set again. Answers once the fills that it made possible are journalled.",
        handler=paper.put_quote,
        parameters=(
            s.QUOTED,
            Parameter(
                name="broker",
                place="query",
                meaning="This paper venue alone; left out, all of them.",
                schema=s.TEXT,
                example="paper",
            ),
        ),
        body=requests.QuoteRequest,
        body_example=x.QUOTE_REQUEST,
        answers=(Answer(status=200, meaning="The quote.", model=answers.Quote, example=x.QUOTE),),
        problems={**s.WITH_BODY, 404: (Code.UNKNOWN_SYMBOL, Code.UNKNOWN_BROKER), 422: s.CONTENT},
    ),
    Operation(
        method="GET",
        path="/v1/paper/quotes/{symbol:path}",
        id="getQuote",
        tag="paper",
        title="Show the last quote",
        meaning="As decisions see it.",
        handler=paper.get_quote,
        parameters=(s.QUOTED,),
        answers=(Answer(status=200, meaning="The quote.", model=answers.Quote, example=x.QUOTE),),
        problems={**s.EVERYWHERE, 404: (Code.UNKNOWN_SYMBOL, DoorCode.NO_QUOTE)},
    ),
    Operation(
        method="GET",
        path="/v1/audit/checkpoint",
        id="getCheckpoint",
        tag="audit",
        title="The signed checkpoint",
        meaning="Point a tlog-tiles client at /v1/audit.",
        handler=audit.checkpoint,
        parameters=(s.ONE_SHARD,),
        answers=(
            Answer(
                status=200,
                meaning="A signed note.",
                media_type="text/plain; charset=utf-8",
                example=x.CHECKPOINT,
            ),
        ),
        problems={**s.READING, 404: (DoorCode.NO_SUCH_RESOURCE,)},
    ),
    Operation(
        method="GET",
        path="/v1/audit/tile/{path:path}",
        id="getTile",
        tag="audit",
        title="A tile or entry bundle",
        meaning="As https://c2sp.org/tlog-tiles names and fills them; they never change.",
        handler=audit.tile,
        parameters=(
            Parameter(
                name="path",
                place="path",
                meaning="Level and number, such as 0/000.p/6.",
                schema=s.TEXT,
                example="0/000.p/6",
                required=True,
            ),
            s.ONE_SHARD,
        ),
        answers=(
            Answer(
                status=200,
                meaning="Hashes, or entries.",
                media_type="application/octet-stream",
                binary=True,
                headers=(
                    Header(
                        name="Cache-Control",
                        meaning="It may be kept.",
                        example="public, max-age=31536000, immutable",
                    ),
                ),
            ),
        ),
        problems={**s.READING, 404: (DoorCode.NO_SUCH_RESOURCE,)},
    ),
    Operation(
        method="GET",
        path="/health",
        id="getHealth",
        tag="service",
        title="Is it alive?",
        meaning="The process answers.",
        handler=service.health,
        answers=(Answer(status=200, meaning="It is.", model=answers.Health, example=x.HEALTH),),
        problems=s.EVERYWHERE,
    ),
    Operation(
        method="GET",
        path="/ready",
        id="getReady",
        tag="service",
        title="May it be sent work?",
        meaning="Not while it closes, not while its database cannot be used, and not after a journal has failed.",
        handler=service.ready,
        answers=(
            Answer(
                status=200,
                meaning="It may.",
                model=broker_answers.Ready,
                example={"status": "ready", "brokers_down": {"acme": "it is not connected"}},
            ),
        ),
        problems={**s.EVERYWHERE, 503: (DoorCode.NOT_READY,)},
    ),
    Operation(
        method="GET",
        path="/metrics",
        id="getMetrics",
        tag="service",
        title="Figures for Prometheus",
        meaning="Entries by kind, open orders by state, commits, requests, breaks, streams.",
        handler=service.metrics,
        answers=(
            Answer(
                status=200,
                meaning="Figures.",
                media_type="text/plain; version=0.0.4; charset=utf-8",
                example=x.METRICS,
            ),
        ),
        problems=s.EVERYWHERE,
    ),
)

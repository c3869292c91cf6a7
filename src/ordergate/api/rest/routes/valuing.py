"""What funds are worth, and the last quotes."""

from typing import Final

from ordergate.api.rest import examples as x
from ordergate.api.rest import funds, nav_answers
from ordergate.api.rest.operation import Answer, Operation, Parameter
from ordergate.api.rest.routes import shared as s
from ordergate.domain.errors import Code

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation(
        method="GET",
        path="/v1/funds/{fund_id}/nav",
        id="getNav",
        tag="books",
        title="Net asset value",
        meaning="What a fund is worth, and what it has made or lost since day, week (Monday) and month began, in UTC: "
        "as the loss limits measure it, at the mid of the last quotes. What cannot be said is null; missing says why.",
        handler=funds.nav,
        parameters=(
            Parameter(
                name="fund_id",
                place="path",
                meaning="The fund.",
                schema=s.TEXT,
                example="paper-momentum",
                required=True,
            ),
        ),
        answers=(Answer(status=200, meaning="Now.", model=nav_answers.Nav, example=nav_answers.EXAMPLE),),
        problems={**s.READING, 404: (Code.UNKNOWN_FUND,)},
    ),
    Operation(
        method="GET",
        path="/v1/quotes",
        id="listQuotes",
        tag="books",
        title="List quotes",
        meaning="The last one of each symbol, by symbol; how old it is, its time says.",
        handler=funds.quotes,
        answers=(
            Answer(
                status=200, meaning="All of them.", model=nav_answers.Quotes, example={"items": [x.QUOTE]}
            ),
        ),
        problems=s.READING,
    ),
)

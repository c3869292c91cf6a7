"""The least that a door can do: FastAPI reads an order's body through pydantic and gives it back.

Run as `python -m bench.echo PORT`, with the settings of uvicorn that `ordergate serve` has.
"""

import sys
from decimal import Decimal

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from ordergate.domain.orders.states import OrderType, Side, TimeInForce

app = FastAPI()


class Body(BaseModel):
    """The fields that the measured request has."""

    idempotency_key: str
    fund_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal
    tif: TimeInForce
    strategy_id: str
    broker: str
    actor: str


@app.post("/v1/orders", status_code=202)
async def echo(body: Body) -> Body:
    """The body, as it was understood."""
    return body


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )

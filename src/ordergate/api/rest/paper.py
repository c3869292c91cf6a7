"""The market of the paper venues, set by hand."""

from typing import Any, Final

from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.api.rest.call import Call, Reply, json_reply, read_json
from ordergate.application.queries import show
from ordergate.domain.errors import Code, Invalid
from ordergate.domain.market import Quote, check_sides
from ordergate.domain.money import parse_decimal, parse_positive
from ordergate.domain.orders.commands import check_fields

_FIELDS: Final = ("bid", "ask", "bid_size", "ask_size")


async def put_quote(door: Door, call: Call) -> Reply:
    """PUT /v1/paper/quotes/{symbol}."""
    broker = call.query(("broker",)).get("broker", [None])[0]
    symbol = call.path["symbol"]
    door.gate.check_symbol(symbol)
    quote = _quote(door, symbol, read_json(await call.text()))
    for name in door.gate.paper_venues if broker is None else (broker,):
        await door.gate.put_quote(name, quote)
    return json_reply(200, show(quote))


async def get_quote(door: Door, call: Call) -> Reply:
    """GET /v1/paper/quotes/{symbol}."""
    call.query(())
    symbol = call.path["symbol"]
    door.gate.check_symbol(symbol)
    quote = door.gate.quotes.get(symbol)
    if quote is None:
        raise failure(404, DoorCode.NO_QUOTE, f"nobody has quoted {symbol} yet")
    return json_reply(200, show(quote))


def _quote(door: Door, symbol: str, body: Any) -> Quote:
    fields = {name: value for name, value in check_fields(body, _FIELDS).items() if value is not None}
    for name in ("bid", "ask"):
        if name not in fields:
            raise Invalid(Code.MISSING, "is missing", f"#/{name}")
    sizes = {n: parse_decimal(fields[n], f"#/{n}") for n in ("bid_size", "ask_size") if n in fields}
    for name, size in sizes.items():
        if size < 0:
            raise Invalid(Code.BAD_VALUE, f"{size} is below zero", f"#/{name}")
    bid, ask = (parse_positive(fields[name], f"#/{name}") for name in ("bid", "ask"))
    check_sides(bid, ask)
    return Quote(symbol=symbol, time=door.gate.clock.now(), bid=bid, ask=ask, pinned=True, **sizes)

"""Submitting orders, one or many; looking at one, changing and canceling it."""

import asyncio
import re
from typing import Any, Final

import msgspec

from ordergate.api import orders as common
from ordergate.api import problems
from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, Failure, failure
from ordergate.api.rest.call import LARGEST_BATCH, Call, Headers, Reply, json_reply, read_fields, read_json
from ordergate.api.rest.conditions import version_of
from ordergate.api.risk import show_verdict
from ordergate.application.audit.story import show_transition, story
from ordergate.application.decide.context import OrderResult
from ordergate.application.queries import show_order
from ordergate.domain.errors import Code, Invalid, quoted
from ordergate.domain.orders.commands import (
    CancelOrder,
    ReplaceOrder,
    SubmitOrder,
    check_fields,
    parse_reason,
)
from ordergate.domain.orders.order import Order

MOST_ORDERS: Final = 500
_REPLAYED: Final = (b"idempotent-replayed", b"true")
_ESCAPED: Final = re.compile(r'\\(["\\])')


async def submit(door: Door, call: Call) -> Reply:
    """POST /v1/orders."""
    validate_only = flag(call, "validate_only")
    text = await call.text()
    command = _parse(read_json(text), call.header(b"idempotency-key"))
    if validate_only:
        result: OrderResult = await door.gate.preview(command, call.origin())
        return _previewed(result)
    result = await door.gate.execute(command, call.origin(), text)
    return order_reply(result.order, replayed=result.replayed)


def order_reply(order: Order, *, replayed: bool) -> Reply:
    """The order that a request has made, or made before.

    Raises:
        Failure: the gate refused it; it is kept as REJECTED.
    """
    return _reply(order, 200 if replayed else 202, replayed=replayed)


def _reply(order: Order, status: int, *, replayed: bool = False) -> Reply:
    headers = _headers(order, replayed=replayed)
    if common.is_refused(order):
        raise Failure(common.refused(order, stored=True), headers)
    return json_reply(status, show_order(order), headers)


def _headers(order: Order, *, replayed: bool, stored: bool = True) -> Headers:
    location = ((b"location", f"/v1/orders/{order.order_id}".encode()),) if stored else ()
    return (*location, (b"etag", b'"%d"' % order.version), *((_REPLAYED,) if replayed else ()))


def _previewed(result: OrderResult) -> Reply:
    """The order as it would be, and what the gate says of it; a replay is the order as it is."""
    order, verdict = result.order, show_verdict(result)
    headers = _headers(order, replayed=result.replayed, stored=result.replayed)
    if common.is_refused(order):
        raise Failure(common.refused(order, stored=result.replayed, verdict=verdict), headers)
    return json_reply(200, common.with_verdict(order, verdict), headers)


def _parse(body: Any, header: str | None) -> SubmitOrder:
    if isinstance(body, dict) and header is not None:
        body = _with_key(body, header)
    return common.submit_of(body, "idempotency_key in the body, or the header Idempotency-Key")


def _with_key(body: dict[str, Any], header: str) -> dict[str, Any]:
    """The body with the key of the header, which may be quoted as RFC 8941 does it."""
    if not header.isascii():  # it would be another key than the same one in the body
        detail = "is not ASCII: such a key stands in the body alone"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter="Idempotency-Key")
    marked = len(header) > 1 and header[0] == header[-1] == '"'
    key = _ESCAPED.sub(r"\1", header[1:-1]) if marked else header
    if body.get("idempotency_key") not in (None, key):
        detail = "is another key than that of the header Idempotency-Key: give one of them, or the same"
        raise Invalid(Code.BAD_VALUE, detail, "#/idempotency_key")
    return {**body, "idempotency_key": key}


def flag(call: Call, name: str) -> bool:
    """A parameter that is true or false; false where it is left out."""
    value = call.query((name,)).get(name, ["false"])[0]
    if value not in ("true", "false"):
        raise failure(
            400, DoorCode.BAD_PARAMETER, f"{quoted(value)} is neither true nor false", parameter=name
        )
    return value == "true"


class _Orders(msgspec.Struct):
    """The batch's items as they were written."""

    orders: list[msgspec.Raw]


async def submit_batch(door: Door, call: Call) -> Reply:
    """POST /v1/orders/batch."""
    validate_only = flag(call, "validate_only")
    text = await call.text(LARGEST_BATCH)
    body = check_fields(read_json(text), ("orders",))
    orders = body.get("orders")
    if not isinstance(orders, list):
        raise Invalid(Code.WRONG_TYPE, f"write a list of 1 to {MOST_ORDERS} orders", "#/orders")
    if not 1 <= len(orders) <= MOST_ORDERS:
        raise Invalid(Code.BAD_VALUE, f"{len(orders)} orders: write 1 to {MOST_ORDERS}", "#/orders")
    pairs = zip(orders, _written(text), strict=True)
    results = await asyncio.gather(
        *(_one(door, call, order, None if validate_only else bytes(raw).decode()) for order, raw in pairs)
    )
    return json_reply(200, {"results": results})


def _written(text: str) -> list[msgspec.Raw]:
    """Each order as it was written, by a stricter reader: JSON can name half a character, text cannot hold it."""
    try:
        return msgspec.json.decode(text, type=_Orders).orders
    except msgspec.DecodeError as error:
        raise failure(400, DoorCode.NOT_JSON, f"the body: is not JSON of ours ({error})") from None


async def _one(door: Door, call: Call, body: Any, raw: str | None) -> dict[str, Any]:
    """What became of one order; of one without its text, what would."""
    try:
        command = _parse(body, None)
        if raw is None:
            result: OrderResult = await door.gate.preview(command, call.origin())
        else:
            result = await door.gate.execute(command, call.origin(), raw)
        done = raw is not None and not result.replayed
        verdict = show_verdict(result) if raw is None else None
        if common.is_refused(result.order):
            told = common.refused(result.order, stored=raw is not None or result.replayed, verdict=verdict)
        else:
            return {"status": 202 if done else 200, "order": common.with_verdict(result.order, verdict)}
    except Exception as error:
        told = problems.of_error(error, about_orders=True)
        if told.code == DoorCode.INTERNAL_ERROR:
            problems.log_unexpected(error, call.request_id)
    shown = problems.encode(told, call.scope["path"], call.request_id)
    return {"status": told.status, "problem": msgspec.Raw(shown)}


async def show(door: Door, call: Call) -> Reply:
    """GET /v1/orders/{order_id}."""
    call.query(())
    return json_reply_of(await door.gate.queries.order(call.path["order_id"]))


def json_reply_of(order: Order) -> Reply:
    """An order as it is."""
    return json_reply(200, show_order(order), ((b"etag", b'"%d"' % order.version),))


async def cancel(door: Door, call: Call) -> Reply:
    """POST /v1/orders/{order_id}/cancel."""
    call.query(())
    text = await call.text()
    reason = parse_reason(read_fields(text, ("reason",)).get("reason"), "#/reason")
    command = CancelOrder(order_id=call.path["order_id"], reason=reason)
    result: OrderResult = await door.gate.execute(command, call.origin(), text or None)
    return _reply(result.order, 202)


async def replace(door: Door, call: Call) -> Reply:
    """PATCH /v1/orders/{order_id}."""
    call.query(())
    order_id, version = call.path["order_id"], version_of(call.header(b"if-match"))
    text = await call.text()
    terms = common.terms_of(read_json(text))
    command = ReplaceOrder(order_id=order_id, version=version, **terms)
    result: OrderResult = await door.gate.execute(command, call.origin(), text)
    told = common.refused_change(result)
    if told is not None:
        raise Failure(told, _headers(result.order, replayed=False))
    return _reply(result.order, 202)


async def timeline(door: Door, call: Call) -> Reply:
    """GET /v1/orders/{order_id}/timeline."""
    call.query(())
    order_id = call.path["order_id"]
    told = await story((await door.gate.find(order_id)).journal, order_id)
    rows = [show_transition(row) for row in told]
    return json_reply(200, {"order_id": order_id, "items": rows})

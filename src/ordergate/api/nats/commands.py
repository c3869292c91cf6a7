"""What commands ask for, and what is answered: the same as at REST, in one envelope `{status, order | problem}`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from ordergate.api.gate import Gate
from ordergate.api.orders import TERMS, is_refused, refused, refused_change, submit_of, terms_of, with_verdict
from ordergate.api.problems import Failure
from ordergate.api.risk import show_verdict
from ordergate.application.decide.context import OrderResult
from ordergate.application.entry import Origin
from ordergate.domain.errors import Code, Invalid, NotFound, quoted
from ordergate.domain.identifiers import parse_order_id
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, check_fields, parse_reason
from ordergate.domain.orders.order import Order

_NAMED: Final = ("order_id", "fund_id")


class Asked(Struct, frozen=True, kw_only=True):
    """One command.

    Attributes:
        fund: that the subject names; None where it names none.
        text: the body as it came.
    """

    body: Any
    text: str
    origin: Origin
    fund: str | None = None


class Done(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to one that could be done; `replayed` where the same request had been done before."""

    status: int
    order: dict[str, Any]
    replayed: bool = False


async def submit(gate: Gate, asked: Asked) -> Done:
    """Makes an order. Raises Refused, and Failure where the risk gate refuses: then the order is kept as REJECTED."""
    command = submit_of(_with_fund(asked))
    result: OrderResult = await gate.execute(command, asked.origin, asked.text)
    return _kept(result, 200 if result.replayed else 202)


async def preview(gate: Gate, asked: Asked) -> Done:
    """What `submit` would answer, and what the risk gate says. Raises as `submit`."""
    result: OrderResult = await gate.preview(submit_of(_with_fund(asked)), asked.origin)
    verdict = show_verdict(result)
    if is_refused(result.order):
        raise Failure(refused(result.order, stored=result.replayed, verdict=verdict))
    return Done(status=200, order=with_verdict(result.order, verdict), replayed=result.replayed)


async def cancel(gate: Gate, asked: Asked) -> Done:
    """Cancels what is left of an order. Raises Refused."""
    fields = check_fields(asked.body, (*_NAMED, "reason"))
    order = await _named(gate, asked, fields)
    reason = parse_reason(fields.get("reason"), "#/reason")
    command = CancelOrder(order_id=order.order_id, reason=reason)
    return _kept(await gate.execute(command, asked.origin, asked.text), 202)


async def replace(gate: Gate, asked: Asked) -> Done:
    """Changes an order's terms; `version` is the one that the caller has seen, left out it is any. Raises Refused."""
    fields = check_fields(asked.body, (*_NAMED, "version", *TERMS))
    order = await _named(gate, asked, fields)
    terms = terms_of({name: fields[name] for name in TERMS if name in fields})
    command = ReplaceOrder(order_id=order.order_id, version=_version(fields.get("version")), **terms)
    result: OrderResult = await gate.execute(command, asked.origin, asked.text)
    told = refused_change(result)
    if told is not None:
        raise Failure(told)
    return _kept(result, 202)


async def get(gate: Gate, asked: Asked) -> Done:
    """An order as it is. Raises NotFound."""
    order = await _named(gate, asked, check_fields(asked.body, _NAMED))
    return Done(status=200, order=with_verdict(order, None))


VERBS: Final[Mapping[str, Callable[[Gate, Asked], Awaitable[Done]]]] = {
    "submit": submit,
    "preview": preview,
    "cancel": cancel,
    "replace": replace,
    "get": get,
}
ASKING: Final = ("preview", "get")
"""Those that change nothing: without somebody who waits for the answer they are for nothing."""


def _with_fund(asked: Asked) -> Any:
    """The body, with the fund of the subject; it may repeat it."""
    if asked.fund is None or not isinstance(asked.body, Mapping):
        return asked.body
    _check_fund(asked, asked.body)
    return {**asked.body, "fund_id": asked.fund}


def _check_fund(asked: Asked, fields: Mapping[str, Any]) -> None:
    given = fields.get("fund_id")
    if given is not None and asked.fund is not None and given != asked.fund:
        detail = f"{quoted(given)} is not the fund of the subject, {quoted(asked.fund)}: send it to its own"
        raise Invalid(Code.BAD_VALUE, detail, "#/fund_id")


async def _named(gate: Gate, asked: Asked, fields: Mapping[str, Any]) -> Order:
    """The order that a body names, in the fund that subject and body name."""
    if fields.get("order_id") is None:
        raise Invalid(Code.MISSING, "is missing", "#/order_id")
    order_id = parse_order_id(fields["order_id"], "#/order_id")
    _check_fund(asked, fields)
    fund = asked.fund or fields.get("fund_id")
    order = await gate.queries.order(order_id)
    if fund is not None and order.fund_id != fund:
        detail = f"there is no order {quoted(order_id)} in fund {quoted(fund)}"
        raise NotFound(Code.ORDER_NOT_FOUND, detail, "#/order_id")
    return order


def _version(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise Invalid(Code.BAD_VALUE, f"{quoted(given)} is no version: write a number from 1", "#/version")
    return given


def _kept(result: OrderResult, status: int) -> Done:
    if is_refused(result.order):
        raise Failure(refused(result.order, stored=True))
    return Done(status=status, order=with_verdict(result.order, None), replayed=result.replayed)

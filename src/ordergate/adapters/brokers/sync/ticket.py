"""What a class gets, and whether it is one that can be called."""

import importlib
import inspect
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict

from ordergate.application.ports.brokers import Send
from ordergate.domain.errors import Invalid, OrdergateError
from ordergate.domain.money import exact

METHODS: Final = ("place_order", "get_order_status", "close_order")


class ClassError(OrdergateError):
    """A class that cannot be used as a broker; the text says what it lacks."""


def _number(value: object) -> object:
    """The number as given, once it is known to be one."""
    try:
        number = exact(value, "#")
    except Invalid as error:
        raise ValueError(error.detail) from None
    return number if isinstance(value, str) else value


Number = Annotated[int | float | Decimal, BeforeValidator(_number)]


class Ticket(BaseModel):
    """An order as a class gets it.

    Attributes:
        direction: BUY or SELL.
        volume: in the instrument's unit.
        entry_price, stop_loss, take_profit: the signal's levels.
        signal_id: what makes a repetition the same order.
        client_id: ordergate's name of the request, the same in a repetition: put it where your broker keeps a
            comment, and compare.
        order_type: market, limit, stop or stop_limit.
        time_in_force: day, gtc, gtd, ioc, fok or opg.
        expires_at: of a gtd order: when it works no longer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str
    direction: str
    volume: Number
    entry_price: Number | None = None
    stop_loss: Number | None = None
    take_profit: Number | None = None
    strategy_id: str | None = None
    order_manager: str | None = None
    signal_id: UUID | str | None = None
    client_id: str | None = None
    order_type: str = "market"
    limit_price: Number | None = None
    stop_price: Number | None = None
    time_in_force: str = "day"
    expires_at: datetime | None = None


class Inexact(Exception):
    """A decimal that no float stands for."""


def ticket_of(send: Send, *, decimals: bool) -> Ticket:
    """The order for a class, with floats unless it wants decimals.

    Raises:
        Inexact: a number has more digits than a float keeps.
    """

    def number(value: Decimal | None) -> int | float | Decimal | None:
        if value is None or decimals:
            return value
        near = float(value)
        if Decimal(repr(near)) != value:
            raise Inexact(f"{value} is no float: let the class say `decimals = True`")
        return near

    return Ticket(
        symbol=send.symbol,
        direction="BUY" if send.side.sign > 0 else "SELL",
        volume=number(send.quantity) or 0,
        entry_price=number(send.entry_price),
        stop_loss=number(send.stop_loss),
        take_profit=number(send.take_profit),
        strategy_id=send.strategy_id,
        order_manager=send.order_manager,
        signal_id=_uuid(send.signal_id),
        client_id=send.client_id,
        order_type=send.order_type,
        limit_price=number(send.limit_price),
        stop_price=number(send.stop_price),
        time_in_force=send.tif,
        expires_at=send.expires_at,
    )


def _uuid(text: str | None) -> UUID | str | None:
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        return text


def check_class(instance: object) -> None:
    """Raises ClassError unless an object has the methods, synchronous ones."""
    what = type(instance).__name__
    for name in (*METHODS, "has_sufficient_margin", "free_margin"):
        method = getattr(instance, name, None)
        if method is None and name not in METHODS:
            continue
        if not callable(method):
            raise ClassError(f"{what} has no method {name}: a broker has {', '.join(METHODS)}")
        if inspect.iscoroutinefunction(method):
            raise ClassError(f"{what}.{name} is async: it is called in a thread, write it without async")


def make(path: str, options: Mapping[str, Any]) -> object:
    """An instance of the class at `package.module:Class`.

    Raises:
        ClassError: it cannot be found, or not be made with these options.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise ClassError(f"{path!r} names no class: write package.module:Class")
    try:
        made: object = getattr(importlib.import_module(module), name)(**options)
    except Exception as error:
        raise ClassError(f"{path} cannot be made: {type(error).__name__}: {error}") from error
    check_class(made)
    return made

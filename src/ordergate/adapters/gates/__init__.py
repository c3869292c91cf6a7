"""Gates of somebody's own, in this process: any class with a name and an `async def check`."""

import importlib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, cast

from ordergate.application.ports.gates import RiskGate
from ordergate.domain.errors import OrdergateError


class GateClassError(OrdergateError):
    """A class that cannot be used as a gate; the text says what it lacks."""


def check_gate(instance: object) -> None:
    """Raises GateClassError unless an object has a name and can be asked."""
    what = type(instance).__name__
    if not isinstance(name := getattr(instance, "name", None), str) or not name:
        raise GateClassError(f"{what}.name is {name!r}: a gate has a name, by which limits know it")
    if not inspect.iscoroutinefunction(getattr(instance, "check", None)):
        raise GateClassError(f"{what} has no `async def check(question)`")


def make(path: str, options: Mapping[str, Any]) -> RiskGate:
    """An instance of the class at `package.module:Class`.

    Raises:
        GateClassError: it cannot be found, or not be made with these options.
    """
    module, _, name = path.partition(":")
    if not module or not name:
        raise GateClassError(f"{path!r} names no class: write package.module:Class")
    try:
        made: object = getattr(importlib.import_module(module), name)(**options)
    except Exception as error:
        raise GateClassError(f"{path} cannot be made: {type(error).__name__}: {error}") from error
    check_gate(made)
    return cast(RiskGate, made)


class Connected(ABC):
    """A gate that holds a connection, which somebody must let go of.

    Attributes:
        timeout_s: how long it has for its next answer.
    """

    timeout_s: float

    @abstractmethod
    async def close(self) -> None:
        """Lets go of it."""

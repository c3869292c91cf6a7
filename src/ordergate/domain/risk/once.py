"""A property that is computed when it is asked for, and never again."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801  (used as a decorator)
    """A property that is computed once, when it is asked for; without the lock that Python 3.11 takes for that."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, case: Any, _owner: type) -> T:
        value = case.__dict__[self._name] = self._compute(case)
        return value

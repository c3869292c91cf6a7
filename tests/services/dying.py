"""Runs a program that ends itself, as kill -9 would, at a step that a test names: `dying.py MODULE ARGUMENTS`.

MODULE is `ordergate`, or the MetaTrader 5 agent, and has their arguments. The file that the variable DIES names says
where: the step, or `STEP|3` for the third time from now on. It is taken away as the process dies: the next one lives.
"""

import inspect
import os
import runpy
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from ordergate.adapters.brokers.mt5.agent.journal import Journal
from ordergate.adapters.brokers.mt5.agent.local import LocalTerminal

VARIABLE: Final = "DIES"
SETTLE_S: Final = 1.0
"""In place of the half minute after which what MetaTrader 5 does not list says something."""
Which = Callable[[tuple[Any, ...]], bool]
_passed: dict[str, int] = {}


def is_last(step: str) -> bool:
    """Whether the process is to die at that step: what the file says is the beginning of its name."""
    place = Path(os.environ[VARIABLE])
    try:
        said = place.read_text()
    except FileNotFoundError:
        return False
    name, _, times = said.partition("|")
    if not name or not step.startswith(name):
        return False
    _passed[said] = _passed.get(said, 0) + 1
    if _passed[said] < int(times or 1):
        return False
    place.unlink()
    return True


def _here(step: str | None) -> None:
    if step is not None and is_last(step):
        os.kill(os.getpid(), signal.SIGKILL)


def _steps(
    owner: Any, method: str, before: str | None, after: str | None, which: Which = lambda _given: True
) -> None:
    """Before and after a method, where its arguments are such."""
    real = getattr(owner, method)

    def called(*given: Any, **named: Any) -> Any:
        counts = which(given)
        _here(before if counts else None)
        done = real(*given, **named)
        _here(after if counts else None)
        return done

    async def awaited(*given: Any, **named: Any) -> Any:
        counts = which(given)
        _here(before if counts else None)
        done = await real(*given, **named)
        _here(after if counts else None)
        return done

    setattr(owner, method, awaited if inspect.iscoroutinefunction(real) else called)


def _steps_of_the_journal() -> None:
    """In the agent, or in the service that has its terminal on this machine."""
    _steps(Journal, "claim", "unclaimed", "claimed", lambda given: given[4] == "claimed")
    _steps(Journal, "end", "called", "recorded")
    _steps(LocalTerminal, "_ask", "reading", None, lambda given: given[1] == "history_deals_get")


def _steps_of_mt5() -> None:
    from ordergate.adapters.brokers.mt5 import Mt5Broker, telling
    from ordergate.adapters.brokers.mt5.agent.wire import Connection
    from ordergate.adapters.brokers.mt5.link import Link
    from ordergate.bootstrap import brokers
    from ordergate.domain.orders.reports import Ended, Executed

    _steps(Mt5Broker, "submit", "submitting", None)
    _steps(Mt5Broker, "cancel", "canceling", None)
    _steps(Link, "send", "checked", "answered")
    _steps(Connection, "say", None, "given", lambda given: given[1].get("call") == "send")
    _steps(telling.Telling, "_tell", "telling", "told", lambda given: isinstance(given[1], Executed))
    _steps(telling.Telling, "_tell", "ending", "ended", lambda given: isinstance(given[1], Ended))
    brokers.Mt5Broker = partial(brokers.Mt5Broker, settle_s=SETTLE_S)  # type: ignore[misc,assignment]


def _steps_of_mt4() -> None:
    from ordergate.adapters.brokers.mt4 import Mt4Broker, desk, files, telling
    from ordergate.domain.orders.reports import Ended, Executed

    def is_command(given: tuple[Any, ...]) -> bool:
        return given[1].parent.name == "in"

    _steps(Mt4Broker, "submit", "submitting", None)
    _steps(Mt4Broker, "cancel", "canceling", None)
    _steps(desk.Desk, "keep", "planning", "planned")
    _steps(files, "_rename", "written", "given", is_command)
    _steps(desk.Desk, "_command", None, "answered")

    def with_(kind: type) -> Which:
        return lambda given: any(isinstance(one, kind) for one in given[1])

    _steps(telling.Telling, "tell", "telling", "told", with_(Executed))
    _steps(telling.Telling, "tell", "ending", "ended", with_(Ended))


if __name__ == "__main__":
    _, module, *arguments = sys.argv
    sys.argv = [module, *arguments]
    _steps_of_the_journal()
    if module == "ordergate":
        _steps_of_mt5()
        _steps_of_mt4()
    runpy.run_module(module, run_name="__main__", alter_sys=True)

"""What a node journals last whose clock has jumped: a halt, so that the next run sends nothing by itself."""

from typing import Final

import structlog

from ordergate.application.engine import Engine
from ordergate.application.entry import Origin
from ordergate.application.ports.journal import Journal
from ordergate.application.tail import Tail
from ordergate.domain.errors import ClockError, OrdergateError
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level

_ORIGIN: Final = Origin(source="watch")
_log = structlog.get_logger("ordergate.runner")


async def halt_for(jumped: ClockError, engine: Engine, journal: Journal, tail: Tail) -> None:
    """Halts the firm at the journal's last instant, for the present is not known; its end must be held.

    Only for a node that is alone: among several, the one with the wrong clock just leaves.
    """
    if engine.last is None:
        return
    engine.view.sessions.clear()  # the cancels wait for the next run
    command = ThrowSwitch(level=Level.FIRM, name="", reason=str(jumped), trigger=Trigger.CLOCK)
    try:
        step = engine.step(command, engine.last, _ORIGIN)
        if step.encoded:
            await journal.commit(tail.batch(step.encoded, engine.state))
    except OrdergateError as error:
        _log.error("the halt for a clock that jumped could not be written", error=str(error))

"""How a connector is, when it is only asked."""

from typing import Any

from ordergate.adapters.brokers.bus import wire
from ordergate.adapters.brokers.bus.calling import Call, NotAnswered, NotAsked
from ordergate.adapters.brokers.bus.settings import Subjects, Way
from ordergate.application.ports.brokers import Capabilities, Health


async def health_of(call: Call, subjects: Subjects, sends: Way, can: Capabilities) -> Health:
    """Asks the connector what it can do, and for what is open; of one that orders are only published to, nothing."""
    if sends is Way.PUBLISH:
        return Health(reached=False, notes=("orders are only published to this broker: nobody answers",))
    try:
        _raw, said = await call.ask(subjects.call("hello"), wire.HelloOut(), wire.HelloIn)
    except (NotAsked, NotAnswered) as error:
        return Health(reached=False, problems=(f"the connector is away: {error}",))
    lacks = wire.lacking(can, said)
    problems = () if lacks is None else (f"the connector {lacks}: configure what it says",)
    opened = await _ask(call, subjects.call("open"), {}, wire.OpenIn) if can.lists else None
    return Health(
        reached=True,
        open_orders=len(opened.client_ids) if opened is not None and opened.complete else None,
        problems=problems,
    )


async def _ask(call: Call, subject: str, question: Any, kind: type[wire.OpenIn]) -> wire.OpenIn | None:
    try:
        _raw, said = await call.ask(subject, question, kind)
    except (NotAsked, NotAnswered):
        return None
    return said

"""Paper venues that begin while a gate is open, for what is to be simulated."""

from ordergate.adapters.brokers.paper import PaperBroker, PaperSettings
from ordergate.bootstrap.beside import beside
from ordergate.bootstrap.gate import Gate
from ordergate.bootstrap.paper_venues import introduce
from ordergate.config import check_broker_name
from ordergate.domain.errors import Code, Conflict


async def simulate(gate: Gate, name: str) -> None:
    """Begins a paper venue of that name, kept beside the database; nothing, where a broker has it.

    Raises:
        Conflict: the database is on a server, where every node must know the venue: it is configured there.
        ConfigError: a broker cannot have that name.
        StoreError: its record cannot be used.
    """
    if name in gate.brokers:
        return
    if gate.leases.node is not None:
        detail = (
            f'{name!r} is not configured: several nodes simulate it with [brokers.{name}] adapter = "paper"'
        )
        raise Conflict(Code.UNKNOWN_BROKER, detail, "#/broker")
    check_broker_name(name, f"broker {name!r}")
    place = beside(gate.files, name)
    broker = PaperBroker(name, PaperSettings(), place, gate.clock, gate.in_force.catalogue)
    await introduce(broker, gate.brokers, gate.runner)
    await gate.take_up(broker)

"""External gates, as configured."""

from collections.abc import Mapping

from ordergate.adapters.gates import Connected, make
from ordergate.adapters.gates.nats import NatsGate
from ordergate.application.ports.gates import RiskGate
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.connecting import connection_of
from ordergate.bootstrap.grpc import grpc_gates
from ordergate.config import Config


def make_gates(config: Config, secrets: Secrets) -> dict[str, RiskGate]:
    """Those that are made in this process, and those that are asked from it.

    Raises:
        GateClassError: a class cannot be used as one.
        ConfigError, SecretError: the server's credentials are not there.
        GrpcError: one is asked over gRPC, and the extra is not installed.
    """
    gates: dict[str, RiskGate] = {}
    for name, section in config.gates.items():
        if section.made_by is not None:
            gates[name] = make(section.made_by, section.options)
        elif section.subject is not None:
            connection = connection_of(config.nats, secrets, f"ordergate gate {name}")
            gates[name] = NatsGate(name, section.subject, connection, section.timeout_s)
    return {**gates, **grpc_gates(config.gates)}


async def close_gates(gates: Mapping[str, RiskGate]) -> None:
    """Lets go of what they hold."""
    for gate in gates.values():
        if isinstance(gate, Connected):
            await gate.close()

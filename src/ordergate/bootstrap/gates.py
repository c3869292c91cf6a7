"""External gates, as configured."""

from collections.abc import Mapping

from ordergate.adapters.gates import Connected, make
from ordergate.application.ports.gates import RiskGate
from ordergate.bootstrap.grpc import grpc_gates
from ordergate.config import Config


def make_gates(config: Config) -> dict[str, RiskGate]:
    """Those that are made in this process, and those that are asked from it.

    Raises:
        GateClassError: a class cannot be used as one.
        GrpcError: one is asked over gRPC, and the extra `grpc` is not installed.
    """
    gates: dict[str, RiskGate] = {}
    for name, section in config.gates.items():
        if section.made_by is not None:
            gates[name] = make(section.made_by, section.options)
    return {**gates, **grpc_gates(config.gates)}


async def close_gates(gates: Mapping[str, RiskGate]) -> None:
    """Lets go of what they hold."""
    for gate in gates.values():
        if isinstance(gate, Connected):
            await gate.close()

"""The external gates of the configuration."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from ordergate.application.decide.gate import APPROVAL
from ordergate.application.view import GateTerms
from ordergate.config.errors import ConfigError
from ordergate.domain.errors import Invalid
from ordergate.domain.identifiers import parse_name


class GateSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An external gate, which funds name in their limits.

    `class` makes one in this process, `package.module:Class`, with `options` as its keyword arguments. An advisory
    one that is silent agrees.
    """

    made_by: str | None = field(default=None, name="class")
    options: dict[str, Any] = field(default_factory=dict)
    timeout_s: Annotated[int, Meta(ge=1, le=3_600)] = 5
    advisory: bool = False


def terms_of(gates: Mapping[str, GateSection]) -> dict[str, GateTerms]:
    """How they are asked."""
    return {
        name: GateTerms(timeout_s=section.timeout_s, advisory=section.advisory)
        for name, section in gates.items()
    }


def check_gate_sections(gates: Mapping[str, GateSection], where: str) -> None:
    """Raises ConfigError unless they have names of their own."""
    for name in gates:
        try:
            parse_name(name, "#")
        except Invalid as error:
            raise ConfigError(f"{where}gates.{name!r}: {error.detail}") from error
        if name == APPROVAL:
            raise ConfigError(f"{where}gates.{name}: stands for a person: give the gate another name")

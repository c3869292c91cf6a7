"""The external gates of the configuration."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from ordergate.application.decide.gate import APPROVAL
from ordergate.application.view import GateTerms
from ordergate.config.errors import ConfigError
from ordergate.config.grpc import is_target
from ordergate.domain.errors import Invalid
from ordergate.domain.identifiers import parse_name


class GateSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An external gate, which funds name in their limits.

    `class` makes one in this process, `package.module:Class`, with `options` as its keyword arguments; `grpc` is
    where one answers over gRPC, such as 127.0.0.1:50052, and `subject` where one is asked over NATS. An advisory one
    that is silent agrees.
    """

    made_by: str | None = field(default=None, name="class")
    options: dict[str, Any] = field(default_factory=dict)
    grpc: str | None = None
    subject: str | None = None
    timeout_s: Annotated[int, Meta(ge=1, le=3_600)] = 5
    advisory: bool = False


def terms_of(gates: Mapping[str, GateSection]) -> dict[str, GateTerms]:
    """How they are asked."""
    return {
        name: GateTerms(timeout_s=section.timeout_s, advisory=section.advisory)
        for name, section in gates.items()
    }


_SUBJECT: Final = re.compile(r"[!-)+-=?-~]+")
"""No space, no pattern."""


def check_gate_sections(gates: Mapping[str, GateSection], where: str, *, has_nats: bool = False) -> None:
    """Raises ConfigError unless they have names of their own, and each is found in one way."""
    for name, section in gates.items():
        if section.subject is not None:
            _check_subject(section, f"{where}gates.{name}", has_nats=has_nats)
        try:
            parse_name(name, "#")
        except Invalid as error:
            raise ConfigError(f"{where}gates.{name!r}: {error.detail}") from error
        if name == APPROVAL:
            raise ConfigError(f"{where}gates.{name}: stands for a person: give the gate another name")
        if section.grpc is not None and not is_target(section.grpc):
            raise ConfigError(f"{where}gates.{name}.grpc: {section.grpc!r}: write such as 127.0.0.1:50052")
        if section.grpc is not None and (section.made_by, section.subject) != (None, None):
            raise ConfigError(f"{where}gates.{name}: write one of class, grpc and subject")


def _check_subject(section: GateSection, where: str, *, has_nats: bool) -> None:
    subject = section.subject or ""
    if not _SUBJECT.fullmatch(subject) or not all(subject.split(".")):
        raise ConfigError(f"{where}.subject: {subject!r} is no subject: write such as risk.check")
    if section.made_by is not None:
        raise ConfigError(f"{where}: write one of class and subject")
    if not has_nats:
        raise ConfigError(f"{where}.subject: is on a server, and nats.servers names none")

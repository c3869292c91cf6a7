"""How brokers look in answers, with an example, for the OpenAPI document alone."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ordergate.api.rest.answers import Status


class ReconnectRequest(BaseModel):
    """Nothing needs to be said."""

    model_config = ConfigDict(extra="forbid")


class Broker(BaseModel):
    """A broker, as this node knows it."""

    name: str
    adapter: str = Field(description="As the configuration has it.")
    session_open: bool = Field(description="Its session is open on this node.")
    login_refused: str | None = Field(description="What it said; null where it did not refuse.")
    down: str | None = Field(
        description="Why it takes no orders now; null where it may. Orders whose rule names another go there."
    )
    calls: int = Field(description="Of which the latency is told: the last 256 at most that were answered.")
    latency_p50_s: float | None
    latency_p99_s: float | None
    answer_age_s: float | None = Field(
        description="Since it answered last; null where it never did in this run."
    )
    report_age_s: float | None = Field(
        description="Since it reported last; null where it never did in this run."
    )
    clock_ahead_s: float | None = Field(
        description="Its clock against ours; null where its adapter does not tell."
    )
    capabilities: dict[str, Any] = Field(description="What its adapter declares.")


class Ready(Status):
    """That it may be sent work."""

    brokers_down: dict[str, str] | None = Field(
        None, description="Why brokers take no orders now, as far as this node knows; left out where all do."
    )


class Brokers(BaseModel):
    """All of them."""

    items: list[Broker] = Field(description="By name.")


BROKER: Final[dict[str, Any]] = {
    "name": "paper",
    "adapter": "paper",
    "session_open": True,
    "login_refused": None,
    "down": None,
    "calls": 2,
    "latency_p50_s": 0.000412,
    "latency_p99_s": 0.000534,
    "answer_age_s": 3.2,
    "report_age_s": 3.1,
    "clock_ahead_s": None,
    "capabilities": {"calls": 256, "replaces": True, "order_types": ["limit", "market"]},
}

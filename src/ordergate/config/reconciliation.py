"""How accounts are compared with their brokers' own records."""

from collections.abc import Collection
from decimal import Decimal
from typing import Annotated, Final

from msgspec import Meta, Struct, field
from msgspec.structs import asdict, replace

from ordergate.application.comparison import AccountTerms, Policy
from ordergate.config.errors import ConfigError
from ordergate.domain.money import ONE, ZERO
from ordergate.domain.recon.statement import CENT, Terms, Tolerance

_NONE: Final = Tolerance()


class AccountSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one broker; what it does not say is as for all.

    Attributes:
        every_s: between two comparisons.
        strict: also after each order.
        policy: alert raises a break; halt also halts the broker, if a difference is still there after 1, 2 and 4 s;
            correct books the difference of a position or balance. A journal older than the account always halts.
        grace_s: for how long something under way can explain a difference.
        quantities, balances: how far two numbers may be apart, `{absolute = 0, relative = 0}`: the greater counts;
            relative is a share, from 0 to 1, of the broker's.
        opening: money in the account before anything was traded, by currency, where the broker does not say.
    """

    every_s: Annotated[int, Meta(ge=1)] | None = None
    strict: bool | None = None
    policy: Policy | None = None
    grace_s: Annotated[int, Meta(ge=0)] | None = None
    quantities: Tolerance | None = None
    balances: Tolerance | None = None
    opening: dict[str, Decimal] = field(default_factory=dict)


class ReconciliationSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of all brokers that tell of their accounts, and of single ones under `brokers`; see there.

    Without `enabled` an account is compared when its session begins and when somebody asks, not from time to time nor
    after orders. `auto_correct` makes `correct` of `alert` where no broker says otherwise; false makes `alert` of
    every `correct`. A `halt` stays.
    """

    enabled: bool = True
    auto_correct: bool | None = None
    every_s: Annotated[int, Meta(ge=1)] = 300
    strict: bool = False
    policy: Policy = Policy.ALERT
    grace_s: Annotated[int, Meta(ge=0)] = 10
    quantities: Tolerance = _NONE
    balances: Tolerance = CENT
    brokers: dict[str, AccountSection] = field(default_factory=dict)


def account_terms_of(section: ReconciliationSection, broker: str) -> AccountTerms:
    """How the account at a broker is compared."""
    own = section.brokers.get(broker, AccountSection())
    stated = {name: value for name, value in asdict(own).items() if value is not None and name != "opening"}
    both = replace(section, **stated)
    policy = both.policy
    if section.auto_correct is True and policy is Policy.ALERT and own.policy is None:
        policy = Policy.CORRECT
    if section.auto_correct is False and policy is Policy.CORRECT:
        policy = Policy.ALERT
    return AccountTerms(
        every_s=both.every_s if section.enabled else None,
        strict=both.strict and section.enabled,
        policy=policy,
        terms=Terms(
            quantities=both.quantities, balances=both.balances, grace_s=both.grace_s, opening=own.opening
        ),
    )


def check_reconciliation(section: ReconciliationSection, brokers: Collection[str], where: str) -> None:
    """Raises ConfigError where it names a broker that there is not, or an amount that cannot be."""
    for name in section.brokers.keys() - set(brokers):
        known = ", ".join(brokers)
        raise ConfigError(f"{where}reconciliation.brokers: {name!r} is no broker; there are {known}")
    for path, stated in (
        ("", section),
        *((f".brokers.{name}", own) for name, own in section.brokers.items()),
    ):
        for field_name in ("quantities", "balances"):
            tolerance = getattr(stated, field_name) or _NONE
            for part in ("absolute", "relative"):
                value: Decimal = getattr(tolerance, part)
                if not value.is_finite() or value < ZERO:
                    named = f"{where}reconciliation{path}.{field_name}.{part}"
                    raise ConfigError(f"{named}: {value} must be a number, 0 or above")
                if part == "relative" and value > ONE:
                    named = f"{where}reconciliation{path}.{field_name}.{part}"
                    raise ConfigError(
                        f"{named}: {value} must be 1 or below: it is a share, such as 0.01 for one percent"
                    )
    for name, own in section.brokers.items():
        for currency, amount in own.opening.items():
            if not amount.is_finite():
                named = f"{where}reconciliation.brokers.{name}.opening.{currency}"
                raise ConfigError(f"{named}: {amount} is no number")

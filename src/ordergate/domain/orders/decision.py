"""What the gate decided about one order or change, with the numbers that it used: this stands in the journal."""

from decimal import Decimal
from enum import StrEnum

from msgspec import Struct


class RiskCode(StrEnum):
    """Stable codes of refusals, in the order in which the checks run."""

    LIMITS = "RISK_LIMITS"
    BROKER = "RISK_BROKER"
    OPERATION = "RISK_OPERATION"
    ORDER_TYPE = "RISK_ORDER_TYPE"
    ASSET_CLASS = "RISK_ASSET_CLASS"
    STRATEGY = "RISK_STRATEGY"
    RESTRICTED = "RISK_RESTRICTED"
    NO_PRICE = "RISK_NO_PRICE"
    NO_RATE = "RISK_NO_RATE"
    ORDER_QTY = "RISK_ORDER_QTY"
    ORDER_NOTIONAL = "RISK_ORDER_NOTIONAL"
    PRICE_COLLAR = "RISK_PRICE_COLLAR"
    SLIPPAGE = "RISK_SLIPPAGE"
    MARGIN = "RISK_MARGIN"
    BROKER_MARGIN = "RISK_BROKER_MARGIN"
    LEVERAGE = "RISK_LEVERAGE"
    POSITION = "RISK_POSITION"
    GROSS_EXPOSURE = "RISK_GROSS_EXPOSURE"
    NET_EXPOSURE = "RISK_NET_EXPOSURE"
    CLASS_EXPOSURE = "RISK_CLASS_EXPOSURE"
    SECTOR_EXPOSURE = "RISK_SECTOR_EXPOSURE"
    COUNTRY_EXPOSURE = "RISK_COUNTRY_EXPOSURE"
    DAILY_VOLUME = "RISK_DAILY_VOLUME"
    LOSS = "RISK_LOSS"
    MESSAGE_RATE = "RISK_MESSAGE_RATE"
    DUPLICATE = "RISK_DUPLICATE"
    REPEATED = "RISK_REPEATED"
    SHORTING = "RISK_SHORTING"
    HALTED = "RISK_HALTED"
    REDUCE_ONLY = "RISK_REDUCE_ONLY"
    GATE = "RISK_GATE"
    NOT_APPROVED = "RISK_NOT_APPROVED"


class PriceSource(StrEnum):
    """Where a reference price comes from; a token that is moved is worth itself."""

    QUOTE = "quote"
    LIMIT = "limit"
    STOP = "stop"
    ENTRY = "entry"
    ITSELF = "itself"


class RiskRefusal(Struct, frozen=True, gc=False):
    """Why an order may not be sent: the code, the words, and the numbers that were compared."""

    code: RiskCode
    reason: str
    numbers: dict[str, Decimal] = {}


class RiskDecision(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the gate said.

    Attributes:
        gate: the check or external gate that refused; None where all agreed.
        code: of a refusal.
        numbers: what was compared, in US dollars or the instrument's unit.
        limits: the versions of the limits that counted, by scope, such as `fund paper-momentum`.
        waived: refusals that an override has let pass.
        reference_price: in the instrument's currency; None where no check needed one.
    """

    gate: str | None = None
    code: RiskCode | None = None
    reason: str | None = None
    numbers: dict[str, Decimal] = {}
    limits: dict[str, int] = {}
    reference_price: Decimal | None = None
    price_source: PriceSource | None = None
    waived: tuple[RiskCode, ...] = ()

"""What is published where, and the JSON Schema of it."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from ordergate.adapters.outlets.nats import messages as m
from ordergate.adapters.outlets.nats.positions import BucketMark, PositionValue
from ordergate.application.alerting import Alert
from ordergate.application.entry import Entry

PUBLISHED: Final[tuple[tuple[str, type[Struct]], ...]] = (
    ("mts.v1.oms.orders.<verb>", m.MtsOrder),
    ("mts.v1.oms.fills.<verb>", m.MtsFill),
    ("orders.<status>.<symbol>", m.OrdersStatus),
    ("ORDER_UPDATE", m.OrderUpdate),
    ("ordergate.v1.evt.<fund>.<kind>", Entry),
    ("ordergate.v1.alerts.<kind>", Alert),
    ("mts.v1.oms.positions.<fund>.<symbol>", PositionValue),
    ("ordergate.v1.positions.<log>", BucketMark),
)
"""Subjects, and last keys of the bucket, with what stands there."""
_DECIMAL: Final = "^-?[0-9]+(\\.[0-9]+)?$"


def document() -> dict[str, Any]:
    """The JSON Schema of all of it; each is one of the definitions."""
    kinds = [kind for _subject, kind in PUBLISHED]
    _references, definitions = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    _write_out_decimals(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What ordergate publishes over NATS",
        "anyOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds],
        "$defs": definitions,
    }


def _write_out_decimals(schema: Any) -> None:
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            schema["pattern"] = _DECIMAL
        for inner in schema.values():
            _write_out_decimals(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _write_out_decimals(inner)

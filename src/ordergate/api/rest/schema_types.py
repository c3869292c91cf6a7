"""Kinds of values in bodies, as JSON Schema has them."""

from typing import Annotated, Any, Final

from pydantic import Field, WithJsonSchema

_NUMBER: Final = r"^[+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_SHOWN_NUMBER: Final = r"^-?[0-9]+(\.[0-9]+)?$"
_TIME: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$"
)

Positive = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _NUMBER, "maxLength": 64},
                {"type": "number", "exclusiveMinimum": 0},
            ],
            "description": "Above zero, as text or as a JSON number; at most 18 digits on each side of the point.",
        }
    ),
]
NotNegative = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _NUMBER.replace("[+]?", "[+-]?"), "maxLength": 64},
                {"type": "number", "minimum": 0},
            ],
            "description": "A number, zero or above.",
        }
    ),
]
Number = Annotated[str, WithJsonSchema({"type": "string", "pattern": _SHOWN_NUMBER, "format": "decimal"})]
Instant = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
When = Annotated[str, WithJsonSchema({"type": "string", "pattern": _TIME})]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,63}$")]
OrderId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
Key = Annotated[str, Field(min_length=1, max_length=255)]
Index = Annotated[int, Field(ge=0)]

"""The OpenAPI document, made once: it takes a while."""

from typing import Any, Final

from ordergate.api.rest.openapi import document
from ordergate.api.rest.routes import OPERATIONS

DOCUMENT: Final[dict[str, Any]] = document(OPERATIONS)

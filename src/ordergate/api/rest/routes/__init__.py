"""Everything that the door can do. Hot paths come first: routes are tried in order."""

from typing import Final

from ordergate.api.rest.operation import Operation
from ordergate.api.rest.routes import (
    around,
    brokering,
    configuring,
    following,
    overriding,
    reading,
    reconciling,
    risking,
    submitting,
    valuing,
)

OPERATIONS: Final[tuple[Operation, ...]] = (
    *submitting.OPERATIONS,
    *following.OPERATIONS,
    *reading.OPERATIONS,
    *valuing.OPERATIONS,
    *risking.OPERATIONS,
    *overriding.OPERATIONS,
    *reconciling.OPERATIONS,
    *brokering.OPERATIONS,
    *configuring.OPERATIONS,
    *around.OPERATIONS,
)

"""How orders that are worked in slices look in answers."""

from pydantic import Field

from ordergate.api.rest.shown import Shown
from ordergate.domain.algos.terms import Algorithm


class Algo(Shown):
    """How a parent is worked, by children; no broker has the parent itself."""

    algorithm: Algorithm
    horizon_s: int = Field(description="Over which its slices are spread, from its acceptance.")
    slices: int = Field(description="How many are planned.")
    made: int = Field(description="The number of the last one that became a child.")

"""What is asked of a parent beside what is asked of any order."""

from msgspec import Struct


class WorkParent(Struct, frozen=True, gc=False):
    """Make the child that is due now, if any; asking again makes no other."""

    order_id: str


AlgoCommand = WorkParent

"""What a test's chain must be able to do; and what a node refuses, as JSON-RPC tells it."""

from typing import Any, Protocol


class Refusal(Exception):
    """A node refuses a call."""

    def __init__(self, message: str, code: int = -32000, data: str | None = None) -> None:
        super().__init__(message)
        self.message, self.code, self.data = message, code, data


class ChainNode(Protocol):
    """A chain with a way to move it.

    Attributes:
        automines: whether each transaction gets a block of its own at once.
    """

    chain_id: int
    automines: bool

    def ask(self, method: str, params: list[Any]) -> Any:
        """What the node answers. Raises Refusal."""
        ...

    def mine(self, blocks: int = 1) -> None:
        """Blocks, the first with everything that waits."""
        ...

    def reorganise(self, depth: int) -> None:
        """Replaces the last blocks by as many empty ones; what was in them waits for nobody: it is forgotten."""
        ...

    def snapshot(self) -> Any:
        """A state to come back to."""
        ...

    def revert(self, snapshot: Any) -> None:
        """As it was."""
        ...

    def give(self, address: str, wei: int) -> None:
        """Native money, from nowhere."""
        ...

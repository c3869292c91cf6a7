"""The journal's growing end: entries become lines, the tree grows, and the result is signed."""

from collections.abc import Sequence

from ordergate.application.entry import Entry, encode, kind_of
from ordergate.application.ports.journal import Batch, Line, Node
from ordergate.domain.book import Book
from ordergate.protocols.tlog import Checkpoint, Signer, TreeBuilder, leaf_hash


class Tail:
    """What the next entry is hashed onto.

    Args:
        origin: the log's name in its checkpoints.
        signer: signs the checkpoint of every batch; its name is the origin.
    """

    def __init__(self, origin: str, signer: Signer, tree: TreeBuilder) -> None:
        self.origin, self._signer, self._tree = origin, signer, tree

    def batch(self, entries: Sequence[Entry], state: Book) -> Batch:
        """One transaction's worth: the entries, and the rows that they changed."""
        first = self._tree.size
        lines: list[Line] = []
        nodes: list[Node] = []
        payloads: dict[str, bytes] = {}
        for entry in entries:
            data, beside = encode(entry)
            payloads.update(beside)
            digest = leaf_hash(data)
            nodes.extend(Node(*node) for node in self._tree.append(digest))
            lines.append(Line(data, digest, kind_of(entry.event), entry.order_id))
        return Batch(
            first=first,
            lines=lines,
            rows={table: tuple(rows.values()) for table, rows in state.changed().items()},
            nodes=nodes,
            checkpoint=self._sign(),
            payloads=payloads,
        )

    def _sign(self) -> str:
        checkpoint = Checkpoint(self.origin, self._tree.size, self._tree.root())
        return checkpoint.sign(self._signer).decode()

    def mark(self) -> object:
        """A point to come back to."""
        return self._tree.snapshot()

    def back(self, mark: object) -> None:
        """Takes back what was appended since."""
        self._tree.restore(mark)  # type: ignore[arg-type]

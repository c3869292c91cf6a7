"""The journal's growing end: entries become lines, the tree grows, and the result is signed."""

from collections.abc import Sequence

from ordergate.application.entry import Encoded
from ordergate.application.ports.journal import Batch, Line, Node
from ordergate.domain.book import Book
from ordergate.protocols.tlog import Checkpoint, Signer, TreeBuilder, leaf_hash


class Tail:
    """What the next entry is hashed onto.

    Args:
        signer: signs the checkpoint of every batch; its name is the log's origin.
    """

    def __init__(self, signer: Signer, tree: TreeBuilder) -> None:
        self._signer, self._tree = signer, tree

    def batch(self, entries: Sequence[Encoded], state: Book) -> Batch:
        """One transaction's worth: the entries, and the rows that they changed."""
        first = self._tree.size
        lines: list[Line] = []
        nodes: list[Node] = []
        payloads: dict[str, bytes] = {}
        for entry in entries:
            payloads.update(entry.payloads)
            digest = leaf_hash(entry.data)
            nodes.extend(Node(*node) for node in self._tree.append(digest))
            lines.append(Line(entry.data, digest, entry.kind, entry.order_id))
        rows, before = {}, {}
        for table, are, were in state.changed():
            rows[table], before[table] = are, were
        return Batch(
            first=first,
            lines=lines,
            rows=rows,
            before=before,
            nodes=nodes,
            checkpoint=self._sign(),
            payloads=payloads,
        )

    def _sign(self) -> str:
        checkpoint = Checkpoint(self._signer.name, self._tree.size, self._tree.root())
        return checkpoint.sign(self._signer).decode()

    def follow(self, line: Line) -> None:
        """Grows by a line that another node has written."""
        self._tree.append(line.hash)

    def root(self) -> bytes:
        """Of the tree so far."""
        return self._tree.root()

    def mark(self) -> object:
        """A point to come back to."""
        return self._tree.snapshot()

    def back(self, mark: object) -> None:
        """Takes back what was appended since."""
        self._tree.restore(mark)  # type: ignore[arg-type]

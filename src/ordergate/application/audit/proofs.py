"""Receipts: for every entry of an order a proof that stands alone, to be checked with the log's public key only."""

from ordergate.application.audit.ending import open_signed
from ordergate.application.audit.reading import lines_of
from ordergate.application.audit.verify import check_line
from ordergate.application.nodes import with_nodes
from ordergate.application.ports.journal import JournalReader
from ordergate.domain.errors import AuditError
from ordergate.protocols.tlog import Nodes, ProofError, TlogProof, inclusion_proof, subtrees, verify_inclusion


async def proofs(reader: JournalReader, order_id: str) -> list[tuple[int, bytes, bytes]]:
    """Index, bytes and `.tlog-proof` file of every entry of an order, over the last checkpoint.

    Raises:
        NotFound: there is no such order.
        AuditError: an entry is not in the tree that was signed.
    """
    lines = await lines_of(reader, order_id)
    head = await reader.head()
    end = open_signed(head.checkpoint, None, "the last checkpoint")
    found = []
    for index, line in lines:
        check_line(line, index)
        hashes = await _path(reader, index, end.size)
        try:
            verify_inclusion(index, end.size, line.hash, hashes, end.root)
        except ProofError as error:
            raise AuditError(f"entry {index} is not what was signed: {error}", index) from error
        proof = TlogProof(index, tuple(hashes), head.checkpoint.encode())
        found.append((index, line.data, proof.encode()))
    return found


async def _path(reader: JournalReader, index: int, size: int) -> list[bytes]:
    def ask(nodes: Nodes) -> list[bytes]:
        return inclusion_proof(index, size, subtrees(nodes))

    return await with_nodes(reader, ask)

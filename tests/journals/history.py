"""Long histories, quickly: what one order has left behind, many times over under other names.

Rows and lines are there and the tree is signed, so that a gate opens on it as on any journal. What the lines tell is
always the same order, so the tables do not follow from them.
"""

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ordergate.application.nodes import load_tree
from ordergate.application.ports.journal import Batch, Journal, Line, Node
from ordergate.protocols.tlog import Checkpoint, Signer, leaf_hash

_AT_ONCE = 5_000


async def multiply(
    journal: Journal, signer: Signer, order_id: str, count: int, progress: Callable[[int], None] = print
) -> None:
    """Writes `count` orders like one that has ended, each with its key, its fills and one line."""
    (order,) = await journal.get("orders", [(order_id,)])
    fills = await journal.select("fills", {"order_id": order_id})
    keys = [key for key in await journal.select("keys") if key.order_id == order_id]
    (line,) = await journal.lines((await journal.indices(order_id))[-1], 1)
    head = await journal.head()
    tree = await load_tree(journal, head.size)
    for start in range(0, count, _AT_ONCE):
        names = [f"{order_id}-{number}" for number in range(start, min(start + _AT_ONCE, count))]
        first, lines, nodes = tree.size, [], []
        for name in names:
            data = line.data.replace(order_id.encode(), name.encode())
            digest = leaf_hash(data)
            lines.append(Line(data, digest, line.kind, name))
            nodes += [Node(*node) for node in tree.append(digest)]
        rows: dict[str, list[Any]] = {
            "orders": [replace(order, order_id=n, broker_order_id=f"B{n}", idempotency_key=n) for n in names],
            "fills": [replace(fill, order_id=n) for n in names for fill in fills],
            "keys": [replace(key, order_id=n, key=n) for n in names for key in keys],
        }
        note = Checkpoint(signer.name, tree.size, tree.root()).sign(signer).decode()
        await journal.commit(Batch(first=first, lines=lines, rows=rows, nodes=nodes, checkpoint=note))
        progress(start + len(names))

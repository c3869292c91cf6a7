"""The paper venue's record in PostgreSQL: a schema of its own, which the nodes of a service share.

Nothing here is imported unless a venue is kept there: the driver comes with the extra `ordergate[postgres]`.
"""

from ordergate.adapters.brokers.paper.postgres.board import Board
from ordergate.adapters.brokers.paper.postgres.store import PostgresStore

__all__ = ["Board", "PostgresStore"]

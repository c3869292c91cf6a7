"""How Alembic reaches the database: through the connection that it is given."""

from alembic import context

from ordergate.adapters.journals.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()

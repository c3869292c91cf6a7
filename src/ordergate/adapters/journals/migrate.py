"""Bringing a database to this program's schema, through Alembic."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.pool import StaticPool


def upgrade(connection: sqlite3.Connection) -> None:
    """Runs what migrations are missing, all in one transaction, on an open connection.

    What is cut off leaves the database as it was.
    """
    with (
        bind(connection) as bound,
        bound.begin(),
    ):  # one that Alembic finds open it leaves to whoever began it
        command.upgrade(config(bound), "head")


def bind(connection: sqlite3.Connection) -> sa.Connection:
    """The connection as SQLAlchemy sees it, with real transactions around DDL."""
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    sa.event.listen(engine, "begin", lambda bound: bound.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine.connect()


def config(bound: sa.Connection) -> Config:
    """Alembic's configuration for that connection."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    made.attributes["connection"] = bound
    return made

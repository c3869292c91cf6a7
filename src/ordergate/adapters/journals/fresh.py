"""A new database file gets the schema at once, as the migrations would make it one after the other.

`fresh.sql` is made from the migrations by docs/generate.py.
"""

import sqlite3
from pathlib import Path
from typing import Final

SCRIPT: Final = Path(__file__).with_name("fresh.sql")


def lay_out(connection: sqlite3.Connection) -> None:
    """Makes every table in an empty database, in one transaction.

    What is cut off leaves the database as it was.
    """
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{SCRIPT.read_text(encoding='utf-8')}COMMIT;")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def script_of(connection: sqlite3.Connection) -> str:
    """What makes the tables of an open database anew, with the version that it has."""
    made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    statements = [
        *(row[0] for row in made),
        f"INSERT INTO alembic_version (version_num) VALUES ('{version}')",
    ]
    return "".join(f"{statement};\n" for statement in statements)

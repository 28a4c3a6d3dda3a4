"""Runs the migrations on the connection that ``portal.db.upgrade`` hands over.

Plain Alembic, not its Flask wrapper: a release migrates before, and without, building the web app, and the worker's
host can do it as well as the web's.

Invariants:
 - One migrating process at a time, in a whole cluster of hosts: an advisory lock, held by the session.
 - A migration that cannot get its locks soon gives up instead of queueing behind a long read and stopping the site.
 - Each revision is one transaction.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, text

from portal.db import Base

# Any constant does, as long as every release uses the same one.
MIGRATION_LOCK = 0x666C5F6D6967
WAIT_FOR_OTHER_MIGRATION = "120s"
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"


def migrate(connection: Connection) -> None:
    """Bring the database behind ``connection`` to the wanted revision."""
    connection.execute(text(f"SET lock_timeout = '{WAIT_FOR_OTHER_MIGRATION}'"))
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.commit()
    try:
        context.configure(connection=connection, target_metadata=Base.metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.commit()


migrate(context.config.attributes["connection"])

"""What Alembic runs: the connection and all settings come from `matrioska.store.journal.migrate`."""

from alembic import context

context.configure(**context.config.attributes["configure"])
context.run_migrations()

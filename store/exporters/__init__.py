"""Exporters: ways of taking a run's deliverable away."""

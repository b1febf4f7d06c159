"""Checks: pure functions that find faults and say them in words fit for a model or a person."""

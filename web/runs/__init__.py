"""Runs and questions, seen and steered from outside: the monitor's backend, and its HTTP API."""

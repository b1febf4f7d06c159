"""Deliverables shown as they look, on an origin of their own where they can reach nothing."""

"""Measures of the engine beside other ways of running the same work. Run ``python -m bench --help``."""

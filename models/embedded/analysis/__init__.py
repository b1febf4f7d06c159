"""Data-analysis projects: extract, clean, analyse, draw and report, with the standard library alone."""

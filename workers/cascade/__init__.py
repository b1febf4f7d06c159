"""The cascade: a tree of minds that delegates down and thinks its way up."""

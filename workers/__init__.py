"""Ways of doing a module."""

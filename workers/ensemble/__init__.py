"""The ensemble: many small models that vote."""

"""What lasts: checkpoints, artifacts, settings, the lease of a thread."""

"""Who thinks: the registry of models, the gateway for calls, and the embedded model."""

"""The embedded model: rule-based, no key, no GPU, no download. It says so, and what it can do."""

"""Written deliverables: plans, specifications, comparisons, guides, articles and small pieces."""

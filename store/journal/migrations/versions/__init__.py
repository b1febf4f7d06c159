"""The revisions. Each stands as it was when it was released: none of them may import today's tables."""

"""What is said to models: one Markdown template per role, and the renderer."""

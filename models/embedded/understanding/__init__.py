"""How the embedded model reads a task: language, kind, things, fields, wishes."""

"""Any transformers pipeline as a worker: files in, whiteboard values and artifacts out."""

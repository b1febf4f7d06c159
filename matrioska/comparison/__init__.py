"""Is the answer of many better than that of one? The same questions to each way, a blind judge, and honest figures."""

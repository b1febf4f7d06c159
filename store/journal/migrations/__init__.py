"""How the journal's tables came about, one file a revision; run by `matrioska.store.journal.migrate`."""

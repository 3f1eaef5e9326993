"""Floor 0: configuration, artefacts, store, graph, ledger and events. Knows nothing of language models."""

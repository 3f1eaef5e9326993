"""Phase 3: bring the base model here, and choose how to tune it from evidence and a plan."""

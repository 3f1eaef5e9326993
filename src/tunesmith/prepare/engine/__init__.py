"""Runs operators over batches of rows: fused, in several processes, and on from where a kill fell."""

"""Score a model on held-out rows, probe what tuning may have broken, and gate on the comparison."""

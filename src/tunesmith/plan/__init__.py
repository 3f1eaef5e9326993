"""Decide, from the base model's own scores, whether tuning is needed at all."""

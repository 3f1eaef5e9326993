"""Supervised tuning: rows and a base model -> an adapter or a whole tuned model."""

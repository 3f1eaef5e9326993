"""Alignment: a tuned model and pairs of answers -> a model that prefers the better one."""

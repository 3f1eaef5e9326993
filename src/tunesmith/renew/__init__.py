"""Tune again when new rows come: mix in old ones, and promote what does no harm."""

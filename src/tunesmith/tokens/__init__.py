"""Rows of text to rows of token ids: chat templates, label masks, batches."""

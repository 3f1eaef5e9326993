"""Token by token: key/value cache, batched steps, choice of the next token, and text as it grows."""

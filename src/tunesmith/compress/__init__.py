"""Verb `compress`: smaller forms of a tuned model, each loaded again and measured beside the merged one."""

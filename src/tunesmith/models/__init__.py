"""What a model is, from its files: parameters, shapes, and the merging of adapters."""

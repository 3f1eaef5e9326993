"""Ways to run a pipeline's steps. Backends know `tunesmith.core` only."""

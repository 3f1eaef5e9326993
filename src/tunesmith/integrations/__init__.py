"""One file for each heavy library; the only place that may import it."""

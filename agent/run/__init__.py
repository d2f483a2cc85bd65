"""Start, supervise, stop: the composition root and what keeps it alive."""

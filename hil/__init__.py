"""The bench: a simulated car, sky, backend and power switch around the real program."""

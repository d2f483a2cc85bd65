"""The daemon: the only package that knows the others; it composes and translates."""

"""Benchmarks, each beside what a user would run instead."""

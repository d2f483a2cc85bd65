"""Durable, ordered, bounded: synchronous SQLite that knows no loop and no clock."""

"""Typed settings, and cars as data."""

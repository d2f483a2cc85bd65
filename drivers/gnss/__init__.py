"""Satellite receiver on a serial line."""
